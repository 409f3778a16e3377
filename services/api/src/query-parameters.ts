import {
  checkAttribute,
  checkEntity,
  INDEX_ORDERS,
  inputValue,
  isPyralogError,
  NAME_BYTES_MAX,
  parseJson,
  parseTx,
  PyralogError,
  refValue,
  type Tx,
  type Value,
} from '@pyralog/model';
import { utf8Length } from '@pyralog/base';
import { z } from 'zod';
import { parseMoment } from './moment.ts';

/*
 * The parameters of the HTTP door: what a request is checked by, and what /openapi.json is made of. Texts that the model
 * knows are read by the model, whose refusals pass through zod unchanged.
 */

const PAGE_ROWS_MAX = 10_000;
const TIMEOUT_MILLIS_MAX = 60_000;

const moment = (
  edge: 'start' | 'end',
  description: string,
): z.ZodType<Tx | undefined, string | undefined> =>
  z
    .string()
    .transform((text) => parseMoment(text, edge))
    .optional()
    .meta({ description, examples: ['2026-01-31T12:00:00Z'] });

const entity = (description: string): z.ZodType<string | undefined, string | undefined> =>
  z
    .string()
    .transform((text) => checkEntity(text))
    .optional()
    .meta({ description, examples: ['paper:1'] });

const attribute = (description: string): z.ZodType<string | undefined, string | undefined> =>
  z
    .string()
    .transform((text) => checkAttribute(text))
    .optional()
    .meta({ description, examples: ['person/name'] });

const value = (
  description: string,
  examples: readonly string[],
): z.ZodType<Value | undefined, string | undefined> =>
  z
    .string()
    .transform(readValue)
    .optional()
    .meta({ description, examples: [...examples] });

/** JSON as in answers; what is none is a plain string, so that `value=Alice` needs no quotes. */
function readValue(text: string): Value {
  try {
    return inputValue(parseJson(text)).value;
  } catch (error) {
    if (!isPyralogError(error) || error.code !== 'json-malformed') throw error;
    return inputValue(text).value;
  }
}

const whole = (
  description: string,
  minimum: number,
  maximum: number,
): z.ZodType<number | undefined, string | undefined> =>
  z
    .string()
    .regex(/^[0-9]{1,9}$/, `This is not a whole number from ${minimum} to ${maximum}.`)
    .transform(Number)
    .refine(
      (count) => count >= minimum && count <= maximum,
      `This is not a whole number from ${minimum} to ${maximum}.`,
    )
    .optional()
    .meta({ description, type: 'integer', minimum, maximum, pattern: undefined });

const timeout = (description: string): z.ZodType<number | undefined, string | undefined> =>
  z
    .string()
    .regex(
      /^[0-9]{1,9}(?:ms|s)?$/,
      'This is not a time: write 500ms, 5s, or a number of milliseconds.',
    )
    .transform((text) => Number.parseInt(text, 10) * (/[0-9]s$/.test(text) ? 1_000 : 1))
    .refine(
      (millis) => millis <= TIMEOUT_MILLIS_MAX,
      `The limit is ${TIMEOUT_MILLIS_MAX / 1_000} s.`,
    )
    .optional()
    .meta({ description, examples: ['5s'] });

const awaited: z.ZodType<Tx | undefined, string | undefined> = z
  .string()
  .transform((text) => readTx('await', text))
  .optional()
  .meta({
    description: 'Waits until this transaction is in the answer, so that you read what you wrote.',
    examples: ['1795526400000000000'],
  });

/** @throws parameter-invalid */
export function readTx(name: string, text: string): Tx {
  const tx = parseTx(text);
  if (tx !== undefined) return tx;
  throw new PyralogError('parameter-invalid', `${name}: This is not a tx.`, {
    hint: 'A tx is a decimal number of at most 19 digits; it stands in the answer to a transaction.',
    extra: { parameter: name },
  });
}

/** Of every read. */
const read = {
  asOf: moment(
    'end',
    'The moment to read at: a tx, RFC 3339, or a date (its 00:00 in UTC). Without it: now.',
  ),
  await: awaited,
  timeout: timeout(
    'How long to wait for `await`, or for a moment that is only just coming; default `5s`, at most `60s`. Then the answer is 504.',
  ),
};

const page = {
  limit: whole(
    'Rows of a page; default 1000. A page also ends before more than 16 MiB of values above 64 KiB are on it: go on by `next`.',
    1,
    PAGE_ROWS_MAX,
  ),
  cursor: z.string().optional().meta({
    description:
      'The `next` of the page before. Give the other parameters as they were; later pages stay at the basis of the first.',
  }),
};

const range = {
  from: moment('start', 'From this moment on: a tx, RFC 3339, or a date.'),
  to: moment('end', 'Up to and including this moment.'),
};

const idInQuery = {
  id: z.string().optional().meta({
    description:
      'The entity id, where the path cannot carry it (`.` and `..`, which URL parsers swallow): leave it out of the path then.',
  }),
};

export const databaseParams = z.object({
  db: z.string().meta({ description: 'Name of the database.', examples: ['main'] }),
});
export const entityParams = z.object({
  db: databaseParams.shape.db,
  id: z.string().meta({ description: 'The entity id, percent-encoded.', examples: ['paper:1'] }),
});
export const restParams = z.object({ db: databaseParams.shape.db });
export const transactionParams = z.object({
  db: databaseParams.shape.db,
  tx: z.string().meta({ description: 'The transaction.', examples: ['1795526400000000000'] }),
});

export const noQuery = z.strictObject({});
export const readQuery = z.strictObject(read);
export const entityQuery = z.strictObject({ ...idInQuery, ...read });
export const historyQuery = z.strictObject({
  attribute: attribute('Only this attribute.'),
  ...range,
  ...page,
  ...idInQuery,
  ...read,
});
export const transactionsQuery = z.strictObject({
  ...range,
  author: z
    .string()
    .optional()
    .meta({
      description: 'Only transactions whose meta has this author.',
      examples: ['user:alice'],
    }),
  ...page,
  ...read,
});

export const factsQuery = z
  .strictObject({
    index: z
      .enum(
        INDEX_ORDERS as readonly ['eavt', 'aevt', 'avet', 'vaet'],
        'This is not an index: write eavt, aevt, avet or vaet.',
      )
      .optional()
      .meta({
        description:
          'The order of the facts, and which of `entity`, `attribute` and `value` may be given: any leading part of it. `avet` lists attributes with an index, `vaet` references. Default: the order that fits what is given.',
      }),
    entity: entity('Only facts of this entity.'),
    attribute: attribute('Only facts of this attribute.'),
    value: value(
      'Only facts with this value: JSON as in answers, or a plain text. It takes the type of the attribute.',
      ['Alice', '5', '{"ref":"paper:1"}'],
    ),
    valueFrom: value(
      'Values from this one on. Values above 64 KiB are ordered by their first 256 bytes, behind the value that is equal to these, then by their SHA-256.',
      ['10'],
    ),
    valueTo: value('Values before this one.', ['20']),
    ...page,
    ...read,
  })
  .transform(({ index, ...rest }) => {
    const order = index ?? fittingIndex(rest);
    return { ...rest, index: order, value: order === 'vaet' ? asRef(rest.value) : rest.value };
  });

function fittingIndex(given: {
  readonly entity?: unknown;
  readonly attribute?: unknown;
  readonly value?: unknown;
  readonly valueFrom?: unknown;
  readonly valueTo?: unknown;
}): 'eavt' | 'aevt' | 'avet' | 'vaet' {
  if (given.entity !== undefined) return 'eavt';
  const byValue =
    given.value !== undefined || given.valueFrom !== undefined || given.valueTo !== undefined;
  if (given.attribute !== undefined) return byValue ? 'avet' : 'aevt';
  return byValue ? 'vaet' : 'eavt';
}

/** All that vaet lists are references, so a plain text is one. */
function asRef(given: Value | undefined): Value | undefined {
  return given?.type === 'string' ? refValue(given.value) : given;
}

export const diffQuery = z.strictObject({
  from: z
    .string()
    .transform((text) => parseMoment(text, 'end'))
    .meta({
      description: 'The earlier moment (inclusive): a tx, RFC 3339, or a date.',
      examples: ['2026-01-31'],
    }),
  to: z
    .string()
    .transform((text) => parseMoment(text, 'end'))
    .meta({ description: 'The later moment (inclusive).', examples: ['2026-02-28T12:00:00Z'] }),
  ...page,
  ...read,
});

export const transactQuery = z.strictObject({
  facts: z
    .enum(['true', 'false'], 'This is neither true nor false.')
    .transform((text) => text === 'true')
    .optional()
    .meta({
      description:
        'Whether answers list the facts written. Default: true for one document, false for a stream.',
    }),
  explain: z
    .enum(['true', 'false'], 'This is neither true nor false.')
    .transform((text) => text === 'true')
    .optional()
    .meta({ description: 'Whether answers say where the time of a commit went. Default: false.' }),
});

export const feedQuery = z.strictObject({
  offset: z
    .string()
    .optional()
    .meta({
      description:
        'Where to begin: `-1` the beginning (default), `now`, `tx:<tx>` after that transaction, or any offset ever given.',
      examples: ['-1'],
    }),
  live: z.enum(['sse', 'long-poll'], 'This is neither sse nor long-poll.').optional().meta({
    description:
      '`sse`: goes on as server-sent events. `long-poll`: waits for the next transactions. Without it: up to now.',
  }),
  timeout: timeout('How long a long poll waits; default `20s`, at most `60s`.'),
  entity: entity('Only facts of this entity.'),
  attribute: attribute('Only facts of this attribute.'),
  prefix: z
    .string()
    .refine((text) => utf8Length(text) <= NAME_BYTES_MAX, `The limit is ${NAME_BYTES_MAX} bytes.`)
    .optional()
    .meta({ description: 'Only facts of entities whose id begins so.', examples: ['person:'] }),
});
