import type { FactColumns, SegmentFooter, SegmentInfo } from '@pyralog/format';
import { type Fact, type Tx, tx as asTx } from '@pyralog/model';
import type { LiveTransaction } from './live-transactions.ts';
import type { PartitionReader } from './partition-reader.ts';

/** A transaction as it was committed; facts in the order of its result. */
export interface CommittedTransaction {
  readonly tx: Tx;
  readonly facts: readonly Fact[];
}

/** Segments whose footers are kept: a footer lists every transaction of about 262,144 facts. */
const FOOTERS_MAX = 8;

/**
 * All transactions of a partition by tx: those of the live index, and behind them the segments of the
 * bucket. Segments are read a block at a time, so a reader at any speed holds a block and a transaction.
 */
export class TransactionLog {
  readonly #reader: PartitionReader;
  readonly #footers = new Map<string, Promise<SegmentFooter>>();

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
    // Looked up anew behind every transaction: what was live may have moved to the bucket meanwhile.
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
      const list = footer.transactions;
      for (let i = firstAbove(list.txs, position); i < list.txs.length; i++) {
        if ((list.txs[i] as bigint) > upTo) return;
        yield await this.#read(segment, footer, i);
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
      for (let i = firstAbove(footer.transactions.txs, position) - 1; i >= 0; i--) {
        yield await this.#read(segment, footer, i);
      }
    }
  }

  #segments(): readonly SegmentInfo[] {
    return this.#reader.manifest?.segments.filter(({ transactions }) => transactions > 0) ?? [];
  }

  #footer(segment: SegmentInfo): Promise<SegmentFooter> {
    const { bucket, partition } = this.#reader;
    const known = this.#footers.get(segment.name);
    if (known !== undefined) return known;
    const loading = bucket.segmentFooter(partition, segment);
    this.#footers.set(segment.name, loading);
    loading.catch(() => this.#footers.delete(segment.name));
    for (const name of this.#footers.keys()) {
      if (this.#footers.size <= FOOTERS_MAX) break;
      this.#footers.delete(name);
    }
    return loading;
  }

  async #read(segment: SegmentInfo, footer: SegmentFooter, i: number): Promise<CommittedTransaction> {
    const { txs, rows } = footer.transactions;
    const from = rows[i] as number;
    const to = i + 1 < txs.length ? (rows[i + 1] as number) : footer.rows;
    const facts: Fact[] = [];
    for (let row = from; row < to; ) {
      const block = footer.blockOf(row);
      const { firstRow, rows: count } = footer.blocks[block] as { firstRow: number; rows: number };
      const batch = await this.#block(segment, footer, block);
      const end = Math.min(to, firstRow + count);
      for (; row < end; row++) facts.push(batch.factAt(row - firstRow));
    }
    return { tx: asTx(txs[i] as bigint), facts };
  }

  #block(segment: SegmentInfo, footer: SegmentFooter, block: number): Promise<FactColumns> {
    const { bucket, partition, cache } = this.#reader;
    return cache.load(segment.name, block, () => bucket.segmentBlock(partition, segment, footer, block));
  }
}

function committed({ tx, facts, from, to }: LiveTransaction): CommittedTransaction {
  const list: Fact[] = [];
  for (let row = from; row < to; row++) list.push(facts.factAt(row));
  return { tx, facts: list };
}

function first<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}

function firstAbove(txs: BigInt64Array, tx: bigint): number {
  let low = 0;
  let high = txs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((txs[middle] as bigint) <= tx) low = middle + 1;
    else high = middle;
  }
  return low;
}
