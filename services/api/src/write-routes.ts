import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { jsonFromArrow } from '@pyralog/arrow';
import { utf8Encode } from '@pyralog/base';
import { type CreateOptions, printCommit, printStatus } from '@pyralog/client';
import { createPortableCodec } from '@pyralog/format/zstd';
import {
  type Json,
  JsonNumber,
  JsonObject,
  parseJson,
  printJson,
  PyralogError,
} from '@pyralog/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  commitSchema,
  createSchema,
  databasesSchema,
  documentSchema,
  statusSchema,
} from './answer-schemas.ts';
import { ARROW_FILE_TYPE, ARROW_STREAM_TYPE, JSON_TYPE, NDJSON_TYPE } from './answers.ts';
import { linesOf, mediaType, readBody } from './bodies.ts';
import { answerDoc, type App, checkName, databaseOf, type Door, problemDocs } from './door.ts';
import { databaseParams, noQuery, transactQuery } from './query-parameters.ts';
import { answerLines } from './transaction-lines.ts';
import { refusalOf } from './validation.ts';

const TRANSACT = [
  'One document as `application/json`, or a stream of them as `application/x-ndjson`: one a line, answered line by line in order while the request goes on. A refused line is answered by its problem, with its `line`, and the stream goes on; blank lines have no answer. Read the answers while you send.',
  '',
  '```sh',
  `curl -s localhost:4000/v1/main/transactions -H 'content-type: application/json' \\`,
  `  -d '{"meta":{"author":"user:alice"},"ops":[{"entity":"paper:1","title":"Relativity"}]}'`,
  '```',
  '',
  'A document may also be an Arrow IPC stream or file, compressed or not. Its columns are those of an operation (`op`, `entity`, `attribute`, `value`, `old`, `new`), or `entity` and one for each attribute, where null says nothing and a list is many values. Field metadata `pyralog.type` (`ref`, `json`, …) give values a type; schema metadata `pyralog.id`, `pyralog.at`, `pyralog.meta` and `pyralog.if` are the other fields of a document, the last two as JSON.',
  '',
  'The answer comes when the transaction is durable.',
].join('\n');

const TRANSACT_TYPES = [
  'application/json',
  NDJSON_TYPE,
  ARROW_STREAM_TYPE,
  ARROW_FILE_TYPE,
] as const;

/** What makes databases and changes them. */
export function writeRoutes(app: App, door: Door): void {
  app.get(
    '/v1',
    {
      schema: {
        tags: ['databases'],
        summary: 'The databases of this server',
        querystring: noQuery,
        response: { 200: answerDoc('Their names.', databasesSchema) },
      },
    },
    async (_request, reply) =>
      reply.type(JSON_TYPE).send(JSON.stringify({ databases: await door.host.list() })),
  );

  app.put(
    '/v1/:db',
    {
      schema: {
        tags: ['databases'],
        summary: 'Make a database',
        description:
          'Does nothing where it is there with the same settings; others are refused. The body may be left out.',
        params: databaseParams,
        querystring: noQuery,
        body: createSchema,
        response: {
          200: answerDoc('It was there.', statusSchema),
          201: answerDoc('It was made.', statusSchema),
          ...problemDocs(400, 409, 415),
        },
      },
    },
    async (request, reply) => {
      const { db } = request.params;
      checkName(db);
      const made = await door.host.create(db, await createOptions(request, door));
      const status = await (await door.host.database(db)).status();
      return reply
        .code(made === 'created' ? 201 : 200)
        .type(JSON_TYPE)
        .send(printStatus(status));
    },
  );

  app.post(
    '/v1/:db/live',
    {
      schema: {
        tags: ['databases'],
        summary: 'End import mode',
        description: 'From now on transactions get the time at which they are committed.',
        params: databaseParams,
        querystring: noQuery,
        response: {
          200: answerDoc('The transaction that recorded it.', commitSchema),
          ...problemDocs(404, 503),
        },
      },
    },
    async (request, reply) => {
      const database = await databaseOf(door, request.params.db);
      return reply.type(JSON_TYPE).send(printCommit(await database.goLive()));
    },
  );

  app.post(
    '/v1/:db/transactions',
    {
      schema: {
        tags: ['transactions'],
        summary: 'Commit transactions',
        description: TRANSACT,
        consumes: [...TRANSACT_TYPES],
        params: databaseParams,
        querystring: transactQuery,
        body: documentSchema,
        response: {
          200: {
            description: 'Committed and durable.',
            content: {
              'application/json': { schema: commitSchema },
              'application/x-ndjson': { schema: commitSchema },
            },
          },
          ...problemDocs(400, 404, 408, 409, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const type = mediaType(request, TRANSACT_TYPES);
      const { facts, explain } = request.query;
      const database = await databaseOf(door, request.params.db);
      const transact = door.metrics.counted(database, { explain });
      if (type === NDJSON_TYPE)
        return streamTransactions(request, reply, { door, transact, withFacts: facts ?? false });
      const body =
        type === 'application/json'
          ? await wholeBody(request, door)
          : await arrowBody(request, door);
      try {
        const result = await transact(body);
        return reply
          .header('pyralog-basis', result.tx.toString())
          .type(JSON_TYPE)
          .send(printCommit(result, facts ?? true));
      } finally {
        door.budget.give(body.length);
      }
    },
  );
}

interface StreamOptions {
  readonly door: Door;
  readonly transact: Parameters<typeof answerLines>[1]['transact'];
  readonly withFacts: boolean;
}

function streamTransactions(
  request: FastifyRequest,
  reply: FastifyReply,
  { door, transact, withFacts }: StreamOptions,
): FastifyReply {
  const { config, stopping } = door;
  const answers = answerLines(linesOf(bodyStream(request), door.budget), {
    transact,
    withFacts,
    inFlightMax: config.linesInFlightMax,
    bytesMax: config.lineBytesInFlightMax,
    unsentMax: config.unsentAnswersMax,
    stopping,
    budget: door.budget,
    onProblem: door.onProblem,
  });
  return reply
    .type(NDJSON_TYPE)
    .header('cache-control', 'no-store')
    .send(Readable.from(answers, { highWaterMark: 1 }));
}

/** The parser of bodies passes them on as they come. */
function bodyStream(request: FastifyRequest): IncomingMessage {
  return request.raw;
}

/** To be given back to the door's budget. */
function wholeBody(request: FastifyRequest, { budget, timers, config }: Door): Promise<Buffer> {
  return readBody(bodyStream(request), budget, { timers, millis: config.bodyMillis });
}

/**
 * The document of an Arrow body as JSON, which is what databases take. To be given back to the door's budget.
 * @throws document-invalid, value-invalid, transaction-too-large, busy
 */
async function arrowBody(request: FastifyRequest, door: Door): Promise<Uint8Array> {
  const codec = await createPortableCodec();
  const body = await wholeBody(request, door);
  try {
    const document = utf8Encode(printJson(jsonFromArrow(body, codec)));
    door.budget.take(document.length);
    return document;
  } finally {
    door.budget.give(body.length);
  }
}

/** @throws json-malformed, parameter-invalid, media-type-unsupported */
async function createOptions(request: FastifyRequest, door: Door): Promise<CreateOptions> {
  if (request.body === undefined || request.body === null) return {};
  mediaType(request, ['application/json']);
  const body = await wholeBody(request, door);
  try {
    if (body.length === 0) return {};
    const json = parseJson(body);
    if (!(json instanceof JsonObject))
      throw new PyralogError('parameter-invalid', 'The settings of a database are an object.', {
        hint: 'For example {"mode":"import"}, or no body at all.',
      });
    const data = Object.fromEntries(
      json.names.map((name, at) => [name, scalar(json.values[at] as Json)]),
    );
    const result = createSchema.safeParse(data);
    if (!result.success) throw refusalOf(result.error, createSchema, data);
    return result.data;
  } finally {
    door.budget.give(body.length);
  }
}

function scalar(json: Json): unknown {
  return json instanceof JsonNumber ? Number(json.text) : json;
}
