/**
 * The facts of a commit record: their entities and attributes as two lists of distinct texts, and one
 * Arrow record batch message without a schema message, since the version of the record fixes the schema:
 *
 *   entity      uint32, index into the record's entities
 *   attribute   uint16, index into the record's attributes
 *   value_type  uint8, position in VALUE_TYPES; with 0x80 where the value is a blob, which this refers to
 *   bits        int64: int, instant, bool as 0 or 1, the IEEE bits of a double, length of a blob; else 0
 *   text        binary: UTF-8 of string, ref and json, or the bytes; else empty. Of a blob its prefix (at
 *               most 256 bytes, whole characters), then 32 bytes, its SHA-256
 *   tx          int64
 *   operation   uint8: 1 assert, 0 retract
 *
 * One 8-byte column serves all numbers: a record is read by us alone, and often holds one fact.
 */
import type { ByteReader, ByteWriter } from '@pyralog/base';
import { MessageHead, readMessage } from './arrow-message.ts';
import { damaged } from './damage.ts';
import { FactBatch, isRowType } from './fact-batch.ts';
import type { FactTable } from './fact-table.ts';
import { TextList } from './text-list.ts';
import type { TextTable } from './text-table.ts';

const COLUMNS = 7;
const BUFFERS = 2 * COLUMNS + 1;
const head = new MessageHead({ nodes: COLUMNS, buffers: BUFFERS, zstd: false });

/** Indexes of the data buffers; validity buffers (length 0) stand before them. */
const ENTITY = 1;
const ATTRIBUTE = 3;
const TYPE = 5;
const BITS = 7;
const TEXT_OFFSETS = 9;
const TEXT = 10;
const TX = 12;
const OPERATION = 14;

/** Where the buffers of a batch lie, for sizes and for the message. */
export interface FactsLayout {
  readonly rows: number;
  readonly buffers: readonly number[];
  /** Of the whole message. */
  readonly bytes: number;
}

/** @param table holds exactly the facts of the record, appended one by one. */
export function layoutFacts(table: FactTable): FactsLayout {
  const rows = table.length;
  const lengths = Array.from({ length: BUFFERS }, () => 0);
  lengths[ENTITY] = rows * 4;
  lengths[ATTRIBUTE] = rows * 2;
  lengths[TYPE] = rows;
  lengths[BITS] = rows * 8;
  lengths[TEXT_OFFSETS] = (rows + 1) * 4;
  lengths[TEXT] = table.textBytes;
  lengths[TX] = rows * 8;
  lengths[OPERATION] = rows;
  const buffers: number[] = [];
  let at = 0;
  for (const length of lengths) {
    buffers.push(at, length);
    at += (length + 7) & ~7;
  }
  return { rows, buffers, bytes: head.length + at };
}

/** Writes the message at `at`, a multiple of 8 in an array that begins at a multiple of 8. */
export function writeFacts(
  table: FactTable,
  layout: FactsLayout,
  into: Uint8Array,
  at: number,
): void {
  const { rows, buffers } = layout;
  const nodes = Array.from({ length: COLUMNS }, () => rows);
  into.set(head.fill(rows, nodes, buffers, layout.bytes - head.length), at);
  const body = at + head.length;
  const place = (index: number): number => body + (buffers[2 * index] as number);
  const copy = (index: number, column: ArrayBufferView): void => {
    const length = buffers[2 * index + 1] as number;
    into.set(new Uint8Array(column.buffer, column.byteOffset, length), place(index));
  };
  copy(ENTITY, table.entity);
  copy(ATTRIBUTE, table.attribute);
  copy(TYPE, table.type);
  copy(BITS, table.bits);
  const offsets = new Uint32Array(into.buffer, into.byteOffset + place(TEXT_OFFSETS), rows + 1);
  offsets.set(table.textStart.subarray(0, rows));
  offsets[rows] = table.textBytes;
  copy(TEXT, table.texts);
  copy(TX, table.tx);
  copy(OPERATION, table.operation);
}

/** Distinct texts: count, their lengths, then all their bytes. */
export function writeTexts(table: TextTable, into: ByteWriter): void {
  into.varint(table.size);
  const { offsets } = table;
  for (let id = 0; id < table.size; id++) {
    into.varint((offsets[id + 1] as number) - (offsets[id] as number));
  }
  into.raw(table.bytes.subarray(0, offsets[table.size]));
}

/** The same from a list. */
export function writeTextList(list: TextList, into: ByteWriter): void {
  into.varint(list.length);
  const { offsets } = list;
  for (let i = 0; i < list.length; i++) {
    into.varint((offsets[i + 1] as number) - (offsets[i] as number));
  }
  into.raw(list.bytes.subarray(0, offsets[list.length]));
}

/** @throws TruncatedError */
export function readTexts(from: ByteReader): TextList {
  const count = from.varint();
  if (count > from.remaining) throw new RangeError('more texts than bytes');
  const offsets = new Int32Array(count + 1);
  let end = 0;
  for (let i = 1; i <= count; i++) offsets[i] = end += from.varint();
  return new TextList(count, offsets, from.raw(end));
}

/** Columns as views of the record where it lies at a multiple of 8 in memory, else of one copy. */
export function readFacts(
  bytes: Uint8Array,
  at: number,
  entities: TextList,
  attributes: TextList,
): FactBatch {
  const aligned = (bytes.byteOffset + at) % 8 === 0;
  const source = aligned ? bytes.subarray(at) : bytes.slice(at);
  const message = readMessage(source, 0);
  if (message === undefined || message.zstd || message.buffers.length !== 2 * BUFFERS) {
    throw damaged('commit record', 'its facts are not a record batch of this version');
  }
  const { rows, buffers } = message;
  const start = source.byteOffset + message.bodyAt;
  const place = (index: number): number => start + (buffers[2 * index] as number);
  const memory = source.buffer;
  const type = new Uint8Array(memory, place(TYPE), rows);
  const textOffsets = new Int32Array(memory, place(TEXT_OFFSETS), rows + 1);
  for (let row = 0; row < rows; row++) {
    const textBytes = (textOffsets[row + 1] as number) - (textOffsets[row] as number);
    if (!isRowType(type[row] as number, textBytes))
      throw damaged('commit record', 'it has an unknown value type');
  }
  return new FactBatch({
    length: rows,
    entities,
    entity: new Uint32Array(memory, place(ENTITY), rows),
    attributes,
    attribute: new Uint16Array(memory, place(ATTRIBUTE), rows),
    type,
    bits: new BigInt64Array(memory, place(BITS), rows),
    textOffsets,
    texts: new Uint8Array(memory, place(TEXT), buffers[2 * TEXT + 1] as number),
    tx: new BigInt64Array(memory, place(TX), rows),
    operation: new Uint8Array(memory, place(OPERATION), rows),
  });
}

const NOTHING = new TextList(0, new Int32Array(1), new Uint8Array(0));

/** The facts of a record that has none. */
export const NO_FACTS: FactBatch = new FactBatch({
  length: 0,
  entities: NOTHING,
  entity: new Uint32Array(0),
  attributes: NOTHING,
  attribute: new Uint16Array(0),
  type: new Uint8Array(0),
  bits: new BigInt64Array(0),
  textOffsets: new Int32Array(1),
  texts: new Uint8Array(0),
  tx: new BigInt64Array(0),
  operation: new Uint8Array(0),
});
