import { Readable } from 'node:stream';
import { type CommitResult, type Database, type FeedEvent, printCommit, printFeedEvent, printProblem } from '@pyralog/client';
import { DOCUMENT_BYTES_MAX, isPyralogError, PyralogError } from '@pyralog/model';

/** Lines of a stream that may be on their way: enough for a few group commits. */
const IN_FLIGHT_MAX = 256;
const NEWLINE = 10;

/** The lines of a body, without their ends; empty ones are left out. @throws transaction-too-large */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, at));
      const line = Buffer.concat(parts);
      if (line.some((byte) => byte > 32)) yield line;
      parts = [];
      bytes = 0;
      from = at + 1;
    }
    parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > DOCUMENT_BYTES_MAX) {
      throw new PyralogError('transaction-too-large', `A line is longer than ${DOCUMENT_BYTES_MAX} bytes, the limit of a transaction.`);
    }
  }
  const last = Buffer.concat(parts);
  if (last.some((byte) => byte > 32)) yield last;
}

/**
 * Commits one document a line and answers line by line, in order, while the body is still arriving. A
 * refused line is answered by its problem and the stream goes on. Bounded: no more is read while the
 * window is full or the caller does not read its answers.
 */
export async function* transactLines(database: Database, lines: AsyncIterable<Uint8Array>, withFacts: boolean): AsyncIterable<string> {
  const window: Promise<string>[] = [];
  try {
    for await (const line of lines) {
      if (window.length >= IN_FLIGHT_MAX) yield await (window.shift() as Promise<string>);
      window.push(
        database.transact(line).then(
          (result: CommitResult) => `${printCommit(result, withFacts)}\n`,
          (error: unknown) => `${printProblem(asError(error))}\n`,
        ),
      );
    }
  } catch (error) {
    yield* drain(window);
    yield `${printProblem(asError(error))}\n`;
    return;
  }
  yield* drain(window);
}

async function* drain(window: readonly Promise<string>[]): AsyncIterable<string> {
  for (const answer of window) yield await answer;
}

/** Whatever was thrown, as an error of the table. */
export function asError(error: unknown): PyralogError {
  if (isPyralogError(error)) return error;
  return new PyralogError('internal', 'Something went wrong inside; the log of the server tells more.', { cause: error });
}

/** A feed as NDJSON: its events up to now, the last of them a progress with the offset to go on from. */
export async function* feedLines(events: AsyncIterable<FeedEvent>): AsyncIterable<string> {
  for await (const event of events) yield `${printFeedEvent(event)}\n`;
}

/** A feed as server-sent events: `id` is the offset, so that a browser resumes by itself. */
export async function* feedSse(events: AsyncIterable<FeedEvent>): AsyncIterable<string> {
  yield 'retry: 1000\n\n';
  for await (const event of events) yield `event: ${event.kind}\nid: ${event.offset}\ndata: ${printFeedEvent(event)}\n\n`;
}

/** Ends a feed that follows at the first progress behind a transaction, or when the wait is over. */
export async function longPoll(events: AsyncIterable<FeedEvent>): Promise<{ readonly lines: string; readonly next: string }> {
  let lines = '';
  let next = '';
  let seen = false;
  for await (const event of events) {
    next = event.offset;
    if (event.kind === 'transaction') {
      lines += `${printFeedEvent(event)}\n`;
      seen = true;
    } else if (seen) break;
  }
  return { lines, next };
}

/** A stream of texts, read no faster than it is taken. */
export function textStream(texts: AsyncIterable<string>): Readable {
  return Readable.from(texts, { objectMode: false, highWaterMark: 64 * 1024 });
}
