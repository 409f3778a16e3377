import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareFacts, INDEX_ORDERS, type IndexOrder, type StoredFact } from './fact.ts';
import { tx } from './tx.ts';
import { attribute, entity, fact, reference, stored } from './testing/index.ts';
import {
  compareValues,
  equalValues,
  isReference,
  isValueType,
  typeTag,
  VALUE_TYPES,
  type StoredValue,
  type Value,
  type ValueType,
} from './value.ts';
import { INT64_MAX, INT64_MIN } from './value-constructors.ts';

/** Stands in every file: a new type goes to the end. */
const RANKS: Readonly<Record<ValueType, number>> = {
  bool: 0,
  int: 1,
  double: 2,
  instant: 3,
  string: 4,
  ref: 5,
  bytes: 6,
  json: 7,
};

/** Bytes that compare as the values do, for each type by Node's own means. */
function orderBytes(each: StoredValue): Buffer {
  const buffer = Buffer.alloc(8);
  if (isReference(each)) return Buffer.from(each.prefix);
  switch (each.type) {
    case 'bool':
      return Buffer.of(each.value ? 1 : 0);
    case 'int':
    case 'instant':
      buffer.writeBigUInt64BE(each.value + 2n ** 63n);
      return buffer;
    case 'double':
      // Doubles of one sign compare as their bits.
      buffer.writeDoubleBE(each.value);
      return buffer.map((byte, i) => {
        if (each.value < 0) return byte ^ 0xff;
        return i === 0 ? byte ^ 0x80 : byte;
      }) as Buffer;
    case 'bytes':
      return Buffer.from(each.value);
    default:
      return Buffer.from(each.value, 'utf8');
  }
}

/** What stands behind the text: nothing, or the hash of a blob. */
function hashBytes(each: StoredValue): Buffer {
  return Buffer.from(isReference(each) ? each.sha256 : '', 'hex');
}

function naiveOrder(a: StoredValue, b: StoredValue): number {
  return (
    Math.sign(RANKS[a.type] - RANKS[b.type]) ||
    Buffer.compare(orderBytes(a), orderBytes(b)) ||
    Buffer.compare(hashBytes(a), hashBytes(b))
  );
}

/** References of one blob have one prefix; then the same hash is the same value. */
function areBlobs(a: StoredValue, b: StoredValue): boolean {
  if (!isReference(a) || !isReference(b) || a.sha256 !== b.sha256) return true;
  return Buffer.compare(orderBytes(a), orderBytes(b)) === 0;
}

const sameType = fc
  .constantFrom(...VALUE_TYPES)
  .chain((type) => fc.tuple(...[1, 2, 3].map(() => stored.filter((each) => each.type === type))));

test('values are ordered by type, numbers by size, texts and bytes by bytes', () => {
  fc.assert(
    fc.property(stored, stored, (a, b) => {
      fc.pre(areBlobs(a, b));
      expect(Math.sign(compareValues(a, b))).toBe(naiveOrder(a, b));
      expect(equalValues(a, b)).toBe(naiveOrder(a, b) === 0);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(sameType, ([a, b]) => {
      if (a === undefined || b === undefined || !areBlobs(a, b)) return;
      expect(Math.sign(compareValues(a, b))).toBe(naiveOrder(a, b));
      expect(equalValues(a, b)).toBe(naiveOrder(a, b) === 0);
      expect(equalValues(a, structuredClone(a))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('the order is total', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(stored, stored, stored), fc.tuple(reference, stored, reference), sameType),
      (three) => {
        const [a, b, c] = three.toSorted(compareValues) as [StoredValue, StoredValue, StoredValue];
        expect(compareValues(a, b)).toBeLessThanOrEqual(0);
        expect(compareValues(b, c)).toBeLessThanOrEqual(0);
        expect(compareValues(a, c)).toBeLessThanOrEqual(0);
        expect(Math.sign(compareValues(a, b))).toBe(0 - Math.sign(compareValues(b, a)));
      },
    ),
    { numRuns: 1000 },
  );
});

const bytes = (...content: number[]): Value => ({ type: 'bytes', value: Uint8Array.from(content) });
const blob = (prefix: string, sha256: string): StoredValue => ({
  type: 'string',
  prefix,
  sha256: sha256.padEnd(64, '0'),
  bytes: 70_000,
});
const values = (type: 'string' | 'ref' | 'json', ...texts: string[]): Value[] =>
  texts.map((each): Value => ({ type, value: each }));

/** Every value is below all that follow it. */
const RISING: readonly StoredValue[] = [
  { type: 'bool', value: false },
  { type: 'bool', value: true },
  ...[INT64_MIN, INT64_MIN + 1n, -(2n ** 53n) - 1n, -(2n ** 53n), -1n, 0n, 1n].map(
    (each): Value => ({ type: 'int', value: each }),
  ),
  ...[2n ** 53n, 2n ** 53n + 1n, INT64_MAX - 1n, INT64_MAX].map((each): Value => ({
    type: 'int',
    value: each,
  })),
  ...[-Infinity, -Number.MAX_VALUE, -1, -5e-324, 0, 5e-324, 2 ** -1022, 1, 1 + 2 ** -52].map(
    (each): Value => ({ type: 'double', value: each }),
  ),
  ...[2 ** 53, 1e300, Number.MAX_VALUE, Infinity].map((each): Value => ({
    type: 'double',
    value: each,
  })),
  ...[INT64_MIN, -1n, 0n, 1n, INT64_MAX].map((each): Value => ({ type: 'instant', value: each })),
  ...values('string', '', '\0', 'a'),
  // Behind the inline text that is its prefix, before all that continue it.
  blob('a', '00'),
  blob('a', '01'),
  blob('a', 'ff'),
  ...values('string', 'a\0', 'aa', 'b', 'é', '\uffff', '\u{10000}', '\u{10ffff}'),
  blob('\u{10ffff}', '02'),
  ...values('ref', 'a', 'a\0', 'b', '\uffff', '\u{10000}'),
  bytes(),
  bytes(0),
  bytes(0, 0),
  bytes(0x7f),
  bytes(0x80),
  bytes(0xff),
  bytes(0xff, 0),
  ...values('json', '"a"', '1', '10', '2', '[]', 'null', '{"a":1}', '{}'),
];

test('a list of values at every edge is in order', () => {
  for (const [i, a] of RISING.entries())
    for (const [j, b] of RISING.entries()) {
      expect(Math.sign(compareValues(a, b)), `${i} ${j}`).toBe(Math.sign(i - j));
      expect(equalValues(a, b), `${i} ${j}`).toBe(i === j);
    }
});

test('the tag of a type is its place in the order, and says what is a type', () => {
  expect(Object.fromEntries(VALUE_TYPES.map((type) => [type, typeTag(type)]))).toEqual(RANKS);
  for (const type of VALUE_TYPES) expect(isValueType(type)).toBe(true);
  for (const other of ['', 'number', 'Int', '__proto__', 'toString', 'hasOwnProperty'])
    expect(isValueType(other)).toBe(false);
});

const LETTERS: Readonly<Record<string, (a: StoredFact, b: StoredFact) => number>> = {
  e: (a, b) => Buffer.compare(Buffer.from(a.entity), Buffer.from(b.entity)),
  a: (a, b) => Buffer.compare(Buffer.from(a.attribute), Buffer.from(b.attribute)),
  v: (a, b) => naiveOrder(a.value, b.value),
  t: (a, b) => (a.tx < b.tx ? -1 : Number(a.tx > b.tx)),
};

/** The letters of the name, one after the other. */
function naiveFacts(order: IndexOrder, a: StoredFact, b: StoredFact): number {
  return order.split('').reduce((found, letter) => found || (LETTERS[letter]?.(a, b) ?? 0), 0);
}

test('facts are ordered in each index by the letters of its name', () => {
  // Few of each, so that the later letters decide as well.
  const near = fc.record({
    entity: fc.constantFrom('a', 'b', '\uffff', '\u{10000}'),
    attribute: fc.constantFrom('a', 'b', '\uffff', '\u{10000}'),
    value: fc.constantFrom(...RISING.slice(0, 4), ...RISING.slice(-3)),
    tx: fc.constantFrom(0n, 1n, INT64_MAX).map(tx),
    operation: fc.constantFrom('assert' as const, 'retract' as const),
  });
  for (const each of [near, fact])
    fc.assert(
      fc.property(fc.constantFrom(...INDEX_ORDERS), each, each, (order, a, b) => {
        expect(Math.sign(compareFacts(order, a, b))).toBe(naiveFacts(order, a, b));
      }),
      { numRuns: 1000 },
    );
});

test('facts of one entity and attribute that differ in the value alone keep its order', () => {
  fc.assert(
    fc.property(entity, attribute, stored, stored, (e, a, v, w) => {
      const of = (each: StoredValue): StoredFact => ({
        entity: e,
        attribute: a,
        value: each,
        tx: tx(1n),
        operation: 'assert',
      });
      for (const order of INDEX_ORDERS)
        expect(Math.sign(compareFacts(order, of(v), of(w)))).toBe(naiveOrder(v, w));
    }),
  );
});
