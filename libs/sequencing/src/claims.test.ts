import { equalValues, isClaimEntity, isReference, partitionOf } from '@pyralog/model';
import { stored, value } from '@pyralog/model/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { claimOf, homeOfClaim } from './claims.ts';

test('a claim is an entity of its own, the same for equal values of an attribute and no others', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('a', 'b'),
      stored,
      fc.constantFrom('a', 'b'),
      stored,
      (a, v, b, w) => {
        const [one, other] = [claimOf(a, v), claimOf(b, w)];
        expect(isClaimEntity(one.claim)).toBe(true);
        expect(one.attribute).toBe(a);
        expect(one.claim === other.claim).toBe(a === b && isSame(v, w));
        expect(claimOf(a, v)).toEqual(one);
      },
    ),
    { numRuns: 500 },
  );
});

test('values of two types that print the same have two claims', () => {
  expect(claimOf('a', { type: 'string', value: '5' }).claim).not.toBe(
    claimOf('a', { type: 'int', value: 5n }).claim,
  );
  // What ends an attribute begins no value.
  expect(claimOf('a', { type: 'string', value: 'b' }).claim).not.toBe(
    claimOf('ab', { type: 'string', value: '' }).claim,
  );
});

test('every partition takes its share of claims, and a tag keeps them beside its entity', () => {
  const homes = new Set<number>();
  for (let i = 0; i < 100; i++)
    homes.add(homeOfClaim('mail', { type: 'string', value: `m${i}` }, 8));
  expect(homes.size).toBe(8);
  fc.assert(
    fc.property(value, fc.integer({ min: 1, max: 16 }), (each, partitions) => {
      const home = homeOfClaim('mail', each, partitions);
      expect(home).toBeGreaterThanOrEqual(0);
      expect(home).toBeLessThan(partitions);
    }),
  );
  expect(homeOfClaim('mail', { type: 'string', value: '{alice}@x' }, 8)).toBe(
    partitionOf('{alice}', 8),
  );
});

function isSame(a: Parameters<typeof claimOf>[1], b: Parameters<typeof claimOf>[1]): boolean {
  // Of blobs it is known by the hash alone.
  if (isReference(a) && isReference(b)) return a.sha256 === b.sha256;
  return equalValues(a, b);
}
