/** The merge against a sort of everything. */
import { must } from '@pyralog/base';
import { tx, type Tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Merge, nearest, type Source } from './merge.ts';

interface Entry {
  readonly tx: Tx;
  readonly name: string;
}

/** A source as data: entries, or sources that show when it is opened. Its range may be wider than what it has. */
interface Tree {
  readonly times: readonly number[];
  readonly inside: readonly Tree[];
  readonly below: number;
  readonly above: number;
}

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.record({
    times: fc.array(fc.nat({ max: 30 }), { maxLength: 5 }),
    inside: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constant([]),
      fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
    ),
    below: fc.nat({ max: 5 }),
    above: fc.nat({ max: 5 }),
  }),
}));

const timesOf = ({ times, inside }: Tree): readonly number[] =>
  inside.length > 0 ? inside.flatMap(timesOf) : times;

test.each(['up', 'down'] as const)(
  'all comes in order, going %s, and nothing is read before its range is reached',
  async (direction) => {
    const sign = direction === 'up' ? 1 : -1;
    await fc.assert(
      fc.asyncProperty(fc.array(tree, { maxLength: 4 }), async (trees) => {
        /** Where the ranges begin that were read, in the direction. */
        const read: number[] = [];
        let names = 0;
        const sourceOf = (each: Tree): Source<Entry>[] => {
          const times = timesOf(each);
          // What has nothing has no range.
          if (times.length === 0) return [];
          const [min, max] = [Math.min(...times) - each.below, Math.max(...times) + each.above];
          const range = { minTx: tx(BigInt(Math.max(0, min))), maxTx: tx(BigInt(max)) };
          const note = (): void =>
            void read.push(Number(direction === 'up' ? range.minTx : range.maxTx));
          if (each.inside.length > 0) {
            const open = async (): Promise<readonly Source<Entry>[]> => {
              note();
              return each.inside.flatMap(sourceOf);
            };
            return [{ range, open }];
          }
          const entries = async (): Promise<readonly Entry[]> => {
            note();
            return times.map((time) => ({ tx: tx(BigInt(time)), name: `${names++}` }));
          };
          return [{ range, entries }];
        };
        const merge = new Merge(direction, trees.flatMap(sourceOf));
        const found: number[] = [];
        const seen = new Set<string>();
        for (let next = await merge.next(); next !== undefined; next = await merge.next()) {
          const { tx: time, parts } = next;
          for (const start of read) expect(start * sign).toBeLessThanOrEqual(Number(time) * sign);
          for (const part of parts) {
            expect(part.tx).toBe(time);
            expect(seen.has(part.name)).toBe(false);
            seen.add(part.name);
            found.push(Number(time));
          }
          // It stays until it is taken.
          expect(await merge.next()).toEqual(next);
          merge.take();
        }
        expect(found).toEqual(trees.flatMap(timesOf).toSorted((a, b) => (a - b) * sign));
      }),
    );
  },
);

test('all parts of one time come at once, from however many sources', async () => {
  const source = (...times: readonly bigint[]): Source<Entry> => ({
    range: { minTx: tx(must(times[0], 'one')), maxTx: tx(must(times.at(-1), 'one')) },
    entries: async () => times.map((time) => ({ tx: tx(time), name: '' })),
  });
  const merge = new Merge('up', [source(1n, 5n), source(5n, 5n, 7n), source(5n)]);
  const sizes: [bigint, number][] = [];
  for (let next = await merge.next(); next !== undefined; next = await merge.next()) {
    sizes.push([next.tx, next.parts.length]);
    merge.take();
  }
  expect(sizes).toEqual([
    [1n, 1],
    [5n, 4],
    [7n, 1],
  ]);
});

test('what comes first depends on the direction, and something comes before nothing', () => {
  const [early, late] = [tx(1n), tx(2n)];
  expect(nearest('up', early, late)).toBe(early);
  expect(nearest('up', late, early)).toBe(early);
  expect(nearest('down', early, late)).toBe(late);
  expect(nearest('down', undefined, late)).toBe(late);
  expect(nearest('up', early, undefined)).toBe(early);
  expect(nearest('up', undefined, undefined)).toBeUndefined();
});
