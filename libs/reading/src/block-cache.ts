import { assert } from '@pyralog/base';
import type { FactBatch } from '@pyralog/format';

interface Entry {
  readonly batch: FactBatch;
  readonly bytes: number;
}

/**
 * Decoded blocks of runs, bounded in bytes, least recently used out first. Blocks never change, so a
 * block is known by its run's name (which holds the hash of its content) and its number. Loads of one
 * block at the same time are one load.
 */
export class BlockCache {
  readonly #bytesMax: number;
  /** In order of last use: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Map<number, Entry>>();
  readonly #order = new Map<Entry, readonly [string, number]>();
  readonly #loading = new Map<string, Promise<FactBatch>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    assert(bytesMax > 0, 'a block cache needs room');
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The block where it is in memory. */
  peek(run: string, block: number): FactBatch | undefined {
    const entry = this.#entries.get(run)?.get(block);
    if (entry === undefined) return undefined;
    const place = this.#order.get(entry);
    assert(place !== undefined, 'a cached block has its place in the order of use');
    this.#order.delete(entry);
    this.#order.set(entry, place);
    return entry.batch;
  }

  /** The block, loaded where it is not in memory. A failed load is not remembered. */
  async load(run: string, block: number, fetch: () => Promise<FactBatch>): Promise<FactBatch> {
    const cached = this.peek(run, block);
    if (cached !== undefined) return cached;
    const id = `${run}#${block}`;
    const running = this.#loading.get(id);
    if (running !== undefined) return running;
    const loading = fetch();
    this.#loading.set(id, loading);
    try {
      const batch = await loading;
      this.#keep(run, block, batch);
      return batch;
    } finally {
      this.#loading.delete(id);
    }
  }

  /** Forgets the blocks of runs that no view names any more. */
  retain(runs: ReadonlySet<string>): void {
    for (const [run, blocks] of this.#entries) {
      if (runs.has(run)) continue;
      for (const entry of blocks.values()) this.#forget(entry);
      this.#entries.delete(run);
    }
  }

  #keep(run: string, block: number, batch: FactBatch): void {
    const entry: Entry = { batch, bytes: batch.byteLength };
    let blocks = this.#entries.get(run);
    if (blocks === undefined) this.#entries.set(run, (blocks = new Map()));
    blocks.set(block, entry);
    this.#order.set(entry, [run, block]);
    this.#bytes += entry.bytes;
    for (const [oldest, [name, number]] of this.#order) {
      if (this.#bytes <= this.#bytesMax || oldest === entry) break;
      this.#forget(oldest);
      const rest = this.#entries.get(name);
      rest?.delete(number);
      if (rest?.size === 0) this.#entries.delete(name);
    }
  }

  #forget(entry: Entry): void {
    this.#order.delete(entry);
    this.#bytes -= entry.bytes;
  }
}
