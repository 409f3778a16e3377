import { compareBytes } from '@pyralog/base';
import type { FactTable } from './fact-table.ts';
import { type TextList, textListOf } from './text-list.ts';

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
  for (const [number, id] of ids.entries()) numbers[id] = number;
  return { attributes: textListOf(ids.map((id) => table.attributes.bytesAt(id))), numbers };
}
