import type { Tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Outcome } from './outcome.ts';
import { brief, Sequence } from './testing/sequence.ts';

const entity = fc.constantFrom('a', 'b');
// Two that are blobs, of one prefix.
const long = ['', '2'].map((end) => 'm'.repeat(70_000) + end) as [string, string];
const mail = fc.constantFrom('m', 'n', 'o', ...long);
const operation = fc.oneof(
  fc.record({
    op: fc.constant('assert'),
    entity,
    attribute: fc.constant('x'),
    value: fc.nat({ max: 2 }),
  }),
  fc.record({
    op: fc.constant('retract'),
    entity,
    attribute: fc.constantFrom('x', 'many', 'mail', 'never'),
  }),
  fc.record({ op: fc.constant('retractEntity'), entity }),
  fc.record({
    op: fc.constant('cas'),
    entity,
    attribute: fc.constant('x'),
    old: fc.option(fc.nat({ max: 2 })),
    new: fc.option(fc.nat({ max: 2 })),
  }),
  fc.record({ entity, many: fc.uniqueArray(fc.constantFrom('p', 'q', ...long), { minLength: 1 }) }),
  fc.record({ entity: fc.oneof(entity, fc.constant('_:new')), mail }),
  fc.record({ entity: fc.constant('_:new'), mail, x: fc.nat({ max: 2 }) }),
  fc.record({
    entity: fc.constantFrom('attribute:x', 'attribute:late'),
    'db/valueType': fc.constant('int'),
    'db/index': fc.boolean(),
  }),
  fc.record({ entity, late: fc.nat({ max: 2 }) }),
);
const condition = fc.oneof(
  fc.record({ entity, absent: fc.constant(true) }),
  fc.record({ entity, attribute: fc.constant('x'), is: fc.option(fc.nat({ max: 2 })) }),
  fc.record({ entity, unchangedSince: fc.nat({ max: 30 }) }),
  fc.record({
    entity,
    attribute: fc.constantFrom('x', 'many'),
    unchangedSince: fc.nat({ max: 30 }),
  }),
);
interface Document {
  readonly id?: string;
  readonly if?: readonly { readonly entity: string; readonly unchangedSince?: number }[];
  readonly ops: readonly object[];
}
const ops = fc.array(operation, { minLength: 1, maxLength: 3 });
// Most must commit, or nothing happens.
const document: fc.Arbitrary<Document> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ ops }) },
  { weight: 1, arbitrary: fc.record({ id: fc.constantFrom('k1', 'k2', 'k3'), ops }) },
  { weight: 2, arbitrary: fc.record({ if: fc.tuple(condition), ops }) },
);
const step = fc.record({
  group: fc.array(document, { minLength: 1, maxLength: 3 }),
  before: fc.constantFrom('nothing', 'index', 'take over', 'index and take over'),
});

const SCHEMA = {
  ops: [{ entity: 'attribute:mail', 'db/valueType': 'string', 'db/unique': 'identity' }],
};

test('what is dropped from memory and read again from the index changes no outcome', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const whole = new Sequence();
      // Nothing that the index knows may stay.
      const forgetful = new Sequence({}, 1, 0);
      const txs: Tx[] = [];
      for (const sequence of [whole, forgetful]) sequence.transact(SCHEMA);
      for (const { group, before } of steps) {
        if (before.startsWith('index')) forgetful.index();
        if (before.endsWith('take over')) forgetful.takeOver();
        const documents = group.map((each) => withTxs(each, txs));
        const [expected, found] = [whole, forgetful].map((sequence) =>
          sequence.transactAll(documents),
        );
        expect(found?.map(told)).toEqual(expected?.map(told));
        for (const outcome of expected ?? [])
          if (outcome.kind === 'committed') txs.push(outcome.tx);
      }
    }),
    { numRuns: 300 },
  );
});

/** Conditions name transactions by their number in the history. */
function withTxs(each: Document, txs: readonly Tx[]): object {
  const conditions = each.if?.map((row) =>
    row.unchangedSince !== undefined
      ? { ...row, unchangedSince: String(txs[row.unchangedSince % txs.length] ?? 1) }
      : row,
  );
  return conditions === undefined ? each : { ...each, if: conditions };
}

/** Everything of an outcome that a caller or a reader of the log can see. */
function told(outcome: Outcome): unknown {
  return outcome.kind === 'committed'
    ? [outcome.tx, outcome.facts, [...outcome.ids]]
    : outcome.kind === 'rejected'
      ? outcome.rejection
      : outcome;
}

test('memory stays within its bound and what the index does not know yet', () => {
  const bytesMax = 64 * 1024;
  const sequence = new Sequence({}, 1, bytesMax);
  let most = 0;
  for (let i = 0; i < 4_000; i++) {
    sequence.transact({ ops: [{ entity: `e:${i}`, name: `the name of ${i}` }] });
    if (i % 50 === 49) sequence.index();
    most = Math.max(most, sequence.sequencer.bytes);
  }
  expect(most).toBeGreaterThan(bytesMax);
  // Some dozens of entities are newer than the index, and a sweep lags behind by as much.
  expect(most).toBeLessThan(3 * bytesMax);
});

test('an attribute may become unique or indexed while it has no fact, and only then', () => {
  const sequence = new Sequence({}, 1, 0);
  const define = (more: object): unknown => {
    sequence.index();
    return brief(
      sequence.transact({
        ops: [{ entity: 'attribute:code', 'db/valueType': 'string', ...more }],
      }),
    );
  };
  const write = (id: string): unknown =>
    brief(sequence.transact({ ops: [{ entity: id, code: 'c' }] }));
  expect(define({})).toEqual([]);
  expect(define({ 'db/index': true })).toEqual([]);
  expect(define({ 'db/unique': 'value' })).toEqual([]);
  expect(write('a')).toEqual(['+a code c']);
  expect(write('b')).toBe('unique-conflict');
  expect(define({ 'db/unique': null })).toEqual([]);
  expect(write('b')).toEqual(['+b code c']);
  expect(define({ 'db/unique': 'value' })).toBe('schema-change-refused');
});
