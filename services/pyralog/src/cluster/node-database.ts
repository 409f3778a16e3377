import { must } from '@pyralog/base';
import type { CommitResult, Trouble } from '@pyralog/client';
import {
  type CommitRecord,
  type DatabaseInfo,
  decodeCommitRecord,
  encodeCoordination,
  type FactBatch,
  isDone,
} from '@pyralog/format';
import type { LogReadOptions, TopicPartition } from '@pyralog/log';
import {
  type LogOffset,
  parseDocument,
  partitionNo,
  PyralogError,
  type StoredFact,
} from '@pyralog/model';
import { Bucket, followManifests, PartitionReader } from '@pyralog/reading';
import { type Failure, type Health, type PauseRule, Supervisor } from '@pyralog/runtime';
import { longValuesOf } from '@pyralog/sequencing';
import { checkLogReach, FORMAT_HEADER } from '@pyralog/service-sequencer';
import { noRoom, WAITING_MAX } from '../overload.ts';
import { ReadingDatabase } from '../reading-database.ts';
import { healthOf, messageOf, troubleOf } from '../troubles.ts';
import { InputGate } from './input-gate.ts';
import { Outcomes, type OutcomeWaits } from './outcomes.ts';
import type { ClusterPorts } from './ports.ts';
import { at, topicsOf } from './topics.ts';

const PARTITION = partitionNo(0);
/** How long a writer waits for the outcome of what was published. */
const OUTCOME_MILLIS_MAX = 60_000;
const FOLLOW_PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };
/** Between requests to close: readers that wait together need one. */
const CLOSE_REQUEST_MILLIS = 20;
const TRANSACTION = { [FORMAT_HEADER]: new TextEncoder().encode('transaction') };

/** What can fail behind the reads of a node. */
interface Healths {
  readonly log: Health;
  readonly index: Health;
}

/**
 * A database of a cluster as an API node has it: follows the commit log into a live index and the bucket
 * for what is indexed; publishes documents while the partition takes them, and learns their outcomes from the
 * log as every reader does.
 */
export class NodeDatabase extends ReadingDatabase {
  readonly #ports: ClusterPorts;
  readonly #healths: Healths;
  readonly #outcomes: Outcomes<FactBatch>;
  readonly #gate: InputGate;
  #services: readonly Supervisor[] = [];
  #closeAsked: Disposable | undefined;

  private constructor(info: DatabaseInfo, ports: ClusterPorts, partition: PartitionReader) {
    super(info, partition, ports.clock, () => this.#requestClosed());
    this.#ports = ports;
    this.#outcomes = new Outcomes(ports.clock, ports.timers, (input) =>
      isDone(partition.state, input),
    );
    const healths = {
      log: healthOf(`The commit log of ${info.name}`, 'read', ports),
      index: healthOf(`The index of ${info.name}`, 'read', ports),
    };
    this.#healths = healths;
    this.#gate = new InputGate({
      timers: ports.timers,
      bounds: WAITING_MAX,
      hasRoom: () => partition.hasRoom,
      noRoom: () => noRoom(partition.liveFacts, 'read', healths.index.failure),
      waits: () => this.#outcomes.waits,
      late: () => late(info, this.#outcomes.waits, healths.log.failure),
    });
  }

  /**
   * Opens at the newest manifest, and resolves when it has all that the log holds by now.
   * @param signal gives it up
   */
  static async open(
    info: DatabaseInfo,
    ports: ClusterPorts,
    signal: AbortSignal,
  ): Promise<NodeDatabase> {
    const { log, objects, codec, cache, cutRule, timers } = ports;
    const partition = await PartitionReader.open({
      info,
      partition: PARTITION,
      bucket: new Bucket(info.name, objects, codec),
      cache,
      cutRule,
      timers,
    });
    const commits = commitsOf(info);
    checkLogReach(commits, partition.state.next, await log.bounds(commits));
    const database = new NodeDatabase(info, ports, partition);
    await database.#read({ follow: false, signal });
    if (signal.aborted) throw new PyralogError('stopping', 'The database is closing.');
    database.#start();
    return database;
  }

  async transact(document: Uint8Array): Promise<CommitResult> {
    // What can be refused without the state of the database is, before anybody else hears of it.
    const parsed = parseDocument(document);
    const { log } = this.#ports;
    const topic = at(topicsOf(this.name).transactions, PARTITION);
    const publish = (): Promise<LogOffset> =>
      log.append(topic, [{ value: document, headers: TRANSACTION }]);
    const { item, facts } = await this.#gate.pass(document.length, () =>
      this.#outcomes.of(publish, OUTCOME_MILLIS_MAX),
    );
    switch (item.kind) {
      case 'commit': {
        const { tx, from, to } = item;
        const stored: StoredFact[] = [];
        for (let row = from; row < to; row++) stored.push(facts.factAt(row));
        const written = await this.writtenFacts(tx, stored, longValuesOf(parsed));
        return { tx, facts: written, ids: await this.idsOf(parsed, tx), duplicate: false };
      }
      case 'duplicate':
        return this.firstResult(parsed, item.tx);
      case 'rejected':
        throw this.refusalOf(item.rejection);
    }
  }

  troubles(): readonly Trouble[] {
    const { log, index } = this.#healths;
    return [...troubleOf('log', log.failure), ...troubleOf('index', index.failure)];
  }

  protected get isDurable(): boolean {
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.#gate.close();
    this.#closeAsked?.[Symbol.dispose]();
    for (const service of this.#services) await service[Symbol.asyncDispose]();
  }

  /** From now on it follows log and bucket. */
  #start(): void {
    const { log, index } = this.#healths;
    this.#services = [
      Supervisor.start(
        { run: (signal, working) => this.#read({ follow: true, signal }, working) },
        { ...this.#ports, health: log, pauses: FOLLOW_PAUSES },
      ),
      Supervisor.start(
        { run: (signal, working) => this.#followIndex(signal, working) },
        { ...this.#ports, health: index, pauses: FOLLOW_PAUSES },
      ),
    ];
  }

  async #read(options: LogReadOptions, working: () => void = () => undefined): Promise<void> {
    const { log } = this.#ports;
    const topic = commitsOf(this.info);
    const { end } = await log.bounds(topic);
    // Where nothing is to be read, nothing would tell that it could be.
    if (this.partition.state.next >= end) working();
    for await (const batch of log.read(topic, this.partition.state.next, options)) {
      for (const { offset, value } of batch) {
        const bytes = must(value, 'a commit log has no tombstones');
        this.#apply(offset, decodeCommitRecord(bytes, `record ${offset} of ${topic.topic}`));
      }
      this.#gate.moved();
      working();
    }
  }

  #apply(offset: LogOffset, record: CommitRecord): void {
    const before = this.partition.state.admission;
    this.partition.apply(offset, record);
    // What admission refuses is no outcome (I6).
    if (this.partition.state.admission === before) return this.#ports.onVoid(this.name);
    if (record.kind === 'epoch') return;
    for (const item of record.items) this.#outcomes.seen({ item, facts: record.facts });
  }

  async #followIndex(signal: AbortSignal, working: () => void): Promise<void> {
    const { timers, rand } = this.#ports;
    const { partition } = this;
    await followManifests(
      {
        index: partition.index,
        whenDue: (until) => partition.waitCut(until),
        adopt: async (manifest) => {
          await partition.adopt(manifest);
          this.#gate.moved();
          working();
        },
        timers,
        rand,
      },
      signal,
    );
  }

  #requestClosed(): void {
    if (this.#closeAsked !== undefined) return;
    const { log, timers } = this.#ports;
    const topic = at(topicsOf(this.name).coordination, PARTITION);
    this.#closeAsked = timers.after(CLOSE_REQUEST_MILLIS, () => {
      this.#closeAsked = undefined;
    });
    // Who waits has a time limit; a request that is lost is asked for again by the next reader.
    log.append(topic, [{ value: encodeCoordination({ kind: 'close' }) }]).catch(() => undefined);
  }
}

/** Why writers are refused while what was published before them gets no outcomes, or late ones. */
function late(
  { name }: DatabaseInfo,
  { oldestMillis, stalledMillis }: OutcomeWaits,
  failure: Failure | undefined,
): PyralogError {
  const seconds = (millis: number): string => `${Math.round(millis / 1000)} s`;
  const detail =
    failure === undefined
      ? `The partition ${name}/${PARTITION} is behind: what was published ${seconds(oldestMillis)} ago has no outcome yet, and for ${seconds(stalledMillis)} nothing has got one.`
      : `The commit log cannot be read, and what was published ${seconds(oldestMillis)} ago may have its outcome there. ${messageOf(failure.error)}`;
  return new PyralogError('busy', detail, {
    hint: 'This transaction was not published: send it again after a pause. Where it lasts: does a sequencer run, and does the indexer keep up?',
  });
}

function commitsOf({ name }: DatabaseInfo): TopicPartition {
  return at(topicsOf(name).commits, PARTITION);
}
