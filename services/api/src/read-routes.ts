import {
  printDiff,
  printEntity,
  printFactsPage,
  printSchema,
  printStatus,
  printTransaction,
  printTransactions,
  type ReadOptions,
} from '@pyralog/client';
import { PyralogError, type Tx } from '@pyralog/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import {
  diffSchema,
  entitySchema,
  factsPageSchema,
  historySchema,
  schemaSchema,
  statusSchema,
  transactionSchema,
  transactionsSchema,
} from './answer-schemas.ts';
import { goneSignal, JSON_TYPE, sendAnswer } from './answers.ts';
import { answerDoc, type App, databaseOf, type Door, problemDocs } from './door.ts';
import { entityOfPath } from './entity-path.ts';
import {
  databaseParams,
  diffQuery,
  entityParams,
  entityQuery,
  factsQuery,
  historyQuery,
  noQuery,
  readQuery,
  readTx,
  restParams,
  transactionParams,
  transactionsQuery,
} from './query-parameters.ts';
import { checkParameters } from './validation.ts';

/** What asks for facts, at any moment. */
export function readRoutes(app: App, door: Door): void {
  entityRoutes(app, door);
  listingRoutes(app, door);
  transactionRoutes(app, door);
  databaseReadRoutes(app, door);
}

function entityRoutes(app: App, door: Door): void {
  app.get(
    '/v1/:db/entities/:id',
    {
      schema: {
        tags: ['facts'],
        summary: 'An entity',
        description: 'Its values in force. 404 where it has none; its history may have.',
        params: entityParams,
        querystring: entityQuery,
        response: {
          200: answerDoc('Its values.', entitySchema),
          ...problemDocs(400, 404, 422, 504),
        },
      },
    },
    async (request, reply) =>
      sendEntity(door, request, reply, {
        query: request.query,
        entity: entityOfPath(urlOf(request), request.query.id).entity,
      }),
  );

  app.get(
    '/v1/:db/entities/:id/history',
    {
      schema: {
        tags: ['facts'],
        summary: 'The history of an entity',
        description: 'Every fact of it, oldest first.',
        params: entityParams,
        querystring: historyQuery,
        response: {
          200: answerDoc('A page of facts.', historySchema),
          ...problemDocs(400, 404, 422, 504),
        },
      },
    },
    async (request, reply) =>
      sendHistory(door, request, reply, {
        query: request.query,
        entity: entityOfPath(urlOf(request), request.query.id).entity,
      }),
  );

  // Ids with slashes that were not encoded, and ids that the path does not carry.
  app.get(
    '/v1/:db/entities/*',
    { schema: { hide: true, params: restParams } },
    async (request, reply) => {
      const given = request.query as { readonly id?: unknown };
      const { entity, history } = entityOfPath(
        urlOf(request),
        typeof given.id === 'string' ? given.id : undefined,
      );
      if (history)
        return sendHistory(door, request, reply, {
          query: checkParameters(historyQuery, given),
          entity,
        });
      return sendEntity(door, request, reply, {
        query: checkParameters(entityQuery, given),
        entity,
      });
    },
  );
}

function urlOf(request: FastifyRequest): string {
  return request.raw.url ?? '';
}

async function sendEntity(
  door: Door,
  request: FastifyRequest,
  reply: FastifyReply,
  { entity, query }: { readonly entity: string; readonly query: z.output<typeof entityQuery> },
): Promise<FastifyReply> {
  const database = await databaseOf(door, nameIn(request));
  const answer = await database.entity(entity, readOptions(query, reply));
  if (answer.attributes.size > 0) {
    return sendAnswer(request, reply, answer, {
      text: () => printEntity(answer),
      keeping: { pinned: isPinned(query, answer.basis) },
    });
  }
  reply.header('pyralog-basis', answer.basis.toString());
  throw new PyralogError(
    'entity-not-found',
    `The entity ${JSON.stringify(entity)} has no fact in force at basis ${answer.basis}.`,
    {
      hint: 'Its history tells whether it ever had one.',
      extra: { entity, basis: answer.basis.toString(), closed: answer.closed },
    },
  );
}

async function sendHistory(
  door: Door,
  request: FastifyRequest,
  reply: FastifyReply,
  { entity, query }: { readonly entity: string; readonly query: z.output<typeof historyQuery> },
): Promise<FastifyReply> {
  const { attribute, from, to, limit, cursor } = query;
  const database = await databaseOf(door, nameIn(request));
  const answer = await database.history(
    entity,
    { attribute, from, to, limit, cursor },
    readOptions(query, reply),
  );
  return sendAnswer(request, reply, answer, {
    text: () => printFactsPage(answer, entity),
    keeping: { pinned: isPinned(query, answer.basis) },
  });
}

function nameIn(request: FastifyRequest): string {
  return (request.params as { readonly db: string }).db;
}

const LISTINGS = {
  state: {
    summary: 'Facts in force',
    description:
      'In index order, from any leading part of the index: `?index=avet&attribute=person/name&value=Alice` finds who has a name.',
  },
  facts: {
    summary: 'Every fact of the log',
    description:
      'Up to the basis, retractions included, in index order. `?index=vaet&value={"ref":"paper:1"}` finds what refers to an entity.',
  },
} as const;

function listingRoutes(app: App, door: Door): void {
  for (const kind of ['state', 'facts'] as const) {
    app.get(
      `/v1/:db/${kind}`,
      {
        schema: {
          tags: ['facts'],
          ...LISTINGS[kind],
          params: databaseParams,
          querystring: factsQuery,
          response: {
            200: answerDoc('A page of facts.', factsPageSchema),
            ...problemDocs(400, 404, 422, 504),
          },
        },
      },
      async (request, reply) => {
        const { query } = request;
        const { index, entity, attribute, value, valueFrom, valueTo, limit, cursor } = query;
        const database = await databaseOf(door, request.params.db);
        const answer = await database[kind](
          { index, entity, attribute, value, valueFrom, valueTo, limit, cursor },
          readOptions(query, reply),
        );
        return sendAnswer(request, reply, answer, {
          text: () => printFactsPage(answer),
          keeping: { pinned: isPinned(query, answer.basis) },
        });
      },
    );
  }

  app.get(
    '/v1/:db/diff',
    {
      schema: {
        tags: ['facts'],
        summary: 'What changed between two moments',
        description: 'The net difference: what came and went in between is not in it.',
        params: databaseParams,
        querystring: diffQuery,
        response: {
          200: answerDoc('Facts added and removed.', diffSchema),
          ...problemDocs(400, 404, 422, 504),
        },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { from, to, limit, cursor } = query;
      const database = await databaseOf(door, request.params.db);
      const answer = await database.diff({ from, to, limit, cursor }, readOptions(query, reply));
      return sendAnswer(request, reply, answer, {
        text: () => printDiff(answer),
        keeping: { pinned: isPinned(query, answer.basis) },
      });
    },
  );
}

function transactionRoutes(app: App, door: Door): void {
  app.get(
    '/v1/:db/transactions',
    {
      schema: {
        tags: ['transactions'],
        summary: 'Transactions, newest first',
        description: 'Who, when and why; their facts stand in `GET …/transactions/{tx}`.',
        params: databaseParams,
        querystring: transactionsQuery,
        response: {
          200: answerDoc('A page of transactions.', transactionsSchema),
          ...problemDocs(400, 404, 422, 504),
        },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { from, to, author, limit, cursor } = query;
      const database = await databaseOf(door, request.params.db);
      const answer = await database.transactions(
        { from, to, author, limit, cursor },
        readOptions(query, reply),
      );
      return sendAnswer(request, reply, answer, {
        text: () => printTransactions(answer),
        keeping: { pinned: isPinned(query, answer.basis) },
      });
    },
  );

  app.get(
    '/v1/:db/transactions/:tx',
    {
      schema: {
        tags: ['transactions'],
        summary: 'A transaction with its facts',
        params: transactionParams,
        querystring: readQuery,
        response: {
          200: answerDoc('What it wrote.', transactionSchema),
          ...problemDocs(400, 404, 504),
        },
      },
    },
    async (request, reply) => {
      const tx = readTx('tx', request.params.tx);
      const database = await databaseOf(door, request.params.db);
      const answer = await database.transaction(tx, readOptions(request.query, reply));
      // What a transaction wrote is the same at every basis.
      return sendAnswer(request, reply, answer, {
        text: () => printTransaction(answer),
        keeping: { pinned: true, tag: `tx-${tx}` },
      });
    },
  );
}

function databaseReadRoutes(app: App, door: Door): void {
  app.get(
    '/v1/:db/schema',
    {
      schema: {
        tags: ['databases'],
        summary: 'The schema',
        description: 'All attributes, built-in ones included, as of any moment.',
        params: databaseParams,
        querystring: readQuery,
        response: {
          200: answerDoc('Attributes by name.', schemaSchema),
          ...problemDocs(400, 404, 422, 504),
        },
      },
    },
    async (request, reply) => {
      const database = await databaseOf(door, request.params.db);
      const answer = await database.schema(readOptions(request.query, reply));
      return sendAnswer(request, reply, answer, {
        text: () => printSchema(answer),
        keeping: { pinned: isPinned(request.query, answer.basis) },
      });
    },
  );

  app.get(
    '/v1/:db/status',
    {
      schema: {
        tags: ['databases'],
        summary: 'How a database does',
        description: 'Log, index and storage by partition.',
        params: databaseParams,
        querystring: noQuery,
        response: { 200: answerDoc('Its status.', statusSchema), ...problemDocs(404) },
      },
    },
    async (request, reply) => {
      const database = await databaseOf(door, request.params.db);
      return reply
        .header('cache-control', 'no-store')
        .type(JSON_TYPE)
        .send(printStatus(await database.status()));
    },
  );
}

interface Moment {
  readonly asOf?: Tx | undefined;
  readonly await?: Tx | undefined;
  readonly timeout?: number | undefined;
  readonly cursor?: string | undefined;
}

/** Whether the address names the basis: a page goes on at the first page's. */
function isPinned({ asOf, cursor }: Moment, basis: Tx): boolean {
  return asOf === basis || cursor !== undefined;
}

/** Only a read that may wait has to hear of a caller that went away. */
function readOptions({ asOf, await: awaited, timeout }: Moment, reply: FastifyReply): ReadOptions {
  if (asOf === undefined && awaited === undefined) return {};
  return { asOf, await: awaited, timeoutMillis: timeout, signal: goneSignal(reply) };
}
