import { assert, must } from '@pyralog/base';
import {
  advance,
  type Codec,
  type DatabaseInfo,
  decodeCommitRecord,
  emptyLogState,
  encodeManifest,
  FactTable,
  type ItemsRecord,
  type LogState,
  type Manifest,
  manifestKey,
  type RunInfo,
  runKey,
  runName,
  SegmentBuilder,
  segmentKey,
  type SegmentInfo,
  sortRuns,
} from '@pyralog/format';
import { buildRuns, Cutter, type CutRule, partitionCut, schemaFacts } from '@pyralog/indexing';
import type { Log, StoredRecord, TopicPartition } from '@pyralog/log';
import {
  foldSchema,
  initialSchema,
  type PartitionNo,
  PyralogError,
  type Schema,
} from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { Bucket, LOG_GENERATION, schemaOfManifest } from '@pyralog/reading';

export interface IndexerOptions {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  readonly topic: TopicPartition;
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly codec: Codec;
  /** Of a database of one partition; see `partitionCut`. */
  readonly cutRule: CutRule;
  /** Told of every manifest that this indexer wrote or found to be the newest. */
  readonly onManifest: (manifest: Manifest) => void;
  /** Told when it has written a manifest, or taken all that was in the log when it began: it works. */
  readonly onProgress: () => void;
}

/**
 * Turns the commit log of one partition into files: at every cut one segment, the sorted runs, and then
 * the manifest that names them. Files are put before the manifest, and every put only where the name is
 * free, so a crash anywhere leaves files that nobody names, and a second indexer writes the same ones
 * (I7, I12).
 */
export class Indexer {
  readonly #options: IndexerOptions;
  readonly #bucket: Bucket;
  #cutter: Cutter;
  #manifest: Manifest | undefined;
  #schema: Schema;
  #state: LogState = emptyLogState();
  #table = new FactTable(1024);
  #segment: SegmentBuilder;

  private constructor(options: IndexerOptions) {
    this.#options = options;
    this.#bucket = new Bucket(options.info.name, options.objects, options.codec);
    this.#cutter = new Cutter(partitionCut(options.info, options.cutRule));
    this.#schema = initialSchema(options.info);
    this.#segment = new SegmentBuilder(LOG_GENERATION, this.#state);
  }

  /**
   * Follows the log from where the newest manifest ends, until the signal aborts. Rejects with whatever
   * its ports refuse: nothing is half done then, and to go on is to run it again.
   */
  static async run(options: IndexerOptions, signal: AbortSignal): Promise<void> {
    const indexer = new Indexer(options);
    await indexer.#start();
    const { log, topic, onProgress } = options;
    const { end } = await log.bounds(topic);
    let level = indexer.#state.next >= end;
    if (level) onProgress();
    for await (const batch of log.read(topic, indexer.#state.next, { follow: true, signal })) {
      for (const record of batch) {
        await indexer.#take(record);
        if (signal.aborted) return;
        if (level || indexer.#state.next < end) continue;
        level = true;
        onProgress();
      }
    }
  }

  async #start(): Promise<void> {
    const { partition, info, cutRule, onManifest } = this.#options;
    const manifest = await this.#bucket.newestManifest(partition);
    if (manifest !== undefined) {
      this.#manifest = manifest;
      this.#schema = await schemaOfManifest(this.#bucket, info, manifest);
      this.#begin(manifest.state);
      onManifest(manifest);
    }
    const begun = await this.#bucket.begunSegment(partition, this.#state.next);
    this.#cutter = new Cutter(partitionCut(info, cutRule), begun?.footer.to);
  }

  #begin(state: LogState): void {
    this.#state = state;
    this.#table = new FactTable(1024);
    this.#segment = new SegmentBuilder(LOG_GENERATION, state);
  }

  async #take({ offset, value }: StoredRecord): Promise<void> {
    const record = decodeCommitRecord(
      must(value, 'a commit log has no tombstones'),
      `commit record ${offset}`,
    );
    const { state, counts } = advance(this.#state, offset, record);
    this.#state = state;
    // What admission refuses has no effect on any reader (I6): it is in no segment.
    if (!counts) return;
    this.#segment.add(offset, record);
    if (record.kind === 'epoch') return;
    this.#table.appendColumns(record.facts);
    this.#foldSchema(record);
    if (this.#cutter.add(offset, record)) await this.#flush();
  }

  #foldSchema({ facts }: ItemsRecord): void {
    const changes = schemaFacts(facts);
    if (changes.length > 0) this.#schema = foldSchema(this.#schema, changes);
  }

  /** Writes what was taken since the last cut. */
  async #flush(): Promise<void> {
    const { info, partition, codec, onManifest, onProgress } = this.#options;
    const before = this.#manifest;
    const from = before?.state.next ?? emptyLogState().next;
    const segment = await this.#putSegment();
    const runs: RunInfo[] = [];
    for (const run of buildRuns(this.#table, this.#schema, codec)) {
      const { bytes, ...said } = run;
      const name = runName(said.order, said.level, said.hash);
      const put = await this.#put(runKey(info.name, partition, name), bytes);
      runs.push({ ...said, name, bytes: put.bytes, from, to: this.#state.next });
    }
    const manifest: Manifest = {
      formatVersion: 0,
      database: info.id,
      partition,
      number: (before?.number ?? 0) + 1,
      state: this.#state,
      segments: [...(before?.segments ?? []), segment],
      runs: sortRuns([...(before?.runs ?? []), ...runs]),
    };
    this.#manifest = await this.#publish(manifest);
    this.#begin(this.#state);
    onManifest(this.#manifest);
    onProgress();
  }

  async #putSegment(): Promise<SegmentInfo> {
    const { info, partition, codec } = this.#options;
    const { bytes, name, from, to, rows, transactions, minTx, maxTx, hash } = this.#segment.finish(
      this.#table,
      this.#state.next,
      codec,
    );
    const key = segmentKey(info.name, partition, name);
    const put = await this.#put(key, bytes);
    const segment = { name, from, to, rows, bytes: put.bytes, hash, minTx, maxTx, transactions };
    if (put.result === 'created') return segment;
    // The name of a segment does not tell its content, as a run's does.
    const there = await this.#bucket.segmentFooter(partition, segment);
    if (there.hash !== hash || there.to !== to) throw otherContent(key);
    return segment;
  }

  /**
   * Puts a file whose name may be taken by an equal one, of an indexer before or beside this one.
   * @returns with the size of the file that is there: the same content may be compressed otherwise
   */
  async #put(
    key: string,
    bytes: Uint8Array,
  ): Promise<{ readonly result: 'created' | 'exists'; readonly bytes: number }> {
    const { objects } = this.#options;
    const result = await objects.put(key, bytes);
    if (result === 'created') return { result, bytes: bytes.length };
    const there = await objects.head(key);
    assert(there !== undefined, `I7: ${key} stays where it was put`);
    return { result, bytes: there.bytes };
  }

  /** The commit point: exactly one manifest of a number. Another's must say the same. */
  async #publish(manifest: Manifest): Promise<Manifest> {
    const { info, partition, objects } = this.#options;
    const key = manifestKey(info.name, partition, manifest.number);
    if ((await objects.put(key, encodeManifest(manifest, this.#manifest))) === 'created')
      return manifest;
    const other = await this.#bucket.manifest(partition, manifest.number);
    const hashes = (of: Manifest | undefined): string =>
      JSON.stringify(of?.runs.map(({ hash }) => hash));
    if (other?.state.next !== manifest.state.next || hashes(other) !== hashes(manifest)) {
      throw otherContent(key);
    }
    return other;
  }
}

function otherContent(key: string): PyralogError {
  return new PyralogError(
    'object-damaged',
    `${key} was written by another indexer with other content.`,
    {
      hint: 'Two versions or settings of the indexer run at once: stop one of them, and start the other again.',
    },
  );
}
