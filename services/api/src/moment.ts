import { endOfStep, parseTx, PyralogError, readDate, readInstant, TX_LAST, tx, type Tx } from '@pyralog/model';

/** Below this a bare number is rather a count of seconds or milliseconds than a tx (the year 1973). */
const BARE_TX_MIN = 10n ** 17n;
const STEP_MASK = 1023n;

/**
 * A moment of a parameter: a tx (`1795526400000000000`, or `tx:5` whatever its size), RFC 3339, or `YYYY-MM-DD`, which is its first
 * instant in UTC.
 *
 * @param edge which end of an instant is meant: `end` includes every transaction of it, `start` begins before them
 * @throws as-of-invalid
 */
export function parseMoment(name: string, text: string, edge: 'start' | 'end'): Tx {
  const explicit = text.startsWith('tx:');
  const bare = parseTx(explicit ? text.slice(3) : text);
  if (bare !== undefined && (explicit || bare >= BARE_TX_MIN)) return bare;
  if (bare !== undefined) {
    throw refused(name, text, 'a bare number is a tx, and none is as small', 'Write an instant as 2020-01-31T12:00:00Z, and a tx of the distant past as tx:<number>.');
  }
  // A plus sign of the zone arrives as a space where it was not percent-encoded.
  const reading = readDate(text) ?? readInstant(text.replace(/ (?=[0-9]{2}:[0-9]{2}$)/, '+'));
  if (reading.problem !== undefined) {
    throw refused(name, text, reading.problem, 'A moment is a tx, RFC 3339 with a zone such as 2020-01-31T12:00:00Z, or a date such as 2020-01-31.');
  }
  const { nanos } = reading;
  if (nanos < 0n || nanos > TX_LAST) throw refused(name, text, 'transactions lie between 1970 and 2262', undefined);
  return edge === 'end' ? endOfStep(nanos) : tx(nanos & ~STEP_MASK);
}

function refused(name: string, text: string, problem: string, hint: string | undefined): PyralogError {
  const shown = text.length <= 60 ? text : `${text.slice(0, 57).toWellFormed()}…`;
  return new PyralogError('as-of-invalid', `${name}: ${JSON.stringify(shown)} is not a moment: ${problem}.`, { hint, extra: { parameter: name } });
}
