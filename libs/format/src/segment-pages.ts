/**
 * Headers and items of the admitted records of a range of a commit log, in pages that can be read one
 * by one. Claims and sequence numbers follow from admission and are not stored per record.
 *
 *   page    := records:varint row:varint epoch:varint seq:varint owner? offset:varint record*
 *                row: first row of the segment that these records hold; epoch, seq, owner: admission
 *                before the page; offset: of its first record
 *   owner?  := 0 | 1 u8[16]
 *   record  := gap:varint (0 epoch:varint u8[16] | 1 header item*)       gap: offsets left out before it
 *   header, item := as in commit-record.ts, header without epoch and owner
 */
import { assert, ByteReader, ByteWriter, fromHex, must, toHex } from '@pyralog/base';
import { epoch, logOffset, ownerId, type LogOffset, type Tx } from '@pyralog/model';
import { admit } from './admission.ts';
import {
  type CommitRecord,
  type EpochRecord,
  isInForce,
  type Item,
  type ItemsRecord,
  type RecordHeader,
} from './commit-record.ts';
import type { AdmissionState } from './manifest.ts';
import { readHeader, readItem, writeHeader, writeItem } from './record-items.ts';

/** Records of a page at most. */
const PAGE_RECORDS = 4096;

const OWNER_BYTES = 16;

/** A record of a segment; facts of its commits are rows [from, to) of the segment. */
export interface SegmentRecord {
  readonly offset: LogOffset;
  readonly record: EpochRecord | (RecordHeader & { readonly items: readonly Item[] });
}

/** A transaction of a segment. */
export interface SegmentTransaction {
  readonly tx: Tx;
  /** Offset of its record in the commit log. */
  readonly offset: LogOffset;
  /** Its facts are rows [from, to) of the segment. */
  readonly from: number;
  readonly to: number;
}

/** What the index of a segment says about a page besides its place. */
export interface PageStatistics {
  readonly records: number;
  readonly firstOffset: LogOffset;
  readonly firstRow: number;
  readonly transactions: number;
  /** Of its transactions; 0 where it has none. */
  readonly minTx: Tx;
  readonly maxTx: Tx;
}

export interface RecordPage extends PageStatistics {
  readonly bytes: Uint8Array;
}

/** Collects admitted records in order and cuts them into pages. */
export class PageWriter {
  readonly pages: RecordPage[] = [];
  #admission: AdmissionState;
  #into = new ByteWriter(4096);
  #before: AdmissionState;
  #records = 0;
  #firstOffset: LogOffset | undefined;
  #next: number;
  #firstRow = 0;
  #row = 0;
  #txs: Tx[] = [];

  constructor(admission: AdmissionState, from: LogOffset) {
    this.#admission = admission;
    this.#before = admission;
    this.#next = from;
  }

  /** Facts of the records so far. */
  get rows(): number {
    return this.#row;
  }

  add(offset: LogOffset, record: CommitRecord): void {
    const { after, counts } = admit(this.#admission, record);
    assert(counts, 'only admitted records go into a segment');
    assert(offset >= this.#next, 'records go into a segment in the order of the log');
    this.#admission = after;
    const first = this.#firstOffset === undefined;
    this.#firstOffset ??= offset;
    this.#into.varint(first ? 0 : offset - this.#next);
    this.#next = offset + 1;
    this.#records++;
    if (record.kind === 'epoch') {
      this.#into
        .u8(0)
        .varint(record.epoch)
        .raw(must(fromHex(record.owner), 'an owner id'));
    } else this.#addItems(record);
    if (this.#records === PAGE_RECORDS) this.#cut();
  }

  finish(): readonly RecordPage[] {
    if (this.#records > 0) this.#cut();
    return this.pages;
  }

  #addItems(record: ItemsRecord): void {
    this.#into.u8(1);
    writeHeader(record, record.items.length, this.#into);
    for (const item of record.items) {
      const rows = isInForce(item) ? item.to - item.from : 0;
      writeItem(item, rows, this.#into);
      this.#row += rows;
      if (isInForce(item)) this.#txs.push(item.tx);
    }
  }

  #cut(): void {
    const firstOffset = must(this.#firstOffset, 'a page has records');
    const { epoch, seq, owner } = this.#before;
    const head = new ByteWriter(64);
    head.varint(this.#records).varint(this.#firstRow).varint(epoch).varint(seq);
    if (owner === undefined) head.u8(0);
    else head.u8(1).raw(must(fromHex(owner), 'an owner id is hexadecimal'));
    head.varint(firstOffset).raw(this.#into.view());
    const [minTx, maxTx] = rangeOf(this.#txs);
    this.pages.push({
      records: this.#records,
      firstOffset,
      firstRow: this.#firstRow,
      transactions: this.#txs.length,
      minTx,
      maxTx,
      bytes: head.finish(),
    });
    this.#before = this.#admission;
    this.#into = new ByteWriter(4096);
    this.#records = 0;
    this.#firstOffset = undefined;
    this.#firstRow = this.#row;
    this.#txs = [];
  }
}

/** Reads a page back. @param what names the file in errors. */
export function readPage(bytes: Uint8Array, what: string): SegmentRecord[] {
  const from = new ByteReader(bytes);
  const count = from.varint();
  let row = from.varint();
  const claim = { epoch: epoch(from.varint()), seq: from.varint() };
  const owner = from.u8() === 0 ? undefined : ownerId(toHex(from.raw(OWNER_BYTES)));
  let admission: AdmissionState = { ...claim, owner };
  let next = from.varint();
  const records: SegmentRecord[] = [];
  for (let i = 0; i < count; i++) {
    const offset = logOffset(next + from.varint());
    next = offset + 1;
    let record: SegmentRecord['record'];
    if (from.u8() === 0) {
      record = {
        kind: 'epoch',
        epoch: epoch(from.varint()),
        owner: ownerId(toHex(from.raw(OWNER_BYTES))),
      };
    } else {
      record = readRecord(from, admission, row, what);
      for (const item of record.items) if (isInForce(item)) row = item.to;
    }
    const step = admit(admission, record);
    assert(step.counts, 'the records of a segment were admitted');
    admission = step.after;
    records.push({ offset, record });
  }
  return records;
}

/** The transactions of records, in order of the log. */
export function transactionsOf(records: readonly SegmentRecord[]): SegmentTransaction[] {
  return records.flatMap(({ offset, record }) =>
    record.kind === 'epoch'
      ? []
      : record.items.flatMap((item) =>
          isInForce(item) ? [{ tx: item.tx, offset, from: item.from, to: item.to }] : [],
        ),
  );
}

function readRecord(
  from: ByteReader,
  admission: AdmissionState,
  firstRow: number,
  what: string,
): RecordHeader & { readonly items: readonly Item[] } {
  const { itemCount, ...header } = readHeader(from);
  const owner = must(admission.owner, 'a record has an owner');
  const items: Item[] = [];
  let row = firstRow;
  for (let i = 0; i < itemCount; i++) {
    const item = readItem(what, from, row);
    if (isInForce(item)) row = item.to;
    items.push(item);
  }
  return { kind: 'items', epoch: admission.epoch, owner, ...header, items };
}

function rangeOf(txs: readonly Tx[]): [Tx, Tx] {
  let [least, most] = [txs[0] ?? (0n as Tx), txs[0] ?? (0n as Tx)];
  for (const each of txs) {
    if (each < least) least = each;
    if (each > most) most = each;
  }
  return [least, most];
}
