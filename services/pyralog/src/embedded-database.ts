import type { CommitResult, Trouble } from '@pyralog/client';
import type { Codec, DatabaseInfo } from '@pyralog/format';
import type { CutRule } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { parseDocument, partitionNo, PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { type BlockCache, Bucket, PartitionReader } from '@pyralog/reading';
import {
  type Health,
  type PauseRule,
  type Rand,
  Supervisor,
  type Threads,
  type Timers,
} from '@pyralog/runtime';
import type { IndexerMessage } from '@pyralog/service-indexer';
import { DocumentQueue, PartitionLeader } from '@pyralog/service-sequencer';
import { IdleClosing } from './idle-closing.ts';
import { runIndexerThread } from './indexer-thread.ts';
import { leaderIndex } from './leader-index.ts';
import { noRoom, WAITING_MAX } from './overload.ts';
import { ReadingDatabase } from './reading-database.ts';
import { healthOf, troubleOf, type TroubleListeners } from './troubles.ts';

/** What databases of one host share. */
export interface EmbeddedPorts extends TroubleListeners {
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly codec: Codec;
  readonly cache: BlockCache;
  readonly timers: Timers;
  readonly rand: Rand;
  readonly threads: Threads;
  readonly cutRule: CutRule;
  /** Folder of the bucket where there is one: the indexer's thread opens it itself. */
  readonly bucketDir: string | undefined;
  /** Before an indexer that failed is started again; the default suits all but tests. */
  readonly indexerPauses?: PauseRule | undefined;
}

/** Memory for current values of the sequencer, beyond what is not in runs yet. */
const CURRENT_BYTES_MAX = 128 * 1024 * 1024;
/** Pauses before an indexer that failed is started again: short enough that it goes on soon when there is room on the disk. */
const INDEXER_PAUSES: PauseRule = { firstMillis: 250, maxMillis: 10_000 };
const PARTITION = partitionNo(0);

/** Whether the two parts of a database that the outside can break do work. */
interface Healths {
  readonly log: Health;
  readonly index: Health;
}

/** One database in this process: sequencer, live index and reads on this thread, the indexer on its own. */
export class EmbeddedDatabase extends ReadingDatabase {
  readonly #ports: EmbeddedPorts;
  readonly #healths: Healths;
  readonly #queue: DocumentQueue;
  readonly #leader: PartitionLeader;
  readonly #indexer: Supervisor;
  readonly #idle: IdleClosing;

  private constructor(
    info: DatabaseInfo,
    ports: EmbeddedPorts,
    healths: Healths,
    partition: PartitionReader,
    queue: DocumentQueue,
    leader: PartitionLeader,
  ) {
    super(info, partition, ports.clock, () => leader.requestClosed());
    this.#ports = ports;
    this.#healths = healths;
    this.#queue = queue;
    this.#leader = leader;
    this.#indexer = Supervisor.start(
      { run: (signal, working) => this.#runIndexer(signal, working) },
      { ...ports, health: healths.index, pauses: ports.indexerPauses ?? INDEXER_PAUSES },
    );
    this.#idle = new IdleClosing({
      timers: ports.timers,
      next: () => partition.state.next,
      mayClose: () => partition.schema.mode === 'live',
      close: () => leader.requestClosed(),
    });
    void this.#idle.run(this.stop.signal);
  }

  /** Recovers from bucket and log, claims the partition, and starts the indexer. */
  static async open(info: DatabaseInfo, ports: EmbeddedPorts): Promise<EmbeddedDatabase> {
    const { log, objects, codec, cache, cutRule, timers, clock, rand } = ports;
    const topic = topicOf(info);
    await log.createTopic(topic.topic, info.partitions);
    const healths: Healths = {
      log: healthOf(`The commit log of ${info.name}`, 'written', ports),
      index: healthOf(`The index of ${info.name}`, 'written', ports),
    };
    const reader = await PartitionReader.open({
      info,
      partition: PARTITION,
      bucket: new Bucket(info.name, objects, codec),
      cache,
      cutRule,
      timers,
    });
    const queue = new DocumentQueue(WAITING_MAX);
    const leader = await PartitionLeader.lead({
      inbox: queue,
      topic,
      partition: PARTITION,
      partitions: info.partitions,
      log,
      index: leaderIndex(reader.index),
      blobs: reader.index.bucket,
      clock,
      timers,
      rand,
      cacheBytesMax: CURRENT_BYTES_MAX,
      publish: (offset, record) => reader.apply(offset, record),
      hasRoom: () => reader.hasRoom,
      noRoom: () => noRoom(reader.liveFacts, 'written', healths.index.failure),
      health: healths.log,
    });
    return new EmbeddedDatabase(info, ports, healths, reader, queue, leader);
  }

  async transact(document: Uint8Array): Promise<CommitResult> {
    const parsed = parseDocument(document);
    const outcome = await this.#queue.submit(parsed, document.length);
    this.#idle.busy();
    switch (outcome.kind) {
      case 'committed': {
        const { tx, ids, contents } = outcome;
        const facts = await this.writtenFacts(tx, outcome.facts, contents);
        return { tx, facts, ids, duplicate: false };
      }
      case 'duplicate':
        return this.firstResult(parsed, outcome.tx);
      case 'rejected':
        throw this.refusalOf(outcome.rejection);
    }
  }

  protected get isDurable(): boolean {
    return this.#ports.bucketDir !== undefined;
  }

  troubles(): readonly Trouble[] {
    const { log, index } = this.#healths;
    return [...troubleOf('log', log.failure), ...troubleOf('index', index.failure)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.#leader[Symbol.asyncDispose]();
    await this.#indexer[Symbol.asyncDispose]();
  }

  #runIndexer(signal: AbortSignal, working: () => void): Promise<void> {
    const options = {
      ...this.#ports,
      info: this.info,
      partition: PARTITION,
      topic: topicOf(this.info),
    };
    return runIndexerThread(options, (message) => this.#take(message, working), signal);
  }

  async #take(message: IndexerMessage, working: () => void): Promise<void> {
    if (message.kind === 'progress') return working();
    const { number } = message;
    const manifest = await this.partition.index.bucket.manifest(PARTITION, number);
    if (manifest === undefined) {
      throw new PyralogError(
        'object-missing',
        `Manifest ${number} was announced but is not there.`,
      );
    }
    await this.partition.adopt(manifest);
    this.#leader.indexed(manifest.state.next);
  }
}

function topicOf({ name }: DatabaseInfo): TopicPartition {
  return { topic: `${name}.commits`, partition: PARTITION };
}
