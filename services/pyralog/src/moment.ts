import { endOfStep, parseTx, PyralogError, readDate, readInstant, TX_LAST, TX_NONE, type Tx } from '@pyralog/model';
import { Instant, millisOf } from './values.ts';

/**
 * A point in time to read at: a tx (bigint or its decimal text), a Date (its whole millisecond), an Instant, RFC 3339
 * text, or a bare date, which is 00:00Z of that day. An instant means its end, inclusive.
 */
export type Moment = Tx | bigint | Date | Instant | string;

/** Decimal numbers below this are no tx of our days: most likely seconds or milliseconds. */
const TX_PLAUSIBLE_MIN = 10n ** 17n;
const NANOS_PER_MILLI = 1_000_000n;

/** @throws PyralogError `as-of-invalid` */
export function toTx(moment: Moment): Tx {
  if (typeof moment === 'bigint') return txOf(moment.toString());
  if (moment instanceof Date) return endOf(BigInt(millisOf(moment)) * NANOS_PER_MILLI + NANOS_PER_MILLI - 1n);
  if (moment instanceof Instant) return endOf(moment.epochMicros * 1000n);
  if (/^-?[0-9]+$/.test(moment)) return txOf(moment);
  const reading = readDate(moment) ?? readInstant(moment);
  if (reading.problem === undefined) return endOf(reading.nanos);
  throw new PyralogError('as-of-invalid', `${JSON.stringify(moment.slice(0, 60))} is not a moment: ${reading.problem}.`, {
    hint: 'Give a tx, a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z.',
  });
}

function txOf(digits: string): Tx {
  const tx = parseTx(digits);
  if (tx === undefined) throw new PyralogError('as-of-invalid', `${digits.slice(0, 60)} is not a tx: it is no int64 of nanoseconds since 1970.`);
  if (tx < TX_PLAUSIBLE_MIN && tx !== TX_NONE) {
    throw new PyralogError('as-of-invalid', `${digits} is not a tx: it is too small for nanoseconds since 1970.`, {
      hint: 'A tx has 18 or 19 digits. For seconds or milliseconds write an RFC 3339 instant or pass a Date.',
    });
  }
  return tx;
}

function endOf(nanos: bigint): Tx {
  if (nanos < 0n) return TX_NONE;
  return nanos >= TX_LAST ? TX_LAST : endOfStep(nanos);
}
