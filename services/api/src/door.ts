import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Database, type DatabaseHost, PROBLEM_TYPE, printProblem } from '@pyralog/client';
import { isDatabaseName } from '@pyralog/format';
import { PyralogError } from '@pyralog/model';
import type { Clock, Timers } from '@pyralog/runtime';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { problemSchema } from './answer-schemas.ts';
import type { BodyBudget } from './bodies.ts';
import type { DoorMetrics } from './door-metrics.ts';

/** Bounds of the door. All have defaults. */
export interface ApiConfig {
  /** Documents of one NDJSON request that may be on their way at once. */
  readonly linesInFlightMax: number;
  /** Bytes of documents of one NDJSON request that may be. */
  readonly lineBytesInFlightMax: number;
  /** Characters of answers that may wait for a slow reader of one NDJSON request. */
  readonly unsentAnswersMax: number;
  /** Bytes of all bodies in memory. */
  readonly bodyBytesMax: number;
  /** Readers of feeds at once. */
  readonly feedReadersMax: number;
  readonly heartbeatMillis: number;
  /** How long a long poll waits where the request does not say. */
  readonly longPollMillis: number;
  /** How long the body of a single document may take to arrive. */
  readonly bodyMillis: number;
  /** How long `close` waits for requests on their way. */
  readonly drainMillis: number;
}

/** What the routes work with. */
export interface Door {
  readonly host: DatabaseHost;
  readonly version: string;
  readonly config: ApiConfig;
  readonly metrics: DoorMetrics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly budget: BodyBudget;
  /** Aborts when the server begins to stop. */
  readonly stopping: AbortSignal;
  /** Why the server cannot serve yet; empty when it can. */
  readonly notReady: () => readonly string[];
  /** Told of every problem that somebody is answered with; tells the operator of those that are his. */
  readonly onProblem: (problem: PyralogError) => void;
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** @throws database-name-invalid, database-not-found */
export async function databaseOf(door: Door, name: string): Promise<Database> {
  checkName(name);
  return door.host.database(name);
}

/** @throws database-name-invalid */
export function checkName(name: string): void {
  if (isDatabaseName(name)) return;
  throw new PyralogError(
    'database-name-invalid',
    `${JSON.stringify(name.slice(0, 60).toWellFormed())} is not the name of a database.`,
    {
      hint: 'A name has 1 to 48 characters: a-z, 0-9 and -, and begins with a letter.',
    },
  );
}

/** Documentation of one kind of answer. */
export interface AnswerDoc {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

export function answerDoc(
  description: string,
  schema: z.ZodType,
  type = 'application/json',
): AnswerDoc {
  return { description, content: { [type]: { schema } } };
}

/** By status: what it means, and one of the errors that have it. */
const PROBLEMS = {
  400: {
    meaning: 'A parameter, the address or the JSON is not well formed.',
    example: new PyralogError('parameter-invalid', 'There is no parameter "asof" here.', {
      hint: 'Did you mean "asOf"?',
      extra: { parameter: 'asof' },
    }),
  },
  404: {
    meaning: 'There is no such database, entity or transaction.',
    example: new PyralogError('database-not-found', 'There is no database "mian".'),
  },
  408: {
    meaning: 'The body did not arrive in time.',
    example: new PyralogError('request-timeout', 'The body was not complete within 300 seconds.'),
  },
  409: {
    meaning: 'The state of the database forbids it.',
    example: new PyralogError('cas-failed', 'The value of "balance" of "account:1" is 7, not 5.'),
  },
  413: {
    meaning: 'A limit is exceeded.',
    example: new PyralogError(
      'value-too-large',
      'ops[3].value: The value has 20000000 bytes. The limit is 16777216 bytes (16 MiB).',
      { extra: { limit: 16_777_216, given: 20_000_000 } },
    ),
  },
  415: {
    meaning: 'The media type of the body is not supported.',
    example: new PyralogError('media-type-unsupported', 'The request has no content type.'),
  },
  422: {
    meaning: 'The request can never work as it is.',
    example: new PyralogError(
      'type-mismatch',
      'The attribute "age" takes an int value, but "old" is a string value.',
      { extra: { attribute: 'age', expected: 'int', given: 'string' } },
    ),
  },
  503: {
    meaning: 'The server is busy, stopping, or its storage fails; see `Retry-After`.',
    example: new PyralogError('busy', 'Too many large requests are on their way at once.', {
      hint: 'Send fewer at a time.',
    }),
  },
  504: {
    meaning: 'What was awaited has not arrived in time.',
    example: new PyralogError(
      'await-timeout',
      'The transaction 1795526400000000000 has not arrived within 5000 ms.',
    ),
  },
} as const;

/** Documentation of the problems that a route may answer with. */
export function problemDocs(
  ...statuses: readonly (keyof typeof PROBLEMS)[]
): Readonly<Record<number, AnswerDoc>> {
  return Object.fromEntries(
    statuses.map((status) => {
      const { meaning, example } = PROBLEMS[status];
      const examples: unknown[] = [JSON.parse(printProblem(example))];
      const schema = problemSchema.meta({ examples });
      return [status, answerDoc(meaning, schema, PROBLEM_TYPE)];
    }),
  );
}
