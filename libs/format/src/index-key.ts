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
 *   tx       := u64be
 *
 * A leading part of the components gives a key at or below all keys that continue it.
 */
import { must } from '@pyralog/base';
import { typeTag, type Fact, type IndexOrder, type Tx, type Value } from '@pyralog/model';
import { TAG_BOOL, TAG_DOUBLE, TAG_STRING, valueProbe } from './fact-batch.ts';
import type { FactTable } from './fact-table.ts';
import { writeUtf8 } from './utf8-text.ts';

/** A leading part of an index's components; those behind the first absent one must be absent too. */
export interface KeyParts {
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  readonly value?: Value | undefined;
  readonly tx?: Tx | undefined;
}

type Component = 'entity' | 'attribute' | 'value' | 'tx';

/** The components of each order, by rank. */
export const KEY_COMPONENTS: Readonly<Record<IndexOrder, readonly Component[]>> = {
  eavt: ['entity', 'attribute', 'value', 'tx'],
  aevt: ['attribute', 'entity', 'value', 'tx'],
  avet: ['attribute', 'value', 'entity', 'tx'],
  vaet: ['value', 'attribute', 'entity', 'tx'],
};

/** Key of a fact in an order. */
export function factKey(order: IndexOrder, fact: Fact): Uint8Array {
  return indexKey(order, fact);
}

/** Key of the components that are there: a prefix of the keys of all facts that have them. */
export function indexKey(order: IndexOrder, parts: KeyParts): Uint8Array {
  const key = new KeyWriter();
  for (const component of KEY_COMPONENTS[order]) {
    if (parts[component] === undefined) break;
    if (component === 'value') key.value(parts.value as Value);
    else if (component === 'tx') key.u64(parts.tx as bigint);
    else key.utf8(parts[component] as string);
  }
  return key.finish();
}

/** Key of a row of a table, without making its strings. */
export function rowKey(order: IndexOrder, table: FactTable, row: number): Uint8Array {
  const key = new KeyWriter();
  for (const component of KEY_COMPONENTS[order]) {
    if (component === 'entity') key.text(table.entityBytesAt(row));
    else if (component === 'attribute') {
      key.text(table.attributes.bytesAt(table.attribute[row] as number));
    } else if (component === 'tx') key.u64(table.tx[row] as bigint);
    else {
      const tag = must(table.type[row], 'the row is in the table');
      key.columns(tag, table.bits[row] as bigint, table.textBytesAt(row));
    }
  }
  return key.finish();
}

const SIGN = 2n ** 63n;
const doubleView = new DataView(new ArrayBuffer(8));

class KeyWriter {
  #bytes = new Uint8Array(128);
  #length = 0;

  utf8(text: string): void {
    const bytes = new Uint8Array(text.length * 3);
    this.text(bytes.subarray(0, writeUtf8(text, bytes, 0)));
  }

  text(bytes: Uint8Array): void {
    this.#reserve(bytes.length * 2 + 2);
    for (const byte of bytes) {
      this.#bytes[this.#length++] = byte;
      if (byte === 0) this.#bytes[this.#length++] = 0xff;
    }
    this.#bytes[this.#length++] = 0;
    this.#bytes[this.#length++] = 0;
  }

  value(value: Value): void {
    const probe = valueProbe(value);
    doubleView.setFloat64(0, probe.double);
    const bits = value.type === 'double' ? doubleView.getBigInt64(0) : probe.bits;
    this.columns(typeTag(value.type), bits, probe.text);
  }

  /** @param bits as in the columns of facts: of a double its IEEE bits. */
  columns(tag: number, bits: bigint, text: Uint8Array): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = tag;
    if (tag >= TAG_STRING) this.text(text);
    else if (tag === TAG_BOOL) this.#byte(Number(bits));
    else if (tag === TAG_DOUBLE) this.u64(bits < 0n ? ~bits : bits ^ -SIGN);
    else this.u64(bits ^ -SIGN);
  }

  u64(bits: bigint): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setBigUint64(this.#length, BigInt.asUintN(64, bits));
    this.#length += 8;
  }

  finish(): Uint8Array {
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
  }
}
