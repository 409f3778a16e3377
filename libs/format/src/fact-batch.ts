import { assert, fromHex, must, toHex } from '@pyralog/base';
import {
  type BlobReference,
  BLOB_PREFIX_BYTES_MAX,
  isReference,
  VALUE_TYPES,
  type Operation,
  type StoredFact,
  type StoredValue,
  type Tx,
  type ValueType,
} from '@pyralog/model';
import type { FactColumns } from './fact-columns.ts';
import type { TextList } from './text-list.ts';
import { readUtf8 } from './utf8-text.ts';

/** Tags of value types by name; the position in {@link VALUE_TYPES}. */
export const TAG_BOOL = 0;
export const TAG_INT = 1;
export const TAG_DOUBLE = 2;
export const TAG_INSTANT = 3;
export const TAG_STRING = 4;
export const TAG_REF = 5;
export const TAG_BYTES = 6;
export const TAG_JSON = 7;

/**
 * Set in the type of a row whose value is a reference to a blob: its text is the prefix and behind it the
 * SHA-256, its bits are the length of the blob.
 */
export const BLOB_FLAG = 0x80;
/** The tag in a type. */
export const TAG_MASK = 0x7f;
export const SHA256_BYTES = 32;
/** Sets of types, a bit for each tag: those of which a value may be a blob. */
export const BLOB_KINDS: number = (1 << TAG_STRING) | (1 << TAG_BYTES) | (1 << TAG_JSON);

/** Whether the type of a row is one, and fits the text that stands beside it. */
export function isRowType(type: number, textBytes: number): boolean {
  if (type < VALUE_TYPES.length) return true;
  const tag = type & TAG_MASK;
  return (
    tag < VALUE_TYPES.length &&
    (BLOB_KINDS & (1 << tag)) !== 0 &&
    textBytes >= SHA256_BYTES &&
    textBytes <= SHA256_BYTES + BLOB_PREFIX_BYTES_MAX
  );
}

/** The bytes of a reference's SHA-256. */
export function hashBytesOf({ sha256 }: BlobReference): Uint8Array {
  return must(fromHex(sha256), 'a SHA-256 is hexadecimal');
}

/** The columns of a {@link FactBatch}; see its fields. */
export interface FactBatchParts {
  readonly length: number;
  readonly entities: TextList;
  readonly entity: Uint32Array;
  readonly attributes: TextList;
  readonly attribute: Uint16Array;
  readonly type: Uint8Array;
  readonly bits: BigInt64Array;
  readonly textOffsets: Int32Array;
  readonly texts: Uint8Array;
  readonly tx: BigInt64Array;
  readonly operation: Uint8Array;
  readonly retracted?: BigInt64Array | undefined;
}

/**
 * Facts in frozen columns, decoded from a commit record, a block of a run or of a segment. The arrays
 * are for gathers, searches and merges: whoever reads them must not write to them.
 */
export class FactBatch implements FactColumns {
  readonly length: number;
  /** The distinct entities, or one per group of rows: two may be equal. */
  readonly entities: TextList;
  readonly entity: Uint32Array;
  readonly attributes: TextList;
  readonly attribute: Uint16Array;
  readonly type: Uint8Array;
  readonly bits: BigInt64Array;
  readonly doubles: Float64Array;
  /** length + 1 positions in `texts`: string, ref, bytes and json; others are empty. */
  readonly textOffsets: Int32Array;
  readonly texts: Uint8Array;
  readonly tx: BigInt64Array;
  readonly operation: Uint8Array;
  readonly retracted: BigInt64Array | undefined;

  constructor(parts: FactBatchParts) {
    this.length = parts.length;
    this.entities = parts.entities;
    this.entity = parts.entity;
    this.attributes = parts.attributes;
    this.attribute = parts.attribute;
    this.type = parts.type;
    this.bits = parts.bits;
    this.doubles = new Float64Array(parts.bits.buffer, parts.bits.byteOffset, parts.bits.length);
    this.textOffsets = parts.textOffsets;
    this.texts = parts.texts;
    this.tx = parts.tx;
    this.operation = parts.operation;
    this.retracted = parts.retracted;
  }

  /** Memory of the columns in bytes, without the attribute names, which the blocks of a file share. */
  get byteLength(): number {
    return (
      this.entities.byteLength +
      this.entity.byteLength +
      this.attribute.byteLength +
      this.type.byteLength +
      this.bits.byteLength +
      this.textOffsets.byteLength +
      this.texts.byteLength +
      this.tx.byteLength +
      this.operation.byteLength +
      (this.retracted?.byteLength ?? 0)
    );
  }

  entityAt(row: number): string {
    return this.entities.textAt(this.entity[row] as number);
  }

  entityBytesAt(row: number): Uint8Array {
    return this.entities.bytesAt(this.entity[row] as number);
  }

  attributeAt(row: number): string {
    return this.attributes.textAt(this.attribute[row] as number);
  }

  typeAt(row: number): ValueType {
    return VALUE_TYPES[(this.type[row] as number) & TAG_MASK] as ValueType;
  }

  valueAt(row: number): StoredValue {
    const from = this.textOffsets[row] as number;
    const to = this.textOffsets[row + 1] as number;
    return valueOf(this, row, from, to);
  }

  textFrom(row: number): number {
    return this.textOffsets[row] as number;
  }

  textTo(row: number): number {
    return this.textOffsets[row + 1] as number;
  }

  textBytesAt(row: number): Uint8Array {
    return this.texts.subarray(this.textOffsets[row], this.textOffsets[row + 1]);
  }

  txAt(row: number): Tx {
    return this.tx[row] as Tx;
  }

  operationAt(row: number): Operation {
    return this.operation[row] === 1 ? 'assert' : 'retract';
  }

  factAt(row: number): StoredFact {
    return {
      entity: this.entityAt(row),
      attribute: this.attributeAt(row),
      value: this.valueAt(row),
      tx: this.txAt(row),
      operation: this.operationAt(row),
    };
  }
}

/** The blobs that facts refer to, each as often as a fact does. */
export function* referencesOf(facts: FactColumns): Generator<BlobReference> {
  for (let row = 0; row < facts.length; row++) {
    if (((facts.type[row] as number) & BLOB_FLAG) === 0) continue;
    const value = facts.valueAt(row);
    if (isReference(value)) yield value;
  }
}

/** What the value of a row is made of, in tables and batches alike. */
export interface ValueColumns {
  readonly type: Uint8Array;
  readonly bits: BigInt64Array;
  readonly doubles: Float64Array;
  readonly texts: Uint8Array;
}

/** The value of a row whose text is in [from, to) of `texts`. */
export function valueOf(columns: ValueColumns, row: number, from: number, to: number): StoredValue {
  const { bits, texts } = columns;
  const tag = columns.type[row] as number;
  switch (tag) {
    case TAG_BOOL:
      return { type: 'bool', value: bits[row] === 1n };
    case TAG_INT:
      return { type: 'int', value: bits[row] as bigint };
    case TAG_DOUBLE:
      return { type: 'double', value: columns.doubles[row] as number };
    case TAG_INSTANT:
      return { type: 'instant', value: bits[row] as bigint };
    case TAG_STRING:
      return { type: 'string', value: readUtf8(texts, from, to) };
    case TAG_REF:
      return { type: 'ref', value: readUtf8(texts, from, to) };
    case TAG_BYTES:
      return { type: 'bytes', value: texts.slice(from, to) };
    case TAG_JSON:
      return { type: 'json', value: readUtf8(texts, from, to) };
  }
  assert((tag & BLOB_FLAG) !== 0, 'a value type has a tag');
  return referenceOf(columns, row, from, to - SHA256_BYTES);
}

function referenceOf(
  { type, bits, texts }: ValueColumns,
  row: number,
  from: number,
  hashFrom: number,
): BlobReference {
  const tag = (type[row] as number) & TAG_MASK;
  const blob = {
    sha256: toHex(texts.subarray(hashFrom, hashFrom + SHA256_BYTES)),
    bytes: Number(bits[row]),
  };
  if (tag === TAG_BYTES) return { type: 'bytes', prefix: texts.slice(from, hashFrom), ...blob };
  assert(tag === TAG_STRING || tag === TAG_JSON, 'a blob is a string, bytes or json');
  const prefix = readUtf8(texts, from, hashFrom);
  return { type: tag === TAG_STRING ? 'string' : 'json', prefix, ...blob };
}
