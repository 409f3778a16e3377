import type { Trouble } from '@pyralog/client';
import type { Codec, DatabaseInfo } from '@pyralog/format';
import type { CutRule } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { type PartitionNo, PyralogError, type TransactionDocument, type Tx } from '@pyralog/model';
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
import type { Outcome } from '@pyralog/sequencing';
import type { IndexerMessage } from '@pyralog/service-indexer';
import {
  DocumentQueue,
  MessageQueue,
  PartitionLeader,
  type Post,
} from '@pyralog/service-sequencer';
import { IdleClosing } from './idle-closing.ts';
import { runIndexerThread } from './indexer-thread.ts';
import { leaderIndex } from './leader-index.ts';
import { noRoom, WAITING_MAX } from './overload.ts';
import type { StepListener } from './sequencer-metrics.ts';
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
  /** Told of what is committed, by partition. */
  readonly steps?: StepListener | undefined;
  /** Before an indexer that failed is started again; the default suits all but tests. */
  readonly indexerPauses?: PauseRule | undefined;
}

/** Memory for current values of the sequencers of a database, beyond what is not in runs yet. */
const CURRENT_BYTES_MAX = 128 * 1024 * 1024;
/** Pauses before an indexer that failed is started again: short enough that it goes on soon when there is room on the disk. */
const INDEXER_PAUSES: PauseRule = { firstMillis: 250, maxMillis: 10_000 };

/** Whether the two parts of a partition that the outside can break do work. */
interface Healths {
  readonly log: Health;
  readonly index: Health;
}

/** One partition of a database in this process: sequencer, live index and reads on this thread, the indexer on its own. */
export class EmbeddedPartition implements AsyncDisposable {
  readonly reader: PartitionReader;
  /** Messages of the other partitions to this one. */
  readonly messages: MessageQueue;
  readonly #topic: TopicPartition;
  readonly #ports: EmbeddedPorts;
  readonly #healths: Healths;
  readonly #queue: DocumentQueue;
  readonly #leader: PartitionLeader;
  readonly #indexer: Supervisor;
  readonly #stop = new AbortController();

  private constructor(
    ports: EmbeddedPorts,
    topic: TopicPartition,
    healths: Healths,
    reader: PartitionReader,
    queue: DocumentQueue,
    messages: MessageQueue,
    leader: PartitionLeader,
    idle: IdleClosing,
  ) {
    this.#ports = ports;
    this.#topic = topic;
    this.#healths = healths;
    this.reader = reader;
    this.#queue = queue;
    this.messages = messages;
    this.#leader = leader;
    this.#indexer = Supervisor.start(
      { run: (signal, working) => this.#runIndexer(signal, working) },
      { ...ports, health: healths.index, pauses: ports.indexerPauses ?? INDEXER_PAUSES },
    );
    void idle.run(this.#stop.signal);
  }

  /**
   * Recovers from bucket and log, claims the partition, and starts the indexer.
   * @param post takes messages to others
   * @param written is told of every record that says something, and up to when it has closed
   */
  static async open(
    info: DatabaseInfo,
    partition: PartitionNo,
    ports: EmbeddedPorts,
    post: Post,
    written: (closed: Tx) => void,
  ): Promise<EmbeddedPartition> {
    const { log, objects, codec, cache, cutRule, timers, clock, rand } = ports;
    const topic = { topic: commitsOf(info), partition };
    const name = info.partitions === 1 ? info.name : `${info.name}/${partition}`;
    const healths: Healths = {
      log: healthOf(`The commit log of ${name}`, 'written', ports),
      index: healthOf(`The index of ${name}`, 'written', ports),
    };
    const reader = await PartitionReader.open({
      info,
      partition,
      bucket: new Bucket(info.name, objects, codec),
      cache,
      cutRule,
      timers,
    });
    const queue = new DocumentQueue(WAITING_MAX);
    const messages = new MessageQueue();
    const idle = new IdleClosing({
      timers,
      next: () => reader.state.next,
      mayClose: () => reader.schema.mode === 'live',
      close: () => leader.requestClosed(),
    });
    const leader = await PartitionLeader.lead({
      inbox: queue,
      mailbox: messages,
      post,
      topic,
      partition,
      partitions: info.partitions,
      log,
      index: leaderIndex(reader.index),
      blobs: reader.index.bucket,
      clock,
      timers,
      rand,
      cacheBytesMax: CURRENT_BYTES_MAX / info.partitions,
      publish: (offset, record) => {
        reader.apply(offset, record);
        if (record.kind === 'epoch' || record.items.length === 0) return;
        idle.busy();
        written(record.closed);
      },
      hasRoom: () => reader.hasRoom,
      noRoom: () => noRoom(reader.liveFacts, 'written', healths.index.failure),
      health: healths.log,
      onStep: (step) => ports.steps?.step(`${info.name}/${partition}`, step),
    });
    return new EmbeddedPartition(ports, topic, healths, reader, queue, messages, leader, idle);
  }

  /** As {@link DocumentQueue.submit}. */
  submit(document: TransactionDocument, bytes: number): Promise<Outcome> {
    return this.#queue.submit(document, bytes);
  }

  /** Has the closed timestamp moved on soon, to `upTo` or above. */
  requestClosed(upTo: Tx): void {
    this.#leader.requestClosed(upTo);
  }

  troubles(): readonly Trouble[] {
    const { log, index } = this.#healths;
    return [...troubleOf('log', log.failure), ...troubleOf('index', index.failure)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#leader[Symbol.asyncDispose]();
    const { info, index } = this.reader;
    this.#ports.steps?.ended(`${info.name}/${index.partition}`);
    await this.#indexer[Symbol.asyncDispose]();
  }

  #runIndexer(signal: AbortSignal, working: () => void): Promise<void> {
    const { info, index } = this.reader;
    const { partition } = index;
    const options = { ...this.#ports, info, partition, topic: this.#topic };
    return runIndexerThread(options, (message) => this.#take(message, working), signal);
  }

  async #take(message: IndexerMessage, working: () => void): Promise<void> {
    if (message.kind === 'progress') return working();
    const { number } = message;
    const { bucket, partition } = this.reader.index;
    const manifest = await bucket.manifest(partition, number);
    if (manifest === undefined) {
      throw new PyralogError(
        'object-missing',
        `Manifest ${number} was announced but is not there.`,
      );
    }
    await this.reader.adopt(manifest);
    this.#leader.indexed(manifest.state.next);
  }
}

/** The topic of a database's commit logs. */
export function commitsOf({ name }: DatabaseInfo): string {
  return `${name}.commits`;
}
