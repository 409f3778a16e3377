import type { Lock } from '@pyralog/format';
import { tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Holder, isOlder, LockTable } from './locks.ts';

const holder = (id: string, start = 1n): Holder => ({ id, start: tx(start) });
const lock = (resource: string, attribute: string | undefined, write: boolean): Lock => ({
  resource,
  attribute,
  write,
});

const whole = undefined;
/** Of two transactions, on one resource: the attribute of each, and whether they are in each other's way. */
test.each([
  [whole, whole, true],
  [whole, 'x', true],
  ['x', whole, true],
  ['x', 'x', true],
  ['x', 'y', false],
])('locks of %s and %s meet: %s', (first, second, meet) => {
  for (const [a, b] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    const table = new LockTable();
    table.add(holder('1'), 'g', [lock('e', first, a)]);
    // Two that only read are in nobody's way.
    expect(table.blocks('2', [lock('e', second, b)])).toBe(meet && (a || b));
    expect(table.blocks('1', [lock('e', second, b)]), 'nobody is in the own way').toBe(false);
    expect(table.blocks('2', [lock('f', second, b)]), 'another resource').toBe(false);
  }
});

test('a transaction has several groups of locks, and keeps one when another is released', () => {
  const table = new LockTable();
  table.add(holder('1'), 'part a', [lock('e', 'x', true), lock('f', whole, true)]);
  table.add(holder('1'), 'part b', [lock('e', 'x', true)]);
  table.release('part a');
  expect(table.blocks('2', [lock('f', whole, true)])).toBe(false);
  expect(table.blocks('2', [lock('e', 'x', false)])).toBe(true);
  table.add(holder('1'), 'part b', [lock('g', 'y', true)]);
  table.release('part b');
  expect(table.isEmpty).toBe(true);
  table.add(holder('3'), 'other', [lock('z', whole, true)]);
  for (const resource of ['e', 'g'])
    expect(table.blocks('2', [lock(resource, whole, true)])).toBe(false);
  table.release('other');
  table.release('part b');
  expect(table.isEmpty).toBe(true);
});

test('the older one began earlier; of one moment it is told by its name', () => {
  expect(isOlder(holder('b', 1n), holder('a', 2n))).toBe(true);
  expect(isOlder(holder('a', 2n), holder('b', 1n))).toBe(false);
  expect(isOlder(holder('a'), holder('b'))).toBe(true);
  expect(isOlder(holder('a'), holder('a'))).toBe(false);
});

const anyLock = fc.record({
  resource: fc.constantFrom('e', 'f'),
  attribute: fc.constantFrom(undefined, 'x', 'y'),
  write: fc.boolean(),
});
const id = fc.constantFrom('1', '2', '3');
const change = fc.record({
  kind: fc.constantFrom('add', 'add', 'add', 'release', 'clear'),
  id,
  group: fc.constantFrom('a', 'b'),
  locks: fc.array(anyLock, { maxLength: 3 }),
});

test('after any changes the same is in the way as in a list of all that is held', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 20 }),
      id,
      fc.array(anyLock),
      (changes, who, asked) => {
        const table = new LockTable();
        let held: { id: string; group: string; lock: Lock }[] = [];
        for (const { kind, id: of, group: part, locks } of changes) {
          const group = `${of}/${part}`;
          if (kind === 'clear') {
            table.clear();
            held = [];
          } else if (kind === 'release') {
            table.release(group);
            held = held.filter((each) => each.group !== group);
          } else {
            table.add(holder(of), group, locks);
            held.push(...locks.map((each) => ({ id: of, group, lock: each })));
          }
        }
        const inTheWay = asked.flatMap((mine) =>
          held.filter(
            (other) =>
              other.id !== who &&
              other.lock.resource === mine.resource &&
              (other.lock.write || mine.write) &&
              new Set([other.lock.attribute, mine.attribute, undefined]).size < 3,
          ),
        );
        expect(Array.from(table.inTheWay(who, asked), (each) => each.id).toSorted()).toEqual(
          inTheWay.map((each) => each.id).toSorted(),
        );
        expect(table.blocks(who, asked)).toBe(inTheWay.length > 0);
      },
    ),
  );
});
