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
 *                text? := 0 | 1 text; extra is JSON
 *                kinds kept for transactions over partitions: 4 begin, 5 extend, 6 retry, 7 decided,
 *                8 end, 9 prepared, 10 committed, 11 aborted, 12 schema, 13 commit by reference
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

/** Items before their facts became columns: what the sequencer makes. */
export type DraftItem =
  | {
      readonly kind: 'commit';
      readonly offset: LogOffset;
      readonly tx: Tx;
      readonly facts: readonly StoredFact[];
    }
  | { readonly kind: 'rejected'; readonly offset: LogOffset; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly offset: LogOffset; readonly tx: Tx };

/** A record of outcomes, as a sequencer makes it. */
export interface DraftRecord extends RecordHeader {
  readonly items: readonly DraftItem[];
}

/** Items as read back: facts of a commit are rows [from, to) of the record's columns. */
export type Item =
  | {
      readonly kind: 'commit';
      readonly offset: LogOffset;
      readonly tx: Tx;
      readonly from: number;
      readonly to: number;
    }
  | { readonly kind: 'rejected'; readonly offset: LogOffset; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly offset: LogOffset; readonly tx: Tx };

/** A record of outcomes, as readers get it: the facts of all items in one batch. */
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
    writeItem(item, item.kind === 'commit' ? item.facts.length : 0, head);
    if (item.kind === 'commit') appendFacts(item, table);
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

function appendFacts(item: DraftItem & { readonly kind: 'commit' }, table: FactTable): void {
  for (const fact of item.facts) {
    assert(fact.tx === item.tx, 'a fact has the tx of its transaction');
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
    if (item.kind === 'commit') rows = item.to;
    items.push(item);
  }
  const facts =
    factsAt === 0 ? NO_FACTS : readFacts(bytes, factsAt, readTexts(from), readTexts(from));
  if (facts.length !== rows) throw damaged(what, 'its items and its facts do not fit together');
  return { kind: 'items', ...claim, ...header, items, facts };
}
