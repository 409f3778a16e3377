import { assert } from '@pyralog/base';
import { compareRows, type FactTable, type TextTable, sameSubject } from '@pyralog/format';
import type { IndexOrder } from '@pyralog/model';
import { compareBytes } from '@pyralog/base';

/** Integers up to here are exact in a double. */
const PACKED_BITS_MAX = 53;

/** Place of each text of a table in UTF-8 order. */
export function ranksOf(texts: TextTable): Uint32Array {
  const { size } = texts;
  const ids = Uint32Array.from({ length: size }, (_, id) => id);
  // The first six bytes as a number decide most comparisons without touching the texts.
  const prefixes = Float64Array.from(ids, (id) => prefixOf(texts.bytesAt(id)));
  ids.sort((a, b) => {
    const difference = (prefixes[a] as number) - (prefixes[b] as number);
    return difference !== 0 ? difference : compareBytes(texts.bytesAt(a), texts.bytesAt(b));
  });
  const ranks = new Uint32Array(size);
  for (let rank = 0; rank < size; rank++) ranks[ids[rank] as number] = rank;
  return ranks;
}

function prefixOf(bytes: Uint8Array): number {
  let prefix = 0;
  for (let i = 0; i < 6; i++) prefix = prefix * 256 + (bytes[i] ?? 0);
  return prefix;
}

/**
 * All rows of a table by entity, attribute, value, tx (or attribute, entity, …). Ranks of entity and
 * attribute and the row are packed into one double, so the bulk is a sort of numbers; only the few facts
 * of one entity and attribute are compared by value.
 */
export function sortByEntity(
  table: FactTable,
  order: 'eavt' | 'aevt',
  entityRanks: Uint32Array,
  attributeRanks: Uint32Array,
): Uint32Array {
  const { length } = table;
  const entities = Math.max(1, table.entities.size);
  const attributes = Math.max(1, table.attributes.size);
  const rows = Math.max(1, length);
  if (Math.log2(entities) + Math.log2(attributes) + Math.log2(rows) > PACKED_BITS_MAX)
    return sortRows(table, order, allRows(length));
  const packed = new Float64Array(length);
  for (let row = 0; row < length; row++) {
    const entity = entityRanks[table.entity[row] as number] as number;
    const attribute = attributeRanks[table.attribute[row] as number] as number;
    const group =
      order === 'eavt' ? entity * attributes + attribute : attribute * entities + entity;
    packed[row] = group * rows + row;
  }
  packed.sort();
  const sorted = new Uint32Array(length);
  for (let i = 0; i < length;) {
    const group = Math.floor((packed[i] as number) / rows);
    let end = i;
    for (; end < length && Math.floor((packed[end] as number) / rows) === group; end++) {
      sorted[end] = (packed[end] as number) - group * rows;
    }
    if (end - i > 1) sortRows(table, order, sorted.subarray(i, end));
    i = end;
  }
  return sorted;
}

/** Sorts rows in place by comparing them. */
export function sortRows(table: FactTable, order: IndexOrder, rows: Uint32Array): Uint32Array {
  return rows.sort((a, b) => compareRows(order, table, a, table, b));
}

/**
 * Which rows are the newest of their (entity, attribute, value): the current part. `eavt` holds all rows
 * in that order, so those of one group lie together with their tx rising.
 */
export function currentRows(table: FactTable, eavt: Uint32Array): Uint8Array {
  const current = new Uint8Array(table.length);
  for (let i = 0; i < eavt.length; i++) {
    const row = eavt[i] as number;
    const next = eavt[i + 1];
    if (next === undefined || !sameSubject(table, row, table, next)) current[row] = 1;
  }
  return current;
}

function allRows(length: number): Uint32Array {
  const rows = new Uint32Array(length);
  for (let row = 0; row < length; row++) rows[row] = row;
  assert(rows.length === length, 'every row is there');
  return rows;
}
