import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  type Answer,
  type CreateOptions,
  type Database,
  type DatabaseHost,
  type FeedEvent,
  printCommit,
  printDiff,
  printEntity,
  printFactsPage,
  printSchema,
  printStatus,
  printTransaction,
  printTransactions,
} from '@pyralog/client';
import { isPyralogError, PyralogError } from '@pyralog/model';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Metrics } from './metrics.ts';
import {
  CreateBody,
  DiffParameters,
  FactsParameters,
  factsQuery,
  FeedParameters,
  fromParameter,
  HistoryParameters,
  ReadParameters,
  readOptions,
  SubmitParameters,
  toParameter,
  TransactionsParameters,
  txParameter,
} from './parameters.ts';
import { asError, feedLines, feedSse, linesOf, longPoll, textStream, transactLines } from './streams.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const NDJSON_TYPE = 'application/x-ndjson; charset=utf-8';
/** How long a long poll waits where nothing is said, in milliseconds. */
const LONG_POLL_MILLIS = 30_000;

const InDatabase = z.object({ db: z.string().describe('Name of the database, such as main.') });
const OfEntity = InDatabase.extend({ id: z.string().describe('Id of the entity, URL-encoded: paper:1 or path%3Asrc%2Findex.ts.') });

/** The addresses under `/v1`. */
export function databaseRoutes(server: FastifyInstance, host: DatabaseHost, metrics: Metrics): void {
  const app = server.withTypeProvider<ZodTypeProvider>();
  hostRoutes(app, host);
  writeRoutes(app, host, metrics);

  app.get('/v1/:db/entities/:id', { schema: { tags: ['read'], summary: 'The facts in force of an entity', params: OfEntity, querystring: ReadParameters } }, async (request, reply) => {
    const database = await host.database(request.params.db);
    const answer = await database.entity(request.params.id, readOptions(request.query, closing(reply)));
    if (answer.attributes.size > 0) return send(request, reply, answer, printEntity(answer));
    reply.header('pyralog-basis', String(answer.basis));
    throw new PyralogError('entity-not-found', `The entity ${JSON.stringify(request.params.id)} has no fact in force at basis ${answer.basis}.`, {
      hint: 'Its history tells whether it ever had one.',
    });
  });

  app.get('/v1/:db/entities/:id/history', { schema: { tags: ['read'], summary: 'Every fact of an entity, oldest first', params: OfEntity, querystring: HistoryParameters } }, async (request, reply) => {
    const { attribute, from, to, limit, cursor, ...read } = request.query;
    const database = await host.database(request.params.db);
    const query = { attribute, from: fromParameter(from), to: toParameter(to), limit, cursor };
    const answer = await database.history(request.params.id, query, readOptions(read, closing(reply)));
    return send(request, reply, answer, printFactsPage(answer, request.params.id));
  });

  for (const kind of ['state', 'facts'] as const) {
    const summary = kind === 'state' ? 'Facts in force, in index order' : 'Every fact of the log up to the basis, in index order';
    app.get(`/v1/:db/${kind}`, { schema: { tags: ['read'], summary, params: InDatabase, querystring: FactsParameters } }, async (request, reply) => {
      const database = await host.database(request.params.db);
      const query = await factsQuery(database, request.query);
      const answer = await database[kind](query, readOptions(request.query, closing(reply)));
      return send(request, reply, answer, printFactsPage(answer));
    });
  }

  app.get('/v1/:db/transactions', { schema: { tags: ['read'], summary: 'Transactions, newest first', params: InDatabase, querystring: TransactionsParameters } }, async (request, reply) => {
    const { from, to, author, limit, cursor, ...read } = request.query;
    const database = await host.database(request.params.db);
    const query = { from: fromParameter(from), to: toParameter(to), author, limit, cursor };
    const answer = await database.transactions(query, readOptions(read, closing(reply)));
    return send(request, reply, answer, printTransactions(answer));
  });

  app.get('/v1/:db/transactions/:tx', { schema: { tags: ['read'], summary: 'A transaction with its facts', params: InDatabase.extend({ tx: z.string() }), querystring: ReadParameters } }, async (request, reply) => {
    const database = await host.database(request.params.db);
    const answer = await database.transaction(txParameter('tx', request.params.tx), readOptions(request.query, closing(reply)));
    return send(request, reply, answer, printTransaction(answer));
  });

  app.get('/v1/:db/diff', { schema: { tags: ['read'], summary: 'Net difference of two moments', params: InDatabase, querystring: DiffParameters } }, async (request, reply) => {
    const { from, to, limit, cursor, ...read } = request.query;
    const database = await host.database(request.params.db);
    const query = { from: toParameter(from) as NonNullable<ReturnType<typeof toParameter>>, to: toParameter(to) as NonNullable<ReturnType<typeof toParameter>>, limit, cursor };
    const answer = await database.diff(query, readOptions(read, closing(reply)));
    return send(request, reply, answer, printDiff(answer));
  });

  app.get('/v1/:db/schema', { schema: { tags: ['read'], summary: 'The attributes that are defined', params: InDatabase, querystring: ReadParameters } }, async (request, reply) => {
    const database = await host.database(request.params.db);
    const answer = await database.schema(readOptions(request.query, closing(reply)));
    return send(request, reply, answer, printSchema(answer));
  });

  app.get('/v1/:db/status', { schema: { tags: ['operations'], summary: 'Log, index and storage of a database', params: InDatabase } }, async (request, reply) => {
    const database = await host.database(request.params.db);
    return reply.type(JSON_TYPE).send(printStatus(await database.status()));
  });

  app.get('/v1/:db/feed', { schema: { tags: ['read'], summary: 'Whole transactions in the order of their tx, from any offset', params: InDatabase, querystring: FeedParameters } }, async (request, reply) => {
    const { live, entity, attribute, prefix, timeout = LONG_POLL_MILLIS } = request.query;
    const database = await host.database(request.params.db);
    const last = request.headers['last-event-id'];
    const offset = (typeof last === 'string' && last !== '' ? last : undefined) ?? request.query.offset ?? '-1';
    const gone = closing(reply);
    const signal = live === 'long-poll' ? AbortSignal.any([gone, AbortSignal.timeout(timeout)]) : gone;
    const query = { offset, follow: live !== undefined, entity, attribute, prefix, signal };
    if (live === 'long-poll') {
      const { lines, next } = await longPoll(database.feed(query));
      return reply.type(NDJSON_TYPE).header('pyralog-next-offset', next === '' ? offset : next).send(lines);
    }
    // The first event is taken before the answer begins, so that a bad offset is an error and no stream.
    const events = await begun(database.feed(query));
    const counted = whileRead(events, () => metrics.feed(request.params.db, 1), () => metrics.feed(request.params.db, -1));
    if (live === 'sse') {
      return reply.type('text/event-stream').header('cache-control', 'no-store').header('x-accel-buffering', 'no').send(textStream(feedSse(counted)));
    }
    return reply.type(NDJSON_TYPE).send(textStream(feedLines(counted)));
  });
}

function hostRoutes(app: ReturnType<FastifyInstance['withTypeProvider']>, host: DatabaseHost): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  typed.get('/v1', { schema: { tags: ['databases'], summary: 'The databases of this server' } }, async (_request, reply) =>
    reply.type(JSON_TYPE).send(JSON.stringify({ databases: (await host.list()).map((name) => ({ name })) })),
  );

  typed.put('/v1/:db', { schema: { tags: ['databases'], summary: 'Make a database; quietly where it is there', description: 'Body: `{"strict": false, "mode": "live"}`, all optional.', params: InDatabase } }, async (request, reply) => {
    const body = request.body as Buffer | undefined;
    const made = await host.create(request.params.db, createOptions(body));
    const answer = JSON.stringify({ name: request.params.db, created: made === 'created' });
    return reply.code(made === 'created' ? 201 : 200).type(JSON_TYPE).send(answer);
  });

  typed.post('/v1/:db/live', { schema: { tags: ['databases'], summary: 'End import mode', params: InDatabase } }, async (request, reply) => {
    const database = await host.database(request.params.db);
    return reply.type(JSON_TYPE).send(printCommit(await database.goLive()));
  });
}

function writeRoutes(app: ReturnType<FastifyInstance['withTypeProvider']>, host: DatabaseHost, metrics: Metrics): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const description = [
    'One document as `application/json`:',
    '```json',
    '{"meta":{"author":"user:alice"},"ops":[{"entity":"paper:1","title":"Relativity","author":["Einstein"]}]}',
    '```',
    'or one a line as `application/x-ndjson`, answered line by line in order; a refused line is answered by its problem and the stream goes on.',
  ].join('\n');
  typed.post('/v1/:db/transactions', { schema: { tags: ['write'], summary: 'Commit transactions', description, params: InDatabase, querystring: SubmitParameters } }, async (request, reply) => {
    const { db } = request.params;
    const database = counting(await host.database(db), db, metrics);
    const { body } = request;
    if (body instanceof Uint8Array) {
      const result = await database.transact(body);
      return reply.type(JSON_TYPE).header('pyralog-basis', String(result.tx)).send(printCommit(result));
    }
    if (body === undefined || body === null) throw new PyralogError('json-malformed', 'The body is empty; a transaction document was expected.');
    const lines = linesOf(body as Readable);
    return reply.type(NDJSON_TYPE).send(textStream(transactLines(database, lines, request.query.facts === 'true')));
  });
}

/** Counts what becomes of transactions. */
function counting(database: Database, name: string, metrics: Metrics): Database {
  const transact: Database['transact'] = async (document) => {
    try {
      const result = await database.transact(document);
      metrics.transacted(name, result.duplicate ? 'duplicate' : 'committed', result.duplicate ? 0 : result.facts.length);
      return result;
    } catch (error) {
      metrics.transacted(name, isPyralogError(error) ? error.code : 'internal', 0);
      throw error;
    }
  };
  return new Proxy(database, { get: (target, key) => (key === 'transact' ? transact : Reflect.get(target, key, target)) });
}

/** @throws PyralogError `parameter-invalid`, `json-malformed` */
function createOptions(body: Buffer | undefined): CreateOptions {
  if (body === undefined || body.length === 0) return {};
  let json: unknown;
  try {
    json = JSON.parse(body.toString());
  } catch (error) {
    throw new PyralogError('json-malformed', 'The body is not JSON.', { cause: error });
  }
  const parsed = CreateBody.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PyralogError('parameter-invalid', `body${issue === undefined ? '' : ` ${issue.path.join('.')}: ${issue.message}`}.`);
}

/** Aborts when the caller is gone. */
function closing(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** Sends an answer with its basis. What was read at a named basis never changes, and may be kept. */
function send(request: FastifyRequest, reply: FastifyReply, answer: Answer, body: string): FastifyReply {
  reply.header('pyralog-basis', String(answer.basis)).type(JSON_TYPE);
  const { asOf } = request.query as { readonly asOf?: string };
  if (asOf === undefined || !answer.closed) return reply.header('cache-control', 'no-store').send(body);
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  reply.header('etag', tag).header('cache-control', 'public, max-age=31536000, immutable');
  if (request.headers['if-none-match'] === tag) return reply.code(304).send();
  return reply.send(body);
}

/** The same events, once the first is there. */
async function begun(events: AsyncIterable<FeedEvent>): Promise<AsyncIterable<FeedEvent>> {
  const iterator = events[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* (): AsyncIterable<FeedEvent> {
    try {
      for (let step = first; !step.done; step = await iterator.next()) yield step.value;
    } catch (error) {
      throw asError(error);
    } finally {
      await iterator.return?.();
    }
  })();
}

async function* whileRead<T>(items: AsyncIterable<T>, begin: () => void, end: () => void): AsyncIterable<T> {
  begin();
  try {
    yield* items;
  } finally {
    end();
  }
}
