import { isPyralogError, PyralogError } from '@pyralog/model';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { readAnswer, readFeedEvent } from './answer-read.ts';
import type { FeedEvent, FeedQuery } from './database.ts';
import { readProblem } from './problem.ts';
import { failureOf, type HttpOptions, type HttpRequest, send } from './transport.ts';
import { queryText } from './url.ts';

const RETRY_MILLIS_MIN = 100;
const RETRY_MILLIS_MAX = 5_000;
/** Attempts in a row that tell nothing, before a feed that does not follow gives up. */
const ATTEMPTS_MAX = 5;

/**
 * A feed over HTTP: server-sent events where it follows, else NDJSON up to now. A connection that breaks, or a server that
 * stops or is busy, is tried again from the last offset with growing pauses; one that never answered is an error at once,
 * so that a wrong address is noticed. Ends quietly when the signal aborts.
 */
export async function* httpFeed(
  url: string,
  query: FeedQuery,
  options: HttpOptions,
): AsyncGenerator<FeedEvent> {
  const { signal } = query;
  const stop = new AbortController();
  const aborted = (): void => stop.abort();
  if (signal?.aborted) aborted();
  signal?.addEventListener('abort', aborted, { once: true });
  try {
    yield* resumed(url, query, options, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', aborted);
    // Also ends the request of a reader that went away.
    stop.abort();
  }
}

async function* resumed(
  url: string,
  query: FeedQuery,
  options: HttpOptions,
  signal: AbortSignal,
): AsyncGenerator<FeedEvent> {
  let offset = query.offset;
  let answered = false;
  let failures = 0;
  while (!signal.aborted) {
    let last: FeedEvent['kind'] = 'transaction';
    try {
      for await (const event of connection(url, { ...query, offset, signal }, options)) {
        answered = true;
        failures = 0;
        offset = event.offset;
        last = event.kind;
        yield event;
      }
      // A complete answer ends with its progress; one that a proxy or a stopping server cut short does not.
      if (!query.follow && last === 'progress') return;
      if (!query.follow && failures + 1 >= ATTEMPTS_MAX) throw cutShort(url);
    } catch (error) {
      if (!answered || !mayResume(error) || (!query.follow && failures + 1 >= ATTEMPTS_MAX))
        throw error;
    }
    await pause(
      Math.min(options.retryMillisMax ?? RETRY_MILLIS_MAX, RETRY_MILLIS_MIN * 2 ** failures),
      signal,
    );
    failures++;
  }
}

function cutShort(url: string): PyralogError {
  return new PyralogError(
    'unreachable',
    `${new URL(url).origin} ends the feed again and again before it is complete.`,
  );
}

function mayResume(error: unknown): boolean {
  return isPyralogError(error) && error.row.retry !== 'never';
}

function connection(
  url: string,
  query: FeedQuery,
  options: HttpOptions,
): AsyncGenerator<FeedEvent> {
  const { offset, entity, attribute, prefix, follow, signal } = query;
  const request: HttpRequest = {
    method: 'GET',
    url: `${url}${queryText({ offset, live: follow ? 'sse' : undefined, entity, attribute, prefix })}`,
    accept: follow ? 'text/event-stream' : 'application/x-ndjson',
    signal,
  };
  return follow ? serverSentEvents(request, options) : lines(request, options);
}

async function* serverSentEvents(
  request: HttpRequest,
  options: HttpOptions,
): AsyncGenerator<FeedEvent> {
  let messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => void messages.push(message) });
  for await (const text of textOf(request, options)) {
    parser.feed(text);
    const arrived = messages;
    messages = [];
    for (const { event, data } of arrived) {
      if (event === 'problem')
        throw (
          readProblem(data) ??
          new PyralogError('unreachable', 'The feed ended with an error that cannot be read.')
        );
      yield readAnswer(data, readFeedEvent);
    }
  }
}

async function* lines(request: HttpRequest, options: HttpOptions): AsyncGenerator<FeedEvent> {
  let parts: string[] = [];
  for await (const text of textOf(request, options)) {
    // Only what is new is searched: a line may be megabytes in many chunks.
    const pieces = text.split('\n');
    for (const [at, piece] of pieces.entries()) {
      parts.push(piece);
      if (at === pieces.length - 1) break;
      const line = parts.join('');
      parts = [];
      const problem = line.startsWith('{"kind"') ? undefined : readProblem(line);
      if (problem !== undefined) throw problem;
      yield readAnswer(line, readFeedEvent);
    }
  }
}

async function* textOf(request: HttpRequest, options: HttpOptions): AsyncGenerator<string> {
  const response = await send(request, options);
  if (response.body === null) return;
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const chunks = response.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await chunks.next();
      if (done === true) return;
      yield decoder.decode(value as Uint8Array, { stream: true });
    }
  } catch (error) {
    if (request.signal?.aborted === true) throw error;
    throw failureOf(request, error, true);
  } finally {
    await chunks.return?.().catch(() => undefined);
  }
}

function pause(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, millis);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}
