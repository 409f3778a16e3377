import { toHex } from '@pyralog/base';
import { epoch, logOffset, ownerId, partitionNo } from '@pyralog/model';
import { fact, facts, text, txId } from '@pyralog/model/testing';
import fc from 'fast-check';
import type { DraftItem, DraftRecord, EpochRecord, Rejection } from '../commit-record.ts';
import type { CoordinationMessage } from '../coordination.ts';

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

const partition = fc.nat({ max: 1023 }).map(partitionNo);
const attempt = count;
const id = fc.record({ coordinator: partition, offset });
const bytes = fc.uint8Array({ maxLength: 40 });
const part = fc.record({ partition, name: text, content: bytes });
const parts = fc.array(part, { maxLength: 3 });
const locks = fc.array(
  fc.record({
    resource: text,
    attribute: fc.option(text, { nil: undefined }),
    write: fc.boolean(),
  }),
  { maxLength: 3 },
);

/** Facts that come into force at one tx. */
const inForce = fc
  .record({ tx: txId, facts: facts(8) })
  .map(({ tx, facts: all }) => ({ tx, facts: all.map((fact) => ({ ...fact, tx })) }));

/** Items of transactions over partitions. */
const transactionItem: fc.Arbitrary<DraftItem> = fc.oneof(
  fc.record({
    kind: fc.constant('begin' as const),
    offset,
    attempt,
    start: txId,
    begun: txId,
    document: bytes,
    contentHash: text,
    parts,
    facts: bytes,
    locks,
  }),
  fc.record({ kind: fc.constant('extend' as const), offset, part }),
  fc.record({ kind: fc.constant('retry' as const), offset, attempt }),
  fc
    .record({
      offset,
      attempt,
      start: txId,
      begun: txId,
      participants: fc.array(partition, { maxLength: 3 }),
      inForce,
    })
    .map(({ inForce: { tx, facts: all }, ...said }): DraftItem => ({
      kind: 'decided',
      ...said,
      tx,
      facts: all,
    })),
  fc.record({ kind: fc.constant('refused' as const), offset, attempt, rejection }),
  fc.record({ kind: fc.constant('end' as const), offset }),
  fc.record({
    kind: fc.constant('prepared' as const),
    id,
    part: text,
    attempt,
    start: txId,
    tx: txId,
    facts: bytes,
    locks,
    needs: parts,
  }),
  fc
    .record({ id, part: text, inForce })
    .map(({ inForce: { tx, facts: all }, ...said }): DraftItem => ({
      kind: 'committed',
      ...said,
      tx,
      facts: all,
    })),
  fc.record({ kind: fc.constant('aborted' as const), id, part: text, attempt }),
);

const draftItem: fc.Arbitrary<DraftItem> = fc.oneof(
  fc.record({ offset, inForce }).map(({ offset: at, inForce: { tx, facts: all } }): DraftItem => ({
    kind: 'commit',
    offset: at,
    tx,
    facts: all,
  })),
  fc.record({ kind: fc.constant('rejected' as const), offset, rejection }),
  fc.record({ kind: fc.constant('duplicate' as const), offset, tx: txId }),
  transactionItem,
);

/** Items that any log may have: those of a transaction stand behind its begin. */
const NEED_BEGIN: ReadonlySet<DraftItem['kind']> = new Set([
  'extend',
  'retry',
  'decided',
  'refused',
]);
const freeItem = draftItem.filter(({ kind }) => !NEED_BEGIN.has(kind));

const mark = fc.record({ epoch: count.map(epoch), counter: count });
const about = { id, part: text, attempt };

/** Messages between partitions. */
export const coordinationMessage: fc.Arbitrary<CoordinationMessage> = fc.oneof(
  fc.record({ kind: fc.constant('close' as const), upTo: fc.option(txId, { nil: undefined }) }),
  fc.record({
    kind: fc.constant('prepare' as const),
    ...about,
    mark,
    start: txId,
    at: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { nil: undefined }),
    content: bytes,
  }),
  fc.record({
    kind: fc.constant('decision' as const),
    ...about,
    mark,
    tx: fc.option(txId, { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('vote' as const),
    ...about,
    from: partition,
    vote: fc.oneof(
      fc.record({ kind: fc.constant('prepared' as const), tx: txId, needs: parts }),
      fc.record({ kind: fc.constant('retry' as const), clock: txId, hints: text }),
      fc.record({ kind: fc.constant('rejected' as const), rejection }),
    ),
  }),
  fc.record({ kind: fc.constant('done' as const), ...about, from: partition }),
  fc.record({
    kind: fc.constant('lookup' as const),
    id,
    attributes: fc.array(text, { maxLength: 3 }),
    claims: fc.array(text, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('found' as const), id, clock: txId, hints: text }),
  fc.record({ kind: fc.constant('progress' as const), from: partition, closed: txId }),
);

export const epochRecord: fc.Arbitrary<EpochRecord> = fc.record({
  kind: fc.constant('epoch' as const),
  epoch: count.map(epoch),
  owner,
});

const record = (item: fc.Arbitrary<DraftItem>): fc.Arbitrary<DraftRecord> =>
  fc.record({
    kind: fc.constant('items' as const),
    epoch: count.map(epoch),
    owner,
    seq: count,
    coordination: offset,
    marks: fc.array(fc.record({ peer: partition, epoch: count.map(epoch), counter: count }), {
      maxLength: 3,
    }),
    lowWater: offset,
    closed: txId,
    schemaTx: txId,
    items: fc.array(item, { maxLength: 5 }),
  });

/** Any record, whatever stands before it. */
export const draftRecord: fc.Arbitrary<DraftRecord> = record(draftItem);

/** Records that can be folded in any order. */
export const foldableRecord: fc.Arbitrary<DraftRecord> = record(freeItem);
