import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Database, type DatabaseHost } from '@pyralog/client';
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

const PROBLEMS = {
  400: 'A parameter, the address or the JSON is not well formed.',
  404: 'There is no such database, entity or transaction.',
  409: 'The state of the database forbids it.',
  413: 'A limit is exceeded.',
  415: 'The media type of the body is not supported.',
  422: 'The request can never work as it is.',
  503: 'The server is busy, stopping, or its storage fails; see `Retry-After`.',
  504: 'What was awaited has not arrived in time.',
} as const;

/** Documentation of the problems that a route may answer with. */
export function problemDocs(
  ...statuses: readonly (keyof typeof PROBLEMS)[]
): Readonly<Record<number, AnswerDoc>> {
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      answerDoc(PROBLEMS[status], problemSchema, 'application/problem+json'),
    ]),
  );
}
