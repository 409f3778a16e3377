import { compareBytes, utf8Encode } from '@pyralog/base';
import {
  compareFacts,
  compareValues,
  epoch,
  INDEX_ORDERS,
  logOffset,
  ownerId,
  TX_NONE,
  type Fact,
  type IndexOrder,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCommitRecord, encodeCommitRecord, type DraftRecord } from './commit-record.ts';
import { valueProbe, type FactBatch } from './fact-batch.ts';
import { FactTable, TABLE_ATTRIBUTES_MAX } from './fact-table.ts';
import { compareTableRows } from './table-rows.ts';
import { fact, facts } from './testing/arbitraries.ts';
import { tableOf } from './testing/tables.ts';

/** The batch of a commit record of one transaction per fact. */
function batchOf(list: readonly Fact[]): FactBatch {
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

/** Two facts that often share components. */
const pair: fc.Arbitrary<[Fact, Fact]> = fc
  .tuple(fact, fact, fc.nat({ max: 15 }))
  .map(([a, b, shared]) => [
    a,
    {
      ...b,
      ...((shared & 1) !== 0 && { entity: a.entity }),
      ...((shared & 2) !== 0 && { attribute: a.attribute }),
      ...((shared & 4) !== 0 && { value: a.value }),
      ...((shared & 8) !== 0 && { tx: a.tx }),
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

test('rows of tables and of batches compare as their facts do', () => {
  const order: fc.Arbitrary<IndexOrder> = fc.constantFrom(...INDEX_ORDERS);
  fc.assert(
    fc.property(order, pair, (order, [a, b]) => {
      const expected = Math.sign(compareFacts(order, a, b));
      expect(Math.sign(compareTableRows(order, tableOf([a, b]), 0, 1))).toBe(expected);
      expect(Math.sign(batchOf([b, a]).compareRows(order, 1, batchOf([b]), 0))).toBe(expected);
      const both = batchOf([a, b]);
      expect(Math.sign(both.compareRows(order, 0, both, 1))).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

test('rows of batches compare with entities, attributes and values that are searched for', () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const batch = batchOf([a]);
      const entity = utf8Encode(b.entity);
      const attribute = utf8Encode(b.attribute);
      const sign = Math.sign;
      expect(sign(batch.compareEntity(0, entity))).toBe(
        sign(compareBytes(utf8Encode(a.entity), entity)),
      );
      expect(sign(batch.compareAttribute(0, attribute))).toBe(
        sign(compareBytes(utf8Encode(a.attribute), attribute)),
      );
      expect(sign(batch.compareValue(0, valueProbe(b.value)))).toBe(
        sign(compareValues(a.value, b.value)),
      );
    }),
    { numRuns: 500 },
  );
});

test('a table says when a batch has more attributes than it can number', () => {
  const base = fc.sample(fact, { seed: 1, numRuns: 1 })[0] as Fact;
  const named = (i: number): Fact => ({ ...base, attribute: `a${i}` });
  const table = new FactTable();
  for (let i = 0; i < TABLE_ATTRIBUTES_MAX - 1; i++) table.append(named(i));
  expect(table.fits(batchOf([named(0)]))).toBe(true);
  expect(table.fits(batchOf([named(-1), named(-2)]))).toBe(false);
  table.append(named(-1));
  expect(() => table.append(named(-2))).toThrow('65,535');
  expect(table.length).toBe(TABLE_ATTRIBUTES_MAX);
});
