import { assert, must } from '@pyralog/base';
import {
  type CommitRecord,
  type CoordinationMessage,
  decodeCommitRecord,
  decodeCoordination,
  emptyLogState,
  encodeCommitRecord,
  encodeCoordination,
  isInForce,
  isOutcome,
  type Item,
  type PartAttempt,
} from '@pyralog/format';
import {
  type DatabaseSettings,
  epoch,
  type StoredFact,
  initialSchema,
  type LogOffset,
  logOffset,
  ownerId,
  partitionNo,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import type { Need, NeedAnswer } from '../current-state.ts';
import type { Outcome } from '../outcome.ts';
import { PartitionSequencer, type Sent, type Told } from '../partition-sequencer.ts';
import { preparedText } from '../transaction-table.ts';
import { Overtaking } from './overtaking.ts';
import { Promises } from './promises.ts';
import { START } from './sequence.ts';

/** So many steps may have to load what the one before has asked for. */
const IN_VAIN_MAX = 10;

/** What the topics of one partition hold, and who leads it. */
interface Partition {
  readonly log: CommitRecord[];
  readonly inputs: TransactionDocument[];
  readonly messages: CoordinationMessage[];
  sequencer: PartitionSequencer;
  nextInput: number;
  nextMessage: number;
  epochs: number;
  overtaking: Overtaking;
  /** Steps in a row of which nothing came, though they were due. */
  inVain: number;
}

/** What a step takes, and how it ends. */
export interface StepOptions {
  readonly inputs?: number;
  readonly messages?: number;
  readonly mishap?: Mishap;
}

/** What goes wrong with one step. */
export type Mishap = 'none' | 'lost' | 'killed behind append' | 'killed behind messages';

/** What becomes of a message: how many of it arrive in the order in which they were sent, and how many some time later. */
export interface Fate {
  readonly atOnce: number;
  readonly late: number;
}

/** It arrives. */
export const CALM: Fate = { atOnce: 1, late: 0 };

/**
 * Sequencers of several partitions in one process, with logs and topics in memory: nothing happens but what the test asks
 * for, step by step.
 */
export class Partitions {
  readonly #settings: Partial<DatabaseSettings>;
  readonly #complete: boolean;
  readonly #all: Partition[];
  now: bigint = START;
  /** Late messages about a transaction arrive when its next attempt begins, which is when they do most harm. */
  lateAtBegin = false;
  /** By partition and offset of the input; each once, or it is asserted (I9). */
  readonly outcomes: Map<string, Outcome> = new Map();
  /** By partition and offset: when the document was published, and when the log had its outcome. */
  readonly publishedAt: Map<string, bigint> = new Map();
  readonly decidedAt: Map<string, bigint> = new Map();
  readonly #promises = new Promises((p, about) => this.#isToldOf(p, about));
  /** Of what is in force, in the order in which it came. */
  readonly #counts: { readonly tx: Tx; readonly facts: number }[] = [];
  /** Messages that are still on their way, whoever sent them. */
  readonly #late: Sent[] = [];

  /** @param complete whether a new owner knows that runs hold nothing; else it asks, and is told so */
  constructor(count: number, settings: Partial<DatabaseSettings> = {}, complete = true) {
    this.#settings = settings;
    this.#complete = complete;
    this.#all = Array.from({ length: count }, (_, p) => {
      const partition: Partition = {
        log: [],
        inputs: [],
        messages: [],
        sequencer: this.#fresh(p, count),
        nextInput: 0,
        nextMessage: 0,
        epochs: 0,
        overtaking: new Overtaking(),
        inVain: 0,
      };
      return partition;
    });
    for (let p = 0; p < count; p++) this.kill(p);
  }

  get count(): number {
    return this.#all.length;
  }

  /** The records of a partition that count. */
  log(p: number): readonly CommitRecord[] {
    return this.#of(p).log;
  }

  sequencer(p: number): PartitionSequencer {
    return this.#of(p).sequencer;
  }

  /** Publishes a document. @returns its offset */
  publish(p: number, document: TransactionDocument): LogOffset {
    const offset = logOffset(this.#of(p).inputs.push(document) - 1);
    this.publishedAt.set(`${p}.${offset}`, this.now);
    return offset;
  }

  outcome(p: number, offset: LogOffset): Outcome | undefined {
    return this.outcomes.get(`${p}.${offset}`);
  }

  /** Whether a step would take something. */
  hasWork(p: number): boolean {
    const { inputs, messages, nextInput, nextMessage } = this.#of(p);
    return nextInput < inputs.length || nextMessage < messages.length;
  }

  /**
   * One step of a partition's leader with some of what waits.
   * @param fateOf what becomes of each of its messages
   */
  step(
    p: number,
    { inputs = 8, messages = 8, mishap = 'none' }: StepOptions = {},
    fateOf: (sent: Sent) => Fate = () => CALM,
  ): void {
    const partition = this.#of(p);
    const { sequencer } = partition;
    const from = partition.nextInput;
    const taken = {
      inputs: partition.inputs.slice(from, from + inputs).map((document, i) => ({
        kind: 'document' as const,
        offset: logOffset(from + i),
        document,
      })),
      messages: partition.messages
        .slice(partition.nextMessage, partition.nextMessage + messages)
        .map((message, i) => ({ offset: logOffset(partition.nextMessage + i), message })),
    };
    partition.nextInput += taken.inputs.length;
    partition.nextMessage += taken.messages.length;
    for (let needs = sequencer.needs(taken); needs.length > 0; needs = sequencer.needs(taken)) {
      assert(!this.#complete, 'all is in memory');
      sequencer.load(needs.map(nothing));
    }
    for (const { message } of taken.messages) partition.overtaking.hear(message);
    const { record, outcomes, messages: sent } = sequencer.step(taken, this.now);
    const isAnything =
      taken.inputs.length + taken.messages.length + sent.length > 0 || record !== undefined;
    const { nextDue } = sequencer;
    const isDue = nextDue !== undefined && nextDue <= this.now;
    partition.inVain = isAnything || !isDue ? 0 : partition.inVain + 1;
    assert(
      partition.inVain < IN_VAIN_MAX,
      'T10: what was looked at is due when it may be otherwise',
    );
    if (mishap === 'lost') return this.kill(p);
    if (record !== undefined) {
      this.#append(p, decodeCommitRecord(encodeCommitRecord(record)));
      sequencer.durable(logOffset(partition.log.length - 1));
      this.#note(p, outcomes);
    }
    partition.overtaking.endOfStep();
    if (mishap === 'killed behind append') return this.kill(p);
    for (const each of sent) {
      this.#promises.say(each.message);
      const { atOnce, late } = fateOf(each);
      for (let i = 0; i < atOnce; i++) this.#deliver(each);
      for (let i = 0; i < late; i++) this.#late.push(each);
    }
    if (mishap === 'killed behind messages') this.kill(p);
  }

  /** One of the messages that are still on their way arrives, if there are any. @param which picks it */
  deliverLate(which: number): void {
    const [sent] = this.#late.splice(which % Math.max(1, this.#late.length), 1);
    if (sent !== undefined) this.#deliver(sent);
  }

  /** Messages that are still on their way. */
  get late(): number {
    return this.#late.length;
  }

  /** Moves the closed timestamp of a partition on. */
  close(p: number): void {
    const partition = this.#of(p);
    const { record } = partition.sequencer.closedRecord(this.now);
    partition.log.push(decodeCommitRecord(encodeCommitRecord(must(record, 'it is written'))));
    partition.sequencer.durable(logOffset(partition.log.length - 1));
  }

  /** Another owner leads the partition, from its log. */
  kill(p: number): void {
    const partition = this.#of(p);
    const sequencer = this.#fresh(p, this.#all.length);
    for (const [offset, record] of partition.log.entries())
      sequencer.fold(logOffset(offset), record);
    const claim: CommitRecord = {
      kind: 'epoch',
      epoch: epoch(++partition.epochs),
      owner: ownerId((partition.epochs * 1024 + p).toString(16).padStart(32, '0')),
    };
    partition.log.push(claim);
    sequencer.fold(logOffset(partition.log.length - 1), claim);
    sequencer.lead(this.now);
    partition.sequencer = sequencer;
    partition.nextInput = sequencer.state.lowWater;
    partition.nextMessage = sequencer.state.coordination;
    partition.overtaking = new Overtaking();
  }

  /**
   * Goes on calmly until nothing is left to do.
   * @returns how long that takes by the wall clock, in nanoseconds
   * @throws where it does not come
   */
  settle(roundsMax = 2_000): bigint {
    const since = this.now;
    for (let i = 0; i < roundsMax; i++) {
      let isAnything = false;
      for (let p = 0; p < this.count; p++) {
        const due = this.sequencer(p).nextDue;
        if (!this.hasWork(p) && (due === undefined || due > this.now)) continue;
        isAnything = true;
        this.step(p);
      }
      if (isAnything) continue;
      const due = this.#all.flatMap(({ sequencer: { nextDue } }) => nextDue ?? []);
      if (due.length === 0) return this.now - since;
      this.now = due.reduce((a, b) => (b < a ? b : a));
    }
    const waiting = this.#all.map(({ sequencer }) => sequencer.waiting);
    throw new Error(`I14: it does not come to an end: ${JSON.stringify(waiting)}`);
  }

  /** Another sequencer that has folded the same log. */
  replayed(p: number): PartitionSequencer {
    const sequencer = this.#fresh(p, this.#all.length);
    for (const [offset, record] of this.#of(p).log.entries())
      sequencer.fold(logOffset(offset), record);
    return sequencer;
  }

  /** One that begins at a manifest which was cut behind so many records, and has folded those behind it. */
  reopened(p: number, records: number): PartitionSequencer {
    const { log } = this.#of(p);
    const before = this.#fresh(p, this.#all.length);
    for (const [offset, record] of log.slice(0, records).entries())
      before.fold(logOffset(offset), record);
    const sequencer = this.#fresh(p, this.#all.length, before);
    for (const offset of sequencer.openRecords)
      sequencer.reopen(offset, must(log[offset], 'what is open is in the log'));
    for (let at = records; at < log.length; at++)
      sequencer.fold(logOffset(at), must(log[at], 'it is in the log'));
    return sequencer;
  }

  /** Transactions by tx, with the facts of all their parts. */
  committed(): ReadonlyMap<Tx, readonly StoredFact[]> {
    const all = new Map<Tx, StoredFact[]>();
    for (const { log } of this.#all) {
      for (const record of log) {
        if (record.kind === 'epoch') continue;
        for (const item of record.items) {
          if (!isInForce(item)) continue;
          const facts = all.get(item.tx) ?? [];
          all.set(item.tx, facts);
          for (let row = item.from; row < item.to; row++) facts.push(record.facts.factAt(row));
        }
      }
    }
    return new Map([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** How many attempts of transactions have begun, by partition and offset. */
  begins(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [p, { log }] of this.#all.entries()) {
      for (const record of log) {
        if (record.kind === 'epoch') continue;
        for (const item of record.items) {
          if (item.kind !== 'begin') continue;
          const name = `${p}.${item.offset}`;
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
      }
    }
    return counts;
  }

  /** How many facts are in force up to a time. */
  factsUpTo(at: Tx): number {
    return this.#counts.reduce((sum, { tx, facts }) => (tx <= at ? sum + facts : sum), 0);
  }

  /** Outcomes as the logs have them, by partition and offset; each once (I9). */
  logged(): ReadonlyMap<string, Item> {
    const all = new Map<string, Item>();
    for (const [p, { log }] of this.#all.entries()) {
      for (const record of log) {
        if (record.kind === 'epoch') continue;
        for (const item of record.items) {
          if (!isOutcome(item)) continue;
          const name = `${p}.${item.offset}`;
          assert(!all.has(name), `I9: input ${name} has one outcome`);
          all.set(name, item);
        }
      }
    }
    return all;
  }

  /** The closed timestamp of the whole database. */
  get closed(): Tx {
    return this.#all
      .map(({ sequencer }) => sequencer.state.closed)
      .reduce((a, b) => (b < a ? b : a));
  }

  #deliver({ to, message }: Sent): void {
    this.#of(to).messages.push(decodeCoordination(encodeCoordination(message)));
  }

  #deliverLateAbout(coordinator: number, offset: LogOffset): void {
    for (const sent of this.#late.splice(0)) {
      const { message } = sent;
      if ('id' in message && message.id.coordinator === coordinator && message.id.offset === offset)
        this.#deliver(sent);
      else this.#late.push(sent);
    }
  }

  /** Whether what became of an attempt is among the messages that a partition takes next. */
  #isToldOf(p: number, about: PartAttempt): boolean {
    const { messages, nextMessage } = this.#of(p);
    return messages
      .slice(nextMessage)
      .some(
        (each) =>
          each.kind === 'decision' &&
          each.attempt === about.attempt &&
          preparedText(each) === preparedText(about),
      );
  }

  #append(p: number, record: CommitRecord): void {
    const { log, overtaking } = this.#of(p);
    log.push(record);
    if (record.kind === 'epoch') return;
    for (const item of record.items) {
      if (isOutcome(item)) this.decidedAt.set(`${p}.${item.offset}`, this.now);
      if (isInForce(item)) this.#counts.push({ tx: item.tx, facts: item.to - item.from });
      if (item.kind === 'begin' && item.attempt > 1 && this.lateAtBegin)
        this.#deliverLateAbout(p, item.offset);
      overtaking.take(p, item);
      this.#promises.take(p, item);
    }
  }

  #note(p: number, outcomes: readonly Told[]): void {
    for (const { offset, outcome } of outcomes) {
      const name = `${p}.${offset}`;
      assert(!this.outcomes.has(name), `I9: input ${name} has one outcome`);
      this.outcomes.set(name, outcome);
    }
  }

  /** @param cut whose state and schema it begins with */
  #fresh(
    p: number,
    count: number,
    cut?: Pick<PartitionSequencer, 'state' | 'schema'>,
  ): PartitionSequencer {
    return new PartitionSequencer({
      partition: partitionNo(p),
      partitions: count,
      state: cut?.state ?? emptyLogState(),
      schema: cut?.schema ?? initialSchema(this.#settings),
      complete: cut === undefined && this.#complete,
      cacheBytesMax: 1024 ** 3,
    });
  }

  #of(p: number): Partition {
    return must(this.#all[p], `partition ${p}`);
  }
}

/** What runs say that hold nothing. */
function nothing(need: Need): NeedAnswer {
  switch (need.kind) {
    case 'entity':
      return { need, facts: [] };
    case 'owner':
      return { need, owner: undefined };
    case 'lastTx':
      return { need, tx: undefined };
    case 'hasFacts':
      return { need, hasFacts: false };
  }
}
