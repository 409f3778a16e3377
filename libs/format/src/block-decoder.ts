import { VALUE_TYPES } from '@pyralog/model';
import type { ArrowBatch } from './arrow-file.ts';
import { damaged } from './damage.ts';
import { BLOB_FLAG, FactBatch, isRowType, SHA256_BYTES, TAG_DOUBLE } from './fact-batch.ts';
import {
  BLOCK_FACTS,
  BYTES_KINDS,
  DOUBLE_KINDS,
  INT_KINDS,
  TEXT_KINDS,
  type FactLayout,
} from './fact-layout.ts';
import { TextList } from './text-list.ts';

/** Places of data buffers in a wide batch; each column's validity buffer (empty) stands before it. */
const ENTITY_OFFSETS = 1;
const ENTITY_TEXT = 2;
const LIST_OFFSETS = 4;
/** First buffer of the columns of facts, by layout. */
const FACTS_FROM: Readonly<Record<FactLayout, number>> = { log: 3, wide: 3, nested: 6 };
/** … and from there on: */
const ATTRIBUTE = 1;
const TYPE = 3;
const INT = 5;
const DOUBLE = 7;
const TEXT_OFFSETS = 9;
const TEXT = 10;
const BYTES_OFFSETS = 12;
const BYTES = 13;
const BLOB_OFFSETS = 15;
const BLOB = 16;
const TX = 18;
const ASSERT = 20;
const RETRACTED = 22;

/** SHA-256 and length of a blob. */
const BLOB_BYTES = SHA256_BYTES + 8;

/** 0, 1, 2, …: in a wide batch each row has its own entity. */
const IDENTITY = Uint32Array.from({ length: BLOCK_FACTS }, (_, row) => row);

/**
 * Decodes a batch into columns, all in one piece of memory.
 * @param hasRetracted whether facts may have been taken back without a row for it; else that column is not looked at
 */
export function decodeFacts(
  batch: ArrowBatch,
  layout: FactLayout,
  attributes: TextList,
  what: string,
  hasRetracted = false,
): FactBatch {
  const base = FACTS_FROM[layout];
  const count = batch.nodes.at(-1) ?? 0;
  const entities = batch.rows;
  if (count > BLOCK_FACTS || entities > count) throw damaged(what, 'a batch has too many rows');
  const nested = layout === 'nested';
  const type = new Uint8Array(count);
  batch.copy(base + TYPE, type);
  const kinds = kindsOf(type, what);
  const textBytes = batch.lengthOf(base + TEXT);
  const bytesBytes = batch.lengthOf(base + BYTES);
  const blobBytes = batch.lengthOf(base + BLOB);
  if (blobBytes % BLOB_BYTES !== 0) throw damaged(what, 'a reference to a blob is none');
  const hashBytes = (blobBytes / BLOB_BYTES) * SHA256_BYTES;
  const entityBytes = batch.lengthOf(ENTITY_TEXT);
  const memory = new Memory(
    count * (hasRetracted ? 24 : 16) +
      (entities + 1) * 4 +
      (count + 1) * 4 +
      (nested ? count * 4 : 0) +
      count * 3 +
      entityBytes +
      textBytes +
      bytesBytes +
      hashBytes,
  );
  const bits = new BigInt64Array(memory.buffer, memory.take(count * 8), count);
  const tx = new BigInt64Array(memory.buffer, memory.take(count * 8), count);
  const retracted = hasRetracted
    ? new BigInt64Array(memory.buffer, memory.take(count * 8), count)
    : undefined;
  const entityOffsets = memory.int32(entities + 1);
  const textOffsets = memory.int32(count + 1);
  const entity = nested
    ? new Uint32Array(memory.buffer, memory.take(count * 4), count)
    : IDENTITY.subarray(0, count);
  const attribute = new Uint16Array(memory.buffer, memory.take(count * 2), count);
  const operation = memory.uint8(count);
  const entityText = memory.uint8(entityBytes);
  const texts = memory.uint8(textBytes + bytesBytes + hashBytes);

  batch.copy(ENTITY_OFFSETS, bytesOf(entityOffsets));
  batch.copy(ENTITY_TEXT, entityText);
  if (nested) expandGroups(batch, entities, entity, what);
  batch.copy(base + ATTRIBUTE, bytesOf(attribute));
  batch.copy(base + TX, bytesOf(tx));
  decodeNumbers(batch, base, kinds, type, bits);
  if ((kinds & TEXT_KINDS) !== 0) {
    batch.copy(base + TEXT_OFFSETS, bytesOf(textOffsets));
    batch.copy(base + TEXT, texts);
  }
  if ((kinds & BYTES_KINDS) !== 0) {
    const bytes = copied(batch, base + BYTES_OFFSETS, base + BYTES, count, bytesBytes);
    insert(bytes, textOffsets, texts, textBytes);
  }
  if (blobBytes > 0) {
    const blobs = copied(batch, base + BLOB_OFFSETS, base + BLOB, count, blobBytes);
    insertBlobs(blobs, { type, bits, textOffsets, texts }, textBytes + bytesBytes, what);
  }
  decodeAsserts(batch, base, operation);
  if (retracted !== undefined) batch.copy(base + RETRACTED, bytesOf(retracted));
  return new FactBatch({
    length: count,
    entities: new TextList(entities, entityOffsets, entityText),
    entity,
    attributes,
    attribute,
    type,
    bits,
    textOffsets,
    texts,
    tx,
    operation,
    retracted,
  });
}

/** One allocation cut into columns; the wider ones are taken first, so that all are aligned. */
class Memory {
  readonly buffer: ArrayBuffer;
  #at = 0;

  constructor(bytes: number) {
    this.buffer = new ArrayBuffer(bytes);
  }

  take(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  int32(length: number): Int32Array {
    return new Int32Array(this.buffer, this.take(length * 4), length);
  }

  uint8(length: number): Uint8Array {
    return new Uint8Array(this.buffer, this.take(length), length);
  }
}

function kindsOf(type: Uint8Array, what: string): number {
  let kinds = 0;
  for (let row = 0; row < type.length; row++) {
    const tag = type[row] as number;
    if (tag >= VALUE_TYPES.length) throw damaged(what, 'a value has an unknown type');
    kinds |= 1 << tag;
  }
  return kinds;
}

function expandGroups(
  batch: ArrowBatch,
  entities: number,
  entity: Uint32Array,
  what: string,
): void {
  const starts = new Int32Array(entities + 1);
  batch.copy(LIST_OFFSETS, bytesOf(starts));
  if (starts[entities] !== entity.length) throw damaged(what, 'the groups of a batch do not fit');
  for (let group = 0; group < entities; group++) {
    entity.fill(group, starts[group], starts[group + 1]);
  }
}

function decodeNumbers(
  batch: ArrowBatch,
  base: number,
  kinds: number,
  type: Uint8Array,
  bits: BigInt64Array,
): void {
  if ((kinds & INT_KINDS) !== 0) batch.copy(base + INT, bytesOf(bits));
  if ((kinds & DOUBLE_KINDS) === 0) return;
  const doubles = new Uint32Array(bits.length * 2);
  batch.copy(base + DOUBLE, bytesOf(doubles));
  const words = new Uint32Array(bits.buffer, bits.byteOffset, bits.length * 2);
  for (let row = 0; row < type.length; row++) {
    if (type[row] !== TAG_DOUBLE) continue;
    words[2 * row] = doubles[2 * row] as number;
    words[2 * row + 1] = doubles[2 * row + 1] as number;
  }
}

function decodeAsserts(batch: ArrowBatch, base: number, operation: Uint8Array): void {
  const bitmap = new Uint8Array((operation.length + 7) >> 3);
  batch.copy(base + ASSERT, bitmap);
  for (let row = 0; row < operation.length; row++) {
    operation[row] = ((bitmap[row >> 3] as number) >> (row & 7)) & 1;
  }
}

/** A column of texts of its own. */
interface Column {
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

function copied(
  batch: ArrowBatch,
  offsetsAt: number,
  bytesAt: number,
  count: number,
  length: number,
): Column {
  const column = { offsets: new Int32Array(count + 1), bytes: new Uint8Array(length) };
  batch.copy(offsetsAt, bytesOf(column.offsets));
  batch.copy(bytesAt, column.bytes);
  return column;
}

/** Puts the texts of another column behind those of its rows: readers know one column of texts. Rare. */
function insert(
  { offsets, bytes }: Column,
  textOffsets: Int32Array,
  texts: Uint8Array,
  textBytes: number,
): void {
  const only = texts.slice(0, textBytes);
  let at = 0;
  let textFrom = 0;
  for (let row = 0; row + 1 < offsets.length; row++) {
    const textTo = textOffsets[row + 1] as number;
    const text = only.subarray(textFrom, textTo);
    const more = bytes.subarray(offsets[row], offsets[row + 1]);
    texts.set(text, at);
    texts.set(more, at + text.length);
    at += text.length + more.length;
    textFrom = textTo;
    textOffsets[row + 1] = at;
  }
}

/** Makes the rows with a blob what they are in memory: the hash behind the prefix, the length in the bits. */
function insertBlobs(
  { offsets, bytes }: Column,
  columns: Pick<FactBatch, 'type' | 'bits' | 'textOffsets' | 'texts'>,
  textBytes: number,
  what: string,
): void {
  const { type, bits, textOffsets, texts } = columns;
  const view = new DataView(bytes.buffer);
  const hashes: Column = {
    offsets: new Int32Array(offsets.length),
    bytes: new Uint8Array(bytes.length),
  };
  let at = 0;
  for (let row = 0; row < type.length; row++) {
    const from = offsets[row] as number;
    const length = (offsets[row + 1] as number) - from;
    if (length !== 0) {
      const prefixBytes = (textOffsets[row + 1] as number) - (textOffsets[row] as number);
      const flagged = (type[row] as number) | BLOB_FLAG;
      if (length !== BLOB_BYTES || !isRowType(flagged, prefixBytes + SHA256_BYTES))
        throw damaged(what, 'a reference to a blob is none');
      type[row] = flagged;
      bits[row] = view.getBigInt64(from + SHA256_BYTES, true);
      hashes.bytes.set(bytes.subarray(from, from + SHA256_BYTES), at);
      at += SHA256_BYTES;
    }
    hashes.offsets[row + 1] = at;
  }
  insert(hashes, textOffsets, texts, textBytes);
}

function bytesOf(column: ArrayBufferView): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
