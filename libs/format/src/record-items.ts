/**
 * Codec of the header and the items of a commit record, which segments keep too. The grammar stands in
 * commit-record.ts; it belongs to version 0 of both formats.
 */
import { type ByteReader, type ByteWriter, unreachable } from '@pyralog/base';
import { epoch, isErrorCode, logOffset, partitionNo, tx } from '@pyralog/model';
import type { DraftItem, FactRows, Item, Mark, RecordHeader, Rejection } from './commit-record.ts';
import { unknownFormat } from './damage.ts';
import type { Lock, TransactionId, TransactionPart } from './transaction-items.ts';

const ITEM_COMMIT = 1;
const ITEM_REJECTED = 2;
const ITEM_DUPLICATE = 3;
const ITEM_BEGIN = 4;
const ITEM_EXTEND = 5;
const ITEM_RETRY = 6;
const ITEM_DECIDED = 7;
const ITEM_REFUSED = 8;
const ITEM_END = 9;
const ITEM_PREPARED = 10;
const ITEM_COMMITTED = 11;
const ITEM_ABORTED = 12;

/** A header without its claim (epoch and owner), and the number of items that follow. */
export type HeaderBody = Omit<RecordHeader, 'kind' | 'epoch' | 'owner'> & {
  readonly itemCount: number;
};

export function writeHeader(
  record: Omit<HeaderBody, 'itemCount'>,
  itemCount: number,
  into: ByteWriter,
): void {
  into.varint(record.seq).varint(record.coordination).varint(record.marks.length);
  for (const mark of record.marks) into.varint(mark.peer).varint(mark.epoch).varint(mark.counter);
  into.varint(record.lowWater).i64(record.closed).i64(record.schemaTx).varint(itemCount);
}

/** @param rows number of facts that come into force with the item */
export function writeItem(item: DraftItem | Item, rows: number, into: ByteWriter): void {
  switch (item.kind) {
    case 'commit':
      into.u8(ITEM_COMMIT).varint(item.offset).i64(item.tx).varint(rows);
      return;
    case 'rejected':
      into.u8(ITEM_REJECTED).varint(item.offset);
      writeRejection(item.rejection, into);
      return;
    case 'duplicate':
      into.u8(ITEM_DUPLICATE).varint(item.offset).i64(item.tx);
      return;
    case 'begin':
      into.u8(ITEM_BEGIN).varint(item.offset).varint(item.attempt).i64(item.start).i64(item.begun);
      into.bytes(item.document).text(item.contentHash);
      writeAll(item.parts, writePart, into);
      into.bytes(item.facts);
      writeAll(item.locks, writeLock, into);
      return;
    case 'extend':
      into.u8(ITEM_EXTEND).varint(item.offset);
      writePart(item.part, into);
      return;
    case 'retry':
      into.u8(ITEM_RETRY).varint(item.offset).varint(item.attempt);
      return;
    case 'decided':
      into.u8(ITEM_DECIDED).varint(item.offset).varint(item.attempt);
      into.i64(item.start).i64(item.begun).i64(item.tx);
      writeAll(item.participants, (partition) => into.varint(partition), into);
      into.varint(rows);
      return;
    case 'refused':
      into.u8(ITEM_REFUSED).varint(item.offset).varint(item.attempt);
      writeRejection(item.rejection, into);
      return;
    case 'end':
      into.u8(ITEM_END).varint(item.offset);
      return;
    case 'prepared':
      into.u8(ITEM_PREPARED);
      writeId(item, into);
      into.varint(item.attempt).i64(item.start).i64(item.tx).bytes(item.facts);
      writeAll(item.locks, writeLock, into);
      writeAll(item.needs, writePart, into);
      return;
    case 'committed':
      into.u8(ITEM_COMMITTED);
      writeId(item, into);
      into.i64(item.tx).varint(rows);
      return;
    case 'aborted':
      into.u8(ITEM_ABORTED);
      writeId(item, into);
      into.varint(item.attempt);
      return;
    default:
      unreachable(item);
  }
}

function writeAll<T>(
  all: readonly T[],
  write: (each: T, into: ByteWriter) => void,
  into: ByteWriter,
): void {
  into.varint(all.length);
  for (const each of all) write(each, into);
}

/** As coordination messages write it too. */
export function writeId(
  { id, part }: { readonly id: TransactionId; readonly part: string },
  into: ByteWriter,
): void {
  into.varint(id.coordinator).varint(id.offset).text(part);
}

function writePart({ partition, name, content }: TransactionPart, into: ByteWriter): void {
  into.varint(partition).text(name).bytes(content);
}

/** As coordination messages write them too. */
export function writeParts(parts: readonly TransactionPart[], into: ByteWriter): void {
  writeAll(parts, writePart, into);
}

function writeLock({ resource, attribute, write }: Lock, into: ByteWriter): void {
  into.text(resource);
  writeOptional(attribute, into);
  into.u8(write ? 1 : 0);
}

/** As coordination messages write it too. */
export function writeRejection({ code, detail, hint, extra }: Rejection, into: ByteWriter): void {
  into.text(code).text(detail);
  writeOptional(hint, into);
  writeOptional(extra === undefined ? undefined : JSON.stringify(extra), into);
}

function writeOptional(text: string | undefined, into: ByteWriter): void {
  if (text === undefined) into.u8(0);
  else into.u8(1).text(text);
}

export function readHeader(from: ByteReader): HeaderBody {
  const seq = from.varint();
  const coordination = logOffset(from.varint());
  const marks: Mark[] = [];
  for (let left = from.varint(); left > 0; left--) {
    marks.push({
      peer: partitionNo(from.varint()),
      epoch: epoch(from.varint()),
      counter: from.varint(),
    });
  }
  const lowWater = logOffset(from.varint());
  const closed = tx(from.i64());
  const schemaTx = tx(from.i64());
  return { seq, coordination, marks, lowWater, closed, schemaTx, itemCount: from.varint() };
}

/** @param row first row of the facts that come into force with the item; their end follows from it */
export function readItem(what: string, from: ByteReader, row: number): Item {
  const kind = from.u8();
  if (kind < ITEM_COMMIT || kind > ITEM_ABORTED) throw unknownFormat(what, `item kind ${kind}`);
  if (kind >= ITEM_PREPARED) return readPartItem(kind, from, row);
  const offset = logOffset(from.varint());
  switch (kind) {
    case ITEM_COMMIT:
      return { kind: 'commit', offset, tx: tx(from.i64()), ...readRows(from, row) };
    case ITEM_REJECTED:
      return { kind: 'rejected', offset, rejection: readRejection(what, from) };
    case ITEM_DUPLICATE:
      return { kind: 'duplicate', offset, tx: tx(from.i64()) };
    case ITEM_BEGIN:
      return {
        kind: 'begin',
        offset,
        attempt: from.varint(),
        start: tx(from.i64()),
        begun: tx(from.i64()),
        document: from.bytes(),
        contentHash: from.text(),
        parts: readParts(from),
        facts: from.bytes(),
        locks: readAll(readLock, from),
      };
    case ITEM_EXTEND:
      return { kind: 'extend', offset, part: readPart(from) };
    case ITEM_RETRY:
      return { kind: 'retry', offset, attempt: from.varint() };
    case ITEM_DECIDED:
      return {
        kind: 'decided',
        offset,
        attempt: from.varint(),
        start: tx(from.i64()),
        begun: tx(from.i64()),
        tx: tx(from.i64()),
        participants: readAll(() => partitionNo(from.varint()), from),
        ...readRows(from, row),
      };
    case ITEM_REFUSED:
      return {
        kind: 'refused',
        offset,
        attempt: from.varint(),
        rejection: readRejection(what, from),
      };
    default:
      return { kind: 'end', offset };
  }
}

/** Items of a participant. */
function readPartItem(kind: number, from: ByteReader, row: number): Item {
  const { id, part } = readId(from);
  switch (kind) {
    case ITEM_PREPARED:
      return {
        kind: 'prepared',
        id,
        part,
        attempt: from.varint(),
        start: tx(from.i64()),
        tx: tx(from.i64()),
        facts: from.bytes(),
        locks: readAll(readLock, from),
        needs: readParts(from),
      };
    case ITEM_COMMITTED:
      return { kind: 'committed', id, part, tx: tx(from.i64()), ...readRows(from, row) };
    default:
      return { kind: 'aborted', id, part, attempt: from.varint() };
  }
}

function readRows(from: ByteReader, row: number): FactRows {
  return { from: row, to: row + from.varint() };
}

function readAll<T>(read: (from: ByteReader) => T, from: ByteReader): T[] {
  const all: T[] = [];
  for (let left = from.varint(); left > 0; left--) all.push(read(from));
  return all;
}

/** What {@link writeId} wrote. */
export function readId(from: ByteReader): { readonly id: TransactionId; readonly part: string } {
  const coordinator = partitionNo(from.varint());
  return { id: { coordinator, offset: logOffset(from.varint()) }, part: from.text() };
}

function readPart(from: ByteReader): TransactionPart {
  return { partition: partitionNo(from.varint()), name: from.text(), content: from.bytes() };
}

/** What {@link writeParts} wrote. */
export function readParts(from: ByteReader): readonly TransactionPart[] {
  return readAll(readPart, from);
}

function readLock(from: ByteReader): Lock {
  return { resource: from.text(), attribute: readOptional(from), write: from.u8() !== 0 };
}

/** What {@link writeRejection} wrote. @throws format-unknown */
export function readRejection(what: string, from: ByteReader): Rejection {
  const code = from.text();
  if (!isErrorCode(code)) throw unknownFormat(what, `error code ${code}`);
  const detail = from.text();
  const hint = readOptional(from);
  const extra = readOptional(from);
  return {
    code,
    detail,
    hint,
    extra: extra === undefined ? undefined : (JSON.parse(extra) as Record<string, unknown>),
  };
}

function readOptional(from: ByteReader): string | undefined {
  return from.u8() === 0 ? undefined : from.text();
}
