import { parseAsOf, parseTx, tx, type Tx } from '@pyralog/model';

const STEP_MASK = 1023n;

/**
 * A moment of a parameter: what `parseAsOf` reads, or `tx:<number>` for a tx of whatever size (a bare small number is rather a
 * count of seconds).
 *
 * @param edge which end of an instant is meant: `end` includes every transaction of it, `start` begins before them
 * @throws as-of-invalid
 */
export function parseMoment(text: string, edge: 'start' | 'end'): Tx {
  const exact = parseTx(text.startsWith('tx:') ? text.slice(3) : '');
  if (exact !== undefined) return exact;
  // The plus sign of a zone arrives as a space where it was not percent-encoded.
  const end = parseAsOf(text.replace(/ (?=[0-9]{2}:[0-9]{2}$)/, '+'));
  return edge === 'end' || parseTx(text) !== undefined ? end : tx(end & ~STEP_MASK);
}
