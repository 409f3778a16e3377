import { compareBytes } from '@pyralog/base';
import { compareFacts, INDEX_ORDERS, tx, type Fact } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { factKey, indexKey, KEY_COMPONENTS, rowKey } from './index-key.ts';
import { fact } from './testing/arbitraries.ts';
import { tableOf } from './testing/tables.ts';

const order = fc.constantFrom(...INDEX_ORDERS);

test('keys compare as the facts they are of', () => {
  fc.assert(
    fc.property(order, fact, fact, (order, a, b) => {
      const keys = Math.sign(compareBytes(factKey(order, a), factKey(order, b)));
      expect(keys).toBe(Math.sign(compareFacts(order, a, b)));
    }),
    { numRuns: 1000 },
  );
});

test('facts that share components compare by the next one', () => {
  fc.assert(
    fc.property(order, fact, fact, fc.integer({ min: 1, max: 3 }), (order, a, b, shared) => {
      const same = Object.fromEntries(
        KEY_COMPONENTS[order].slice(0, shared).map((name) => [name, a[name]]),
      );
      const c = { ...b, ...same } as Fact;
      const keys = Math.sign(compareBytes(factKey(order, a), factKey(order, c)));
      expect(keys).toBe(Math.sign(compareFacts(order, a, c)));
    }),
    { numRuns: 500 },
  );
});

test('the key of leading components begins the keys of all facts that have them', () => {
  fc.assert(
    fc.property(order, fact, fc.nat({ max: 4 }), (order, a, count) => {
      const parts = Object.fromEntries(
        KEY_COMPONENTS[order].slice(0, count).map((name) => [name, a[name]]),
      );
      const prefix = indexKey(order, parts);
      expect(factKey(order, a).subarray(0, prefix.length)).toEqual(prefix);
    }),
  );
});

test('a row of a table has the key of its fact', () => {
  fc.assert(
    fc.property(order, fact, (order, a) => {
      expect(rowKey(order, tableOf([a]), 0)).toEqual(factKey(order, a));
    }),
  );
});

test('keys are written as the grammar says', () => {
  const a: Fact = {
    entity: 'a\0',
    attribute: 'n',
    value: { type: 'int', value: -1n },
    tx: tx(1024n),
    operation: 'assert',
  };
  expect(Buffer.from(factKey('eavt', a)).toString('hex')).toBe(
    '6100ff0000' + '6e0000' + '017fffffffffffffff' + '0000000000000400',
  );
});
