import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FactTable } from './fact-table.ts';
import { facts } from './testing/arbitraries.ts';

test('facts come out of a table as they went in, in order of arrival', () => {
  fc.assert(
    fc.property(facts(60), (list) => {
      const table = new FactTable();
      list.forEach((fact, row) => expect(table.append(fact)).toBe(row));
      expect(table.length).toBe(list.length);
      expect(list.map((_, row) => table.factAt(row))).toEqual(list);
    }),
  );
});
