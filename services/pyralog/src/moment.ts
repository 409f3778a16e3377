import { asOfDate, formatNanos, parseAsOf, parseTx, PyralogError, type Tx } from '@pyralog/model';
import { Instant } from './values.ts';

/**
 * A point in time to read at: a tx (bigint or its decimal text), a Date (its whole millisecond), an Instant, RFC 3339
 * text, or a bare date, which is 00:00Z of that day. An instant means its end, inclusive.
 */
export type Moment = Tx | bigint | Date | Instant | string;

/** @throws PyralogError `as-of-invalid` */
export function toTx(moment: Moment): Tx {
  if (moment instanceof Date) return asOfDate(moment);
  if (moment instanceof Instant) return parseAsOf(formatNanos(moment.epochMicros * 1000n));
  if (typeof moment !== 'bigint') return parseAsOf(moment);
  // The basis of an empty database is a small number, and a bigint is nobody's seconds.
  const tx = parseTx(moment.toString());
  if (tx !== undefined) return tx;
  throw new PyralogError(
    'as-of-invalid',
    `${moment} is no moment to read at: a tx is an int64 of nanoseconds since 1970.`,
  );
}
