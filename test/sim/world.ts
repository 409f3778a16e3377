import { AssertionError } from '@pyralog/base';
import {
  type Codec,
  type DatabaseInfo,
  databaseKey,
  encodeDatabaseInfo,
  isOutcome,
} from '@pyralog/format';
import type { CutRule } from '@pyralog/indexing';
import type { LogRecord, TopicPartition } from '@pyralog/log';
import { FORMAT_HEADER } from '@pyralog/service-sequencer';
import {
  CLOCK_SKEW_MAX,
  isPyralogError,
  logOffset,
  type PartitionNo,
  partitionNo,
  type StoredFact,
} from '@pyralog/model';
import { BlockCache } from '@pyralog/reading';
import {
  type Choice,
  type Component,
  type FaultName,
  type Owner,
  type Recording,
  Scheduler,
  SimBrokers,
  SimBucket,
  SimClock,
  SimGroups,
  SimProcess,
  SimRand,
  SimTimers,
  Swarm,
} from '@pyralog/sim';
import type { ClusterPorts } from '../../services/pyralog/src/cluster/ports.ts';
import { at, DATABASES_TOPIC, topicsOf } from '../../services/pyralog/src/cluster/topics.ts';
import {
  type Acknowledgement,
  type Belief,
  CommitLog,
  type Finding,
  type History,
  type LoggedInput,
  type Sample,
  type LoggedMessage,
  type LoggedRecord,
  messagesIn,
  textOfValue,
} from './check/history.ts';
import { readCommitment } from './check/commitment.ts';
import type { WorkloadDocument } from './check/serial.ts';
import { type Known, NOTHING_KNOWN, type Workload } from './workload.ts';

/** A machine of the world, and what runs on it whenever it starts. */
export interface HostSpec {
  readonly name: string;
  readonly kind: Component;
  /** Starts the program. What it has in memory ends with the process. */
  readonly begin: (process: SimProcess, world: World) => void;
}

/** How wrong clocks are, in milliseconds. */
export interface Clocks {
  /** Whether the one of a process is wrong from the start. */
  readonly isSkewed: (swarm: Swarm, process: SimProcess) => boolean;
  /** By how much. */
  readonly skewsMillis: readonly number[];
  /** What they are set forward or back by. */
  readonly jumpsMillis: readonly number[];
}

/** What a world is made of. */
export interface WorldOptions {
  readonly choices: Recording;
  readonly codec: Codec;
  readonly databases: readonly { readonly name: string; readonly partitions: number }[];
  readonly hosts: readonly HostSpec[];
  /** Faults that may be on. */
  readonly faults: readonly FaultName[];
  /** Inputs come by a topic, and not by the queue of a process. */
  readonly hasTopics: boolean;
  readonly workload: (choice: Choice) => Workload;
  readonly clocks: Clocks;
  readonly keepTrace?: boolean | undefined;
}

/** A machine: its process, if it runs. */
interface Host {
  readonly spec: HostSpec;
  process: SimProcess | undefined;
  starts: number;
}

/** What happened in a run, to be seen that something did. */
export interface Counts {
  kills: number;
  pauses: number;
  cutOffs: number;
  clockJumps: number;
  assignments: number;
  documents: number;
}

/** Facts of a part: few, so that every run has many parts, and sometimes the indexers fall behind. */
const PART_FACTS = [60, 150, 12];
/** Headers of documents in the input topics. */
export const TRANSACTION: LogRecord['headers'] = {
  [FORMAT_HEADER]: new TextEncoder().encode('transaction'),
};
const BEGINNING = '2026-01-01T00:00:00.000000Z';

/** Everything of one run: machines, what lies between them, and what they did. */
export class World {
  readonly scheduler: Scheduler;
  readonly brokers: SimBrokers = new SimBrokers();
  readonly bucket: SimBucket = new SimBucket();
  readonly groups: SimGroups = new SimGroups();
  readonly swarm: Swarm;
  readonly cutRule: CutRule;
  readonly databases: readonly DatabaseInfo[];
  readonly findings: Finding[] = [];
  readonly counts: Counts = {
    kills: 0,
    pauses: 0,
    cutOffs: 0,
    clockJumps: 0,
    assignments: 0,
    documents: 0,
  };
  /** By database. */
  readonly known = new Map<string, Known>();
  /** How far readers are, by host and partition: `reader0 main/0`. */
  readonly reached = new Map<string, { readonly next: number; readonly sampled: bigint }>();
  /** Documents that were given to a process, by name. */
  readonly documents = new Map<string, WorkloadDocument>();
  readonly workload: Workload;
  /**
   * `chaos`: faults. `quiet`: nobody writes, so that all comes to its end. `calm`: documents come again, and nothing
   * fails.
   */
  phase: 'chaos' | 'quiet' | 'calm' = 'chaos';
  /** How far clocks of sequencers were off, at the least and at the most, in nanoseconds. */
  #clocks = { least: 0n, most: 0n };
  /** When the calm began, in microseconds of virtual time. */
  calmFrom: number | undefined;
  readonly #options: WorldOptions;
  readonly #hosts: readonly Host[];
  readonly #logs: ReadonlyMap<string, readonly CommitLog[]>;
  readonly #acknowledgements = new Map<string, Acknowledgement[]>();
  readonly #beliefs = new Map<string, Belief[]>();
  readonly #samples = new Map<string, Sample[]>();
  /** What the logs say, up to the record of each that was looked at. */
  readonly #newest = new Map<string, { readonly known: Newest; readonly taken: number[] }>();

  constructor(options: WorldOptions) {
    const { choices, databases, hosts, faults, keepTrace } = options;
    this.#options = options;
    this.scheduler = new Scheduler({ choice: choices.stream('scheduler'), keepTrace });
    this.swarm = Swarm.draw(choices.stream('swarm'), faults);
    const factsMax = PART_FACTS[choices.stream('swarm').pick(PART_FACTS.length, 'part')] ?? 60;
    this.cutRule = { factsMax, bytesMax: 1e9 };
    this.#hosts = hosts.map((spec) => ({ spec, process: undefined, starts: 0 }));
    this.databases = databases.map(({ name, partitions }, i) => ({
      formatVersion: 0,
      name,
      id: `${i}`.repeat(32),
      partitions,
      strict: false,
      mode: 'live',
      created: BEGINNING,
    }));
    this.#logs = new Map(
      databases.map(({ name, partitions }) => [
        name,
        Array.from({ length: partitions }, (_, p) => new CommitLog(p)),
      ]),
    );
    this.workload = options.workload(choices.stream('workload'));
    this.#makeDatabases();
  }

  /** Whether writers write. */
  get isWriting(): boolean {
    return this.phase !== 'quiet';
  }

  /** Whether nothing fails while they do. */
  get isCalm(): boolean {
    return this.phase === 'calm';
  }

  /** Nothing fails any more, and writers begin again. */
  beginCalm(): void {
    this.phase = 'calm';
    this.calmFrom = this.scheduler.nowMicros;
    for (const host of this.#hosts) {
      if (host.spec.kind !== 'writer') continue;
      host.process?.kill();
      host.process = undefined;
      this.start(host);
    }
  }

  /** Sets the clock of a process, in nanoseconds ahead of what it should be. */
  setClock(process: SimProcess, offsetNanos: bigint): void {
    process.clockOffsetNanos = offsetNanos;
    const { least, most } = this.#clocks;
    this.#clocks = {
      least: offsetNanos < least ? offsetNanos : least,
      most: offsetNanos > most ? offsetNanos : most,
    };
  }

  /** Whether clocks were so far apart that partitions refuse each other, and their times are apart for as long. */
  get areClocksApart(): boolean {
    return this.#clocks.most - this.#clocks.least > CLOCK_SKEW_MAX;
  }

  /** What clocks are set forward or back by. */
  get jumpsNanos(): readonly bigint[] {
    return this.#options.clocks.jumpsMillis.map((millis) => BigInt(millis) * 1_000_000n);
  }

  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** Partitions of all databases. */
  partitions(): readonly { readonly info: DatabaseInfo; readonly partition: PartitionNo }[] {
    return this.databases.flatMap((info) =>
      Array.from({ length: info.partitions }, (_, p) => ({ info, partition: partitionNo(p) })),
    );
  }

  /** What a process works with: everything that it knows of the world. */
  ports(process: SimProcess): ClusterPorts {
    const fail = (what: string, error: unknown): void => this.#failed(process, what, error);
    return {
      log: this.brokers.connect(process, this.swarm),
      objects: this.bucket.connect(process, this.swarm),
      codec: this.#options.codec,
      cache: new BlockCache(16 * 1024 * 1024),
      views: undefined,
      clock: new SimClock(process),
      timers: new SimTimers(process),
      rand: new SimRand(process),
      cutRule: this.cutRule,
      onFailure: fail,
      onRecovery: () => undefined,
      onVoid: () => undefined,
    };
  }

  /** Starts what does not run. */
  start(host: Host): void {
    if (host.process !== undefined) return;
    const { name } = host.spec;
    host.starts++;
    const running = host.starts === 1 ? name : `${name}#${host.starts}`;
    const process = new SimProcess(running, this.scheduler, this.#options.choices.stream(running));
    const { isSkewed } = this.#options.clocks;
    if (isSkewed(this.swarm, process))
      this.setClock(process, skewOf(process.choice, this.#options.clocks.skewsMillis));
    host.process = process;
    host.spec.begin(process, this);
  }

  /** A process ends without a word. */
  kill(host: Host): void {
    host.process?.kill();
    host.process = undefined;
    this.counts.kills++;
  }

  /** Something broke that must not: production would have ended the process, and so does the world. */
  crashed(owner: Owner | undefined, error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.found('no crash', `${owner?.name ?? 'nobody'} ended by ${text}${placeOf(error)}`);
    const host = this.#hosts.find(({ process }) => process === owner);
    if (host === undefined) return;
    this.kill(host);
    this.start(host);
  }

  found(check: string, what: string): void {
    this.findings.push({ check, what });
  }

  acknowledged(database: string, acknowledgement: Acknowledgement): void {
    push(this.#acknowledgements, database, acknowledgement);
  }

  believed(database: string, belief: Belief): void {
    push(this.#beliefs, database, belief);
  }

  sampled(database: string, sample: Sample): void {
    push(this.#samples, database, sample);
  }

  /** What a writer knows of a database: what a reader saw last, or, among several partitions, often all there is. */
  knownTo(database: string, { choice }: SimProcess): Known {
    const partitions = this.#logs.get(database)?.length ?? 1;
    if (partitions > 1 && choice.chance(0.6, 'knows the newest')) return this.#newestOf(database);
    return this.known.get(database) ?? NOTHING_KNOWN;
  }

  #newestOf(database: string): Known {
    this.#takeLogs(database);
    const logs = this.#logs.get(database) ?? [];
    const { known, taken } = this.#newest.get(database) ?? { known: new Newest(), taken: [] };
    this.#newest.set(database, { known, taken });
    for (const [p, { records }] of logs.entries()) {
      for (let i = taken[p] ?? 0; i < records.length; i++) {
        const record = records[i];
        if (record !== undefined) known.take(record);
      }
      taken[p] = records.length;
    }
    return known;
  }

  /** All that happened to a database until now. */
  history(database: string): History {
    this.#takeLogs(database);
    const logs = this.#logs.get(database) ?? [];
    const records = logs.flatMap((log) => log.records);
    return {
      partitions: logs.length,
      records,
      inputs: this.#options.hasTopics ? this.#inputs(database) : this.#inputsOfQueues(database),
      messages: logs.length === 1 ? [] : this.#messages(database),
      hasAllInputs: this.#options.hasTopics,
      // What is read wrongly is refused, and the refusal is final.
      refusals:
        this.swarm.has('bit-flip') || this.swarm.has('range-short') ? ['object-damaged'] : [],
      samples: this.#samples.get(database) ?? [],
      acknowledgements: this.#acknowledgements.get(database) ?? [],
      beliefs: this.#beliefs.get(database) ?? [],
      objects: this.bucket.changes.filter(({ key }) => key.startsWith(`${database}/`)),
    };
  }

  /** How many documents have their outcome, and transactions over partitions their end. */
  progress(): number {
    let count = 0;
    for (const { name } of this.databases) {
      this.#takeLogs(name);
      for (const { records } of this.#logs.get(name) ?? [])
        for (const { counts, items } of records)
          if (counts)
            count += items.filter((item) => isOutcome(item) || item.kind === 'end').length;
    }
    return count;
  }

  /** What is not as it is when all is quiet, or undefined. */
  unfinished(): string | undefined {
    for (const { info, partition } of this.partitions()) {
      const what = `${info.name}/${partition}`;
      this.#takeLogs(info.name);
      const log = this.#logs.get(info.name)?.[partition];
      const records = log?.records ?? [];
      const ended = new Set(
        records
          .flatMap(({ counts, outcomes }) => (counts ? outcomes : []))
          .map(({ input }) => input),
      );
      const inputs = this.#options.hasTopics
        ? this.brokers.records(at(topicsOf(info.name).transactions, partition))
        : [];
      const waiting = inputs.find(({ offset }) => !ended.has(offset));
      if (waiting !== undefined) return `input ${waiting.offset} of ${what} has no outcome`;
      const last = records.at(-1);
      const lowWater = records.findLast(({ counts, seq }) => counts && seq > 0)?.lowWater ?? 0;
      const lastInput = inputs.at(-1)?.offset ?? -1;
      if (info.partitions > 1 && lowWater <= lastInput)
        return `${what} goes on from input ${lowWater}, and ${lastInput} is done`;
      const lastTx = records
        .flatMap(({ counts, outcomes }) => (counts ? outcomes : []))
        .reduce(
          (max, { result }) => (result.kind === 'commit' && result.tx > max ? result.tx : max),
          0n,
        );
      const closed = records.reduce(
        (max, each) => (each.counts && each.closed > max ? each.closed : max),
        0n,
      );
      if (info.partitions > 1 && closed < lastTx)
        return `${what} has closed ${closed}, before ${lastTx}`;
      for (const { spec } of this.#hosts) {
        if (spec.kind !== 'reader') continue;
        const reached = this.reached.get(`${spec.name} ${what}`);
        if (last !== undefined && (reached === undefined || reached.next <= last.offset))
          return `${spec.name} has read ${what} to ${reached?.next ?? 0}, and it ends at ${last.offset + 1}`;
        // All partitions together are as far as the one whose clock is behind (protocol 1.7).
        if (info.partitions > 1 && this.areClocksApart) continue;
        if (reached !== undefined && reached.sampled < lastTx)
          return `${spec.name} sees ${what} as of ${reached.sampled}, before ${lastTx}`;
      }
    }
    for (const { name, partitions } of this.databases) {
      if (partitions === 1) continue;
      const records = (this.#logs.get(name) ?? []).flatMap((log) => log.records);
      const [open] = readCommitment(records).open;
      if (open !== undefined) return open;
    }
    return undefined;
  }

  #makeDatabases(): void {
    this.brokers.createTopic(DATABASES_TOPIC, 1);
    const builder = new SimProcess('builder', this.scheduler, {
      pick: () => 0,
      chance: () => false,
    });
    for (const info of this.databases) {
      this.bucket.put(databaseKey(info.name), encodeDatabaseInfo(info), builder);
      const topics = topicsOf(info.name);
      for (const topic of Object.values(topics)) this.brokers.createTopic(topic, info.partitions);
      this.brokers.carriesMessages(topics.coordination);
      for (const document of this.workload.prelude) {
        const to = at(topics.transactions, this.workload.door(document, builder.choice));
        const value = Buffer.from(JSON.stringify(document));
        this.brokers.land(to, [{ value, headers: TRANSACTION }], 0, builder);
      }
    }
  }

  #takeLogs(database: string): void {
    for (const [p, log] of (this.#logs.get(database) ?? []).entries())
      this.#take(log, at(topicsOf(database).commits, partitionNo(p)));
  }

  #take(log: CommitLog, topic: TopicPartition): void {
    log.take(this.brokers.records(topic), this.brokers.landedMicros(topic));
  }

  #inputs(database: string): readonly LoggedInput[] {
    return (this.#logs.get(database) ?? []).flatMap((_, partition) => {
      const topic = at(topicsOf(database).transactions, partitionNo(partition));
      const landed = this.brokers.landedMicros(topic);
      return this.brokers.records(topic).map(({ offset, value }, i) => {
        const landedMicros = landed[i] ?? 0;
        return { partition, offset, document: parsed(value), landedMicros };
      });
    });
  }

  #messages(database: string): readonly LoggedMessage[] {
    return (this.#logs.get(database) ?? []).flatMap((_, p) => {
      const topic = at(topicsOf(database).coordination, partitionNo(p));
      return messagesIn(this.brokers.records(topic), p);
    });
  }

  /** The queue of a process dies with it: what was committed says what its input was. */
  #inputsOfQueues(database: string): readonly LoggedInput[] {
    return (this.#logs.get(database) ?? []).flatMap(({ records }) =>
      records
        .filter(({ counts }) => counts)
        .flatMap(({ partition, outcomes }) =>
          outcomes.map(({ input, result }): LoggedInput => {
            const reason = result.kind === 'commit' ? reasonOf(result.facts) : undefined;
            const document = this.documents.get(`${reason}`);
            return { partition, offset: input, document, landedMicros: 0 };
          }),
        ),
    );
  }

  /** What a process tells its operator: failures are expected, those of its own making are not. */
  #failed({ name }: SimProcess, what: string, error: unknown): void {
    const code = isPyralogError(error) ? error.code : undefined;
    if (code !== undefined && code !== 'internal' && !this.#isDamage(code)) return;
    const isDefect =
      error instanceof AssertionError || code !== undefined || error instanceof Error;
    if (!isDefect) return;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.found('no defect', `${name}: ${what}: ${text}${placeOf(error)}`);
  }

  /** Damage that nobody has done. */
  #isDamage(code: string): boolean {
    if (!['object-damaged', 'object-missing', 'log-behind', 'format-unknown'].includes(code))
      return false;
    const causes: readonly FaultName[] = ['bit-flip', 'range-short', 'list-stale'];
    return causes.every((fault) => !this.swarm.has(fault));
  }

  /** Retention: cuts what the newest manifest covers off the commit log. */
  cutLog(
    { info, partition }: { readonly info: DatabaseInfo; readonly partition: PartitionNo },
    next: number,
  ): void {
    this.brokers.cut(at(topicsOf(info.name).commits, partition), logOffset(next));
  }
}

/** How far a clock is off from the start, in nanoseconds. */
function skewOf(choice: Choice, millis: readonly number[]): bigint {
  return BigInt(millis[choice.pick(millis.length, 'skew')] ?? 0) * 1_000_000n;
}

function parsed(value: Uint8Array | null): unknown {
  try {
    return JSON.parse(Buffer.from(value ?? []).toString());
  } catch {
    return undefined;
  }
}

/** Where an error comes from, of the product's code. */
export function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const place = /\/((?:libs|services)\/(?!base|sim)[^\s)]+)/.exec(stack)?.[1];
  return place === undefined ? '' : ` (${place})`;
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** What the writer of a transaction called it. */
function reasonOf(facts: readonly StoredFact[]): string | undefined {
  const value = facts.find(({ attribute }) => attribute === 'tx/reason')?.value;
  return value === undefined ? undefined : textOfValue(value);
}

/** What is in force by the newest records of all logs: an entity's are all in one. */
class Newest implements Known {
  readonly values = new Map<string, string[]>();
  basis = 0n;

  take({ counts, closed, outcomes, parts }: LoggedRecord): void {
    if (!counts) return;
    const own = outcomes.flatMap(({ result }) => (result.kind === 'commit' ? result.facts : []));
    for (const fact of [...own, ...parts.flatMap(({ facts }) => facts)]) {
      const key = `${fact.entity} ${fact.attribute}`;
      const text = textOfValue(fact.value);
      const held = (this.values.get(key) ?? []).filter((each) => each !== text);
      if (fact.operation === 'assert') held.push(text);
      this.values.set(key, held);
    }
    if (closed > this.basis) this.basis = closed;
  }
}
