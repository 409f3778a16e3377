import { compareBytes, concatBytes, utf8Encode } from '@pyralog/base';
import {
  compareFacts,
  compareValues,
  epoch,
  INDEX_ORDERS,
  isReference,
  logOffset,
  ownerId,
  TX_NONE,
  type StoredFact,
  type StoredValue,
  type IndexOrder,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCommitRecord, encodeCommitRecord, type DraftRecord } from './commit-record.ts';
import type { FactBatch } from './fact-batch.ts';
import { FactTable, TABLE_ATTRIBUTES_MAX } from './fact-table.ts';
import { factKey, KEY_COMPONENTS } from './index-key.ts';
import { compareRows, sameSubject } from './row-order.ts';
import {
  compareAttribute,
  compareToKey,
  compareToProbe,
  readSearchKey,
  searchKey,
} from './search-key.ts';
import { valueProbe } from './value-probe.ts';
import { fact, facts } from './testing/arbitraries.ts';
import { errorCode } from './testing/damage.ts';
import { tableOf } from './testing/tables.ts';

/** The batch of a commit record of one transaction per fact. */
function batchOf(list: readonly StoredFact[]): FactBatch {
  const record: DraftRecord = {
    kind: 'items',
    epoch: epoch(1),
    owner: ownerId('0'.repeat(32)),
    seq: 1,
    coordination: logOffset(0),
    marks: [],
    lowWater: logOffset(0),
    closed: TX_NONE,
    schemaTx: TX_NONE,
    items: list.map((each, i) => ({
      kind: 'commit',
      offset: logOffset(i),
      tx: each.tx,
      facts: [each],
    })),
  };
  const read = decodeCommitRecord(encodeCommitRecord(record));
  if (read.kind === 'epoch') throw new Error('not what was written');
  return read.facts;
}

/** A value next to another in the order: of a reference one of its prefix, of a short text a reference to more of it. */
function near(value: StoredValue, digit: number): StoredValue {
  const blob = { sha256: String(digit).repeat(64), bytes: 70_000 };
  if (isReference(value)) return { ...value, ...blob };
  if (value.type === 'string' || value.type === 'json')
    return value.value.length > 80 ? value : { type: value.type, prefix: value.value, ...blob };
  return value.type === 'bytes' ? { type: 'bytes', prefix: value.value, ...blob } : value;
}

/** Two facts that often share components, or nearly. */
const pair: fc.Arbitrary<[StoredFact, StoredFact]> = fc
  .tuple(fact, fact, fc.nat({ max: 31 }), fc.nat({ max: 2 }))
  .map(([a, b, shared, digit]) => [
    a,
    {
      ...b,
      ...((shared & 1) !== 0 && { entity: a.entity }),
      ...((shared & 2) !== 0 && { attribute: a.attribute }),
      ...((shared & 4) !== 0 && { value: a.value }),
      ...((shared & 8) !== 0 && { tx: a.tx }),
      ...((shared & 16) !== 0 && { value: near(a.value, digit) }),
    },
  ]);

test('facts come out of a table as they went in, in order of arrival', () => {
  fc.assert(
    fc.property(facts(60), facts(20), (before, list) => {
      const table = tableOf(before);
      table.clear();
      list.forEach((fact, row) => expect(table.append(fact)).toBe(row));
      expect(table.length).toBe(list.length);
      expect(list.map((_, row) => table.factAt(row))).toEqual(list);
    }),
  );
});

test('parts of a batch go into a table as columns as they would one by one', () => {
  fc.assert(
    fc.property(facts(40), fc.nat({ max: 40 }), fc.nat({ max: 40 }), (list, x, y) => {
      const [from, to] = [Math.min(x, y, list.length), Math.min(Math.max(x, y), list.length)];
      const batch = batchOf(list);
      const table = tableOf(list.slice(0, 1));
      table.appendColumns(batch, from, to);
      table.appendColumns(batch);
      const expected = [...list.slice(0, 1), ...list.slice(from, to), ...list];
      expect(expected.map((_, row) => table.factAt(row))).toEqual(expected);
    }),
  );
});

const anyOrder: fc.Arbitrary<IndexOrder> = fc.constantFrom(...INDEX_ORDERS);

test('rows of tables and of batches compare as their facts do', () => {
  fc.assert(
    fc.property(anyOrder, pair, (order, [a, b]) => {
      const expected = Math.sign(compareFacts(order, a, b));
      const tables = [tableOf([a]), tableOf([b, a, b])] as const;
      const batches = [batchOf([a]), batchOf([b, a, b])] as const;
      for (const one of [tables, batches])
        for (const [, other] of [tables, batches]) {
          expect(Math.sign(compareRows(order, one[0], 0, other, 2))).toBe(expected);
          expect(Math.sign(compareRows(order, one[1], 1, other, 0))).toBe(expected);
        }
      const { entity, attribute, value } = a;
      const isSame =
        b.entity === entity && b.attribute === attribute && compareValues(b.value, value) === 0;
      expect(sameSubject(tables[0], 0, batches[1], 0)).toBe(isSame);
    }),
    { numRuns: 500 },
  );
});

test('rows compare with a key, or a leading part of one, as their facts do', () => {
  fc.assert(
    fc.property(anyOrder, pair, fc.nat({ max: 4 }), (order, [a, b], count) => {
      const leading = KEY_COMPONENTS[order].slice(0, count);
      const parts = Object.fromEntries(leading.map((name) => [name, b[name]]));
      // Equal in the components that the key does not have.
      const expected = Math.sign(compareFacts(order, a, { ...a, ...parts }));
      const key = searchKey(order, parts);
      expect(readSearchKey(order, key.bytes)).toEqual(key);
      for (const columns of [tableOf([b, a]), batchOf([b, a])])
        expect(Math.sign(compareToKey(columns, 1, key))).toBe(expected);
    }),
    { numRuns: 1000 },
  );
});

test('bytes that are no key are refused', () => {
  fc.assert(
    fc.property(
      anyOrder,
      fact,
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      (order, a, more) => {
        const whole = factKey(order, a);
        for (const bytes of [concatBytes([whole, more]), whole.subarray(0, -1), more]) {
          const code = errorCode(() => readSearchKey(order, bytes));
          if (bytes !== more) expect(code).toBe('cursor-invalid');
          else expect([undefined, 'cursor-invalid']).toContain(code);
        }
      },
    ),
  );
});

test('rows compare with attributes and values that are searched for', () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const attribute = utf8Encode(b.attribute);
      for (const columns of [tableOf([a]), batchOf([a])]) {
        expect(Math.sign(compareAttribute(columns, 0, attribute))).toBe(
          Math.sign(compareBytes(utf8Encode(a.attribute), attribute)),
        );
        expect(Math.sign(compareToProbe(columns, 0, valueProbe(b.value)))).toBe(
          Math.sign(compareValues(a.value, b.value)),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('a table says when a batch has more attributes than it can number', () => {
  const base = fc.sample(fact, { seed: 1, numRuns: 1 })[0] as StoredFact;
  const named = (i: number): StoredFact => ({ ...base, attribute: `a${i}` });
  const table = new FactTable();
  for (let i = 0; i < TABLE_ATTRIBUTES_MAX - 1; i++) table.append(named(i));
  expect(table.fits(batchOf([named(0)]))).toBe(true);
  expect(table.fits(batchOf([named(-1), named(-2)]))).toBe(false);
  table.append(named(-1));
  expect(() => table.append(named(-2))).toThrow('65,535');
  expect(table.length).toBe(TABLE_ATTRIBUTES_MAX);
});
