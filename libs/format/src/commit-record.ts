/**
 * Records of the commit log (protocol 1.1, 1.2), format version 0. Integers are little-endian, `varint`
 * is LEB128 of a safe integer, `text` a varint length and UTF-8.
 *
 *   record    := "PYCR" checksum:u32 version:u8 kind:u8 0:u16 factsAt:u32 rest
 *                  checksum: CRC-32C of all that follows it; magic and checksum stand here in all versions
 *   epoch     := kind 0, factsAt 0: epoch:varint owner:u8[16]
 *   items     := kind 1: header item* entities attributes zeros facts
 *   header    := epoch:varint owner:u8[16] seq:varint coordination:varint
 *                marks:varint (peer:varint epoch:varint counter:varint)*
 *                lowWater:varint closed:i64 schemaTx:i64 items:varint
 *   item      := 1 offset:varint tx:i64 rows:varint               commit: the next rows of the facts
 *              | 2 offset:varint code:text detail:text hint:text? extra:text?          rejected
 *              | 3 offset:varint tx:i64                           duplicate
 *              | 4 offset:varint attempt:varint start:i64 begun:i64 document:bytes contentHash:text part* bytes lock*   begin
 *              | 5 offset:varint part                             extend
 *              | 6 offset:varint attempt:varint                   retry
 *              | 7 offset:varint attempt:varint start:i64 begun:i64 tx:i64 participants:varint* rows:varint    decided
 *              | 8 offset:varint attempt:varint code:text detail:text hint:text? extra:text?                   refused
 *              | 9 offset:varint                                  end
 *              | 10 id attempt:varint start:i64 tx:i64 facts:bytes lock* part*                                 prepared
 *              | 11 id tx:i64 rows:varint                         committed
 *              | 12 id attempt:varint                             aborted
 *                id := coordinator:varint offset:varint part:text
 *                part := partition:varint name:text content:bytes
 *                lock := resource:text attribute:text? write:u8
 *                x* := a count and as many x; text? := 0 | 1 text; bytes := varint length and bytes; extra is JSON
 *   entities, attributes := texts of commit-facts.ts, present where there are facts
 *   zeros     := up to a multiple of 8
 *   facts     := Arrow message of commit-facts.ts at factsAt; 0 where there are none
 */
import { assert, ByteReader, ByteWriter, crc32c, fromHex, must, toHex } from '@pyralog/base';
import {
  epoch,
  ownerId,
  type Epoch,
  type ErrorCode,
  type LogOffset,
  type OwnerId,
  type PartitionNo,
  type StoredFact,
  type Tx,
} from '@pyralog/model';
import {
  layoutFacts,
  NO_FACTS,
  readFacts,
  readTexts,
  writeFacts,
  writeTexts,
} from './commit-facts.ts';
import { damaged, decodeSafely, unknownFormat } from './damage.ts';
import type { FactBatch } from './fact-batch.ts';
import { FactTable } from './fact-table.ts';
import { readHeader, readItem, writeHeader, writeItem } from './record-items.ts';
import type { TransactionItem } from './transaction-items.ts';

/** Claims a partition. Carries nothing but the claim (protocol 1.1.2). */
export interface EpochRecord {
  readonly kind: 'epoch';
  readonly epoch: Epoch;
  readonly owner: OwnerId;
}

/** How far the coordination messages of a peer were taken: (epoch, counter), per sending partition. */
export interface Mark {
  readonly peer: PartitionNo;
  readonly epoch: Epoch;
  readonly counter: number;
}

/** What every record but EPOCH says besides its items (protocol 1.2). */
export interface RecordHeader {
  readonly kind: 'items';
  readonly epoch: Epoch;
  readonly owner: OwnerId;
  /** 1 for the first record of an owner, then rising by one. */
  readonly seq: number;
  /** Next offset of the coordination topic to read. */
  readonly coordination: LogOffset;
  /** Only those that changed. */
  readonly marks: readonly Mark[];
  /** Least offset of the input that has neither outcome nor BEGIN. */
  readonly lowWater: LogOffset;
  /** Nothing at or below this will ever be committed after this record. */
  readonly closed: Tx;
  /** tx of the schema that the items were resolved by. */
  readonly schemaTx: Tx;
}

/** A rejection as the writer of the input is told it; also kept in the log, so it is final. */
export interface Rejection {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** What a record says, in order. @template F the facts that come into force with it */
export type ItemOf<F> =
  | ({ readonly kind: 'commit'; readonly offset: LogOffset; readonly tx: Tx } & F)
  | { readonly kind: 'rejected'; readonly offset: LogOffset; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly offset: LogOffset; readonly tx: Tx }
  | TransactionItem<F>;

/** Facts before they became columns. */
export interface DraftFacts {
  readonly facts: readonly StoredFact[];
}

/** Facts as rows [from, to) of the columns of a record. */
export interface FactRows {
  readonly from: number;
  readonly to: number;
}

/** Items before their facts became columns: what the sequencer makes. */
export type DraftItem = ItemOf<DraftFacts>;

/** Items as read back. */
export type Item = ItemOf<FactRows>;

/** Items whose facts come into force with them. */
export type ForceItem<F> = Extract<ItemOf<F>, { kind: 'commit' | 'decided' | 'committed' }>;

/** Whether facts come into force with an item. */
export function isInForce<F>(item: ItemOf<F>): item is ForceItem<F> {
  return item.kind === 'commit' || item.kind === 'decided' || item.kind === 'committed';
}

/** Items that are the outcome of the document at their offset, each once for an offset (I9). */
export type OutcomeItem<F> = Extract<
  ItemOf<F>,
  { kind: 'commit' | 'rejected' | 'duplicate' | 'decided' | 'refused' }
>;

/** Whether an item is the outcome of a document. */
export function isOutcome<F>(item: ItemOf<F>): item is OutcomeItem<F> {
  switch (item.kind) {
    case 'commit':
    case 'rejected':
    case 'duplicate':
    case 'decided':
    case 'refused':
      return true;
    default:
      return false;
  }
}

/** What a record of outcomes says, made or read, its facts aside. */
export interface Outcomes extends RecordHeader {
  readonly items: readonly ItemOf<unknown>[];
}

/** A record of outcomes, as a sequencer makes it. */
export interface DraftRecord extends RecordHeader {
  readonly items: readonly DraftItem[];
}

/** A record of outcomes, as readers get it: the facts that come into force with it in one batch, in the order of items. */
export interface ItemsRecord extends RecordHeader {
  readonly items: readonly Item[];
  readonly facts: FactBatch;
}

/** Any record of a commit log. */
export type CommitRecord = EpochRecord | ItemsRecord;

/** Version of the layout that is written, in every record. */
export const COMMIT_RECORD_VERSION = 0;

const MAGIC = 0x52435950;
const PREFIX_BYTES = 16;
const KIND_EPOCH = 0;
const KIND_ITEMS = 1;
const OWNER_BYTES = 16;

/** A scratch table serves record after record; one that grew large is not kept. */
const SCRATCH_ROWS_MAX = 4096;
let scratch = new FactTable();

/** The bytes of a record. The same record gives the same bytes. */
export function encodeCommitRecord(record: DraftRecord | EpochRecord): Uint8Array {
  const head = new ByteWriter(512);
  head.u32(MAGIC).u32(0).u8(COMMIT_RECORD_VERSION);
  head
    .u8(record.kind === 'epoch' ? KIND_EPOCH : KIND_ITEMS)
    .u8(0)
    .u8(0)
    .u32(0);
  head.varint(record.epoch).raw(ownerBytes(record.owner));
  if (record.kind === 'epoch') return seal(head.finish());

  if (scratch.length > SCRATCH_ROWS_MAX) scratch = new FactTable();
  const table = scratch;
  table.clear();
  writeHeader(record, record.items.length, head);
  for (const item of record.items) {
    writeItem(item, isInForce(item) ? item.facts.length : 0, head);
    if (isInForce(item)) appendFacts(item, table);
  }
  if (table.length === 0) return seal(head.finish());

  writeTexts(table.entities, head);
  writeTexts(table.attributes, head);
  const layout = layoutFacts(table);
  const factsAt = (head.length + 7) & ~7;
  head.patchU32(FACTS_AT, factsAt);
  const bytes = new Uint8Array(factsAt + layout.bytes);
  bytes.set(head.view());
  writeFacts(table, layout, bytes, factsAt);
  return seal(bytes);
}

/**
 * @param what names the record in errors, by its topic, partition and offset.
 * @throws object-damaged, format-unknown
 */
export function decodeCommitRecord(bytes: Uint8Array, what = 'commit record'): CommitRecord {
  if (bytes.length < PREFIX_BYTES) throw damaged(what, `it has only ${bytes.length} bytes`);
  const from = new ByteReader(bytes);
  if (from.u32() !== MAGIC) throw damaged(what, 'it does not begin as one');
  if (from.u32() !== crc32c(bytes.subarray(CHECKED_FROM)))
    throw damaged(what, 'its checksum is wrong');
  const version = from.u8();
  if (version !== COMMIT_RECORD_VERSION) throw unknownFormat(what, `format version ${version}`);
  const kind = from.u8();
  if (kind > KIND_ITEMS) throw unknownFormat(what, `record kind ${kind}`);
  from.raw(2);
  const factsAt = from.u32();
  return decodeSafely(what, () => {
    const claim = { epoch: epoch(from.varint()), owner: ownerId(toHex(from.raw(OWNER_BYTES))) };
    if (kind === KIND_EPOCH) return { kind: 'epoch', ...claim };
    return readItemsRecord(what, bytes, from, claim, factsAt);
  });
}

const FACTS_AT = 12;
const CHECKSUM_AT = 4;
const CHECKED_FROM = 8;

function seal(bytes: Uint8Array): Uint8Array {
  const checksum = crc32c(bytes.subarray(CHECKED_FROM));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(CHECKSUM_AT, checksum, true);
  return bytes;
}

function ownerBytes(owner: OwnerId): Uint8Array {
  return must(fromHex(owner), 'an owner id is hexadecimal');
}

function appendFacts({ tx, facts }: ForceItem<DraftFacts>, table: FactTable): void {
  for (const fact of facts) {
    assert(fact.tx === tx, 'a fact has the tx of its transaction');
    table.append(fact);
  }
}

function readItemsRecord(
  what: string,
  bytes: Uint8Array,
  from: ByteReader,
  claim: { readonly epoch: Epoch; readonly owner: OwnerId },
  factsAt: number,
): ItemsRecord {
  const { itemCount, ...header } = readHeader(from);
  const items: Item[] = [];
  let rows = 0;
  for (let i = 0; i < itemCount; i++) {
    const item = readItem(what, from, rows);
    if (isInForce(item)) rows = item.to;
    items.push(item);
  }
  const facts =
    factsAt === 0 ? NO_FACTS : readFacts(bytes, factsAt, readTexts(from), readTexts(from));
  if (facts.length !== rows) throw damaged(what, 'its items and its facts do not fit together');
  return { kind: 'items', ...claim, ...header, items, facts };
}
