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
  Trouble,
} from '@pyralog/client';
import type { Codec, DatabaseInfo } from '@pyralog/format';
import { type CutRule, entityNow, hasFacts, lastTxOf, valueOwner } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { serveLog } from '@pyralog/log/remote';
import {
  formatInstant,
  isPyralogError,
  parseDocument,
  partitionNo,
  PyralogError,
  type Tx,
} from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { serveObjects } from '@pyralog/objects/remote';
import { type BlockCache, Bucket, DatabaseReader, PartitionReader } from '@pyralog/reading';
import {
  type Clock,
  type Failure,
  Health,
  lanes,
  type PauseRule,
  type Rand,
  Supervisor,
  type Thread,
  type Threads,
  type Timers,
} from '@pyralog/runtime';
import type { Need, NeedAnswer } from '@pyralog/sequencing';
import {
  INDEXER_LANES,
  INDEXER_THREAD,
  type IndexerMessage,
  type IndexerThreadData,
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
  /** Before an indexer that failed is started again; the default suits all but tests. */
  readonly indexerPauses?: PauseRule | undefined;
  /** Told when something behind the scenes begins to fail, and when it works again. */
  readonly onFailure: (what: string, error: unknown) => void;
  readonly onRecovery: (what: string) => void;
}

/** Memory for current values of the sequencer, beyond what is not in runs yet. */
const CURRENT_BYTES_MAX = 128 * 1024 * 1024;
const WAITING_MAX = { documents: 10_000, bytes: 256 * 1024 * 1024 };
/** An idle database closes its time after this pause, which doubles up to the bound. */
const CLOSE_PAUSE_MILLIS = 1_000;
const CLOSE_PAUSE_MILLIS_MAX = 64_000;
/** Pauses before an indexer that failed is started again: short enough that it goes on soon when there is room on the disk. */
const INDEXER_PAUSES: PauseRule = { firstMillis: 250, maxMillis: 10_000 };
const PARTITION = partitionNo(0);

/** Whether the two parts of a database that the outside can break do work. */
interface Healths {
  readonly log: Health;
  readonly index: Health;
}

/** One database in this process: sequencer, live index and reads on this thread, the indexer on its own. */
export class EmbeddedDatabase implements Database {
  readonly name: string;
  readonly #info: DatabaseInfo;
  readonly #ports: EmbeddedPorts;
  readonly #healths: Healths;
  readonly #partition: PartitionReader;
  readonly #reader: DatabaseReader;
  readonly #leader: PartitionLeader;
  readonly #indexer: Supervisor;
  readonly #stop = new AbortController();
  #closePause = CLOSE_PAUSE_MILLIS;

  private constructor(
    info: DatabaseInfo,
    ports: EmbeddedPorts,
    healths: Healths,
    partition: PartitionReader,
    leader: PartitionLeader,
  ) {
    this.name = info.name;
    this.#info = info;
    this.#ports = ports;
    this.#healths = healths;
    this.#partition = partition;
    this.#leader = leader;
    this.#reader = new DatabaseReader({
      reader: partition,
      clock: ports.clock,
      requestClosed: () => leader.requestClosed(),
    });
    this.#indexer = Supervisor.start(
      { run: (signal, working) => this.#runIndexer(signal, working) },
      { ...ports, health: healths.index, pauses: ports.indexerPauses ?? INDEXER_PAUSES },
    );
    void this.#closeTime();
  }

  /** Recovers from bucket and log, claims the partition, and starts the indexer. */
  static async open(info: DatabaseInfo, ports: EmbeddedPorts): Promise<EmbeddedDatabase> {
    const { log, objects, codec, cache, cutRule, timers, clock, rand } = ports;
    const topic = topicOf(info);
    await log.createTopic(topic.topic, info.partitions);
    const healths: Healths = {
      log: healthOf(`The commit log of ${info.name}`, ports),
      index: healthOf(`The index of ${info.name}`, ports),
    };
    const reader = await PartitionReader.open({
      info,
      partition: PARTITION,
      bucket: new Bucket(info.name, objects, codec),
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
      hasRoom: () => reader.hasRoom,
      noRoom: () => noRoom(reader, healths.index.failure),
      health: healths.log,
    });
    return new EmbeddedDatabase(info, ports, healths, reader, leader);
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
          troubles: this.troubles(),
        },
      ],
      bytes: { segments: sum(manifest?.segments), runs: sum(manifest?.runs) },
    };
  }

  /** What does not work at the moment; it is tried again until it does. */
  troubles(): readonly Trouble[] {
    const { log, index } = this.#healths;
    return [...troubleOf('log', log.failure), ...troubleOf('index', index.failure)];
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

  /** One life of the indexer's thread: serves it, and adopts what it writes, in order. */
  async #runIndexer(signal: AbortSignal, working: () => void): Promise<void> {
    const { objects, log, bucketDir } = this.#ports;
    await using thread = startIndexer(this.#info, this.#ports);
    const lane = lanes(thread.channel, INDEXER_LANES);
    serveLog(lane.log, log);
    if (bucketDir === undefined) serveObjects(lane.objects, objects);
    let taking: Promise<void> = Promise.resolve();
    let stop = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        stop = resolve;
        signal.addEventListener('abort', stop);
        thread.ended.then(resolve, reject);
        lane.manifests.listen((message) => {
          taking = taking.then(() => this.#take(message as IndexerMessage, working));
          taking.catch(reject);
        });
      });
    } finally {
      signal.removeEventListener('abort', stop);
      await taking.catch(() => undefined);
    }
  }

  async #take(message: IndexerMessage, working: () => void): Promise<void> {
    if (message.kind === 'progress') return working();
    const { number } = message;
    const manifest = await this.#partition.bucket.manifest(PARTITION, number);
    if (manifest === undefined) {
      throw new PyralogError(
        'object-missing',
        `Manifest ${number} was announced but is not there.`,
      );
    }
    await this.#partition.adopt(manifest);
    this.#leader.indexed(manifest.state.next);
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

function topicOf({ name }: DatabaseInfo): TopicPartition {
  return { topic: `${name}.commits`, partition: PARTITION };
}

function startIndexer(info: DatabaseInfo, { threads, cutRule, bucketDir }: EmbeddedPorts): Thread {
  return threads.start(INDEXER_THREAD, {
    info,
    partition: PARTITION,
    topic: topicOf(info),
    cutRule,
    bucketDir,
  } satisfies IndexerThreadData);
}

function healthOf(what: string, { clock, onFailure, onRecovery }: EmbeddedPorts): Health {
  return new Health({
    clock,
    onFailure: (error) => onFailure(`${what} cannot be written`, error),
    onRecovery: () => onRecovery(`${what} is written again`),
  });
}

function troubleOf(part: Trouble['part'], failure: Failure | undefined): readonly Trouble[] {
  if (failure === undefined) return [];
  const { error, sinceNanos } = failure;
  return [
    {
      part,
      code: isPyralogError(error) ? error.code : 'internal',
      detail: error instanceof Error ? error.message : String(error),
      since: formatInstant(sinceNanos / 1000n),
    },
  ];
}

/** Why writers are refused while the index has no room. */
function noRoom({ liveFacts }: PartitionReader, failure: Failure | undefined): PyralogError {
  const [trouble] = troubleOf('index', failure);
  if (trouble === undefined) {
    return new PyralogError(
      'busy',
      `The indexer is behind: ${liveFacts} facts wait for it in memory, which is the bound.`,
      { hint: 'Send the transaction again after a pause, or write more slowly.' },
    );
  }
  return new PyralogError(
    trouble.code === 'storage-full' ? 'storage-full' : 'busy',
    `The index cannot be written, and ${liveFacts} facts wait for it in memory, which is the bound. ${trouble.detail}`,
    {
      hint: 'Nothing is lost, and reads go on. Writes go on by themselves when the index can be written again.',
    },
  );
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
