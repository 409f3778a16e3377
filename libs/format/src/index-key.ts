/**
 * Order-preserving keys of facts: memcmp order of keys is the order of `compareFacts`. Sparse indexes
 * of runs and cursors are made of them.
 *
 *   key      := the components of the order, e.g. eavt: entity attribute value tx
 *   entity, attribute := text
 *   text     := (byte | 00 → 00 ff)* 00 00            // "a\0" → 61 00 ff 00 00
 *   value    := tag:u8 body                           // tag: position in VALUE_TYPES
 *   body     := bool: u8
 *             | int, instant: (value xor 2^63):u64be  // -1 → 7f ff ff ff ff ff ff ff
 *             | double: u64be of the IEEE bits, all flipped if negative, else the sign bit
 *             | string, ref, json, bytes: text
 *             | reference to a blob: its prefix as text, but 00 01 u8[32] (SHA-256) instead of 00 00
 *   tx       := u64be
 *
 * A leading part of the components gives a key at or below all keys that continue it.
 */
import { ByteReader, must, TruncatedError } from '@pyralog/base';
import { type IndexOrder, type StoredFact, type StoredValue, type Tx } from '@pyralog/model';
import { SHA256_BYTES, TAG_BOOL, TAG_DOUBLE, TAG_MASK, TAG_STRING } from './fact-batch.ts';
import type { FactTable } from './fact-table.ts';
import { hashLength } from './row-order.ts';
import { utf8Of } from './utf8-text.ts';
import { valueProbe, type ValueProbe } from './value-probe.ts';

/** A leading part of an index's components; those behind the first absent one must be absent too. */
export interface KeyParts {
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  readonly value?: StoredValue | undefined;
  readonly tx?: Tx | undefined;
}

/** Behind a 0 that belongs to a text. */
const ESCAPED = 0xff;
/** Behind a 0 that ends a text, or the prefix of a reference. */
const ENDED = 0;
const REFERS = 1;
const NO_TEXT = new Uint8Array(0);

type Component = 'entity' | 'attribute' | 'value' | 'tx';

/** The components of each order, by rank. */
export const KEY_COMPONENTS: Readonly<Record<IndexOrder, readonly Component[]>> = {
  eavt: ['entity', 'attribute', 'value', 'tx'],
  aevt: ['attribute', 'entity', 'value', 'tx'],
  avet: ['attribute', 'value', 'entity', 'tx'],
  vaet: ['value', 'attribute', 'entity', 'tx'],
};

/** Key of a fact in an order. */
export function factKey(order: IndexOrder, fact: StoredFact): Uint8Array {
  return indexKey(order, fact);
}

/** Key of the components that are there: a prefix of the keys of all facts that have them. */
export function indexKey(order: IndexOrder, parts: KeyParts): Uint8Array {
  writer.begin();
  for (const component of KEY_COMPONENTS[order]) {
    if (parts[component] === undefined) break;
    if (component === 'value') writer.value(parts.value as StoredValue);
    else if (component === 'tx') writer.u64(parts.tx as bigint);
    else writer.utf8(parts[component] as string);
  }
  return writer.key();
}

/** Key of a row of a table, without making its strings. */
export function rowKey(order: IndexOrder, table: FactTable, row: number): Uint8Array {
  writer.begin();
  for (const component of KEY_COMPONENTS[order]) {
    if (component === 'entity') writer.text(table.entityBytesAt(row));
    else if (component === 'attribute') {
      writer.text(table.attributes.bytesAt(table.attribute[row] as number));
    } else if (component === 'tx') writer.u64(table.tx[row] as bigint);
    else {
      const tag = must(table.type[row], 'the row is in the table') & TAG_MASK;
      const text = table.textBytesAt(row);
      const end = text.length - hashLength(table, row);
      writer.columns(tag, table.bits[row] as bigint, text.subarray(0, end), text.subarray(end));
    }
  }
  return writer.key();
}

const SIGN = 2n ** 63n;
const doubleView = new DataView(new ArrayBuffer(8));

/** One key after the other, in memory that is used again. */
class KeyWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  begin(): void {
    this.#length = 0;
  }

  utf8(text: string): void {
    this.text(utf8Of(text));
  }

  /** @param hash of a reference; empty: none */
  text(bytes: Uint8Array, hash: Uint8Array = NO_TEXT): void {
    this.#reserve(bytes.length * 2 + 2 + hash.length);
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      this.#bytes[this.#length++] = byte;
      if (byte === 0) this.#bytes[this.#length++] = ESCAPED;
    }
    this.#bytes[this.#length++] = 0;
    this.#bytes[this.#length++] = hash.length === 0 ? ENDED : REFERS;
    this.#bytes.set(hash, this.#length);
    this.#length += hash.length;
  }

  value(value: StoredValue): void {
    const probe = valueProbe(value);
    doubleView.setFloat64(0, probe.double);
    const bits = value.type === 'double' ? doubleView.getBigInt64(0) : probe.bits;
    this.columns(probe.tag, bits, probe.text, probe.hash);
  }

  /** @param bits as in the columns of facts: of a double its IEEE bits. */
  columns(tag: number, bits: bigint, text: Uint8Array, hash: Uint8Array): void {
    this.#byte(tag);
    if (tag >= TAG_STRING) this.text(text, hash);
    else if (tag === TAG_BOOL) this.#byte(Number(bits));
    else if (tag === TAG_DOUBLE) this.u64(bits < 0n ? ~bits : bits ^ -SIGN);
    else this.u64(bits ^ -SIGN);
  }

  u64(bits: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, BigInt.asUintN(64, bits));
    this.#length += 8;
  }

  key(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

const writer = new KeyWriter();

/** The components of a key, one after the other. */
export class KeyReader {
  readonly #bytes: ByteReader;

  constructor(key: Uint8Array) {
    this.#bytes = new ByteReader(key);
  }

  get atEnd(): boolean {
    return this.#bytes.remaining === 0;
  }

  /** UTF-8 of an entity or attribute, or bytes. @throws TruncatedError, as all of it */
  text(): Uint8Array {
    const { text, end } = this.#ended();
    if (end !== ENDED) throw new TruncatedError('a text of a key does not end as one');
    return text;
  }

  value(): ValueProbe {
    const tag = this.#bytes.u8();
    const probe = { tag, bits: 0n, double: 0, text: NO_TEXT, hash: NO_TEXT };
    if (tag >= TAG_STRING) {
      const { text, end } = this.#ended();
      return { ...probe, text, hash: end === REFERS ? this.#bytes.raw(SHA256_BYTES) : NO_TEXT };
    }
    if (tag === TAG_BOOL) return { ...probe, bits: BigInt(this.#bytes.u8()) };
    const bits = this.u64();
    if (tag !== TAG_DOUBLE) return { ...probe, bits: BigInt.asIntN(64, bits ^ SIGN) };
    doubleView.setBigUint64(0, bits >= SIGN ? bits ^ SIGN : ~bits);
    return { ...probe, double: doubleView.getFloat64(0) };
  }

  u64(): bigint {
    const bytes = this.#bytes.raw(8);
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  }

  /** A text, and what stands behind the 0 that ends it. */
  #ended(): { readonly text: Uint8Array; readonly end: typeof ENDED | typeof REFERS } {
    const text: number[] = [];
    for (;;) {
      const byte = this.#bytes.u8();
      if (byte === 0) {
        const end = this.#bytes.u8();
        if (end === ENDED || end === REFERS) return { text: Uint8Array.from(text), end };
        if (end !== ESCAPED) throw new TruncatedError('a text of a key does not end as one');
      }
      text.push(byte);
    }
  }
}
