import { decodeFeedOffset, encodeFeedOffset } from '@pyralog/format';
import { parseTx, PyralogError, TX_NONE, type Tx } from '@pyralog/model';

/**
 * Where a feed begins: after every transaction up to and including `tx`. The feed is the one order of
 * all transactions by tx, so a position is a tx, whatever was compacted, moved or rebuilt since.
 */
export type FeedStart = { readonly kind: 'after'; readonly tx: Tx } | { readonly kind: 'now' };

/**
 * Reads `-1` (the beginning), `now`, `tx:<tx>` or an offset that a feed of this database gave.
 *
 * @throws PyralogError `offset-invalid` or `offset-foreign`
 */
export function parseFeedStart(text: string, databaseId: string): FeedStart {
  if (text === '-1') return { kind: 'after', tx: TX_NONE };
  if (text === 'now') return { kind: 'now' };
  if (!text.startsWith('tx:')) return { kind: 'after', tx: decodeFeedOffset(text, databaseId) };
  const tx = parseTx(text.slice(3));
  if (tx === undefined) {
    throw new PyralogError('offset-invalid', `'${text}' does not name a transaction.`, {
      hint: 'Give tx: and the decimal tx of a transaction, such as tx:1795000000000000000.',
    });
  }
  return { kind: 'after', tx };
}

/** The offset that continues a feed after `tx`. */
export function feedOffset(tx: Tx, databaseId: string): string {
  return encodeFeedOffset(databaseId, tx);
}
