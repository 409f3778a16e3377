import { must } from '@pyralog/base';
import type { Trouble } from '@pyralog/client';
import {
  type CommitRecord,
  type DatabaseInfo,
  decodeCommitRecord,
  encodeCoordination,
  type FactBatch,
  isOutcome,
  isSettled,
} from '@pyralog/format';
import type { LogReadOptions, TopicPartition } from '@pyralog/log';
import { type LogOffset, type PartitionNo, PyralogError, type Tx } from '@pyralog/model';
import { Bucket, followManifests, PartitionReader } from '@pyralog/reading';
import { type Failure, type Health, type PauseRule, Supervisor } from '@pyralog/runtime';
import { checkLogReach, FORMAT_HEADER } from '@pyralog/service-sequencer';
import { noRoom, WAITING_MAX } from '../overload.ts';
import { healthOf, messageOf, troubleOf } from '../troubles.ts';
import { InputGate } from './input-gate.ts';
import { Outcomes, type OutcomeWaits, type SeenOutcome } from './outcomes.ts';
import type { ClusterPorts } from './ports.ts';
import { at, topicsOf } from './topics.ts';

/** How long a writer waits for the outcome of what was published. */
const OUTCOME_MILLIS_MAX = 60_000;
const FOLLOW_PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };
/** Between requests to close: readers that wait together need one. */
const CLOSE_REQUEST_MILLIS = 20;
const TRANSACTION = { [FORMAT_HEADER]: new TextEncoder().encode('transaction') };

/** What became of a document. */
export interface PublishedOutcome extends SeenOutcome<FactBatch> {
  /** When it was in the input, on the monotonic clock. */
  readonly publishedMillis: number;
}

/** What can fail behind the reads of a node. */
interface Healths {
  readonly log: Health;
  readonly index: Health;
}

/**
 * A partition of a cluster's database as an API node has it: follows the commit log into a live index and the bucket for
 * what is indexed; publishes documents while the partition takes them, and learns their outcomes from the log as every
 * reader does.
 */
export class NodePartition implements AsyncDisposable {
  readonly reader: PartitionReader;
  readonly #ports: ClusterPorts;
  readonly #healths: Healths;
  readonly #outcomes: Outcomes<FactBatch>;
  readonly #gate: InputGate;
  #services: readonly Supervisor[] = [];
  #closeAsked: Disposable | undefined;
  #written: (closed: Tx) => void = () => undefined;

  private constructor(reader: PartitionReader, ports: ClusterPorts) {
    this.reader = reader;
    this.#ports = ports;
    this.#outcomes = new Outcomes(ports.clock, ports.timers, (input) =>
      isSettled(reader.state, input),
    );
    const { info } = reader;
    const { partition } = reader.index;
    const name = info.partitions === 1 ? info.name : `${info.name}/${partition}`;
    const healths = {
      log: healthOf(`The commit log of ${name}`, 'read', ports),
      index: healthOf(`The index of ${name}`, 'read', ports),
    };
    this.#healths = healths;
    this.#gate = new InputGate({
      timers: ports.timers,
      bounds: WAITING_MAX,
      hasRoom: () => reader.hasRoom,
      noRoom: () => noRoom(reader.liveFacts, 'read', healths.index.failure),
      waits: () => this.#outcomes.waits,
      late: () => late(`${info.name}/${partition}`, this.#outcomes.waits, healths.log.failure),
    });
  }

  /**
   * Opens at the newest manifest, and resolves when it has all that the log holds by now.
   * @param signal gives it up
   */
  static async open(
    info: DatabaseInfo,
    partition: PartitionNo,
    ports: ClusterPorts,
    signal: AbortSignal,
  ): Promise<NodePartition> {
    const { log, objects, codec, cache, cutRule, timers } = ports;
    const reader = await PartitionReader.open({
      info,
      partition,
      bucket: new Bucket(info.name, objects, codec),
      cache,
      cutRule,
      timers,
    });
    const opened = new NodePartition(reader, ports);
    checkLogReach(opened.#commits, reader.state.next, await log.bounds(opened.#commits));
    await opened.#read({ follow: false, signal });
    return opened;
  }

  /**
   * From now on it follows log and bucket.
   * @param written is told of every record that says something, and up to when it has closed
   */
  start(written: (closed: Tx) => void): void {
    this.#written = written;
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

  /** Publishes a document and waits for its outcome. @throws busy, outcome-unknown, and what the log throws */
  async outcomeOf(document: Uint8Array): Promise<PublishedOutcome> {
    const { log, clock } = this.#ports;
    const topic = at(topicsOf(this.reader.info.name).transactions, this.#partition);
    let publishedMillis = 0;
    const publish = async (): Promise<LogOffset> => {
      const offset = await log.append(topic, [{ value: document, headers: TRANSACTION }]);
      publishedMillis = clock.monotonicMillis();
      return offset;
    };
    const outcome = await this.#gate.pass(document.length, () =>
      this.#outcomes.of(publish, OUTCOME_MILLIS_MAX),
    );
    return { ...outcome, publishedMillis };
  }

  /** Asks the owner to move the closed timestamp on, to `upTo` or above. */
  requestClosed(upTo: Tx): void {
    if (this.#closeAsked !== undefined) return;
    const { log, timers } = this.#ports;
    const topic = at(topicsOf(this.reader.info.name).coordination, this.#partition);
    this.#closeAsked = timers.after(CLOSE_REQUEST_MILLIS, () => {
      this.#closeAsked = undefined;
    });
    // Who waits has a time limit; a request that is lost is asked for again by the next reader.
    log
      .append(topic, [{ value: encodeCoordination({ kind: 'close', upTo }) }])
      .catch(() => undefined);
  }

  troubles(): readonly Trouble[] {
    const { log, index } = this.#healths;
    return [...troubleOf('log', log.failure), ...troubleOf('index', index.failure)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gate.close();
    this.#closeAsked?.[Symbol.dispose]();
    for (const service of this.#services) await service[Symbol.asyncDispose]();
  }

  get #partition(): PartitionNo {
    return this.reader.index.partition;
  }

  get #commits(): TopicPartition {
    return at(topicsOf(this.reader.info.name).commits, this.#partition);
  }

  async #read(options: LogReadOptions, working: () => void = () => undefined): Promise<void> {
    const topic = this.#commits;
    const { end } = await this.#ports.log.bounds(topic);
    // Where nothing is to be read, nothing would tell that it could be.
    if (this.reader.state.next >= end) working();
    for await (const batch of this.#ports.log.read(topic, this.reader.state.next, options)) {
      for (const { offset, value } of batch) {
        const bytes = must(value, 'a commit log has no tombstones');
        this.#apply(offset, decodeCommitRecord(bytes, `record ${offset} of ${topic.topic}`));
      }
      this.#gate.moved();
      working();
    }
  }

  #apply(offset: LogOffset, record: CommitRecord): void {
    const { reader } = this;
    const before = reader.state.admission;
    reader.apply(offset, record);
    // What admission refuses is no outcome (I6).
    if (reader.state.admission === before) return this.#ports.onVoid(reader.info.name);
    if (record.kind === 'epoch') return;
    for (const item of record.items)
      if (isOutcome(item)) this.#outcomes.seen({ item, facts: record.facts });
    if (record.items.length > 0) this.#written(record.closed);
  }

  async #followIndex(signal: AbortSignal, working: () => void): Promise<void> {
    const { timers, rand } = this.#ports;
    const { reader } = this;
    await followManifests(
      {
        index: reader.index,
        whenDue: (until) => reader.waitCut(until),
        adopt: async (manifest) => {
          await reader.adopt(manifest);
          this.#gate.moved();
          working();
        },
        timers,
        rand,
      },
      signal,
    );
  }
}

/** Why writers are refused while what was published before them gets no outcomes, or late ones. */
function late(
  partition: string,
  { oldestMillis, stalledMillis }: OutcomeWaits,
  failure: Failure | undefined,
): PyralogError {
  const seconds = (millis: number): string => `${Math.round(millis / 1000)} s`;
  const detail =
    failure === undefined
      ? `The partition ${partition} is behind: what was published ${seconds(oldestMillis)} ago has no outcome yet, and for ${seconds(stalledMillis)} nothing has got one.`
      : `The commit log cannot be read, and what was published ${seconds(oldestMillis)} ago may have its outcome there. ${messageOf(failure.error)}`;
  return new PyralogError('busy', detail, {
    hint: 'This transaction was not published: send it again after a pause. Where it lasts: does a sequencer run, and does the indexer keep up?',
  });
}
