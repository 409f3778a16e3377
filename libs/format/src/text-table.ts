import { assert } from '@pyralog/base';
import { readUtf8, writeUtf8 } from './utf8-text.ts';

/**
 * Texts by number: each distinct UTF-8 string is kept once and known by the order of its arrival. Open
 * addressing with linear probing over typed arrays: no JS string and no object per text.
 */
export class TextTable {
  /** UTF-8 of all texts, one behind the other. Replaced when it grows; never write to it. */
  bytes: Uint8Array;
  /** Start of each text in `bytes`; the next entry is its end. Replaced when it grows. */
  offsets: Uint32Array;
  /** id + 1 of the text in each slot, 0 where it is free. The length is a power of two. */
  #slots: Int32Array;
  #hashes: Int32Array;
  #size = 0;
  readonly #texts: (string | undefined)[] = [];
  #scratch = new Uint8Array(256);

  /** Room for about this many texts before the first growth. */
  constructor(capacity = 16) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(8, capacity * 2)));
    this.#slots = new Int32Array(slots);
    this.#hashes = new Int32Array(slots / 2);
    this.offsets = new Uint32Array(slots / 2 + 1);
    this.bytes = new Uint8Array(slots * 8);
  }

  /** Number of distinct texts; ids are 0 to size - 1. */
  get size(): number {
    return this.#size;
  }

  /** Memory of the table in bytes, without the JS strings it has been asked for. */
  get byteLength(): number {
    return (
      this.bytes.byteLength +
      this.offsets.byteLength +
      this.#slots.byteLength +
      this.#hashes.byteLength
    );
  }

  /** Forgets all texts and keeps the memory. */
  clear(): void {
    this.#slots.fill(0);
    this.#texts.length = 0;
    this.#size = 0;
  }

  /** The id of a text given as UTF-8 in [from, to), which becomes known if it was not. */
  idOfBytes(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
    const hash = hashBytes(bytes, from, to);
    const slot = this.#slotOf(hash, bytes, from, to);
    const found = (this.#slots[slot] as number) - 1;
    return found >= 0 ? found : this.#insert(slot, hash, bytes, from, to);
  }

  /** The id of a text, which becomes known if it was not. */
  idOf(text: string): number {
    const length = this.#encode(text);
    return this.idOfBytes(this.#scratch, 0, length);
  }

  /** The id of a text, -1 where it is not known. */
  find(text: string): number {
    const length = this.#encode(text);
    return this.findBytes(this.#scratch, 0, length);
  }

  /** The id of a text given as UTF-8 in [from, to), -1 where it is not known. */
  findBytes(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
    return (this.#slots[this.#slotOf(hashBytes(bytes, from, to), bytes, from, to)] as number) - 1;
  }

  /** UTF-8 of a text: a view that must not be written or kept beyond the next insertion. */
  bytesAt(id: number): Uint8Array {
    return this.bytes.subarray(this.offsets[id], this.offsets[id + 1]);
  }

  textAt(id: number): string {
    const known = this.#texts[id];
    if (known !== undefined) return known;
    assert(id >= 0 && id < this.#size, 'there is no text of this number');
    const text = readUtf8(this.bytes, this.offsets[id] as number, this.offsets[id + 1] as number);
    this.#texts[id] = text;
    return text;
  }

  /** Slot of the text, or the free one where it belongs. */
  #slotOf(hash: number, bytes: Uint8Array, from: number, to: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const id = (slots[slot] as number) - 1;
      if (id < 0 || (this.#hashes[id] === hash && this.#isAt(id, bytes, from, to))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isAt(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.offsets[id] as number;
    if ((this.offsets[id + 1] as number) - start !== to - from) return false;
    const own = this.bytes;
    for (let at = from, i = start; at < to; at++, i++) {
      if (own[i] !== bytes[at]) return false;
    }
    return true;
  }

  #insert(slot: number, hash: number, bytes: Uint8Array, from: number, to: number): number {
    const id = this.#size;
    const start = this.offsets[id] as number;
    const end = start + (to - from);
    if (end > this.bytes.length) this.#growBytes(end);
    const own = this.bytes;
    for (let at = from, i = start; at < to; at++, i++) own[i] = bytes[at] as number;
    this.#slots[slot] = id + 1;
    this.#hashes[id] = hash;
    this.offsets[id + 1] = end;
    this.#size = id + 1;
    if (this.#size * 2 >= this.#slots.length) this.#growSlots();
    return id;
  }

  #growBytes(end: number): void {
    assert(end <= 0xffffffff, 'a text table holds at most 4 GiB');
    const grown = new Uint8Array(Math.min(0xffffffff, Math.max(end, this.bytes.length * 2)));
    grown.set(this.bytes);
    this.bytes = grown;
  }

  #growSlots(): void {
    const length = this.#slots.length * 2;
    const slots = new Int32Array(length);
    const hashes = new Int32Array(length / 2);
    const offsets = new Uint32Array(length / 2 + 1);
    hashes.set(this.#hashes);
    offsets.set(this.offsets);
    for (let id = 0; id < this.#size; id++) {
      let slot = (hashes[id] as number) & (length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (length - 1);
      slots[slot] = id + 1;
    }
    this.#slots = slots;
    this.#hashes = hashes;
    this.offsets = offsets;
  }

  #encode(text: string): number {
    const room = text.length * 3;
    if (room > this.#scratch.length) this.#scratch = new Uint8Array(room * 2);
    return writeUtf8(text, this.#scratch, 0);
  }
}

/** FNV-1a over bytes with the finaliser of MurmurHash3 (fmix32), so that the low bits are good. */
function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
