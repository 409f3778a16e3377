import type { Tx } from '@pyralog/model';

/** A query string with its question mark; parameters that are undefined are left out. */
export function queryText(parameters: Readonly<Record<string, string | undefined>>): string {
  let text = '';
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined)
      text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(value.toWellFormed())}`;
  }
  return text;
}

/** A moment that is a tx. A bare small number is refused as a likely mistake (seconds, milliseconds), so it is marked. */
export function momentText(tx: Tx | undefined): string | undefined {
  if (tx === undefined) return undefined;
  return tx >= BARE_TX_MIN ? tx.toString() : `tx:${tx}`;
}

/** From here on (the year 1973) a bare number is a tx. */
const BARE_TX_MIN = 10n ** 17n;
