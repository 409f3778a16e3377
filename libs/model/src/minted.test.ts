import { AssertionError } from '@pyralog/base';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkEntity, checkTemporaryId, partitionOf } from './entity.ts';
import { mintEntity } from './minted.ts';
import { byBytes } from './testing/reference.ts';
import { errorCode, txId } from './testing/index.ts';
import { CLOCK_STEP, partitionNo, tx, TX_LAST } from './tx.ts';

const ORDINALS = 32 ** 4;

const prefix = fc.oneof(
  fc.constantFrom('', 'person:', 'order:eu:', '人:', '\0:'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((each) => `${each}:`),
);
const temporary = fc
  .tuple(prefix, fc.constantFrom('x', 'alice', '1', 'é'))
  .map(([before, name]) => ({ id: `_:${before}${name}`, prefix: before }))
  .filter(({ id }) => errorCode(() => checkTemporaryId(id)) === undefined);
const place = fc.integer({ min: 1, max: 1024 }).chain((partitions) =>
  fc.record({
    partitions: fc.constant(partitions),
    partition: fc.nat({ max: partitions - 1 }).map(partitionNo),
  }),
);

test('a new id is an entity id, begins as asked for, and lies where it was asked for', () => {
  fc.assert(
    fc.property(temporary, txId, fc.nat({ max: ORDINALS - 1 }), place, (from, t, ordinal, at) => {
      const id = mintEntity(from.id, t, ordinal, at.partition, at.partitions);
      expect(partitionOf(id, at.partitions)).toBe(at.partition);
      expect(checkEntity(id)).toBe(id);
      expect(id.startsWith(from.prefix)).toBe(true);
      expect(id.slice(from.prefix.length)).toMatch(/^[0-9a-hjkmnp-tv-z]{17,}$/);
      expect(mintEntity(from.id, t, ordinal, at.partition, at.partitions)).toBe(id);
    }),
    { numRuns: 1000 },
  );
});

test('its suffix holds the time and the number in the transaction', () => {
  fc.assert(
    fc.property(txId, fc.nat({ max: ORDINALS - 1 }), place, (t, ordinal, at) => {
      const suffix = mintEntity('_:x', t, ordinal, at.partition, at.partitions);
      const crockford = '0123456789abcdefghjkmnpqrstvwxyz';
      const number = (digits: string): bigint =>
        digits.split('').reduce((sum, digit) => sum * 32n + BigInt(crockford.indexOf(digit)), 0n);
      expect(number(suffix.slice(0, 13))).toBe(t);
      expect(number(suffix.slice(13, 17))).toBe(BigInt(ordinal));
    }),
  );
});

test('ids of one prefix sort by time and number, and are never equal', () => {
  const moments = fc.array(
    fc.tuple(
      fc.oneof(fc.constantFrom(0n, CLOCK_STEP, 1n, TX_LAST), fc.bigInt({ min: 0n, max: TX_LAST })),
      fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: ORDINALS - 1 })),
    ),
    { minLength: 2, maxLength: 20 },
  );
  fc.assert(
    fc.property(moments, place, (given, at) => {
      const distinct = [...new Map(given.map((each) => [each.join(), each])).values()];
      const minted = distinct.map(([t, ordinal]) => ({
        key: t * BigInt(ORDINALS) + BigInt(ordinal),
        id: mintEntity('_:p:x', tx(t), ordinal, at.partition, at.partitions),
      }));
      const byId = minted.toSorted((a, b) => byBytes(a.id, b.id));
      const byKey = minted.toSorted((a, b) => (a.key < b.key ? -1 : 1));
      expect(byId).toEqual(byKey);
      expect(new Set(minted.map(({ id }) => id)).size).toBe(minted.length);
    }),
  );
});

test('ten thousand ids of one transaction are distinct, in order, on their partition of many', () => {
  const at = tx(1_767_225_600_000_000_000n);
  const ids = Array.from({ length: 10_000 }, (_, ordinal) =>
    mintEntity('_:paper:x', at, ordinal, partitionNo(5), 8),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted(byBytes)).toEqual(ids);
  expect(ids.every((id) => partitionOf(id, 8) === 5)).toBe(true);
});

test('the longest prefix leaves room for every suffix', () => {
  const longest = `_:${'€'.repeat(330)}:x`;
  expect(checkTemporaryId(longest)).toBe(longest);
  for (let partition = 0; partition < 1024; partition += 11) {
    const id = mintEntity(longest, TX_LAST, ORDINALS - 1, partitionNo(partition), 1024);
    expect(Buffer.byteLength(checkEntity(id))).toBeLessThanOrEqual(1024);
  }
});

test('a number or partition out of range is a defect', () => {
  const mint = (ordinal: number, partition: number): string =>
    mintEntity('_:x', tx(1n), ordinal, partitionNo(partition), 2);
  for (const ordinal of [-1, 1.5, ORDINALS]) expect(() => mint(ordinal, 0)).toThrow(AssertionError);
  expect(() => mint(0, 2)).toThrow(AssertionError);
  expect(() => mintEntity('person:1', tx(1n), 0, partitionNo(0), 1)).toThrow(AssertionError);
});
