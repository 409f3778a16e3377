/**
 * Codec of the header and the items of a commit record, which segments keep too. The grammar stands in
 * commit-record.ts; it belongs to version 0 of both formats.
 */
import type { ByteReader, ByteWriter } from '@pyralog/base';
import { epoch, isErrorCode, logOffset, partitionNo, tx } from '@pyralog/model';
import type { DraftItem, Item, Mark, RecordHeader } from './commit-record.ts';
import { unknownFormat } from './damage.ts';

const ITEM_COMMIT = 1;
const ITEM_REJECTED = 2;
const ITEM_DUPLICATE = 3;

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

/** @param rows number of facts of a commit; 0 for others. */
export function writeItem(item: DraftItem | Item, rows: number, into: ByteWriter): void {
  switch (item.kind) {
    case 'commit':
      into.u8(ITEM_COMMIT).varint(item.offset).i64(item.tx).varint(rows);
      return;
    case 'rejected': {
      const { code, detail, hint, extra } = item.rejection;
      into.u8(ITEM_REJECTED).varint(item.offset).text(code).text(detail);
      writeOptional(hint, into);
      writeOptional(extra === undefined ? undefined : JSON.stringify(extra), into);
      return;
    }
    case 'duplicate':
      into.u8(ITEM_DUPLICATE).varint(item.offset).i64(item.tx);
      return;
  }
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

/** @param row first row of a commit; its end follows from the item. */
export function readItem(what: string, from: ByteReader, row: number): Item {
  const kind = from.u8();
  if (kind < ITEM_COMMIT || kind > ITEM_DUPLICATE) throw unknownFormat(what, `item kind ${kind}`);
  const offset = logOffset(from.varint());
  if (kind === ITEM_COMMIT) {
    return { kind: 'commit', offset, tx: tx(from.i64()), from: row, to: row + from.varint() };
  }
  if (kind === ITEM_DUPLICATE) return { kind: 'duplicate', offset, tx: tx(from.i64()) };
  const code = from.text();
  if (!isErrorCode(code)) throw unknownFormat(what, `error code ${code}`);
  const detail = from.text();
  const hint = readOptional(from);
  const extra = readOptional(from);
  return {
    kind: 'rejected',
    offset,
    rejection: {
      code,
      detail,
      hint,
      extra: extra === undefined ? undefined : (JSON.parse(extra) as Record<string, unknown>),
    },
  };
}

function readOptional(from: ByteReader): string | undefined {
  return from.u8() === 0 ? undefined : from.text();
}
