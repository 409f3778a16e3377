import type {
  CommitResult,
  Database,
  DiffPage,
  DiffQuery,
  EntityAnswer,
  FactsPage,
  FactsQuery,
  FeedEvent,
  FeedQuery,
  HistoryQuery,
  ReadOptions,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionsPage,
  TransactionsQuery,
} from '@pyralog/client';
import type { Codec, DatabaseInfo } from '@pyralog/format';
import { type CutRule, entityNow, hasFacts, lastTxOf, valueOwner } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { serveLog } from '@pyralog/log/remote';
import { parseDocument, partitionNo, PyralogError, type Tx } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { serveObjects } from '@pyralog/objects/remote';
import { type BlockCache, Bucket, DatabaseReader, PartitionReader } from '@pyralog/reading';
import {
  type Clock,
  lanes,
  type Rand,
  type Thread,
  type Threads,
  type Timers,
} from '@pyralog/runtime';
import type { Need, NeedAnswer } from '@pyralog/sequencing';
import {
  INDEXER_LANES,
  INDEXER_THREAD,
  type IndexerThreadData,
  type ManifestMessage,
} from '@pyralog/service-indexer';
import { type LeaderIndex, PartitionLeader } from '@pyralog/service-sequencer';
import { firstIds } from './first-result.ts';
import { VERSION } from './version.ts';

/** What databases of one host share. */
export interface EmbeddedPorts {
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly codec: Codec;
  readonly cache: BlockCache;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rand: Rand;
  readonly threads: Threads;
  readonly cutRule: CutRule;
  /** Folder of the bucket where there is one: the indexer's thread opens it itself. */
  readonly bucketDir: string | undefined;
  /** Told of failures behind the scenes, which no caller hears of. */
  readonly onFailure: (what: string, error: unknown) => void;
}

/** Memory for current values of the sequencer, beyond what is not in runs yet. */
const CURRENT_BYTES_MAX = 128 * 1024 * 1024;
const WAITING_MAX = { documents: 10_000, bytes: 256 * 1024 * 1024 };
/** An idle database closes its time after this pause, which doubles up to the bound. */
const CLOSE_PAUSE_MILLIS = 1_000;
const CLOSE_PAUSE_MILLIS_MAX = 64_000;
const PARTITION = partitionNo(0);

/** One database in this process: sequencer, live index and reads on this thread, the indexer on its own. */
export class EmbeddedDatabase implements Database {
  readonly name: string;
  readonly #info: DatabaseInfo;
  readonly #ports: EmbeddedPorts;
  readonly #partition: PartitionReader;
  readonly #reader: DatabaseReader;
  readonly #leader: PartitionLeader;
  readonly #indexer: Thread;
  readonly #stop = new AbortController();
  #closePause = CLOSE_PAUSE_MILLIS;

  private constructor(
    info: DatabaseInfo,
    ports: EmbeddedPorts,
    partition: PartitionReader,
    leader: PartitionLeader,
    indexer: Thread,
  ) {
    this.name = info.name;
    this.#info = info;
    this.#ports = ports;
    this.#partition = partition;
    this.#leader = leader;
    this.#indexer = indexer;
    this.#reader = new DatabaseReader({
      reader: partition,
      clock: ports.clock,
      requestClosed: () => leader.requestClosed(),
    });
  }

  /** Recovers from bucket and log, claims the partition, and starts the indexer. */
  static async open(info: DatabaseInfo, ports: EmbeddedPorts): Promise<EmbeddedDatabase> {
    const { log, objects, codec, cache, cutRule, timers, clock, rand } = ports;
    const topic: TopicPartition = { topic: `${info.name}.commits`, partition: PARTITION };
    await log.createTopic(topic.topic, info.partitions);
    const bucket = new Bucket(info.name, objects, codec);
    const reader = await PartitionReader.open({
      info,
      partition: PARTITION,
      bucket,
      cache,
      cutRule,
      timers,
    });
    const leader = await PartitionLeader.lead({
      topic,
      partition: PARTITION,
      partitions: info.partitions,
      log,
      index: indexOf(reader),
      clock,
      timers,
      rand,
      cacheBytesMax: CURRENT_BYTES_MAX,
      waitingMax: WAITING_MAX,
      publish: (offset, record) => reader.apply(offset, record),
      room: () => reader.room(),
    });
    const indexer = startIndexer(info, topic, ports);
    const database = new EmbeddedDatabase(info, ports, reader, leader, indexer);
    database.#follow(bucket);
    void database.#closeTime();
    return database;
  }

  async transact(document: Uint8Array): Promise<CommitResult> {
    const parsed = parseDocument(document);
    const outcome = await this.#leader.submit(parsed, document.length);
    this.#closePause = CLOSE_PAUSE_MILLIS;
    switch (outcome.kind) {
      case 'committed':
        return { tx: outcome.tx, facts: outcome.facts, ids: outcome.ids, duplicate: false };
      case 'duplicate': {
        const { tx } = outcome;
        const { facts } = await this.#reader.transaction(tx);
        const placement = { tx, partition: PARTITION, partitions: this.#info.partitions };
        return {
          tx,
          facts,
          ids: await firstIds(parsed, placement, this.#reader),
          duplicate: true,
        };
      }
      case 'rejected': {
        const { code, detail, hint, extra } = outcome.rejection;
        throw new PyralogError(code, detail, { hint, extra });
      }
    }
  }

  entity(id: string, options?: ReadOptions): Promise<EntityAnswer> {
    return this.#reader.entity(id, options);
  }

  history(id: string, query?: HistoryQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.#reader.history(id, query, options);
  }

  state(query: FactsQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.#reader.state(query, options);
  }

  facts(query: FactsQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.#reader.facts(query, options);
  }

  transaction(tx: Tx, options?: ReadOptions): Promise<TransactionAnswer> {
    return this.#reader.transaction(tx, options);
  }

  transactions(query?: TransactionsQuery, options?: ReadOptions): Promise<TransactionsPage> {
    return this.#reader.transactions(query, options);
  }

  diff(query: DiffQuery, options?: ReadOptions): Promise<DiffPage> {
    return this.#reader.diff(query, options);
  }

  schema(options?: ReadOptions): Promise<SchemaAnswer> {
    return this.#reader.schema(options);
  }

  feed(query: FeedQuery): AsyncIterable<FeedEvent> {
    const signal =
      query.signal === undefined
        ? this.#stop.signal
        : AbortSignal.any([query.signal, this.#stop.signal]);
    return this.#reader.feed({ ...query, signal });
  }

  async status(): Promise<StatusAnswer> {
    const { state, manifest, closed, liveFacts, schema } = this.#partition;
    const sum = (sizes: readonly { readonly bytes: number }[] | undefined): number =>
      sizes?.reduce((all, { bytes }) => all + bytes, 0) ?? 0;
    return {
      database: this.name,
      id: this.#info.id,
      mode: schema.mode,
      strict: schema.strict,
      version: VERSION,
      durable: this.#ports.bucketDir !== undefined,
      partitions: [
        {
          partition: PARTITION,
          epoch: state.admission.epoch,
          owner: state.admission.owner ?? '',
          logEnd: state.next,
          indexed: manifest?.state.next ?? 0,
          closed,
          liveFacts,
          manifest: manifest?.number ?? 0,
          runs: manifest?.runs.length ?? 0,
        },
      ],
      bytes: { segments: sum(manifest?.segments), runs: sum(manifest?.runs) },
    };
  }

  async goLive(): Promise<CommitResult> {
    const document = {
      ops: [{ op: 'assert', entity: 'attribute:db/settings', attribute: 'db/mode', value: 'live' }],
    };
    return this.transact(Buffer.from(JSON.stringify(document)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#leader[Symbol.asyncDispose]();
    await this.#indexer[Symbol.asyncDispose]();
  }

  /** Adopts what the indexer writes, in order. */
  #follow(bucket: Bucket): void {
    const { onFailure, objects, log, bucketDir } = this.#ports;
    const {
      manifests,
      log: logLane,
      objects: objectsLane,
    } = lanes(this.#indexer.channel, INDEXER_LANES);
    serveLog(logLane, log);
    if (bucketDir === undefined) serveObjects(objectsLane, objects);
    let adopting: Promise<void> = Promise.resolve();
    manifests.listen((message) => {
      const { number } = message as ManifestMessage;
      adopting = adopting
        .then(async () => {
          const manifest = await bucket.manifest(PARTITION, number);
          if (manifest === undefined)
            throw new PyralogError(
              'object-missing',
              `Manifest ${number} was announced but is not there.`,
            );
          await this.#partition.adopt(manifest);
          this.#leader.indexed(manifest.state.next);
        })
        .catch((error: unknown) => onFailure('A manifest cannot be adopted', error));
    });
    this.#indexer.ended.catch((error: unknown) => onFailure('The indexer has stopped', error));
  }

  /** Moves the closed timestamp of an idle database on now and then; a reader who waits has it moved at once. */
  async #closeTime(): Promise<void> {
    const { timers } = this.#ports;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const before = this.#partition.state.next;
      await timers.sleep(this.#closePause, signal);
      if (
        signal.aborted ||
        this.#partition.state.next !== before ||
        this.#partition.schema.mode === 'import'
      )
        continue;
      this.#closePause = Math.min(CLOSE_PAUSE_MILLIS_MAX, this.#closePause * 2);
      this.#leader.requestClosed();
    }
  }
}

function startIndexer(
  info: DatabaseInfo,
  topic: TopicPartition,
  { threads, cutRule, bucketDir }: EmbeddedPorts,
): Thread {
  return threads.start(INDEXER_THREAD, {
    info,
    partition: PARTITION,
    topic,
    cutRule,
    bucketDir,
  } satisfies IndexerThreadData);
}

/** What the leader reads of the index: the runs of the adopted manifest. */
function indexOf(reader: PartitionReader): LeaderIndex {
  const answer = async (need: Need): Promise<NeedAnswer> => {
    const view = reader.indexedView();
    switch (need.kind) {
      case 'entity':
        return { need, facts: await reader.run(entityNow(view, need.entity)) };
      case 'owner':
        return { need, owner: await reader.run(valueOwner(view, need.attribute, need.value)) };
      case 'lastTx':
        return { need, tx: await reader.run(lastTxOf(view, need.entity, need.attribute)) };
      case 'hasFacts':
        return { need, hasFacts: await reader.run(hasFacts(view, need.attribute)) };
    }
  };
  return {
    async start() {
      const { manifest, schemaAtManifest: schema, emptyState } = reader;
      return { state: manifest?.state ?? emptyState, schema, empty: manifest === undefined };
    },
    answer: (needs) => Promise.all(needs.map(answer)),
  };
}
