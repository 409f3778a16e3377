import { toHex } from '@pyralog/base';
import {
  epoch,
  logOffset,
  ownerId,
  partitionNo,
  tx,
  type Fact,
  type Tx,
  type Value,
} from '@pyralog/model';
import fc from 'fast-check';
import type { DraftItem, DraftRecord, EpochRecord, Rejection } from '../commit-record.ts';

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Texts with what breaks codecs: nothing, NUL, the ends of the 1- to 4-byte ranges, long ones. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\u007f\u0080',
    '\u07ff\u0800',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    '\ufeffx',
    '__proto__',
    'x'.repeat(300),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);

/** Few names, so that facts meet; now and then any text. */
export const entity: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'paper:1',
      'paper:2',
      'person:alice',
      '人:1',
      'e\u{10000}',
      'e\uffff',
      '{tag}x',
    ),
  },
  { weight: 1, arbitrary: text.filter((t) => t !== '') },
);
export const attribute: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('name', 'age', 'person/name', 'großes/Wort', 'tx/author'),
  },
  { weight: 1, arbitrary: text.filter((t) => t !== '') },
);

const int64 = fc.oneof(
  fc.constantFrom(INT64_MIN, INT64_MIN + 1n, -1n, 0n, 1n, 2n ** 53n, 2n ** 53n + 1n, INT64_MAX),
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
);

export const value: fc.Arbitrary<Value> = fc.oneof(
  text.map((value): Value => ({ type: 'string', value })),
  int64.map((value): Value => ({ type: 'int', value })),
  fc
    .oneof(
      fc.constantFrom(0, Infinity, -Infinity, 5e-324, Number.MAX_VALUE, -1.5),
      fc.double({ noNaN: true }),
    )
    .map((value): Value => ({ type: 'double', value: value + 0 })),
  fc.boolean().map((value): Value => ({ type: 'bool', value })),
  int64.map((value): Value => ({ type: 'instant', value })),
  entity.map((value): Value => ({ type: 'ref', value })),
  fc.uint8Array({ maxLength: 40 }).map((value): Value => ({ type: 'bytes', value })),
  fc.json({ maxDepth: 2 }).map((value): Value => ({ type: 'json', value })),
);

export const txId: fc.Arbitrary<Tx> = fc
  .oneof(fc.constantFrom(0n, 1n, INT64_MAX), fc.bigInt({ min: 0n, max: INT64_MAX }))
  .map((value) => tx(value));

export const fact: fc.Arbitrary<Fact> = fc.record({
  entity,
  attribute,
  value,
  tx: txId,
  operation: fc.constantFrom('assert' as const, 'retract' as const),
});

export const facts = (max: number): fc.Arbitrary<Fact[]> => fc.array(fact, { maxLength: max });

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 }).map(logOffset);
const count = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());
const owner = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ownerId(toHex(bytes)));

const rejection: fc.Arbitrary<Rejection> = fc.record({
  code: fc.constantFrom('facts-conflict', 'busy', 'cas-failed'),
  detail: text,
  hint: fc.option(text, { nil: undefined }),
  extra: fc.option(fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })), { nil: undefined }),
});

const draftItem: fc.Arbitrary<DraftItem> = fc.oneof(
  fc.record({ offset, tx: txId, facts: facts(8) }).map(({ offset, tx, facts }): DraftItem => ({
    kind: 'commit',
    offset,
    tx,
    facts: facts.map((fact) => ({ ...fact, tx })),
  })),
  fc.record({ kind: fc.constant('rejected' as const), offset, rejection }),
  fc.record({ kind: fc.constant('duplicate' as const), offset, tx: txId }),
);

export const epochRecord: fc.Arbitrary<EpochRecord> = fc.record({
  kind: fc.constant('epoch' as const),
  epoch: count.map(epoch),
  owner,
});

export const draftRecord: fc.Arbitrary<DraftRecord> = fc.record({
  kind: fc.constant('items' as const),
  epoch: count.map(epoch),
  owner,
  seq: count,
  coordination: offset,
  marks: fc.array(
    fc.record({
      peer: fc.nat({ max: 1023 }).map(partitionNo),
      epoch: count.map(epoch),
      counter: count,
    }),
    { maxLength: 3 },
  ),
  lowWater: offset,
  closed: txId,
  schemaTx: txId,
  items: fc.array(draftItem, { maxLength: 5 }),
});
