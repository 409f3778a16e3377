import { assert } from '@pyralog/base';
import { tx, TX_LAST, type IndexOrder, type Tx } from '@pyralog/model';
import { NO_NULLS, type Zeros } from './arrow-file.ts';
import {
  BLOB_FLAG,
  SHA256_BYTES,
  TAG_BYTES,
  TAG_DOUBLE,
  TAG_MASK,
  TAG_STRING,
} from './fact-batch.ts';
import {
  BLOCK_FACTS,
  BYTES_KINDS,
  DOUBLE_KINDS,
  FACT_COLUMNS,
  INT_KINDS,
  TEXT_KINDS,
  type FactLayout,
} from './fact-layout.ts';
import type { FactTable } from './fact-table.ts';
import { KEY_COMPONENTS } from './index-key.ts';
import { compareRange } from './row-order.ts';

/** Texts up to this length are copied by a loop: a view for `set` costs more. */
const LOOP_BYTES_MAX = 32;

/** Rows of arrays and content of buffers, for ArrowFileWriter.batch. */
export interface GatheredBlock {
  /** Rows of the batch: facts or entities. */
  readonly rows: number;
  readonly nodes: readonly number[];
  /** Views that are valid until the next block. */
  readonly buffers: readonly (Uint8Array | Zeros)[];
  readonly minTx: Tx;
  /** Retracts without a row of their own included. */
  readonly maxTx: Tx;
  /** Those retracts included. */
  readonly facts: number;
  /** As of a run (manifest.ts). */
  readonly heldTo: Tx;
}

/** Gathers rows of a table into the buffers of a batch, over and over into the same memory. */
export class BlockGatherer {
  readonly #table: FactTable;
  readonly #layout: FactLayout;
  /** Number in the file's attribute dictionary, by id in the table. */
  readonly #attributeNumbers: Uint16Array;
  readonly #attribute = new Uint16Array(BLOCK_FACTS);
  readonly #type = new Uint8Array(BLOCK_FACTS);
  readonly #ints = new Uint32Array(BLOCK_FACTS * 2);
  readonly #doubles = new Uint32Array(BLOCK_FACTS * 2);
  readonly #txs = new Uint32Array(BLOCK_FACTS * 2);
  readonly #asserts = new Uint8Array(BLOCK_FACTS / 8);
  readonly #retracted = new Uint32Array(BLOCK_FACTS * 2);
  readonly #entities = new TextSink();
  readonly #listOffsets = new Int32Array(BLOCK_FACTS + 1);
  readonly #texts = new TextSink();
  readonly #bytes = new TextSink();
  readonly #blobs = new TextSink();
  /** Whether a value of the batch is a blob. */
  #hasBlobs = false;
  /**
   * Places of texts in the table. Fetching them in a loop of its own lets the processor wait for many
   * cache misses at once, which is what a gather in random order costs.
   */
  readonly #starts = new Uint32Array(BLOCK_FACTS);
  readonly #ends = new Uint32Array(BLOCK_FACTS);

  constructor(table: FactTable, layout: FactLayout, attributeNumbers: Uint16Array) {
    this.#table = table;
    this.#layout = layout;
    this.#attributeNumbers = attributeNumbers;
  }

  /** @param rows rows of the table, 1 to {@link BLOCK_FACTS}. */
  gather(rows: Uint32Array): GatheredBlock {
    const count = rows.length;
    const kinds = this.#gatherSmall(rows);
    this.#gatherNumbers(rows, kinds);
    this.#gatherTexts(rows, kinds);
    const entities =
      this.#layout === 'nested' ? this.#groupEntities(rows) : this.#listEntities(rows);
    const retracted = this.#gatherRetracted(rows);
    const number = (used: boolean, words: Uint32Array): Uint8Array | Zeros =>
      used ? new Uint8Array(words.buffer, 0, count * 8) : { length: count * 8 };
    const facts = [
      NO_NULLS,
      new Uint8Array(this.#attribute.buffer, 0, count * 2),
      NO_NULLS,
      this.#type.subarray(0, count),
      NO_NULLS,
      number((kinds & INT_KINDS) !== 0, this.#ints),
      NO_NULLS,
      number((kinds & DOUBLE_KINDS) !== 0, this.#doubles),
      NO_NULLS,
      ...this.#texts.buffers(count),
      NO_NULLS,
      ...this.#bytes.buffers(count),
      NO_NULLS,
      ...this.#blobs.buffers(count),
      NO_NULLS,
      new Uint8Array(this.#txs.buffer, 0, count * 8),
      NO_NULLS,
      this.#asserts.subarray(0, (count + 7) >> 3),
    ];
    if (this.#layout === 'log') assert(retracted === 0, 'facts of the log have rows of their own');
    else facts.push(NO_NULLS, number(retracted > 0, this.#retracted));
    const columns = Array.from({ length: FACT_COLUMNS[this.#layout] }, () => count);
    const offsets = this.#entities.buffers(entities);
    const range = this.#txRange(count, retracted);
    if (this.#layout !== 'nested') {
      const buffers = [NO_NULLS, ...offsets, ...facts];
      return { rows: count, nodes: [count, ...columns], buffers, ...range };
    }
    const list = new Uint8Array(this.#listOffsets.buffer, 0, (entities + 1) * 4);
    return {
      rows: entities,
      nodes: [entities, entities, count, ...columns],
      buffers: [NO_NULLS, ...offsets, NO_NULLS, list, NO_NULLS, ...facts],
      ...range,
    };
  }

  /**
   * Asserts that the rows just gathered rise strictly in an index order: a wrong order would hide
   * facts from searches for ever. Reads the gathered columns, which lie close together.
   */
  assertRising(order: IndexOrder, count: number): void {
    const components = KEY_COMPONENTS[order];
    const wide = this.#layout !== 'nested';
    let group = 0;
    for (let row = 1; row < count; row++) {
      const before = group;
      if (wide || this.#listOffsets[group + 1] === row) group++;
      let difference = 0;
      for (const component of components) {
        if (component === 'entity') difference = this.#entities.compare(before, group);
        else if (component === 'attribute') {
          difference = (this.#attribute[row - 1] as number) - (this.#attribute[row] as number);
        } else if (component === 'value') difference = this.#compareValues(row - 1, row);
        else difference = this.#compareTimes(row - 1, row);
        if (difference !== 0) break;
      }
      assert(difference < 0, 'rows of a run rise strictly');
    }
  }

  #compareValues(a: number, b: number): number {
    const tag = this.#type[a] as number;
    const types = tag - (this.#type[b] as number);
    if (types !== 0) return types;
    if (tag >= TAG_STRING) {
      const sink = tag === TAG_BYTES ? this.#bytes : this.#texts;
      return sink.compare(a, b) || this.#blobs.compare(a, b);
    }
    if (tag === TAG_DOUBLE) {
      const doubles = new Float64Array(this.#doubles.buffer);
      const [x, y] = [doubles[a] as number, doubles[b] as number];
      return x < y ? -1 : x > y ? 1 : 0;
    }
    return compareWords(this.#ints, a, b);
  }

  /** Of one fact a row ends before the next begins. */
  #compareTimes(a: number, b: number): number {
    const ends = this.#retracted;
    const hasEnded = ((ends[2 * a] as number) | (ends[2 * a + 1] as number)) !== 0;
    return compareWords(hasEnded ? ends : this.#txs, a, b, this.#txs);
  }

  /** @param retracted rows that are two facts */
  #txRange(count: number, retracted: number): Omit<GatheredBlock, 'rows' | 'nodes' | 'buffers'> {
    const last = greatest(this.#txs, count);
    const ended = retracted === 0 ? 0n : greatest(this.#retracted, count);
    return {
      minTx: tx(least(this.#txs, count)),
      maxTx: tx(ended > last ? ended : last),
      facts: count + retracted,
      heldTo: retracted === count ? tx(ended) : TX_LAST,
    };
  }

  /** @returns rows that are two facts */
  #gatherRetracted(rows: Uint32Array): number {
    const { retracted } = this.#table;
    if (retracted === undefined) {
      this.#retracted.fill(0, 0, rows.length * 2);
      return 0;
    }
    const words = new Uint32Array(retracted.buffer);
    let count = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const [low, high] = [words[2 * row] as number, words[2 * row + 1] as number];
      this.#retracted[2 * i] = low;
      this.#retracted[2 * i + 1] = high;
      if ((low | high) !== 0) count++;
    }
    return count;
  }

  /** @returns which types there are, a bit for each tag. */
  #gatherSmall(rows: Uint32Array): number {
    const { attribute, type, operation, tx } = this.#table;
    const txWords = new Uint32Array(tx.buffer);
    const numbers = this.#attributeNumbers;
    const [attributes, types, txs, asserts] = [
      this.#attribute,
      this.#type,
      this.#txs,
      this.#asserts,
    ];
    asserts.fill(0);
    let kinds = 0;
    let flags = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      flags |= type[row] as number;
      const tag = (type[row] as number) & TAG_MASK;
      types[i] = tag;
      kinds |= 1 << tag;
      attributes[i] = numbers[attribute[row] as number] as number;
      txs[2 * i] = txWords[2 * row] as number;
      txs[2 * i + 1] = txWords[2 * row + 1] as number;
      asserts[i >> 3] = (asserts[i >> 3] as number) | ((operation[row] as number) << (i & 7));
    }
    this.#hasBlobs = (flags & BLOB_FLAG) !== 0;
    return kinds;
  }

  /** Words instead of int64, which JavaScript would make into BigInts. */
  #gatherNumbers(rows: Uint32Array, kinds: number): void {
    if ((kinds & (INT_KINDS | DOUBLE_KINDS)) === 0) return;
    const words = new Uint32Array(this.#table.bits.buffer);
    const [types, ints, doubles] = [this.#type, this.#ints, this.#doubles];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const isDouble = types[i] === TAG_DOUBLE;
      const low = words[2 * row] as number;
      const high = words[2 * row + 1] as number;
      ints[2 * i] = isDouble ? 0 : low;
      ints[2 * i + 1] = isDouble ? 0 : high;
      doubles[2 * i] = isDouble ? low : 0;
      doubles[2 * i + 1] = isDouble ? high : 0;
    }
    if (!this.#hasBlobs) return;
    // The bits of a blob are its length, which stands beside its hash.
    for (let i = 0; i < rows.length; i++)
      if ((types[i] as number) >= TAG_STRING) ints.fill(0, 2 * i, 2 * i + 2);
  }

  #gatherTexts(rows: Uint32Array, kinds: number): void {
    const { textStart, textLength, texts } = this.#table;
    const [types, starts, ends] = [this.#type, this.#starts, this.#ends];
    this.#texts.begin(kinds & TEXT_KINDS);
    this.#bytes.begin(kinds & BYTES_KINDS);
    this.#blobs.begin(Number(this.#hasBlobs));
    if ((kinds & (TEXT_KINDS | BYTES_KINDS)) === 0) return;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const start = textStart[row] as number;
      starts[i] = start;
      ends[i] = start + (textLength[row] as number);
    }
    if (this.#hasBlobs) this.#gatherBlobs(rows);
    if ((kinds & BYTES_KINDS) === 0) return this.#texts.addAll(texts, starts, ends, rows.length);
    for (let i = 0; i < rows.length; i++) {
      const [start, end] = [starts[i] as number, ends[i] as number];
      const isBytes = types[i] === TAG_BYTES;
      this.#texts.add(i, texts, start, isBytes ? start : end);
      this.#bytes.add(i, texts, start, isBytes ? end : start);
    }
  }

  /** Takes the hashes off the ends of the texts. */
  #gatherBlobs(rows: Uint32Array): void {
    const { type, bits, texts } = this.#table;
    const blob = new Uint8Array(SHA256_BYTES + 8);
    const view = new DataView(blob.buffer);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      if (((type[row] as number) & BLOB_FLAG) === 0) {
        this.#blobs.add(i, blob, 0, 0);
        continue;
      }
      const end = (this.#ends[i] as number) - SHA256_BYTES;
      blob.set(texts.subarray(end, this.#ends[i]));
      view.setBigUint64(SHA256_BYTES, bits[row] as bigint, true);
      this.#blobs.add(i, blob, 0, blob.length);
      this.#ends[i] = end;
    }
  }

  #listEntities(rows: Uint32Array): number {
    const { entity, entities } = this.#table;
    const [from, starts, ends] = [entities.offsets, this.#starts, this.#ends];
    for (let i = 0; i < rows.length; i++) starts[i] = entity[rows[i] as number] as number;
    for (let i = 0; i < rows.length; i++) {
      const id = starts[i] as number;
      starts[i] = from[id] as number;
      ends[i] = from[id + 1] as number;
    }
    this.#entities.begin(1);
    this.#entities.addAll(entities.bytes, starts, ends, rows.length);
    return rows.length;
  }

  #groupEntities(rows: Uint32Array): number {
    const { entity, entities } = this.#table;
    const { bytes, offsets } = entities;
    const sink = this.#entities;
    sink.begin(1);
    let groups = 0;
    let last = -1;
    for (let i = 0; i < rows.length; i++) {
      const id = entity[rows[i] as number] as number;
      if (id === last) continue;
      last = id;
      this.#listOffsets[groups] = i;
      sink.add(groups, bytes, offsets[id] as number, offsets[id + 1] as number);
      groups++;
    }
    this.#listOffsets[groups] = rows.length;
    return groups;
  }
}

/** Texts of a column of a batch: offsets and bytes, in memory that is used again. */
class TextSink {
  readonly #offsets = new Int32Array(BLOCK_FACTS + 1);
  #bytes = new Uint8Array(BLOCK_FACTS * 32);
  #used = false;
  #end = 0;

  /** @param used 0 where all texts of the batch are empty: they need not be added. */
  begin(used: number): void {
    this.#used = used !== 0;
    this.#end = 0;
  }

  /** Texts are added in order, from 0 on. */
  add(index: number, from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    let at = this.#end;
    if (at + length > this.#bytes.length) this.#grow(at + length);
    const bytes = this.#bytes;
    if (length <= LOOP_BYTES_MAX) {
      for (let i = start; i < end; i++) bytes[at++] = from[i] as number;
    } else {
      bytes.set(from.subarray(start, end), at);
      at += length;
    }
    this.#offsets[index + 1] = at;
    this.#end = at;
  }

  addAll(from: Uint8Array, starts: Uint32Array, ends: Uint32Array, count: number): void {
    for (let i = 0; i < count; i++) this.add(i, from, starts[i] as number, ends[i] as number);
  }

  /** Order of two texts of the batch. */
  compare(a: number, b: number): number {
    if (!this.#used || a === b) return 0;
    const offsets = this.#offsets;
    return compareRange(
      this.#bytes,
      offsets[a] as number,
      offsets[a + 1] as number,
      this.#bytes,
      offsets[b] as number,
      offsets[b + 1] as number,
    );
  }

  /** Offsets and bytes of `count` texts. */
  buffers(count: number): [Uint8Array | Zeros, Uint8Array] {
    if (!this.#used) return [{ length: (count + 1) * 4 }, NO_NULLS];
    return [
      new Uint8Array(this.#offsets.buffer, 0, (count + 1) * 4),
      this.#bytes.subarray(0, this.#end),
    ];
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}

/** Order of two int64 given as little-endian words. */
function compareWords(words: Uint32Array, a: number, b: number, others = words): number {
  const high = ((words[2 * a + 1] as number) | 0) - ((others[2 * b + 1] as number) | 0);
  return high !== 0 ? high : (words[2 * a] as number) - (others[2 * b] as number);
}

/** The greatest of the first `count` int64 given as words. */
function greatest(words: Uint32Array, count: number): bigint {
  let most = 0;
  for (let row = 1; row < count; row++) if (compareWords(words, row, most) > 0) most = row;
  return new BigInt64Array(words.buffer)[most] as bigint;
}

/** The least of the same. */
function least(words: Uint32Array, count: number): bigint {
  let found = 0;
  for (let row = 1; row < count; row++) if (compareWords(words, row, found) < 0) found = row;
  return new BigInt64Array(words.buffer)[found] as bigint;
}
