import type { Database, FactsQuery, ReadOptions } from '@pyralog/client';
import { INDEX_ORDERS, parseAsOf, parseTx, parseValue, PyralogError, refValue, stringValue, type Tx, type Value } from '@pyralog/model';
import { z } from 'zod';

/* Query parameters as they are validated, documented, and read. Unknown names are refused. */

const TIMEOUT_MILLIS_MAX = 60_000;

const moment = z.string().min(1).describe('A tx, an instant (RFC 3339) whose end is meant, or a date (YYYY-MM-DD).');

const read = {
  asOf: moment.optional().describe('Read the past: a tx, an instant whose end is meant, or a date. Default: now.'),
  await: z.string().optional().describe('Wait until this tx is in the answer (read your writes).'),
  timeout: z.coerce.number().int().min(0).max(TIMEOUT_MILLIS_MAX).optional().describe('How long to wait, in milliseconds; default 5000.'),
};

const page = {
  limit: z.coerce.number().int().min(1).max(10_000).optional().describe('Rows of a page, 1 to 10,000; default 1,000.'),
  cursor: z.string().optional().describe('`next` of the page before; later pages stay at the basis of the first.'),
};

export const ReadParameters = z.strictObject(read);

export const HistoryParameters = z.strictObject({
  ...read,
  ...page,
  attribute: z.string().optional(),
  from: moment.optional().describe('Inclusive.'),
  to: moment.optional().describe('Inclusive.'),
});

export const FactsParameters = z.strictObject({
  ...read,
  ...page,
  index: z.enum(INDEX_ORDERS as [string, ...string[]]).default('eavt').describe('eavt: by entity; aevt: by attribute; avet: by value, of indexed attributes; vaet: by reference.'),
  entity: z.string().optional(),
  attribute: z.string().optional(),
  value: z.string().optional().describe('Text of the value; takes the type of the attribute.'),
  valueFrom: z.string().optional().describe('Inclusive.'),
  valueTo: z.string().optional().describe('Exclusive.'),
});

export const TransactionsParameters = z.strictObject({
  ...read,
  ...page,
  from: moment.optional(),
  to: moment.optional(),
  author: z.string().optional(),
});

export const DiffParameters = z.strictObject({ ...read, ...page, from: moment, to: moment });

export const FeedParameters = z.strictObject({
  offset: z.string().optional().describe('-1 (the beginning), now, tx:<tx>, or an offset from an event. Default -1.'),
  live: z.enum(['sse', 'long-poll']).optional().describe('Go on when the end is reached.'),
  entity: z.string().optional(),
  attribute: z.string().optional(),
  prefix: z.string().optional().describe('Of entity ids.'),
  timeout: z.coerce.number().int().min(0).max(TIMEOUT_MILLIS_MAX).optional().describe('How long a long poll waits, in milliseconds; default 30000.'),
});

export const SubmitParameters = z.strictObject({
  facts: z.enum(['true', 'false']).optional().describe('Whether lines of a stream tell the facts they wrote; default false.'),
});

export const CreateBody = z.strictObject({
  partitions: z.number().int().min(1).max(1024).optional(),
  strict: z.boolean().optional().describe('Refuse attributes that were not defined.'),
  mode: z.enum(['import', 'live']).optional().describe('import: transactions may carry their own times, until POST …/live.'),
});

/** @throws PyralogError `as-of-invalid`, `parameter-invalid` */
export function readOptions(query: z.infer<typeof ReadParameters>, signal: AbortSignal): ReadOptions {
  return {
    asOf: query.asOf === undefined ? undefined : parseAsOf(query.asOf),
    await: query.await === undefined ? undefined : txParameter('await', query.await),
    timeoutMillis: query.timeout,
    signal,
  };
}

/** @throws PyralogError `parameter-invalid` */
export function txParameter(name: string, text: string): Tx {
  const tx = parseTx(text);
  if (tx !== undefined) return tx;
  throw new PyralogError('parameter-invalid', `${name}: ${JSON.stringify(text.slice(0, 60))} is no tx.`, {
    hint: 'A tx is a decimal number such as 1795000000000000000.',
  });
}

/** The lower bound that a moment means: an instant's first nanosecond. */
export function fromParameter(text: string | undefined): Tx | undefined {
  if (text === undefined) return undefined;
  const end = parseAsOf(text);
  return /^[0-9]+$/.test(text) ? end : ((end & ~1023n) as Tx);
}

export function toParameter(text: string | undefined): Tx | undefined {
  return text === undefined ? undefined : parseAsOf(text);
}

/** The query of a listing; values take the type of their attribute. */
export async function factsQuery(database: Database, query: z.infer<typeof FactsParameters>): Promise<FactsQuery> {
  const { entity, attribute: written, limit, cursor } = query;
  const index = query.index as FactsQuery['index'];
  const attribute = written?.startsWith(':') === true ? written.slice(1) : written;
  const texts = [query.value, query.valueFrom, query.valueTo];
  if (texts.every((text) => text === undefined)) return { index, entity, attribute, limit, cursor };
  const { attributes } = await database.schema();
  const type = index === 'vaet' ? 'ref' : attributes.find(({ ident }) => ident === attribute)?.valueType;
  const typed = (name: string, text: string | undefined): Value | undefined => {
    if (text === undefined) return undefined;
    if (type === undefined) return stringValue(text);
    if (type === 'ref') return refValue(text);
    try {
      return parseValue(type, text);
    } catch (error) {
      throw new PyralogError('parameter-invalid', `${name}: ${JSON.stringify(text.slice(0, 60))} is no ${type}, the type of ${attribute}.`, { cause: error });
    }
  };
  return {
    index,
    entity,
    attribute,
    limit,
    cursor,
    value: typed('value', query.value),
    valueFrom: typed('valueFrom', query.valueFrom),
    valueTo: typed('valueTo', query.valueTo),
  };
}
