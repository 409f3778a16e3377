import { utf8Encode } from '@pyralog/base';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { text } from './testing/arbitraries.ts';
import { TextTable } from './text-table.ts';

test('equal texts share a number, and every number gives its text back', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 200 }), (texts) => {
      const table = new TextTable();
      const numbers = new Map<string, number>();
      for (const each of texts) {
        const id = numbers.has(each) ? table.idOfBytes(utf8Encode(each)) : table.idOf(each);
        expect(id).toBe(numbers.get(each) ?? numbers.size);
        numbers.set(each, id);
      }
      expect(table.size).toBe(numbers.size);
      for (const [each, id] of numbers) {
        expect(table.find(each)).toBe(id);
        expect(table.textAt(id)).toBe(each);
        expect(table.bytesAt(id)).toEqual(utf8Encode(each));
      }
    }),
  );
});

test('a text that was never added is not found, and looking for it adds nothing', () => {
  const table = new TextTable();
  table.idOf('a');
  expect(table.find('b')).toBe(-1);
  expect(table.find('')).toBe(-1);
  expect(table.findBytes(utf8Encode('xax'), 1, 2)).toBe(0);
  expect(table.size).toBe(1);
});

test('a table grows to a hundred thousand texts and keeps their numbers', () => {
  const table = new TextTable();
  const wrong: number[] = [];
  for (let i = 0; i < 100_000; i++) if (table.idOf(`entity:${i}`) !== i) wrong.push(i);
  for (let i = 0; i < 100_000; i++) if (table.find(`entity:${i}`) !== i) wrong.push(i);
  expect(wrong).toEqual([]);
  expect(table.textAt(99_999)).toBe('entity:99999');
});

test('two texts of one hash are two texts', () => {
  // Found by search: both have the same 32-bit hash in this table.
  const table = new TextTable();
  expect(table.idOf('adzkgbqr')).toBe(0);
  expect(table.find('szttwjas')).toBe(-1);
  expect(table.idOf('szttwjas')).toBe(1);
  expect([table.find('adzkgbqr'), table.find('szttwjas')]).toEqual([0, 1]);
});
