import { toHex } from '@pyralog/base';
import { epoch, logOffset, ownerId, partitionNo } from '@pyralog/model';
import { fact, facts, text, txId } from '@pyralog/model/testing';
import fc from 'fast-check';
import type { DraftItem, DraftRecord, EpochRecord, Rejection } from '../commit-record.ts';

export { fact, facts, text, txId };

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 }).map(logOffset);
const count = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());
const owner = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ownerId(toHex(bytes)));

/** What text of JSON gives back: of numbers it has no -0. */
const json = fc
  .jsonValue({ maxDepth: 2 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)));

const rejection: fc.Arbitrary<Rejection> = fc.record({
  code: fc.constantFrom('facts-conflict', 'busy', 'cas-failed'),
  detail: text,
  hint: fc.option(text, { nil: undefined }),
  extra: fc.option(fc.dictionary(text, json), { nil: undefined }),
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
