import { compareBytes } from '@pyralog/base';
import { compareFacts, INDEX_ORDERS, tx, type StoredFact } from '@pyralog/model';
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
      const c = { ...b, ...same } as StoredFact;
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

test('and it begins no others: a text that continues another, or ends in NUL, is told apart', () => {
  const texts = fc.constantFrom('a', 'a\0', 'a\0\0', 'aa', 'a\u0001', '\0', '\0\uffff', 'b');
  const near = fc.record({
    entity: texts,
    attribute: texts,
    value: fc.oneof(
      texts.map((text) => ({ type: 'string', value: text }) as const),
      fc.constantFrom(-1n, 0n, 256n).map((int) => ({ type: 'int', value: int }) as const),
      fc
        .tuple(texts, fc.constantFrom('00', '01', 'ff'))
        .map(
          ([prefix, hash]) =>
            ({ type: 'string', prefix, sha256: hash.repeat(32), bytes: 70_000 }) as const,
        ),
    ),
    tx: fc.constantFrom(0n, 256n).map(tx),
    operation: fc.constant('assert' as const),
  });
  fc.assert(
    fc.property(order, near, near, fc.integer({ min: 1, max: 4 }), (order, a, b, count) => {
      const names = KEY_COMPONENTS[order].slice(0, count);
      const prefix = indexKey(order, Object.fromEntries(names.map((name) => [name, a[name]])));
      const begins = compareBytes(factKey(order, b).subarray(0, prefix.length), prefix) === 0;
      const text = (name: (typeof names)[number], each: StoredFact): string =>
        name === 'value' ? JSON.stringify(each.value, plain) : String(each[name]);
      expect(begins).toBe(names.every((name) => text(name, a) === text(name, b)));
    }),
    { numRuns: 2000 },
  );
});

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

test('a row of a table has the key of its fact', () => {
  fc.assert(
    fc.property(order, fact, (order, a) => {
      expect(rowKey(order, tableOf([a]), 0)).toEqual(factKey(order, a));
    }),
  );
});

test('keys are written as the grammar says', () => {
  const a: StoredFact = {
    entity: 'a\0',
    attribute: 'n',
    value: { type: 'int', value: -1n },
    tx: tx(1024n),
    operation: 'assert',
  };
  expect(Buffer.from(factKey('eavt', a)).toString('hex')).toBe(
    '6100ff0000' + '6e0000' + '017fffffffffffffff' + '0000000000000400',
  );
  const blob: StoredFact = {
    ...a,
    value: { type: 'string', prefix: 'p\0', sha256: '00ff'.repeat(16), bytes: 70_000 },
  };
  expect(Buffer.from(factKey('avet', blob)).toString('hex')).toBe(
    '6e0000' + '047000ff' + '0001' + '00ff'.repeat(16) + '6100ff0000' + '0000000000000400',
  );
});
