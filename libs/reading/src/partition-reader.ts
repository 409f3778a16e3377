import { assert, utf8Encode } from '@pyralog/base';
import {
  advance,
  type CommitRecord,
  type DatabaseInfo,
  emptyLogState,
  type FactBatch,
  type FactColumns,
  type LogState,
  type Manifest,
} from '@pyralog/format';
import {
  type BlockNeed,
  type CutRule,
  type IndexView,
  LiveIndex,
  type Read,
  type RunHandle,
} from '@pyralog/indexing';
import {
  ATTRIBUTE_ENTITY_PREFIX,
  foldSchema,
  initialSchema,
  type Fact,
  type PartitionNo,
  type Schema,
  type Tx,
  TX_LAST,
} from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import type { BlockCache, BlockScope } from './block-cache.ts';
import type { Bucket } from './bucket.ts';
import { type BlockSource, drive } from './drive.ts';
import { readSchema } from './schema-read.ts';
import { LiveTransactions } from './live-transactions.ts';
import { Waiters } from './waiters.ts';

/** What a reader of a partition stands on. */
export interface PartitionReaderOptions {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  readonly bucket: Bucket;
  readonly cache: BlockCache;
  readonly cutRule: CutRule;
  readonly timers: Timers;
}

const ATTRIBUTE_PREFIX = utf8Encode(ATTRIBUTE_ENTITY_PREFIX);
/** Cut parts of the live index that may wait for the indexer before writers do (I13). */
const WAITING_PARTS_MAX = 3;

/**
 * What one partition knows, for readers: the runs and segments of the newest adopted manifest, and
 * behind them the live part of the commit log. It follows the log by {@link apply} and the bucket by
 * {@link adopt}; both only move it forward, and views taken before stay right.
 */
export class PartitionReader implements BlockSource {
  readonly #options: PartitionReaderOptions;
  readonly #blocks: BlockScope;
  readonly #live: LiveIndex;
  readonly #liveTransactions = new LiveTransactions();
  readonly #closedWaiters: Waiters;
  #manifest: Manifest | undefined;
  #runs: readonly RunHandle[] = [];
  #runsByName: ReadonlyMap<string, RunHandle> = new Map();
  #schemaAtManifest: Schema;
  #schema: Schema;
  #state: LogState = emptyLogState();

  private constructor(options: PartitionReaderOptions, begun: LogState['next'] | undefined) {
    this.#options = options;
    this.#blocks = options.cache.scope();
    this.#schema = initialSchema(options.info);
    this.#schemaAtManifest = this.#schema;
    this.#live = new LiveIndex(options.cutRule, begun);
    this.#closedWaiters = new Waiters(options.timers);
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

  get info(): DatabaseInfo {
    return this.#options.info;
  }

  /** Cached blocks of its files. */
  get blocks(): BlockScope {
    return this.#blocks;
  }

  get bucket(): Bucket {
    return this.#options.bucket;
  }

  get partition(): PartitionNo {
    return this.#options.partition;
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

  /** The schema at the adopted manifest's cut. */
  get schemaAtManifest(): Schema {
    return this.#schemaAtManifest;
  }

  /** The state of a log before its first record. */
  get emptyState(): LogState {
    return emptyLogState();
  }

  get manifest(): Manifest | undefined {
    return this.#manifest;
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
        if (item.kind !== 'commit') continue;
        assert(item.tx > closedBefore, 'I4: nothing is committed at or below a closed timestamp');
      }
      const { part, firstRow } = this.#live.append(offset, record);
      this.#liveTransactions.append(offset, record, part.table, firstRow);
      this.#foldSchema(record.facts);
    }
    if (state.closed > closedBefore) this.#closedWaiters.reached(state.closed);
  }

  /** Takes over a newer manifest: its files replace the live parts that it covers. */
  async adopt(manifest: Manifest): Promise<void> {
    if (this.#manifest !== undefined && manifest.number <= this.#manifest.number) return;
    const { bucket, partition } = this.#options;
    const runs: RunHandle[] = [];
    for (const info of manifest.runs) {
      const known = this.#runsByName.get(info.name);
      runs.push(known ?? { info, footer: await bucket.runFooter(partition, info) });
    }
    const schema = await drive(
      readSchema({ parts: [], runs }, initialSchema(this.#options.info), TX_LAST),
      this,
    );
    // An older call may have been overtaken while it read footers.
    if (this.#manifest !== undefined && manifest.number <= this.#manifest.number) return;
    this.#manifest = manifest;
    const before = this.#runsByName;
    this.#runs = runs;
    this.#runsByName = new Map(runs.map((run) => [run.info.name, run]));
    this.#schemaAtManifest = schema;
    this.#live.drop(manifest.state.next);
    this.#liveTransactions.drop(manifest.state.next);
    if (this.#state.next < manifest.state.next) {
      this.#state = manifest.state;
      this.#schema = schema;
      this.#closedWaiters.reached(manifest.state.closed);
    }
    for (const name of before.keys()) if (!this.#runsByName.has(name)) this.#blocks.forget(name);
  }

  /** Everything there is at this moment; stays right while the partition goes on. */
  view(): IndexView {
    return { parts: this.#live.snapshot(), runs: this.#runs };
  }

  /** The runs of the adopted manifest alone: the state at its cut. */
  indexedView(): IndexView {
    return { parts: [], runs: this.#runs };
  }

  /** Runs a read of a view of this partition to its end. */
  run<T>(read: Read<T>): Promise<T> {
    return drive(read, this);
  }

  peek({ run, block }: BlockNeed): FactBatch | undefined {
    return this.#blocks.peek(run.info.name, block);
  }

  load({ run, block }: BlockNeed): Promise<FactBatch> {
    const { bucket, partition } = this.#options;
    return this.#blocks.load(run.info.name, block, () => bucket.runBlock(partition, run, block));
  }

  /** Resolves when `tx` is closed, the time is over or the signal aborts; look at {@link closed} again. */
  async waitClosed(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<void> {
    if (this.closed < tx) await this.#closedWaiters.wait(tx, timeoutMillis, signal);
  }

  /** Whether few enough live parts wait for the indexer that more facts may come (I13). */
  get hasRoom(): boolean {
    return this.#live.partCount <= WAITING_PARTS_MAX;
  }

  #foldSchema(facts: FactColumns): void {
    const changes: Fact[] = [];
    for (let row = 0; row < facts.length; row++) {
      // Without making a string of every entity: few facts are about attributes.
      if (ATTRIBUTE_PREFIX.every((byte, i) => facts.entityBytesAt(row)[i] === byte))
        changes.push(facts.factAt(row));
    }
    if (changes.length > 0) this.#schema = foldSchema(this.#schema, changes);
  }
}
