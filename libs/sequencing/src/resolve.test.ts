import { expect, test } from 'vitest';
import { brief, Sequence } from './testing/sequence.ts';

// What transactions mean stands in the tables of test/contract/semantics, for every kind of database. Here is what a
// record of one partition shows besides.

test('an idempotency key commits once, in one record too, and is not lent to another content', () => {
  const sequence = new Sequence();
  const set = (n: number): object => ({ entity: 'e', a: n });
  const document = { id: 'k', ops: [set(1)] };
  expect(sequence.transactAll([document, document]).map(({ kind }) => kind)).toEqual([
    'committed',
    'duplicate',
  ]);
  expect(brief(sequence.transact(document))).toBe('duplicate');
  expect(brief(sequence.transact({ id: 'k', ops: [set(2)] }))).toBe('key-reused');
  const swap = { op: 'cas', entity: 'e', attribute: 'a', old: 9, new: 1 };
  expect(brief(sequence.transact({ id: 'refused', ops: [swap] }))).toBe('cas-failed');
  expect(brief(sequence.transact({ id: 'refused', ops: [set(3)] }))).toEqual(['-e a 1', '+e a 3']);
});

test('facts come in eavt order, a retract before the assert of its attribute', () => {
  const sequence = new Sequence();
  sequence.transact({ ops: [{ entity: 'b', z: 9 }] });
  const ops = [
    { entity: 'b', z: 1, a: 1 },
    { entity: 'a', z: 1 },
  ];
  expect(brief(sequence.transact({ ops }))).toEqual(['+a z 1', '+b a 1', '-b z 9', '+b z 1']);
});
