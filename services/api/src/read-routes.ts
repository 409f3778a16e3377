import { printDiff, printEntity, printFactsPage, printSchema, printStatus, printTransaction, printTransactions, type ReadOptions } from '@pyralog/client';
import { PyralogError, type Tx } from '@pyralog/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { diffSchema, entitySchema, factsPageSchema, historySchema, schemaSchema, statusSchema, transactionSchema, transactionsSchema } from './answer-schemas.ts';
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
  transactionParams,
  transactionsQuery,
} from './query-parameters.ts';

/** What asks for facts, at any moment. */
export function readRoutes(app: App, door: Door): void {
  entityRoutes(app, door);
  listingRoutes(app, door);
  transactionRoutes(app, door);
  databaseReadRoutes(app, door);
}

function entityRoutes(app: App, door: Door): void {
  // One route for both addresses: an id may have slashes, so only the end of the address tells them apart.
  app.get(
    '/v1/:db/entities/*',
    {
      schema: { hide: true, params: entityParams, querystring: historyQuery },
      // Each address has its own parameters, so the handler checks them.
      validatorCompiler: () => (data: unknown) => ({ value: data }),
    },
    async (request, reply) => {
      const given = request.query as { readonly id?: unknown };
      const { entity, history } = entityOfPath(request.raw.url ?? '', typeof given.id === 'string' ? given.id : undefined);
      return history ? sendHistory(door, request, reply, entity) : sendEntity(door, request, reply, entity);
    },
  );
}

async function sendEntity(door: Door, request: FastifyRequest, reply: FastifyReply, entity: string): Promise<FastifyReply> {
  const query = checked(entityQuery, request.query);
  const database = await databaseOf(door, (request.params as { readonly db: string }).db);
  const answer = await database.entity(entity, readOptions(query, reply));
  if (answer.attributes.size > 0) return sendAnswer(request, reply, answer, { text: () => printEntity(answer), keeping: { pinned: answer.basis === query.asOf } });
  reply.header('pyralog-basis', answer.basis.toString());
  throw new PyralogError('entity-not-found', `The entity ${JSON.stringify(entity)} has no fact in force at basis ${answer.basis}.`, {
    hint: 'Its history tells whether it ever had one.',
    extra: { entity, basis: answer.basis.toString(), closed: answer.closed },
  });
}

async function sendHistory(door: Door, request: FastifyRequest, reply: FastifyReply, entity: string): Promise<FastifyReply> {
  const query = checked(historyQuery, request.query);
  const { attribute, from, to, limit, cursor } = query;
  const database = await databaseOf(door, (request.params as { readonly db: string }).db);
  const answer = await database.history(entity, { attribute, from, to, limit, cursor }, readOptions(query, reply));
  return sendAnswer(request, reply, answer, { text: () => printFactsPage(answer, entity), keeping: { pinned: isPinned(query, answer.basis) } });
}
