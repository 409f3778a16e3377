import { must } from '@pyralog/base';
import {
  type FactColumns,
  type SegmentFooter,
  type SegmentInfo,
  type SegmentTransaction,
  transactionsOf,
} from '@pyralog/format';
import { type StoredFact, type Tx, tx as asTx } from '@pyralog/model';
import type { LiveTransaction } from './live-transactions.ts';
import type { PartitionReader } from './partition-reader.ts';

/** A transaction as it was committed; facts in the order of its result. */
export interface CommittedTransaction {
  readonly tx: Tx;
  readonly facts: readonly StoredFact[];
}

/** Segments and pages of them that are kept decoded: what a reader of the past is at, and a few more. */
const KEPT_MAX = 16;

/**
 * All transactions of a partition by tx: those of the live index, and behind them the segments of the
 * bucket. Segments are read a page and a block at a time, so a reader at any speed holds little.
 */
export class TransactionLog {
  readonly #reader: PartitionReader;
  readonly #footers = new Kept<SegmentFooter>();
  readonly #pages = new Kept<readonly SegmentTransaction[]>();

  constructor(reader: PartitionReader) {
    this.#reader = reader;
  }

  async find(tx: Tx): Promise<CommittedTransaction | undefined> {
    for await (const found of this.before(tx)) return found.tx === tx ? found : undefined;
    return undefined;
  }

  /** Transactions with `after` < tx ≤ `upTo`, oldest first. */
  async *after(after: Tx, upTo: Tx): AsyncIterable<CommittedTransaction> {
    let position = after;
    // Looked up anew behind every segment and live transaction: the live ones may have moved meanwhile.
    for (;;) {
      const segment = this.#segments().find(({ maxTx }) => maxTx > position);
      if (segment === undefined) {
        const live = first(this.#reader.liveTransactions.after(position));
        if (live === undefined || live.tx > upTo) return;
        yield committed(live);
        position = live.tx;
        continue;
      }
      if (segment.minTx > upTo) return;
      const footer = await this.#footer(segment);
      for (const [i, page] of footer.pages.entries()) {
        if (page.transactions === 0 || page.maxTx <= position) continue;
        for (const transaction of await this.#page(segment, footer, i)) {
          if (transaction.tx <= position) continue;
          if (transaction.tx > upTo) return;
          yield await this.#read(segment, footer, transaction);
        }
      }
      position = segment.maxTx;
    }
  }

  /** Transactions with a tx ≤ `newest`, newest first. */
  async *before(newest: Tx): AsyncIterable<CommittedTransaction> {
    let position: bigint = newest;
    for (;;) {
      const live = first(this.#reader.liveTransactions.before(asTx(position)));
      if (live === undefined) break;
      yield committed(live);
      position = live.tx - 1n;
    }
    for (const segment of this.#segments().toReversed()) {
      if (segment.minTx > position) continue;
      const footer = await this.#footer(segment);
      for (const [i, page] of [...footer.pages.entries()].toReversed()) {
        if (page.transactions === 0 || page.minTx > position) continue;
        for (const transaction of (await this.#page(segment, footer, i)).toReversed()) {
          if (transaction.tx <= position) yield await this.#read(segment, footer, transaction);
        }
      }
    }
  }

  #segments(): readonly SegmentInfo[] {
    return (
      this.#reader.index.manifest?.segments.filter(({ transactions }) => transactions > 0) ?? []
    );
  }

  #footer(segment: SegmentInfo): Promise<SegmentFooter> {
    const { bucket, partition } = this.#reader.index;
    return this.#footers.get(segment.name, () => bucket.segmentFooter(partition, segment));
  }

  #page(
    segment: SegmentInfo,
    footer: SegmentFooter,
    page: number,
  ): Promise<readonly SegmentTransaction[]> {
    const { bucket, partition } = this.#reader.index;
    return this.#pages.get(`${segment.name}#${page}`, async () =>
      transactionsOf(await bucket.segmentPage(partition, segment, footer, page)),
    );
  }

  async #read(
    segment: SegmentInfo,
    footer: SegmentFooter,
    { tx, from, to }: SegmentTransaction,
  ): Promise<CommittedTransaction> {
    const facts: StoredFact[] = [];
    for (let row = from; row < to;) {
      const number = footer.blocks.findLastIndex(({ firstRow }) => firstRow <= row);
      const block = must(footer.blocks[number], 'every row of a segment lies in a block');
      const batch = await this.#block(segment, footer, number);
      const end = Math.min(to, block.firstRow + block.rows);
      for (; row < end; row++) facts.push(batch.factAt(row - block.firstRow));
    }
    return { tx, facts };
  }

  #block(segment: SegmentInfo, footer: SegmentFooter, block: number): Promise<FactColumns> {
    const { bucket, partition, blocks } = this.#reader.index;
    return blocks.load(segment.name, block, () =>
      bucket.segmentBlock(partition, segment, footer, block),
    );
  }
}

/** A few results of loads, the newest. */
class Kept<T> {
  readonly #kept = new Map<string, Promise<T>>();

  get(name: string, load: () => Promise<T>): Promise<T> {
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const loading = load();
    this.#kept.set(name, loading);
    loading.catch(() => this.#kept.delete(name));
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MAX) break;
      this.#kept.delete(oldest);
    }
    return loading;
  }
}

function committed({ tx, facts, from, to }: LiveTransaction): CommittedTransaction {
  const list: StoredFact[] = [];
  for (let row = from; row < to; row++) list.push(facts.factAt(row));
  return { tx, facts: list };
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
