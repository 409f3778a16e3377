import { assert } from '@pyralog/base';
import type { FactBatch } from '@pyralog/format';

/** What the cache needs of a block: of facts, or the content of a blob. */
type Block = Pick<FactBatch, 'byteLength'>;

interface Entry<B extends Block> {
  readonly block: B;
  readonly bytes: number;
  readonly file: CachedFile<B>;
  readonly number: number;
}

/** The blocks of a file that are in memory; its scope forgets it with the last of them. */
interface CachedFile<B extends Block> {
  readonly blocks: Map<number, Entry<B>>;
  readonly forget: () => void;
}

/**
 * Decoded blocks of files, bounded in bytes over all that share it, least recently used out first.
 * Blocks never change: a block is known by its file and its number.
 */
export class BlockCache {
  readonly #bytesMax: number;
  /** In order of last use: a Set keeps the order of insertion. */
  readonly #order = new Set<Entry<Block>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    assert(bytesMax > 0, 'a block cache needs room');
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A part of it for the files of one partition: names are unique there, not over databases. */
  scope<B extends Block = FactBatch>(): BlockScope<B> {
    return new BlockScope<B>({
      used: (entry) => {
        this.#order.delete(entry);
        this.#order.add(entry);
      },
      keep: (entry) => this.#keep(entry),
      forget: (entry) => this.#forget(entry),
    });
  }

  #keep<B extends Block>(entry: Entry<B>): void {
    entry.file.blocks.set(entry.number, entry);
    this.#order.add(entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#order) {
      if (this.#bytes <= this.#bytesMax || oldest === entry) break;
      this.#forget(oldest);
    }
  }

  #forget<B extends Block>(entry: Entry<B>): void {
    assert(this.#order.delete(entry), 'a cached block has its place in the order of use');
    entry.file.blocks.delete(entry.number);
    if (entry.file.blocks.size === 0) entry.file.forget();
    this.#bytes -= entry.bytes;
  }
}

interface Room<B extends Block> {
  readonly used: (entry: Entry<B>) => void;
  readonly keep: (entry: Entry<B>) => void;
  readonly forget: (entry: Entry<B>) => void;
}

/** Blocks of one partition's files. Loads of one block at the same time are one load. */
export class BlockScope<B extends Block = FactBatch> {
  readonly #room: Room<B>;
  readonly #files = new Map<string, CachedFile<B>>();
  readonly #loading = new Map<string, Promise<B>>();

  constructor(room: Room<B>) {
    this.#room = room;
  }

  /** The block where it is in memory. */
  peek(file: string, number: number): B | undefined {
    const entry = this.#files.get(file)?.blocks.get(number);
    if (entry === undefined) return undefined;
    this.#room.used(entry);
    return entry.block;
  }

  /** The block, loaded where it is not in memory. A failed load is not remembered. */
  async load(file: string, number: number, fetch: () => Promise<B>): Promise<B> {
    const cached = this.peek(file, number);
    if (cached !== undefined) return cached;
    const id = `${file}#${number}`;
    const running = this.#loading.get(id);
    if (running !== undefined) return running;
    const loading = fetch();
    this.#loading.set(id, loading);
    try {
      const block = await loading;
      this.#room.keep({ block, bytes: block.byteLength, file: this.#file(file), number });
      return block;
    } finally {
      this.#loading.delete(id);
    }
  }

  /** Forgets the blocks of a file that nobody names any more. */
  forget(file: string): void {
    for (const entry of this.#files.get(file)?.blocks.values() ?? []) this.#room.forget(entry);
    this.#files.delete(file);
  }

  #file(name: string): CachedFile<B> {
    let file = this.#files.get(name);
    if (file === undefined) {
      file = { blocks: new Map(), forget: () => void this.#files.delete(name) };
      this.#files.set(name, file);
    }
    return file;
  }
}
