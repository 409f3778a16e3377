import { assert } from '@pyralog/base';
import {
  typeTag,
  VALUE_TYPES,
  type Fact,
  type IndexOrder,
  type Operation,
  type Tx,
  type Value,
  type ValueType,
} from '@pyralog/model';
import type { FactColumns } from './fact-columns.ts';
import type { TextList } from './text-list.ts';
import { readUtf8, writeUtf8 } from './utf8-text.ts';

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

/** A value taken apart for comparison with rows; see {@link valueProbe}. */
export interface ValueProbe {
  readonly tag: number;
  /** int, instant, and bool as 0 or 1. */
  readonly bits: bigint;
  readonly double: number;
  /** UTF-8 of string, ref and json, or the bytes. */
  readonly text: Uint8Array;
}

/**
 * Facts in frozen columns, decoded from a commit record, a block of a run or of a segment. The arrays
 * are for gathers, searches and merges: whoever reads them must not write to them.
 */
export class FactBatch implements FactColumns {
  readonly length: number;
  /** The distinct entities, or one per group of rows: two may be equal. */
  readonly entities: TextList;
  /** Index into `entities`, by row. */
  readonly entity: Uint32Array;
  readonly attributes: TextList;
  /** Index into `attributes`, by row. */
  readonly attribute: Uint16Array;
  /** Position in VALUE_TYPES, by row. */
  readonly type: Uint8Array;
  /** By row: int, instant, bool as 0 or 1, the IEEE bits of a double, 0 for the others. */
  readonly bits: BigInt64Array;
  /** The same memory as `bits`. */
  readonly doubles: Float64Array;
  /** length + 1 positions in `texts`: string, ref, bytes and json; others are empty. */
  readonly textOffsets: Int32Array;
  readonly texts: Uint8Array;
  readonly tx: BigInt64Array;
  /** 1 assert, 0 retract, by row. */
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

  /** The bytes of a string, ref, bytes or json: a view; empty for others. */
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

  /** Order of a row's entity against an entity given as UTF-8. */
  compareEntity(row: number, entity: Uint8Array): number {
    const { offsets, bytes } = this.entities;
    const index = this.entity[row] as number;
    return compareRange(
      bytes,
      offsets[index] as number,
      offsets[index + 1] as number,
      entity,
      0,
      entity.length,
    );
  }

  /** Order of a row's attribute against an attribute given as UTF-8. */
  compareAttribute(row: number, attribute: Uint8Array): number {
    const { offsets, bytes } = this.attributes;
    const index = this.attribute[row] as number;
    return compareRange(
      bytes,
      offsets[index] as number,
      offsets[index + 1] as number,
      attribute,
      0,
      attribute.length,
    );
  }

  /** Order of a row's value against another. */
  compareValue(row: number, value: ValueProbe): number {
    const tag = this.type[row] as number;
    if (tag !== value.tag) return tag - value.tag;
    if (tag >= TAG_STRING) {
      const from = this.textOffsets[row] as number;
      const to = this.textOffsets[row + 1] as number;
      return compareRange(this.texts, from, to, value.text, 0, value.text.length);
    }
    if (tag === TAG_DOUBLE) return compareNumbers(this.doubles[row] as number, value.double);
    return compareNumbers(this.bits[row] as bigint, value.bits);
  }

  /** Order of a row against a row of another batch (or of this one) in an index order. */
  compareRows(order: IndexOrder, row: number, other: FactBatch, otherRow: number): number {
    switch (order) {
      case 'eavt':
        return (
          this.#compareEntities(row, other, otherRow) ||
          this.#compareAttributes(row, other, otherRow) ||
          this.#compareValues(row, other, otherRow) ||
          compareNumbers(this.tx[row] as bigint, other.tx[otherRow] as bigint)
        );
      case 'aevt':
        return (
          this.#compareAttributes(row, other, otherRow) ||
          this.#compareEntities(row, other, otherRow) ||
          this.#compareValues(row, other, otherRow) ||
          compareNumbers(this.tx[row] as bigint, other.tx[otherRow] as bigint)
        );
      case 'avet':
        return (
          this.#compareAttributes(row, other, otherRow) ||
          this.#compareValues(row, other, otherRow) ||
          this.#compareEntities(row, other, otherRow) ||
          compareNumbers(this.tx[row] as bigint, other.tx[otherRow] as bigint)
        );
      case 'vaet':
        return (
          this.#compareValues(row, other, otherRow) ||
          this.#compareAttributes(row, other, otherRow) ||
          this.#compareEntities(row, other, otherRow) ||
          compareNumbers(this.tx[row] as bigint, other.tx[otherRow] as bigint)
        );
    }
  }

  #compareEntities(row: number, other: FactBatch, otherRow: number): number {
    return compareTexts(
      this.entities,
      this.entity[row] as number,
      other.entities,
      other.entity[otherRow] as number,
    );
  }

  #compareAttributes(row: number, other: FactBatch, otherRow: number): number {
    return compareTexts(
      this.attributes,
      this.attribute[row] as number,
      other.attributes,
      other.attribute[otherRow] as number,
    );
  }

  #compareValues(row: number, other: FactBatch, otherRow: number): number {
    const tag = this.type[row] as number;
    const otherTag = other.type[otherRow] as number;
    if (tag !== otherTag) return tag - otherTag;
    if (tag >= TAG_STRING) {
      return compareRange(
        this.texts,
        this.textOffsets[row] as number,
        this.textOffsets[row + 1] as number,
        other.texts,
        other.textOffsets[otherRow] as number,
        other.textOffsets[otherRow + 1] as number,
      );
    }
    if (tag === TAG_DOUBLE) {
      return compareNumbers(this.doubles[row] as number, other.doubles[otherRow] as number);
    }
    return compareNumbers(this.bits[row] as bigint, other.bits[otherRow] as bigint);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Takes a value apart once, to be compared with many rows. */
export function valueProbe(value: Value): ValueProbe {
  const tag = typeTag(value.type);
  switch (value.type) {
    case 'bool':
      return { tag, bits: value.value ? 1n : 0n, double: 0, text: NO_BYTES };
    case 'int':
    case 'instant':
      return { tag, bits: value.value, double: 0, text: NO_BYTES };
    case 'double':
      return { tag, bits: 0n, double: value.value, text: NO_BYTES };
    case 'bytes':
      return { tag, bits: 0n, double: 0, text: value.value };
    case 'string':
    case 'ref':
    case 'json': {
      const text = new Uint8Array(value.value.length * 3);
      return { tag, bits: 0n, double: 0, text: text.subarray(0, writeUtf8(value.value, text, 0)) };
    }
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

function compareTexts(a: TextList, i: number, b: TextList, j: number): number {
  if (a === b && i === j) return 0;
  return compareRange(
    a.bytes,
    a.offsets[i] as number,
    a.offsets[i + 1] as number,
    b.bytes,
    b.offsets[j] as number,
    b.offsets[j + 1] as number,
  );
}

/** memcmp order of a[aFrom, aTo) and b[bFrom, bTo); a prefix comes first. */
export function compareRange(
  a: Uint8Array,
  aFrom: number,
  aTo: number,
  b: Uint8Array,
  bFrom: number,
  bTo: number,
): number {
  const end = aFrom + Math.min(aTo - aFrom, bTo - bFrom);
  for (let i = aFrom, j = bFrom; i < end; i++, j++) {
    const difference = (a[i] as number) - (b[j] as number);
    if (difference !== 0) return difference;
  }
  return aTo - aFrom - (bTo - bFrom);
}

function compareNumbers<T extends number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
