import { assert, Bell } from '@pyralog/base';
import {
  advance,
  type CommitRecord,
  type DatabaseInfo,
  emptyLogState,
  type FactColumns,
  isInForce,
  type LogState,
  type Manifest,
} from '@pyralog/format';
import {
  type CutRule,
  partitionCut,
  type IndexView,
  LiveIndex,
  type Read,
  schemaFacts,
} from '@pyralog/indexing';
import { foldSchema, type Schema, TX_NONE, type Tx } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import { IndexReader, type IndexReaderOptions } from './index-reader.ts';
import { LiveTransactions } from './live-transactions.ts';
import { Waiters } from './waiters.ts';

/** What a reader of a partition stands on. */
export interface PartitionReaderOptions extends IndexReaderOptions {
  /** Of a database of one partition; see {@link partitionCut}. */
  readonly cutRule: CutRule;
  readonly timers: Timers;
}

/** Cut parts of the live index that may wait for the indexer before writers do (I13). */
const WAITING_PARTS_MAX = 3;

/**
 * What one partition knows, for readers: the runs and segments of the newest adopted manifest, and
 * behind them the live part of the commit log. It follows the log by {@link apply} and the bucket by
 * {@link adopt}; both only move it forward, and views taken before stay right.
 */
export class PartitionReader {
  readonly #index: IndexReader;
  readonly #live: LiveIndex;
  readonly #liveTransactions = new LiveTransactions();
  readonly #closedWaiters: Waiters;
  readonly #committedWaiters: Waiters;
  readonly #cut = new Bell();
  #schema: Schema;
  #state: LogState = emptyLogState();
  /** Of all that was folded, or a moment above it. */
  #newest: Tx = TX_NONE;

  private constructor(options: PartitionReaderOptions, begun: LogState['next'] | undefined) {
    this.#index = new IndexReader(options);
    this.#schema = this.#index.schema;
    this.#live = new LiveIndex(partitionCut(options.info, options.cutRule), begun);
    this.#closedWaiters = new Waiters(options.timers);
    this.#committedWaiters = new Waiters(options.timers);
  }

  /** Opens at the newest manifest; the log behind it arrives by {@link apply}. */
  static async open(options: PartitionReaderOptions): Promise<PartitionReader> {
    const { bucket, partition } = options;
    const manifest = await bucket.newestManifest(partition);
    const { next } = manifest?.state ?? emptyLogState();
    const begun = await bucket.begunSegment(partition, next);
    const reader = new PartitionReader(options, begun?.footer.to);
    if (manifest !== undefined) await reader.adopt(manifest);
    return reader;
  }

  /** The part of it that is in files. */
  get index(): IndexReader {
    return this.#index;
  }

  get info(): DatabaseInfo {
    return this.#index.info;
  }

  /** Where the folded log stands. */
  get state(): LogState {
    return this.#state;
  }

  /** The greatest moment that can no longer change. */
  get closed(): Tx {
    return this.#state.closed;
  }

  get schema(): Schema {
    return this.#schema;
  }

  /**
   * Whether what is in force at a moment is what is in force now. Above the closed timestamp there may be transactions
   * already, while others, promised at times before, are not decided.
   */
  isNow(basis: Tx): boolean {
    return basis >= this.#newest;
  }

  get liveTransactions(): LiveTransactions {
    return this.#liveTransactions;
  }

  get liveFacts(): number {
    return this.#live.length;
  }

  /** Folds the next record of the commit log; one that was folded before is skipped (I8). */
  apply(offset: LogState['next'], record: CommitRecord): void {
    if (offset < this.#state.next) return;
    const { state, counts } = advance(this.#state, offset, record);
    const closedBefore = this.#state.closed;
    this.#state = state;
    if (counts && record.kind === 'items') {
      for (const item of record.items) {
        if (!isInForce(item)) continue;
        assert(item.tx > closedBefore, 'I4: nothing is committed at or below a closed timestamp');
        if (item.tx > this.#newest) this.#newest = item.tx;
      }
      const { part, firstRow } = this.#live.append(offset, record);
      this.#liveTransactions.append(offset, record, part.table, firstRow);
      this.#foldSchema(record.facts);
      for (const item of record.items) if (isInForce(item)) this.#committedWaiters.came(item.tx);
      if (this.isAheadOfIndex) this.#cut.ring();
    }
    if (state.closed > closedBefore) this.#closedUpTo(state.closed);
  }

  /** Takes over a newer manifest: its files replace the live parts that it covers. */
  async adopt(manifest: Manifest): Promise<void> {
    if (!(await this.#index.adopt(manifest))) return;
    this.#live.drop(manifest.state.next);
    this.#liveTransactions.drop(manifest.state.next);
    if (this.#state.next < manifest.state.next) {
      this.#state = manifest.state;
      if (manifest.state.clock > this.#newest) this.#newest = manifest.state.clock;
      this.#schema = this.#index.schema;
      this.#closedUpTo(manifest.state.closed);
    }
  }

  /** Everything there is at this moment; stays right while the partition goes on. */
  view(): IndexView {
    return { parts: this.#live.snapshot(), runs: this.#index.runs };
  }

  /** Runs a read of a view of this partition to its end. */
  run<T>(read: Read<T>): Promise<T> {
    return this.#index.run(read);
  }

  /** Resolves when `tx` is closed, the time is over or the signal aborts; look at {@link closed} again. */
  async waitClosed(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<void> {
    if (this.closed < tx) await this.#closedWaiters.wait(tx, timeoutMillis, signal);
  }

  /**
   * Resolves when what a transaction wrote here is here, though what is closed may be behind it; or the time is over or the
   * signal aborts. @returns whether it is here
   */
  async waitCommitted(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#has(tx)) return true;
    await this.#committedWaiters.wait(tx, timeoutMillis, signal);
    return this.#has(tx);
  }

  /** @param tx of a transaction that is committed */
  #has(tx: Tx): boolean {
    return this.closed >= tx || this.#liveTransactions.lastUpTo(tx)[0]?.tx === tx;
  }

  #closedUpTo(closed: Tx): void {
    this.#closedWaiters.reached(closed);
    this.#committedWaiters.reached(closed);
  }

  /** Whether few enough live parts wait for the indexer that more facts may come (I13). */
  get hasRoom(): boolean {
    return this.#live.partCount <= WAITING_PARTS_MAX;
  }

  /** Whether a part is cut that no adopted manifest covers yet. */
  get isAheadOfIndex(): boolean {
    return this.#live.partCount > 1;
  }

  /** Resolves when {@link isAheadOfIndex} may hold, or the signal aborts. */
  async waitCut(signal: AbortSignal): Promise<void> {
    if (!this.isAheadOfIndex) await this.#cut.wait(signal);
  }

  #foldSchema(facts: FactColumns): void {
    const changes = schemaFacts(facts);
    if (changes.length > 0) this.#schema = foldSchema(this.#schema, changes);
  }
}
