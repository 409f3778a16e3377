import { PyralogError } from './errors.ts';
import { readDate, readInstant } from './instant.ts';
import { shortened } from './json-print.ts';
import { endOfStep, parseTx, tx, type Tx, TX_LAST } from './tx.ts';

/** A bare integer below this is no tx of our time (1973): somebody gave seconds or milliseconds. */
const TX_MIN = 10n ** 17n;
const NANOS_PER_MILLI = 1_000_000n;

/**
 * A moment to read at, from text: a tx, an instant in RFC 3339, or a date, which is the beginning of that
 * day in UTC. An instant means its end: what happened in it is seen.
 *
 * @throws PyralogError `as-of-invalid`
 */
export function parseAsOf(text: string): Tx {
  if (/^[0-9]+$/.test(text)) {
    const found = parseTx(text);
    if (found !== undefined && found >= TX_MIN) return found;
    throw invalid(text, 'a bare number is a tx, in nanoseconds since 1970, and this is none');
  }
  const reading = readDate(text) ?? readInstant(text);
  if (reading.problem !== undefined) throw invalid(text, reading.problem);
  const { nanos } = reading;
  if (nanos < 0n || nanos > TX_LAST) throw invalid(text, 'no transaction can have that time');
  return endOfStep(nanos);
}

/** The moment that a JavaScript date means: the end of its millisecond. @throws PyralogError `as-of-invalid` */
export function asOfDate(date: Date): Tx {
  const millis = date.getTime();
  const end = Number.isFinite(millis) ? (BigInt(millis) + 1n) * NANOS_PER_MILLI - 1n : -1n;
  if (end < 0n || end > TX_LAST) throw invalid(String(date), 'no transaction can have that time');
  return tx(end);
}

function invalid(text: string, problem: string): PyralogError {
  return new PyralogError(
    'as-of-invalid',
    `${JSON.stringify(shortened(text))} is no moment to read at: ${problem}.`,
    {
      hint: 'Give a tx, an instant such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31.',
    },
  );
}
