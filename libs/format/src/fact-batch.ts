import { assert } from '@pyralog/base';
import {
  VALUE_TYPES,
  type Fact,
  type Operation,
  type Tx,
  type Value,
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
      this.operation.byteLength
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
    return VALUE_TYPES[this.type[row] as number] as ValueType;
  }

  valueAt(row: number): Value {
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

  factAt(row: number): Fact {
    return {
      entity: this.entityAt(row),
      attribute: this.attributeAt(row),
      value: this.valueAt(row),
      tx: this.txAt(row),
      operation: this.operationAt(row),
    };
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
export function valueOf(columns: ValueColumns, row: number, from: number, to: number): Value {
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
  }
  assert(tag === TAG_JSON, 'a value type has a tag');
  return { type: 'json', value: readUtf8(texts, from, to) };
}
