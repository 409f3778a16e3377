import { type FeedEvent, printFeedEvent, printProblem } from '@pyralog/client';
import type { PyralogError } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import { problemFor } from './problems.ts';

/** Characters of lines that go out together. */
const CHUNK = 32 * 1024;
/** A long poll answers when it has about so many characters, so that it can say in a header how far it came. */
const POLL_TEXT_MAX = 1024 * 1024;

/** One reader's place in a feed. */
export interface FeedReading {
  readonly events: AsyncIterator<FeedEvent>;
  readonly signal: AbortSignal;
  /** Told of a problem that ends it on the way. */
  readonly onProblem: (problem: PyralogError) => void;
}

/** An answer up to now: `next` is known only at its end. */
export interface FeedLines {
  readonly texts: AsyncIterable<string>;
  next(): string;
}

/** Ends the feed that is read. Its last step may hang until the signal is noticed, so it is not awaited. */
export function endReading({ events }: FeedReading): void {
  events.return?.().catch(() => undefined);
}

/**
 * A feed as NDJSON. The last line is a progress with the offset to go on from; an answer without one is incomplete. An error on
 * the way is a line with its problem.
 * @param first taken before the answer began, so that a bad offset is an error instead of a stream
 */
export function feedLines(reading: FeedReading, first: IteratorResult<FeedEvent>): FeedLines {
  let next = '';
  async function* texts(): AsyncGenerator<string> {
    let text = '';
    try {
      for (let step = first; step.done !== true; step = await reading.events.next()) {
        next = step.value.offset;
        text += `${printFeedEvent(step.value)}\n`;
        if (text.length < CHUNK) continue;
        yield text;
        text = '';
      }
    } catch (error) {
      text += `${problemText(reading, error)}\n`;
    } finally {
      endReading(reading);
    }
    if (text !== '') yield text;
  }
  return { texts: texts(), next: () => next };
}

function problemText({ onProblem }: FeedReading, error: unknown): string {
  const problem = problemFor(error);
  onProblem(problem);
  return printProblem(problem);
}

/** How server-sent events are kept alive. */
export interface SseOptions {
  readonly timers: Timers;
  /** A comment is sent when nothing was for so long, so that both ends notice a dead connection. */
  readonly heartbeatMillis: number;
}

/**
 * A feed as server-sent events: `event: transaction` or `progress`, `id` is the offset, so that a browser resumes by itself
 * (Last-Event-ID). An error is `event: problem`, and the end.
 */
export async function* feedServerSentEvents(
  reading: FeedReading,
  first: IteratorResult<FeedEvent>,
  options: SseOptions,
): AsyncGenerator<string> {
  try {
    yield 'retry: 1000\n\n';
    for (let step = first; step.done !== true;) {
      const event = step.value;
      yield `event: ${event.kind}\nid: ${event.offset}\ndata: ${printFeedEvent(event)}\n\n`;
      const next = pending(reading.events.next());
      while (!(await next.within(options.timers, options.heartbeatMillis))) yield ': heartbeat\n\n';
      step = next.result();
    }
  } catch (error) {
    if (!reading.signal.aborted) yield `event: problem\ndata: ${problemText(reading, error)}\n\n`;
  } finally {
    endReading(reading);
  }
}

/** What a long poll found: no lines where nothing came in time. */
export interface Polled {
  readonly lines: string;
  readonly next: string;
}

/**
 * Waits until a feed that follows has something to tell, and takes what is there: to the end of it, or about a megabyte. The
 * caller aborts the signal when the time is over.
 */
export async function longPoll(reading: FeedReading): Promise<Polled> {
  let lines = '';
  let next = '';
  try {
    for (;;) {
      const step = await reading.events.next();
      if (step.done === true) break;
      const event = step.value;
      next = event.offset;
      if (event.kind === 'transaction') lines += `${printFeedEvent(event)}\n`;
      else if (lines !== '') {
        lines += `${printFeedEvent(event)}\n`;
        break;
      }
      if (lines.length >= POLL_TEXT_MAX) break;
    }
  } finally {
    endReading(reading);
  }
  return { lines, next };
}

/**
 * A promise that is waited for again and again with a time limit. `Promise.race` would leave one more reaction on it at every
 * heartbeat.
 */
function pending<T>(promise: Promise<T>): {
  within(timers: Timers, millis: number): Promise<boolean>;
  result(): T;
} {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;
  promise.then(
    (value) => {
      outcome = { value };
      wake();
    },
    (error: unknown) => {
      outcome = { error };
      wake();
    },
  );
  return {
    within: (timers, millis) =>
      new Promise((resolve) => {
        if (outcome !== undefined) {
          resolve(true);
          return;
        }
        const timer = timers.after(millis, () => resolve(false));
        wake = () => {
          timer[Symbol.dispose]();
          resolve(true);
        };
      }),
    result() {
      if (outcome !== undefined && 'value' in outcome) return outcome.value;
      throw outcome?.error;
    },
  };
}
