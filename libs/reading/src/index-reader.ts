import {
  type DatabaseInfo,
  emptyLogState,
  type FactBatch,
  type LogState,
  type Manifest,
  type SegmentRecord,
} from '@pyralog/format';
import type { BlockNeed, IndexView, Read, RunHandle } from '@pyralog/indexing';
import {
  initialSchema,
  type LogOffset,
  type PartitionNo,
  PyralogError,
  type Schema,
  TX_LAST,
} from '@pyralog/model';
import { Blobs } from './blobs.ts';
import type { BlockCache, BlockScope } from './block-cache.ts';
import type { Bucket } from './bucket.ts';
import { type BlockSource, drive } from './drive.ts';
import { readSchema } from './schema-read.ts';

/** What a reader of the indexed part of a partition stands on. */
export interface IndexReaderOptions {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  readonly bucket: Bucket;
  readonly cache: BlockCache;
}

/**
 * The runs of the newest adopted manifest of a partition: the state at its cut. It only moves forward,
 * and views taken before stay right.
 */
export class IndexReader implements BlockSource {
  readonly #options: IndexReaderOptions;
  readonly #blocks: BlockScope;
  /** The long values of facts. */
  readonly blobs: Blobs;
  #manifest: Manifest | undefined;
  #runs: readonly RunHandle[] = [];
  #runsByName: ReadonlyMap<string, RunHandle> = new Map();
  #schema: Schema;

  constructor(options: IndexReaderOptions) {
    this.#options = options;
    this.#blocks = options.cache.scope();
    this.blobs = new Blobs(options.bucket, options.cache);
    this.#schema = initialSchema(options.info);
  }

  get info(): DatabaseInfo {
    return this.#options.info;
  }

  get partition(): PartitionNo {
    return this.#options.partition;
  }

  get bucket(): Bucket {
    return this.#options.bucket;
  }

  /** Cached blocks of the files of the partition. */
  get blocks(): BlockScope {
    return this.#blocks;
  }

  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Of the log at the cut. */
  get state(): LogState {
    return this.#manifest?.state ?? emptyLogState();
  }

  /** At the cut. */
  get schema(): Schema {
    return this.#schema;
  }

  get runs(): readonly RunHandle[] {
    return this.#runs;
  }

  /** Takes over a newer manifest. @returns false where it is none */
  async adopt(manifest: Manifest): Promise<boolean> {
    if (!this.#isNewer(manifest)) return false;
    const { info, bucket, partition } = this.#options;
    const runs: RunHandle[] = [];
    for (const run of manifest.runs) {
      const known = this.#runsByName.get(run.name);
      runs.push(known ?? { info: run, footer: await bucket.runFooter(partition, run) });
    }
    const schema = await drive(readSchema({ parts: [], runs }, initialSchema(info), TX_LAST), this);
    // An older call may have been overtaken while it read footers.
    if (!this.#isNewer(manifest)) return false;
    const before = this.#runsByName;
    this.#manifest = manifest;
    this.#schema = schema;
    this.#runs = runs;
    this.#runsByName = new Map(runs.map((run) => [run.info.name, run]));
    for (const name of before.keys()) if (!this.#runsByName.has(name)) this.#blocks.forget(name);
    return true;
  }

  /**
   * Records before the cut, in order, of the segments that have them.
   * @throws object-missing where no segment has one of them; object-damaged
   */
  async *records(offsets: readonly LogOffset[]): AsyncIterable<SegmentRecord> {
    const { bucket, partition } = this.#options;
    const missing = new Set(offsets);
    const isWanted = (from: LogOffset, to: LogOffset): boolean =>
      offsets.some((offset) => from <= offset && offset < to);
    for (const segment of this.#manifest?.segments ?? []) {
      if (!isWanted(segment.from, segment.to)) continue;
      for await (const records of bucket.segmentRecords(partition, segment, isWanted))
        for (const each of records) if (missing.delete(each.offset)) yield each;
    }
    const [lost] = missing;
    if (lost !== undefined)
      throw new PyralogError(
        'object-missing',
        `No segment of partition ${partition} of ${this.info.name} has record ${lost}.`,
      );
  }

  view(): IndexView {
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

  #isNewer({ number }: Manifest): boolean {
    return this.#manifest === undefined || number > this.#manifest.number;
  }
}
