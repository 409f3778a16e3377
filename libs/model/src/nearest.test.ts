import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearestName } from './nearest.ts';

/** The definition of Levenshtein's distance, without a table. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  if (a[0] === b[0]) return distance(a.slice(1), b.slice(1));
  return (
    1 + Math.min(distance(a.slice(1), b), distance(a, b.slice(1)), distance(a.slice(1), b.slice(1)))
  );
}

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'A', 'B'), maxLength: 6 });

test('the first of the nearest names is meant, at two edits at most, of fewer than half the letters', () => {
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 4 }), (written, names) => {
      const edits = names.map((name) => distance(written.toLowerCase(), name.toLowerCase()));
      const allowed = edits.map((count) => count <= 2 && 2 * count < written.length);
      const least = Math.min(...edits.filter((_, i) => allowed[i]));
      const expected = names[edits.findIndex((count, i) => allowed[i] === true && count === least)];
      expect(nearestName(written, names)).toBe(expected);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['retactEntity', 'retractEntity'],
  ['Assert', 'assert'],
  ['vlaue', 'value'],
  ['asser', 'assert'],
  ['upsert', 'assert'],
  ['merge', undefined],
  ['cs', undefined],
  ['', undefined],
])('for %j the hint is %j', (written, nearest) => {
  const names = ['assert', 'retract', 'retractEntity', 'cas', 'value'];
  expect(nearestName(written, names)).toBe(nearest);
});

test('a text as long as a document is not compared', () => {
  expect(nearestName('x'.repeat(10_000_000), ['x'.repeat(10_000_000)])).toBeUndefined();
  expect(nearestName('x'.repeat(100), ['x'.repeat(100)])).toBe('x'.repeat(100));
  expect(nearestName('x'.repeat(101), ['x'.repeat(101)])).toBeUndefined();
});
