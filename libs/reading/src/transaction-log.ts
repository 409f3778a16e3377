import { must } from '@pyralog/base';
import {
  type FactColumns,
  type SegmentFooter,
  type SegmentInfo,
  type SegmentTransaction,
  transactionsOf,
} from '@pyralog/format';
import { compareCanonical, type StoredFact, type Tx, tx as asTx } from '@pyralog/model';
import type { LiveTransaction } from './live-transactions.ts';
import { type Direction, Merge, nearest, type Range, type Source } from './merge.ts';
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
 *
 * The log has them in the order in which they were decided here, which is not quite that of their tx: what other
 * partitions had to be asked for comes later. So pages and segments overlap a little, and are merged.
 */
export class TransactionLog {
  readonly #reader: PartitionReader;
  readonly #footers = new Kept<SegmentFooter>();
  readonly #pages = new Kept<readonly SegmentTransaction[]>();

  constructor(reader: PartitionReader) {
    this.#reader = reader;
  }

  async find(tx: Tx): Promise<CommittedTransaction | undefined> {
    for await (const found of this.#walk('down', tx - 1n, tx)) return found;
    return undefined;
  }

  /**
   * Transactions with `after` < tx ≤ `upTo`, oldest first.
   * @param upTo at most what is closed
   * @param isWanted what is not is passed over, and its facts are not read
   */
  after(
    after: Tx,
    upTo: Tx,
    isWanted: (tx: Tx) => boolean = () => true,
  ): AsyncIterable<CommittedTransaction> {
    return this.#walk('up', after, upTo, isWanted);
  }

  /** Transactions with a tx ≤ `newest`, newest first. @param newest at most what is closed */
  before(newest: Tx): AsyncIterable<CommittedTransaction> {
    return this.#walk('down', -1n, newest);
  }

  /** Transactions with `after` < tx ≤ `upTo`. */
  async *#walk(
    direction: Direction,
    after: bigint,
    upTo: bigint,
    isWanted: (tx: Tx) => boolean = () => true,
  ): AsyncIterable<CommittedTransaction> {
    // What is in files moves on while it is read; then it is looked at anew from here.
    for (let isMoved = true; isMoved;) {
      isMoved = false;
      const { manifest } = this.#reader.index;
      const files = this.#merge(direction, after, upTo, manifest?.segments ?? []);
      while (after < upTo) {
        const filed = await files.next();
        if (this.#reader.index.manifest !== manifest) {
          isMoved = true;
          break;
        }
        const { liveTransactions } = this.#reader;
        const live =
          direction === 'up'
            ? liveTransactions.firstAbove(asTx(after))
            : liveTransactions.lastUpTo(asTx(upTo));
        const next = nearest(direction, filed?.tx, live[0]?.tx);
        if (next === undefined || next <= after || next > upTo) return;
        if (direction === 'up') after = next;
        else upTo = next - 1n;
        if (!isWanted(next)) {
          if (filed?.tx === next) files.take();
          continue;
        }
        // Before anything is waited for: the live part may be dropped meanwhile.
        const parts: (readonly StoredFact[])[] = live[0]?.tx === next ? live.map(factsOf) : [];
        if (filed?.tx === next) {
          files.take();
          for (const part of filed.parts) parts.push(await this.#read(part));
        }
        yield { tx: next, facts: joined(parts) };
      }
    }
  }

  /** @param after @param upTo the bounds of what is wanted: other files, pages and transactions are left out */
  #merge(
    direction: Direction,
    after: bigint,
    upTo: bigint,
    segments: readonly SegmentInfo[],
  ): Merge<SegmentPart> {
    const isWanted = ({ minTx, maxTx }: Range): boolean => maxTx > after && minTx <= upTo;
    const sources = segments
      .filter((segment) => segment.transactions > 0 && isWanted(segment))
      .map((segment): Source<SegmentPart> => ({
        range: segment,
        open: async () => {
          const footer = await this.#footer(segment);
          return footer.pages.flatMap((page, number): Source<SegmentPart>[] => {
            if (page.transactions === 0 || !isWanted(page)) return [];
            const parts = async (): Promise<readonly SegmentPart[]> =>
              (await this.#page(segment, footer, number))
                .filter(({ tx }) => tx > after && tx <= upTo)
                .map((transaction) => ({ tx: transaction.tx, segment, footer, transaction }));
            return [{ range: page, entries: parts }];
          });
        },
      }));
    return new Merge(direction, sources);
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

  async #read({ segment, footer, transaction }: SegmentPart): Promise<readonly StoredFact[]> {
    const { from, to } = transaction;
    const facts: StoredFact[] = [];
    for (let row = from; row < to;) {
      const number = footer.blocks.findLastIndex(({ firstRow }) => firstRow <= row);
      const block = must(footer.blocks[number], 'every row of a segment lies in a block');
      const batch = await this.#block(segment, footer, number);
      const end = Math.min(to, block.firstRow + block.rows);
      for (; row < end; row++) facts.push(batch.factAt(row - block.firstRow));
    }
    return facts;
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

/** Facts of a transaction in a segment; all of them, or those of one of its parts. */
interface SegmentPart {
  readonly tx: Tx;
  readonly segment: SegmentInfo;
  readonly footer: SegmentFooter;
  readonly transaction: SegmentTransaction;
}

/** The facts of a transaction of its parts, which are in order each. */
export function joined(parts: readonly (readonly StoredFact[])[]): readonly StoredFact[] {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return parts.flat().sort(compareCanonical);
}

function factsOf({ facts, from, to }: LiveTransaction): StoredFact[] {
  const list: StoredFact[] = [];
  for (let row = from; row < to; row++) list.push(facts.factAt(row));
  return list;
}
