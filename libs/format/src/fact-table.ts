import { assert } from '@pyralog/base';
import {
  type BlobReference,
  isReference,
  typeTag,
  VALUE_TYPES,
  type Operation,
  type StoredFact,
  type StoredValue,
  type Tx,
  type ValueType,
} from '@pyralog/model';
import {
  BLOB_FLAG,
  hashBytesOf,
  SHA256_BYTES,
  TAG_MASK,
  valueOf,
  type FactBatch,
} from './fact-batch.ts';
import { type FactColumns, retractedAt, type Texts } from './fact-columns.ts';
import { TextTable } from './text-table.ts';
import { writeUtf8 } from './utf8-text.ts';

/** Attributes are numbered by uint16 in tables and files. */
export const TABLE_ATTRIBUTES_MAX = 65_535;
/** Bytes of texts are addressed by int32 in files; a table stays well below. */
export const TABLE_TEXT_BYTES_MAX = 0x7fff_ffff;

/** Below this many rows a loop costs less than making views for a copy in one piece. */
const LOOP_ROWS_MAX = 16;

/**
 * Facts in growing columns, in order of arrival: the live index's storage and what runs and segments
 * are cut from. The arrays are for gathers and sorts: read only, valid up to `length`, and replaced
 * when the table grows, so fetch them anew after every append.
 */
export class FactTable implements FactColumns {
  readonly entities: TextTable;
  readonly attributes: TextTable;
  entity: Uint32Array;
  attribute: Uint16Array;
  type: Uint8Array;
  bits: BigInt64Array;
  doubles: Float64Array;
  /** Place in `texts` of a string, ref, bytes, json or reference, by row; the length is 0 for others. */
  textStart: Uint32Array;
  textLength: Uint32Array;
  texts: Uint8Array;
  tx: BigInt64Array;
  operation: Uint8Array;
  retracted: BigInt64Array | undefined;
  #length = 0;
  #textBytes = 0;
  #lastEntity: string | undefined;
  #lastEntityId = 0;
  /** Numbers of the last batch's entities and attributes in this table, -1 where not yet known. */
  #batch: FactBatch | undefined;
  #batchEntities = new Int32Array(16);
  #batchAttributes = new Int32Array(16);

  /** Room for about this many facts before the first growth. */
  constructor(capacity = 64) {
    const rows = Math.max(16, capacity);
    this.entities = new TextTable(rows >> 2);
    this.attributes = new TextTable();
    this.entity = new Uint32Array(rows);
    this.attribute = new Uint16Array(rows);
    this.type = new Uint8Array(rows);
    this.bits = new BigInt64Array(rows);
    this.doubles = new Float64Array(this.bits.buffer);
    this.textStart = new Uint32Array(rows);
    this.textLength = new Uint32Array(rows);
    this.texts = new Uint8Array(rows * 8);
    this.tx = new BigInt64Array(rows);
    this.operation = new Uint8Array(rows);
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of texts that are used. */
  get textBytes(): number {
    return this.#textBytes;
  }

  /** Memory of the columns and tables in bytes. */
  get byteLength(): number {
    const perRow = 4 + 2 + 1 + 8 + 4 + 4 + 8 + 1 + (this.retracted === undefined ? 0 : 8);
    return (
      this.entity.length * perRow +
      this.texts.byteLength +
      this.entities.byteLength +
      this.attributes.byteLength
    );
  }

  /**
   * Whether a batch can be appended whole. Where it cannot, the table must be cut first: a fresh one
   * takes any batch of a commit record.
   */
  fits(batch: FactBatch): boolean {
    return (
      this.attributes.size + batch.attributes.length <= TABLE_ATTRIBUTES_MAX &&
      this.#textBytes + batch.texts.length <= TABLE_TEXT_BYTES_MAX
    );
  }

  /** Forgets all facts and keeps the memory. */
  clear(): void {
    this.entities.clear();
    this.attributes.clear();
    this.#batch = undefined;
    this.#lastEntity = undefined;
    this.#length = 0;
    this.#textBytes = 0;
    this.retracted = undefined;
  }

  /** @returns the row of the fact. */
  append(fact: StoredFact): number {
    const row = this.#length;
    this.#reserveRows(1);
    const attribute = this.attributes.idOf(fact.attribute);
    assert(attribute < TABLE_ATTRIBUTES_MAX, 'a fact table has at most 65,535 attributes');
    this.entity[row] = this.#entityId(fact.entity);
    this.attribute[row] = attribute;
    this.tx[row] = fact.tx;
    this.operation[row] = fact.operation === 'assert' ? 1 : 0;
    this.#setValue(row, fact.value);
    this.#length = row + 1;
    return row;
  }

  /**
   * Appends a row of other columns without making strings of it.
   * @param retracted tx of the retract that took the fact back, 0 where none did
   * @returns its row here.
   */
  appendRow(
    columns: FactColumns,
    from: number,
    retracted: bigint = retractedAt(columns, from),
  ): number {
    const row = this.#length;
    this.#reserveRows(1);
    const { entities, attributes } = columns;
    this.entity[row] = idIn(this.entities, entities, columns.entity[from] as number);
    const attribute = idIn(this.attributes, attributes, columns.attribute[from] as number);
    assert(attribute < TABLE_ATTRIBUTES_MAX, 'a fact table has at most 65,535 attributes');
    this.attribute[row] = attribute;
    this.type[row] = columns.type[from] as number;
    this.bits[row] = columns.bits[from] as bigint;
    this.tx[row] = columns.tx[from] as bigint;
    this.operation[row] = columns.operation[from] as number;
    const text = columns.textBytesAt(from);
    this.#reserveTexts(text.length);
    this.texts.set(text, this.#textBytes);
    this.textStart[row] = this.#textBytes;
    this.#endText(row, this.#textBytes + text.length);
    if (retracted !== 0n) {
      this.retracted ??= new BigInt64Array(this.tx.length);
      this.retracted[row] = retracted;
    }
    this.#length = row + 1;
    return row;
  }

  /** Appends rows [from, to) of a batch without making strings of them. @returns the first row. */
  appendColumns(batch: FactBatch, from = 0, to: number = batch.length): number {
    assert(from >= 0 && from <= to && to <= batch.length, 'rows outside of the batch');
    assert(batch.retracted === undefined, 'facts of the log have rows of their own');
    const first = this.#length;
    const count = to - from;
    this.#reserveRows(count);
    this.#numberBatch(batch);
    for (let row = from; row < to; row++) {
      this.entity[first + row - from] = this.#entityOf(batch, batch.entity[row] as number);
      this.attribute[first + row - from] = this.#attributeOf(batch, batch.attribute[row] as number);
    }
    if (count <= LOOP_ROWS_MAX) {
      for (let row = from, at = first; row < to; row++, at++) {
        this.type[at] = batch.type[row] as number;
        this.bits[at] = batch.bits[row] as bigint;
        this.tx[at] = batch.tx[row] as bigint;
        this.operation[at] = batch.operation[row] as number;
      }
    } else {
      this.type.set(batch.type.subarray(from, to), first);
      this.bits.set(batch.bits.subarray(from, to), first);
      this.tx.set(batch.tx.subarray(from, to), first);
      this.operation.set(batch.operation.subarray(from, to), first);
    }
    this.#appendTexts(batch, from, to, first);
    this.#length = first + count;
    return first;
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
    const from = this.textStart[row] as number;
    const to = from + (this.textLength[row] as number);
    return valueOf(this, row, from, to);
  }

  textFrom(row: number): number {
    return this.textStart[row] as number;
  }

  textTo(row: number): number {
    return (this.textStart[row] as number) + (this.textLength[row] as number);
  }

  textBytesAt(row: number): Uint8Array {
    const from = this.textStart[row] as number;
    return this.texts.subarray(from, from + (this.textLength[row] as number));
  }

  txAt(row: number): Tx {
    return this.tx[row] as Tx;
  }

  operationAt(row: number): Operation {
    return this.operation[row] === 1 ? 'assert' : 'retract';
  }

  factAt(row: number): StoredFact {
    assert(row >= 0 && row < this.#length, 'there is no fact of this row');
    return {
      entity: this.entityAt(row),
      attribute: this.attributeAt(row),
      value: this.valueAt(row),
      tx: this.txAt(row),
      operation: this.operationAt(row),
    };
  }

  /** Facts of one entity mostly stand together. */
  #entityId(entity: string): number {
    if (entity !== this.#lastEntity) {
      this.#lastEntityId = this.entities.idOf(entity);
      this.#lastEntity = entity;
    }
    return this.#lastEntityId;
  }

  #setValue(row: number, value: StoredValue): void {
    this.type[row] = typeTag(value.type);
    this.textStart[row] = this.#textBytes;
    this.textLength[row] = 0;
    this.bits[row] = 0n;
    if (isReference(value)) return this.#setReference(row, value);
    switch (value.type) {
      case 'bool':
        this.bits[row] = value.value ? 1n : 0n;
        return;
      case 'int':
      case 'instant':
        this.bits[row] = value.value;
        return;
      case 'double':
        assert(!Number.isNaN(value.value), 'NaN is no value');
        // Adding 0 makes -0 the 0 that it is.
        this.doubles[row] = value.value + 0;
        return;
      case 'bytes':
        this.#reserveTexts(value.value.length);
        this.texts.set(value.value, this.#textBytes);
        this.#endText(row, this.#textBytes + value.value.length);
        return;
      case 'string':
      case 'ref':
      case 'json':
        this.#reserveTexts(value.value.length * 3);
        this.#endText(row, writeUtf8(value.value, this.texts, this.#textBytes));
        return;
    }
  }

  #setReference(row: number, reference: BlobReference): void {
    const { prefix } = reference;
    this.type[row] = (this.type[row] as number) | BLOB_FLAG;
    this.bits[row] = BigInt(reference.bytes);
    this.#reserveTexts(prefix.length * 3 + SHA256_BYTES);
    let end = this.#textBytes;
    if (typeof prefix === 'string') end = writeUtf8(prefix, this.texts, end);
    else {
      this.texts.set(prefix, end);
      end += prefix.length;
    }
    this.texts.set(hashBytesOf(reference), end);
    this.#endText(row, end + SHA256_BYTES);
  }

  #endText(row: number, end: number): void {
    this.textLength[row] = end - this.#textBytes;
    this.#textBytes = end;
  }

  #appendTexts(batch: FactBatch, from: number, to: number, first: number): void {
    const offsets = batch.textOffsets;
    const start = offsets[from] as number;
    const bytes = (offsets[to] as number) - start;
    this.#reserveTexts(bytes);
    const moved = this.#textBytes - start;
    for (let row = from, at = first; row < to; row++, at++) {
      const begin = offsets[row] as number;
      this.textStart[at] = begin + moved;
      this.textLength[at] = (offsets[row + 1] as number) - begin;
    }
    if (bytes > 0) this.texts.set(batch.texts.subarray(start, start + bytes), this.#textBytes);
    this.#textBytes += bytes;
  }

  #numberBatch(batch: FactBatch): void {
    if (this.#batch === batch) return;
    this.#batch = batch;
    const entities = batch.entities.length;
    if (this.#batchEntities.length < entities) this.#batchEntities = new Int32Array(entities * 2);
    this.#batchEntities.fill(-1, 0, entities);
    const attributes = batch.attributes.length;
    if (this.#batchAttributes.length < attributes) {
      this.#batchAttributes = new Int32Array(attributes * 2);
    }
    this.#batchAttributes.fill(-1, 0, attributes);
  }

  #entityOf(batch: FactBatch, index: number): number {
    const known = this.#batchEntities[index] as number;
    if (known >= 0) return known;
    const { bytes, offsets } = batch.entities;
    const id = this.entities.idOfBytes(bytes, offsets[index] as number, offsets[index + 1]);
    this.#batchEntities[index] = id;
    return id;
  }

  #attributeOf(batch: FactBatch, index: number): number {
    const known = this.#batchAttributes[index] as number;
    if (known >= 0) return known;
    const { bytes, offsets } = batch.attributes;
    const id = this.attributes.idOfBytes(bytes, offsets[index] as number, offsets[index + 1]);
    assert(id < TABLE_ATTRIBUTES_MAX, 'a fact table has at most 65,535 attributes');
    this.#batchAttributes[index] = id;
    return id;
  }

  #reserveRows(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.entity.length) return;
    const rows = Math.max(needed, this.entity.length * 2);
    this.entity = grow(this.entity, new Uint32Array(rows));
    this.attribute = grow(this.attribute, new Uint16Array(rows));
    this.type = grow(this.type, new Uint8Array(rows));
    this.bits = grow(this.bits, new BigInt64Array(rows));
    this.doubles = new Float64Array(this.bits.buffer);
    this.textStart = grow(this.textStart, new Uint32Array(rows));
    this.textLength = grow(this.textLength, new Uint32Array(rows));
    this.tx = grow(this.tx, new BigInt64Array(rows));
    this.operation = grow(this.operation, new Uint8Array(rows));
    if (this.retracted !== undefined)
      this.retracted = grow(this.retracted, new BigInt64Array(rows));
  }

  #reserveTexts(count: number): void {
    const needed = this.#textBytes + count;
    if (needed <= this.texts.length) return;
    this.texts = grow(this.texts, new Uint8Array(Math.max(needed, this.texts.length * 2)));
  }
}

/** The id in a table of a text of others. */
function idIn(table: TextTable, { bytes, offsets }: Texts, number: number): number {
  return table.idOfBytes(bytes, offsets[number] as number, offsets[number + 1]);
}

/** Copies the old column into the larger one. */
function grow<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
