import { compareBytes, concatBytes } from '@pyralog/base';
import type { IndexOrder } from '@pyralog/model';
import { compareRange, TAG_DOUBLE, TAG_STRING } from './fact-batch.ts';
import type { FactTable } from './fact-table.ts';
import { TextList } from './text-list.ts';
import type { TextTable } from './text-table.ts';

/** Order of two rows of a table in an index order. */
export function compareTableRows(
  order: IndexOrder,
  table: FactTable,
  a: number,
  b: number,
): number {
  switch (order) {
    case 'eavt':
      return (
        compareIds(table.entities, table.entity[a], table.entity[b]) ||
        compareIds(table.attributes, table.attribute[a], table.attribute[b]) ||
        compareRowValues(table, a, b) ||
        compareNumbers(table.tx[a] as bigint, table.tx[b] as bigint)
      );
    case 'aevt':
      return (
        compareIds(table.attributes, table.attribute[a], table.attribute[b]) ||
        compareIds(table.entities, table.entity[a], table.entity[b]) ||
        compareRowValues(table, a, b) ||
        compareNumbers(table.tx[a] as bigint, table.tx[b] as bigint)
      );
    case 'avet':
      return (
        compareIds(table.attributes, table.attribute[a], table.attribute[b]) ||
        compareRowValues(table, a, b) ||
        compareIds(table.entities, table.entity[a], table.entity[b]) ||
        compareNumbers(table.tx[a] as bigint, table.tx[b] as bigint)
      );
    case 'vaet':
      return (
        compareRowValues(table, a, b) ||
        compareIds(table.attributes, table.attribute[a], table.attribute[b]) ||
        compareIds(table.entities, table.entity[a], table.entity[b]) ||
        compareNumbers(table.tx[a] as bigint, table.tx[b] as bigint)
      );
  }
}

/**
 * The attributes that rows of a table use, in UTF-8 order, and their place in it by id in the table:
 * files number them so, whatever the order of their arrival was.
 */
export function numberAttributes(
  table: FactTable,
  rows: Uint32Array,
): { readonly attributes: TextList; readonly numbers: Uint16Array } {
  const used = new Uint8Array(table.attributes.size);
  for (let i = 0; i < rows.length; i++) used[table.attribute[rows[i] as number] as number] = 1;
  const ids = [...used.keys()].filter((id) => used[id] === 1);
  ids.sort((a, b) => compareBytes(table.attributes.bytesAt(a), table.attributes.bytesAt(b)));
  const numbers = new Uint16Array(used.length);
  const offsets = new Int32Array(ids.length + 1);
  ids.forEach((id, number) => {
    numbers[id] = number;
    offsets[number + 1] = (offsets[number] as number) + table.attributes.bytesAt(id).length;
  });
  const bytes = concatBytes(ids.map((id) => table.attributes.bytesAt(id)));
  return { attributes: new TextList(ids.length, offsets, bytes), numbers };
}

function compareIds(texts: TextTable, a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  const { arena, starts } = texts;
  const i = a as number;
  const j = b as number;
  return compareRange(
    arena,
    starts[i] as number,
    starts[i + 1] as number,
    arena,
    starts[j] as number,
    starts[j + 1] as number,
  );
}

function compareRowValues(table: FactTable, a: number, b: number): number {
  const tag = table.type[a] as number;
  const otherTag = table.type[b] as number;
  if (tag !== otherTag) return tag - otherTag;
  if (tag >= TAG_STRING) {
    const from = table.textStart[a] as number;
    const otherFrom = table.textStart[b] as number;
    return compareRange(
      table.texts,
      from,
      from + (table.textLength[a] as number),
      table.texts,
      otherFrom,
      otherFrom + (table.textLength[b] as number),
    );
  }
  if (tag === TAG_DOUBLE)
    return compareNumbers(table.doubles[a] as number, table.doubles[b] as number);
  return compareNumbers(table.bits[a] as bigint, table.bits[b] as bigint);
}

function compareNumbers<T extends number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
