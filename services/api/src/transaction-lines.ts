import { type CommitResult, printCommit, printProblem } from '@pyralog/client';
import { PyralogError } from '@pyralog/model';
import { problemFor } from './problems.ts';
import type { BodyBudget, Line } from './bodies.ts';

export interface LinesOptions {
  readonly transact: (document: Uint8Array) => Promise<CommitResult>;
  /** Answers list the facts written. */
  readonly withFacts: boolean;
  /** Documents that may be on their way at once. */
  readonly inFlightMax: number;
  /** Bytes of documents that may be; one document always may. */
  readonly bytesMax: number;
  /** Answers that may wait for a slow reader, in characters. */
  readonly unsentMax: number;
  /** Ends the reading of lines; what is on its way is answered. */
  readonly stopping: AbortSignal;
  /** Gets back the bytes of lines that are done. */
  readonly budget: Pick<BodyBudget, 'give'>;
  /** Told of every problem that a line is answered with. */
  readonly onProblem: (problem: PyralogError) => void;
}

/** Characters of answers that go out together. */
const CHUNK = 32 * 1024;

interface Entry {
  readonly bytes: number;
  answer: string | undefined;
}

/**
 * Commits one document a line, and answers line by line in order while lines still arrive. A refused line is answered by its
 * problem (with its `line`) and the rest goes on. Reads no further line while the bounds of {@link LinesOptions} are reached.
 */
export async function* answerLines(
  lines: AsyncIterable<Line>,
  options: LinesOptions,
): AsyncGenerator<string> {
  const window = new Window(options);
  // Not awaited: it may hang on a sender that says nothing more, until the connection ends.
  void window.read(lines);
  try {
    for (;;) {
      const text = await window.next();
      if (text === undefined) break;
      yield text;
    }
  } finally {
    window.end();
  }
}

/** What was read and not yet sent, in order. */
class Window {
  readonly #options: LinesOptions;
  readonly #entries: Entry[] = [];
  #inFlight = 0;
  #bytes = 0;
  #unsent = 0;
  #lastLine = 0;
  #allRead = false;
  #ended = false;
  #wakeReader: () => void = () => undefined;
  #wakeWriter: () => void = () => undefined;

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  /** Starts what the lines say, until they end, the caller goes away, or the server stops. */
  async read(lines: AsyncIterable<Line>): Promise<void> {
    const { stopping } = this.#options;
    const stop = (): void => this.#stop();
    stopping.addEventListener('abort', stop);
    try {
      if (stopping.aborted) stop();
      for await (const line of lines) {
        while (this.#isFull() && !this.#ended)
          await new Promise<void>((resolve) => (this.#wakeReader = resolve));
        if (this.#ended) {
          this.#options.budget.give(line.bytes?.length ?? 0);
          return;
        }
        this.#lastLine = line.number;
        this.#start(line);
      }
    } catch {
      // The sender went away in the middle of a line; there is nobody to answer.
    } finally {
      stopping.removeEventListener('abort', stop);
      this.#allRead = true;
      this.#wakeWriter();
    }
  }

  /** The next answers, or undefined after the last. */
  async next(): Promise<string | undefined> {
    for (;;) {
      if (this.#entries[0]?.answer !== undefined) return this.#take();
      if (this.#allRead && this.#entries.length === 0) return undefined;
      await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
    }
  }

  /** Nobody reads the answers any more. */
  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  #stop(): void {
    this.end();
    this.#refuse(
      this.#lastLine + 1,
      new PyralogError(
        'stopping',
        'The server is stopping: neither this line nor what follows it was committed.',
      ),
    );
    this.#allRead = true;
  }

  #take(): string {
    let text = '';
    let count = 0;
    while (text.length < CHUNK) {
      const answer = this.#entries[count]?.answer;
      if (answer === undefined) break;
      text += answer;
      count++;
    }
    this.#entries.splice(0, count);
    this.#unsent -= text.length;
    this.#wakeReader();
    return text;
  }

  #isFull(): boolean {
    const { inFlightMax, bytesMax, unsentMax } = this.#options;
    return (
      this.#inFlight >= inFlightMax ||
      (this.#bytes >= bytesMax && this.#inFlight > 0) ||
      this.#unsent >= unsentMax
    );
  }

  #start(line: Line): void {
    const { number, bytes } = line;
    if (bytes === undefined) {
      this.#refuse(number, line.refusal);
      return;
    }
    const { transact, withFacts, onProblem } = this.#options;
    const entry: Entry = { bytes: bytes.length, answer: undefined };
    this.#entries.push(entry);
    this.#inFlight++;
    this.#bytes += entry.bytes;
    transact(bytes).then(
      (result: CommitResult) => this.#settle(entry, `${printCommit(result, withFacts)}\n`),
      (error: unknown) => {
        const problem = problemFor(error);
        onProblem(problem);
        this.#settle(entry, problemLine(number, problem));
      },
    );
  }

  #settle(entry: Entry, answer: string): void {
    entry.answer = answer;
    this.#inFlight--;
    this.#bytes -= entry.bytes;
    this.#options.budget.give(entry.bytes);
    this.#unsent += answer.length;
    this.#wakeReader();
    if (this.#entries[0] === entry) this.#wakeWriter();
  }

  #refuse(number: number, error: PyralogError): void {
    const answer = problemLine(number, error);
    this.#entries.push({ bytes: 0, answer });
    this.#unsent += answer.length;
    this.#wakeWriter();
  }
}

function problemLine(line: number, error: PyralogError): string {
  return `${printProblem(error, { line })}\n`;
}
