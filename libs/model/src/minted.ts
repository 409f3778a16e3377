import { assert } from '@pyralog/base';
import { partitionOf, prefixOfTemporaryId } from './entity.ts';
import type { PartitionNo, Tx } from './tx.ts';

/*
 * Ids of new entities.
 *
 *   id      := (prefix ":")? suffix
 *   suffix  := time ordinal search
 *   time    := tx in 13 digits of base 32            // so that ids of one prefix sort by time
 *   ordinal := number in the transaction in 4 digits
 *   search  := the first of "", "0", "1", … "z", "10", … that puts the id on its partition
 *
 * Digits are Crockford's (no i, l, o, u), in lower case. Time and ordinal have fixed widths and are distinct
 * over the database, so ids are. Nothing is drawn from chance: a replay mints the same ids.
 */

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const ORDINAL_MAX = 32 ** 4 - 1;

/**
 * The id that a temporary id becomes.
 * @param ordinal number of the temporary id in its transaction, from 0
 * @param partition where it must lie: that of the coordinator
 */
export function mintEntity(
  temporary: string,
  tx: Tx,
  ordinal: number,
  partition: PartitionNo,
  partitions: number,
): string {
  assert(
    Number.isInteger(ordinal) && ordinal >= 0 && ordinal <= ORDINAL_MAX,
    `ordinal out of range: ${ordinal}`,
  );
  assert(partition < partitions, `there is no partition ${partition} of ${partitions}`);
  const prefix = prefixOfTemporaryId(temporary);
  const stem =
    (prefix === undefined ? '' : `${prefix}:`) +
    base32(tx).padStart(13, '0') +
    base32(BigInt(ordinal)).padStart(4, '0');
  if (partitionOf(stem, partitions) === partition) return stem;
  for (let search = 0n; ; search++) {
    const entity = stem + base32(search);
    if (partitionOf(entity, partitions) === partition) return entity;
  }
}

function base32(value: bigint): string {
  let digits = '';
  let rest = value;
  do {
    digits = DIGITS.charAt(Number(rest & 31n)) + digits;
    rest >>= 5n;
  } while (rest > 0n);
  return digits;
}
