import { request as httpRequest } from 'node:http';
import { expect } from 'vitest';
import type { Life } from './killing.ts';
import type { Committed, Witness } from './witness.ts';

/** A transaction to be sent. */
export interface Sent {
  /** What the witness knows it by. */
  readonly key: string;
  readonly body: string;
  /** Whether that is its idempotency key, so that it may be sent again. */
  readonly isKeyed: boolean;
  /** Codes that it may be refused with. */
  readonly refusals?: readonly string[];
}

/** What a writer works with. */
export interface WriterOptions extends Life {
  readonly database: string;
  readonly witness: Witness;
  /** The next transaction to send; undefined to end. */
  readonly next: () => Sent | undefined;
  /** Whether a transaction with an idempotency key is sent twice at once; never, where nobody says. */
  readonly isTwice?: () => boolean;
  /** Told of what was committed. */
  readonly committed?: (answer: Committed) => void;
  /** Reads again what transactions are made of, after one was refused; streams go by what others read. */
  readonly refresh?: () => Promise<void>;
}

/** What a writer is told: a commit, or why there is none. */
export type Answer = Committed & {
  readonly duplicate: boolean;
  readonly code?: string;
  readonly detail?: string;
};

/** Remembers an outcome: a commit, or a refusal that may be. */
export function take(
  { witness, committed }: Pick<WriterOptions, 'witness' | 'committed'>,
  { key, refusals }: Sent,
  answer: Answer,
): void {
  const promised = witness.promisedTx(key);
  if (answer.code !== undefined && refusals?.includes(answer.code) === true) {
    expect(promised, `I8: ${key} was acknowledged before: ${answer.detail}`).toBeUndefined();
    witness.refuse(key);
    return;
  }
  expect(answer.code, `${key}: ${answer.detail}`).toBeUndefined();
  if (promised !== undefined) {
    expect(answer.duplicate, `I8: ${key} was acknowledged before`).toBe(true);
    expect(answer.tx, `I8: ${key} is the transaction that it was`).toBe(promised);
  }
  witness.acknowledge(key, answer);
  committed?.(answer);
}

/** Sends one transaction after the other until the server dies. @returns what has no outcome */
export async function writeSingly(options: WriterOptions): Promise<Sent[]> {
  const { witness, next, isTwice, alive, heard, refresh } = options;
  for (let sent = next(); sent !== undefined && alive(); sent = next()) {
    let answers: readonly Answer[];
    try {
      const copies = sent.isKeyed && isTwice?.() === true ? [sent, sent] : [sent];
      answers = await allOrCut(copies.map((copy) => post(options, copy)));
    } catch (error) {
      // The server died under the request; whether it was committed is for the feed to say.
      if (!isCut(error) || alive()) throw error;
      return [sent];
    }
    for (const answer of inOrder(answers)) {
      // Another copy may have been refused before this one was committed.
      if (answers.length > 1 && answer.code === undefined) witness.retry(sent.key);
      take(options, sent, answer);
    }
    heard();
    if (answers.some(({ code }) => code !== undefined) && refresh !== undefined)
      await untilCut(alive, refresh());
  }
  return [];
}

async function post({ url, database }: WriterOptions, { body }: Sent): Promise<Answer> {
  const response = await fetch(`${url}/v1/${database}/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const answer = (await response.json()) as Answer;
  expect(response.ok, answer.detail).toBe(answer.code === undefined);
  return answer;
}

/** When all have ended. @throws one of the errors, what is no end of a connection first */
async function allOrCut<T>(doing: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(doing);
  const errors = ended.flatMap((each) =>
    each.status === 'rejected' ? [each.reason as unknown] : [],
  );
  if (errors.length > 0) throw errors.find((error) => !isCut(error)) ?? errors[0];
  return Promise.all(doing);
}

/** Answers to copies of one transaction as they must have come to be: what was refused is not remembered (I8). */
function inOrder(answers: readonly Answer[]): readonly Answer[] {
  const place = ({ code, duplicate }: Answer): number => {
    if (code !== undefined) return 0;
    return duplicate ? 2 : 1;
  };
  return answers.toSorted((a, b) => place(a) - place(b));
}

/** Ends well where the server dies under what is done. */
export async function untilCut(alive: () => boolean, doing: Promise<unknown>): Promise<void> {
  try {
    await doing;
  } catch (error) {
    if (!isCut(error) || alive()) throw error;
  }
}

/**
 * Sends a stream of transactions with up to `window` on their way, so that many share an append.
 * @returns what has no outcome, in the order in which it was sent
 */
export function writeStream(options: WriterOptions, window: number): Promise<Sent[]> {
  const { url, database, next, alive, heard } = options;
  const waiting: Sent[] = [];
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/v1/${database}/transactions?facts=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    const ended = (error?: unknown): void => {
      if (error !== undefined && (!isCut(error) || alive())) reject(error as Error);
      else resolve(waiting);
    };
    const fill = (): void => {
      while (waiting.length < window && !request.writableEnded) {
        const sent = alive() ? next() : undefined;
        if (sent === undefined) request.end();
        else {
          waiting.push(sent);
          request.write(`${sent.body}\n`);
        }
      }
    };
    request.on('error', ended).on('response', (response) => {
      let rest = '';
      response
        .on('error', ended)
        .on('close', () => ended())
        .on('data', (chunk: Buffer) => {
          const lines = (rest + chunk.toString()).split('\n');
          // A line that the server died in the middle of is no answer.
          rest = lines.pop() ?? '';
          try {
            for (const line of lines) {
              take(options, waiting.shift() as Sent, JSON.parse(line) as Answer);
              heard();
            }
            fill();
          } catch (error) {
            reject(error as Error);
            request.destroy();
          }
        });
    });
    fill();
  });
}

/** Whether this is how a connection ends whose server was killed. */
export function isCut(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  const { code } = error as { readonly code?: string };
  return ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code ?? '');
}
