import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignSticky } from './kafka-group.ts';

const members = fc.uniqueArray(
  fc.record({
    memberId: fc.string({ minLength: 1, maxLength: 3 }),
    generation: fc.integer({ min: -1, max: 3 }),
    owned: fc.array(fc.integer({ min: -1, max: 12 }), { maxLength: 12 }),
  }),
  { minLength: 1, maxLength: 6, selector: ({ memberId }) => memberId },
);

test('every partition is one member’s, and shares differ by one at most', () => {
  fc.assert(
    fc.property(members, fc.nat({ max: 10 }), (group, partitions) => {
      const shares = [...assignSticky(group, partitions).values()];
      expect(shares.flat().toSorted((a, b) => a - b)).toEqual([...Array(partitions).keys()]);
      const sizes = shares.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(shares).toHaveLength(group.length);
    }),
  );
});

test('the same members have the same shares in any order', () => {
  fc.assert(
    fc.property(members, fc.nat({ max: 10 }), (group, partitions) => {
      const there = assignSticky(group, partitions);
      const back = assignSticky(group.toReversed(), partitions);
      expect(Object.fromEntries(there)).toEqual(Object.fromEntries(back));
    }),
  );
});

test('what is fair stays as it is', () => {
  fc.assert(
    fc.property(members, fc.nat({ max: 10 }), (group, partitions) => {
      const once = assignSticky(group, partitions);
      const again = assignSticky(
        [...once].map(([memberId, owned]) => ({ memberId, generation: 1, owned })),
        partitions,
      );
      expect(Object.fromEntries(again)).toEqual(Object.fromEntries(once));
    }),
  );
});

test('who comes takes its share and no more from the others; who goes leaves its own to them', () => {
  const alone = assignSticky([{ memberId: 'b', generation: -1, owned: [] }], 8);
  expect(Object.fromEntries(alone)).toEqual({ b: [0, 1, 2, 3, 4, 5, 6, 7] });
  const two = assignSticky(
    [
      { memberId: 'a', generation: -1, owned: [] },
      { memberId: 'b', generation: 1, owned: [0, 1, 2, 3, 4, 5, 6, 7] },
    ],
    8,
  );
  expect(Object.fromEntries(two)).toEqual({ a: [4, 5, 6, 7], b: [0, 1, 2, 3] });
  const left = assignSticky([{ memberId: 'a', generation: 2, owned: [4, 5, 6, 7] }], 8);
  expect(left.get('a')).toHaveLength(8);
});

test('who was away too long does not get back what another has by now', () => {
  for (const [away, by] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const shares = assignSticky(
      [
        { memberId: away, generation: 1, owned: [0] },
        { memberId: by, generation: 2, owned: [0] },
      ],
      1,
    );
    expect(Object.fromEntries(shares)).toEqual({ [away]: [], [by]: [0] });
  }
});
