import { Readable } from 'node:stream';
import { type Database, type FeedQuery } from '@pyralog/client';
import { PyralogError } from '@pyralog/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { feedEventSchema } from './answer-schemas.ts';
import { NDJSON_TYPE } from './answers.ts';
import { type App, databaseOf, type Door, problemDocs } from './door.ts';
import {
  endReading,
  feedLines,
  type FeedReading,
  feedServerSentEvents,
  longPoll,
} from './feed-streams.ts';
import { databaseParams, feedQuery } from './query-parameters.ts';

const DESCRIPTION = [
  'Whole transactions in the order of their tx, with their facts and meta, from any offset ever given.',
  '',
  '- Without `live`: NDJSON up to now. The last line is `{"kind":"progress",…}` with the offset to go on from; so is the header `Pyralog-Next-Offset`, which comes as a trailer where the answer is long. An answer without that line was cut short.',
  '- `live=sse`: server-sent events, `event: transaction` or `progress` (data as the lines above), `id:` is the offset, so that a browser resumes by itself. `event: problem` ends it with an error.',
  '- `live=long-poll`: waits until there is something and answers as without `live`; 204 where nothing came in time. The header `Pyralog-Next-Offset` is the offset of the next request.',
  '',
  'A filter leaves out facts, and transactions of which nothing is left; `progress` tells how far the feed is meanwhile.',
].join('\n');

const EVENTS = {
  200: {
    description: 'Transactions and progress.',
    headers: {
      'Pyralog-Next-Offset': { type: 'string', description: 'The offset to go on from.' },
    },
    content: {
      'application/x-ndjson': { schema: feedEventSchema },
      'text/event-stream': { schema: feedEventSchema },
    },
  },
};

type Query = z.output<typeof feedQuery>;

/** `GET /v1/{db}/feed` in its three forms. */
export function feedRoute(app: App, door: Door): void {
  const readers = new Readers(door);
  app.get(
    '/v1/:db/feed',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['transactions'],
        summary: 'The feed',
        description: DESCRIPTION,
        params: databaseParams,
        querystring: feedQuery,
        response: { ...EVENTS, ...problemDocs(400, 404, 503) },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const database = await databaseOf(door, request.params.db);
      const reading = readers.begin(database, offsetOf(request, query), query, reply);
      if (query.live === 'long-poll')
        return sendPolled(door, reply, reading, query.timeout ?? door.config.longPollMillis);
      // Taken before the answer begins, so that a bad offset is an error and no stream.
      const first = await reading.events.next();
      return query.live === 'sse'
        ? sendEvents(door, reply, reading, first)
        : sendLines(reply, reading, first);
    },
  );
}

/** A browser that resumes names its last event; its address still has the first offset. */
function offsetOf(request: FastifyRequest, query: Query): string {
  const last = request.headers['last-event-id'];
  if (query.live === 'sse' && typeof last === 'string' && last !== '') return last;
  return query.offset ?? '-1';
}

/** A reading that knows how to end early, for the time limit of a long poll. */
interface OpenReading extends FeedReading {
  readonly end: () => void;
}

/** Those who read feeds now: bounded, counted, and ended when the server stops. */
class Readers {
  readonly #door: Door;
  #count = 0;

  constructor(door: Door) {
    this.#door = door;
  }

  /** @throws busy */
  begin(database: Database, offset: string, query: Query, reply: FastifyReply): OpenReading {
    const { config, stopping, metrics } = this.#door;
    if (this.#count >= config.feedReadersMax) {
      throw new PyralogError(
        'busy',
        `${config.feedReadersMax} feeds are being read already, the limit of this server.`,
      );
    }
    const stop = new AbortController();
    const end = (): void => stop.abort();
    if (stopping.aborted) end();
    stopping.addEventListener('abort', end);
    this.#count++;
    metrics.feedReaders(database.name, 1);
    reply.raw.once('close', () => {
      end();
      stopping.removeEventListener('abort', end);
      this.#count--;
      metrics.feedReaders(database.name, -1);
    });
    const { entity, attribute, prefix, live } = query;
    const asked: FeedQuery = {
      offset,
      follow: live !== undefined,
      entity,
      attribute,
      prefix,
      signal: stop.signal,
    };
    return {
      events: database.feed(asked)[Symbol.asyncIterator](),
      signal: stop.signal,
      onProblem: this.#door.onProblem,
      end,
    };
  }
}

function sendEvents(
  door: Door,
  reply: FastifyReply,
  reading: FeedReading,
  first: Awaited<ReturnType<FeedReading['events']['next']>>,
): FastifyReply {
  const { timers, config } = door;
  const texts = feedServerSentEvents(reading, first, {
    timers,
    heartbeatMillis: config.heartbeatMillis,
  });
  // A proxy that buffers would hold events back.
  return reply
    .type('text/event-stream')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(texts, { highWaterMark: 1 }));
}

async function sendLines(
  reply: FastifyReply,
  reading: FeedReading,
  first: Awaited<ReturnType<FeedReading['events']['next']>>,
): Promise<FastifyReply> {
  const lines = feedLines(reading, first);
  const iterator = lines.texts[Symbol.asyncIterator]();
  const begin = await iterator.next();
  const rest = begin.done === true ? begin : await iterator.next();
  reply.type(NDJSON_TYPE).header('cache-control', 'no-cache');
  if (rest.done === true)
    return reply.header('pyralog-next-offset', lines.next()).send(begin.value ?? '');
  async function* all(): AsyncGenerator<string> {
    try {
      yield begin.value as string;
      yield rest.value as string;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      endReading(reading);
    }
  }
  reply.trailer('pyralog-next-offset', (_reply, _payload, done) => done(null, lines.next()));
  return reply.send(Readable.from(all(), { highWaterMark: 1 }));
}

async function sendPolled(
  { timers }: Door,
  reply: FastifyReply,
  reading: OpenReading,
  timeoutMillis: number,
): Promise<FastifyReply> {
  using _limit = timers.after(timeoutMillis, reading.end);
  const { lines, next } = await longPoll(reading);
  reply.header('cache-control', 'no-store');
  if (next !== '') reply.header('pyralog-next-offset', next);
  return lines === '' ? reply.code(204).send() : reply.type(NDJSON_TYPE).send(lines);
}
