import { assert, must, unreachable } from '@pyralog/base';
import {
  advance,
  type CommitRecord,
  type CoordinationMessage,
  type DecisionMessage,
  type DraftItem,
  type DraftRecord,
  isDone,
  isInForce,
  type Item,
  type LogState,
  type Mark,
  movedOpen,
  type PrepareMessage,
  type SegmentRecord,
  type SendMark,
} from '@pyralog/format';
import {
  attributeChanges,
  BUILT_IN,
  CLOCK_SKEW_MAX,
  endOfStep,
  type StoredFact,
  foldSchema,
  HybridClock,
  type LogOffset,
  logOffset,
  partitionNo,
  type PartitionNo,
  type Schema,
  type StoredDefinition,
  type TransactionDocument,
  tx as asTx,
  TX_NONE,
  type Tx,
} from '@pyralog/model';
import { Coordinator } from './coordinator.ts';
import { CurrentState, type Need, type NeedAnswer } from './current-state.ts';
import type { Desk, DraftMessage } from './desk.ts';
import { LockTable } from './locks.ts';
import { type Contents, LongValues } from './long-values.ts';
import { needsOf, needsOfClaims, needsOfPlanned, needsOfWork } from './needs.ts';
import { AT_ONCE, type Input, type Outcome } from './outcome.ts';
import { Participant } from './participant.ts';
import { type Hints, NO_HINTS } from './plan.ts';
import { firstWithKey, rejectionOf, type Resolution, resolve } from './resolve.ts';
import { timeRefusal } from './times.ts';
import { type PartName, preparedText, TransactionTable } from './transaction-table.ts';
import { decodeWork, type PartWork } from './work.ts';

/** Documents as the inputs from `first` on, as of a queue that loses nothing. */
export function inputsFrom(first: LogOffset, documents: readonly TransactionDocument[]): Input[] {
  return documents.map((document, i) => ({
    kind: 'document',
    offset: logOffset(first + i),
    document,
  }));
}

/** A message of the partition's coordination topic. */
export interface Heard {
  readonly offset: LogOffset;
  readonly message: CoordinationMessage;
}

/** What is taken into one step, each in the order of their offsets. */
export interface StepInput {
  readonly inputs: readonly Input[];
  readonly messages: readonly Heard[];
}

/** The outcome of the document at an offset. */
export interface Told {
  readonly offset: LogOffset;
  readonly outcome: Outcome;
}

/** A message to the owner of a partition. */
export interface Sent {
  readonly to: PartitionNo;
  readonly message: CoordinationMessage;
}

/** What one step comes to. Nothing of it leaves before the record, if there is one, is durable. */
export interface Step {
  /** undefined: there is nothing to write. */
  readonly record: DraftRecord | undefined;
  readonly outcomes: readonly Told[];
  readonly messages: readonly Sent[];
  /** What must be in the bucket before the record is in the log: blobs that it is the first to refer to, or may be. */
  readonly blobs: Contents;
}

/** Where a sequencer begins, and what it may remember. */
export interface PartitionSequencerOptions {
  readonly partition: PartitionNo;
  readonly partitions: number;
  /** At the cut of the adopted manifest, as the schema is. */
  readonly state: LogState;
  readonly schema: Schema;
  /** The runs hold no fact, so that what is not in memory is nowhere. */
  readonly complete: boolean;
  readonly cacheBytesMax: number;
}

/** Messages after which their position is written, though nothing else is. */
const MESSAGES_MAX = 1_000;
/** How often other partitions are told how far an import is, in nanoseconds. */
const PROGRESS_NANOS = 50_000_000n;

/**
 * The sequencer of one partition: documents and messages in, commit records and messages out. Pure: time and what the
 * runs say come in as data. Deciding and folding are one: the state after `step` is the state that a replay of its
 * record gives. It resolves on its own records before they are durable; where one turns out not to be,
 * the object is thrown away and another is made from the log (protocol 1.1.2).
 */
export class PartitionSequencer {
  readonly #partition: PartitionNo;
  readonly #partitions: number;
  readonly #current: CurrentState;
  readonly #clock: HybridClock;
  readonly #table: TransactionTable;
  readonly #coordinator: Coordinator;
  readonly #participant: Participant;
  readonly #longValues = new LongValues();
  #schema: Schema;
  /** After the last record made, durable or not. */
  #state: LogState;
  /** The last record that was made and is not known to be durable. */
  #undurable: DraftRecord | undefined;
  #leading = false;
  /** Of the step under way. */
  #now = 0n;
  /** What has gone by while it leads, in nanoseconds: a wall clock that is set back does not stop it. */
  #elapsed = 0n;
  #items: DraftItem[] = [];
  #outcomes: Told[] = [];
  #messages: Sent[] = [];
  #blobs = new Map<string, Uint8Array>();
  /** Behind the last input that was taken. */
  #nextInput: LogOffset;
  /** Behind the last message that was taken, and those of coordinators that it came with. */
  #nextMessage: LogOffset;
  readonly #marks = new Map<PartitionNo, SendMark>();
  readonly #changedMarks = new Set<PartitionNo>();
  /** Of what was sent as coordinator, by receiver. */
  readonly #sent = new Map<PartitionNo, number>();
  /** What other partitions were told of an import. */
  #progress = { closed: TX_NONE, at: 0n };

  constructor({
    partition,
    partitions,
    state,
    schema,
    complete,
    cacheBytesMax,
  }: PartitionSequencerOptions) {
    this.#partition = partition;
    this.#partitions = partitions;
    this.#state = state;
    this.#schema = schema;
    // Among several partitions each unique value has a home; what stays on one is built in.
    const ownersHere = ({ ident }: StoredDefinition): boolean =>
      partitions === 1 || BUILT_IN.has(ident);
    this.#current = new CurrentState(complete, cacheBytesMax, ownersHere);
    this.#current.indexed(state.next);
    this.#clock = new HybridClock(partition, state.clock);
    this.#table = new TransactionTable(partition);
    const waitingParts = new LockTable();
    const desk = this.#desk();
    this.#coordinator = new Coordinator(desk, this.#table, waitingParts);
    this.#participant = new Participant(
      desk,
      this.#table,
      this.#coordinator.lineLocks,
      waitingParts,
      () => this.#coordinator.released(),
    );
    this.#nextInput = state.lowWater;
    this.#nextMessage = state.coordination;
  }

  get state(): LogState {
    return this.#state;
  }

  get schema(): Schema {
    return this.#schema;
  }

  /** Bytes of current values in memory, about. */
  get bytes(): number {
    return this.#current.bytes;
  }

  /** Records before the manifest's cut that say of transactions that are still open, in order. */
  get openRecords(): readonly LogOffset[] {
    const { begun, prepared } = this.#state.open;
    const records = new Set([
      ...begun.flatMap(({ records: each }) => each),
      ...prepared.map(({ record }) => record),
    ]);
    return [...records].toSorted((a, b) => a - b);
  }

  /**
   * Takes what a record before the manifest's cut says of transactions that are still open. All of
   * {@link openRecords} come here before the first {@link fold}.
   */
  reopen(offset: LogOffset, record: SegmentRecord['record']): void {
    assert(record.kind === 'items', 'a claim opens nothing');
    const { items } = record;
    const { begun, prepared } = this.#state.open;
    const isOpen = (item: Item): boolean => {
      switch (item.kind) {
        case 'begin':
        case 'extend':
        case 'retry':
        case 'decided':
        case 'refused':
          return begun.some((each) => each.offset === item.offset && each.records.includes(offset));
        case 'prepared': {
          // Where messages were read again one record may promise a part, give it up and promise it to the next attempt.
          const isOfPart = (each: PartName): boolean => preparedText(each) === preparedText(item);
          const last = items.findLast((each) => each.kind === 'prepared' && isOfPart(each));
          return item === last && prepared.some((each) => each.record === offset && isOfPart(each));
        }
        default:
          return false;
      }
    };
    for (const item of items) if (isOpen(item)) this.#table.fold(item);
  }

  /** Folds a record of the log: a replay (I8). Records that admission refuses change nothing (I6). */
  fold(offset: LogOffset, record: CommitRecord): void {
    assert(!this.#leading, 'a leader folds its own records by making them');
    const { state, counts } = advance(this.#state, offset, record);
    this.#state = state;
    if (!counts) return;
    this.#clock.raise(state.clock);
    if (record.kind === 'epoch') return;
    for (const item of record.items) {
      this.#table.fold(item);
      if (!isInForce(item)) continue;
      const facts: StoredFact[] = [];
      for (let row = item.from; row < item.to; row++) facts.push(record.facts.factAt(row));
      this.#foldFacts(facts, offset, false);
    }
    this.#current.trim();
  }

  /** Its EPOCH was folded as the newest: from here on it makes the records. */
  lead(now: bigint): void {
    this.#leading = true;
    this.#now = now;
    this.#nextInput = this.#state.lowWater;
    this.#nextMessage = this.#state.coordination;
    for (const { peer, epoch, counter } of this.#state.marks)
      this.#marks.set(peer, { epoch, counter });
    this.#coordinator.lead();
  }

  /** Behind the last input that was taken, or that has its outcome. */
  get nextInput(): LogOffset {
    const [, done] = this.#state.done.at(-1) ?? [0, this.#nextInput];
    return done > this.#nextInput ? done : this.#nextInput;
  }

  /** When a step is due though nothing has come, by the wall clock. */
  get nextDue(): bigint | undefined {
    if (this.#participant.wanted.length > 0) return this.#now;
    const dueElapsed = this.#coordinator.nextDue();
    const due = dueElapsed === undefined ? undefined : this.#now + dueElapsed - this.#elapsed;
    if (!this.#hasProgress) return due;
    const progress = this.#progress.at + PROGRESS_NANOS;
    return due === undefined || progress < due ? progress : due;
  }

  /** Documents that wait for others, and transactions over partitions that are not over. */
  get waiting(): { readonly documents: number; readonly begun: number; readonly prepared: number } {
    return {
      documents: this.#coordinator.waiting,
      begun: this.#table.begun.size,
      prepared: this.#table.prepared.size,
    };
  }

  /** What must be loaded before a step with these can be made; ask until it is empty. */
  needs({ inputs, messages }: StepInput): Need[] {
    if (this.#current.complete) return [];
    if (this.#partitions === 1) {
      return inputs.flatMap((input) =>
        input.kind === 'document'
          ? needsOf(input.document, this.#current, this.#schema, this.#longValues)
          : [],
      );
    }
    const needs: Need[] = [];
    const context = {
      state: this.#current,
      schema: this.#schema,
      partition: this.#partition,
      partitions: this.#partitions,
      longValues: this.#longValues,
    };
    const planned = (document: TransactionDocument, hints: Hints): void =>
      void needs.push(...needsOfPlanned(document, { ...context, hints }));
    const works = (work: PartWork): void =>
      void needs.push(...needsOfWork(work, context, () => false));
    for (const input of inputs) if (input.kind === 'document') planned(input.document, NO_HINTS);
    for (const { document, hints } of this.#coordinator.documents()) planned(document, hints);
    for (const { message } of messages) {
      if (message.kind === 'prepare') works(decodeWork(message.content));
      if (message.kind === 'lookup') needs.push(...needsOfClaims(message.claims, this.#current));
    }
    needs.push(...needsOfClaims(this.#participant.claims(), this.#current));
    for (const work of this.#participant.works()) works(work);
    for (const need of [...this.#coordinator.wanted, ...this.#participant.wanted])
      if (!this.#current.knows(need)) needs.push(need);
    return needs;
  }

  load(answers: readonly NeedAnswer[]): void {
    for (const answer of answers) this.#current.load(answer);
  }

  /** The adopted manifest covers everything before `next`. */
  indexed(next: LogOffset): void {
    this.#current.indexed(next);
  }

  /**
   * Takes inputs and messages in the order of their offsets, and does all that can be done then. Inputs are resolved on
   * the state that the ones before them leave. All that lie between the low-water mark and the last of them must be
   * there, once: what is left out has no outcome, ever. Offsets that hold no input leave gaps.
   * @param now the wall clock, in nanoseconds
   * @returns with the blobs that must be in the bucket before the record is in the log
   */
  step({ inputs, messages }: StepInput, now: bigint): Step {
    assert(this.#leading && this.#undurable === undefined, 'a leader makes one record at a time');
    this.#setNow(now);
    if (this.#partitions > 1) {
      for (const heard of messages) this.#hear(heard);
      this.#coordinator.look();
      this.#participant.look();
      this.#advance();
    }
    for (const input of inputs) this.#take(input);
    this.#tellProgress();
    const isWorth =
      this.#items.length > 0 || this.#nextMessage >= this.#state.coordination + MESSAGES_MAX;
    return this.#finish(isWorth);
  }

  /**
   * Another partition is at `seen` already: time here follows it, as far as clocks may be apart. Else one whose clock is
   * behind would hold all of them back. In import mode time follows the data.
   */
  follow(seen: Tx, now: bigint): void {
    if (this.#schema.mode === 'live' && seen <= now + CLOCK_SKEW_MAX) this.#clock.raise(seen);
  }

  /** A record without items that moves the closed timestamp on to the clock. */
  closedRecord(now: bigint): Step {
    this.#setNow(now);
    return this.#finish(true);
  }

  /** The last record was appended at `offset`. */
  durable(offset: LogOffset): void {
    const record = this.#undurable;
    assert(record !== undefined, 'a record was made');
    assert(offset + 1 >= this.#state.next, 'the log goes forward');
    this.#undurable = undefined;
    const assumed = logOffset(this.#state.next - 1);
    if (offset === assumed) return;
    // Another's record, void for everybody, came between.
    this.#current.moved(assumed, offset);
    const { open } = this.#state;
    this.#state = {
      ...this.#state,
      next: logOffset(offset + 1),
      open: movedOpen(open, assumed, offset),
    };
  }

  #setNow(now: bigint): void {
    if (now > this.#now) this.#elapsed += now - this.#now;
    this.#now = now;
  }

  #take(input: Input): void {
    const { offset } = input;
    assert(offset >= this.#nextInput, 'inputs are taken in the order of their offsets');
    this.#nextInput = logOffset(offset + 1);
    if (this.#partitions > 1) {
      // Above the low-water mark some have their outcome already.
      if (isDone(this.#state, offset)) return;
      if (input.kind === 'document') {
        this.#coordinator.accept(offset, input.document);
        this.#advance();
        return;
      }
    }
    assert(!isDone(this.#state, offset), 'I8: an input has one outcome');
    const outcome = this.#decide(input);
    const item = itemOf(offset, outcome);
    this.#items.push(item);
    this.#table.fold(item);
    this.#outcomes.push({ offset, outcome });
  }

  #decide(input: Input): Outcome {
    if (input.kind === 'unreadable') return { kind: 'rejected', rejection: input.rejection };
    const { document } = input;
    try {
      const first = firstWithKey(document, { state: this.#current });
      if (first !== undefined) return { kind: 'duplicate', tx: first };
    } catch (error) {
      return { kind: 'rejected', rejection: rejectionOf(error) };
    }
    const { mode } = this.#schema;
    const refusal = timeRefusal(document, mode, this.#clock.last, this.#now);
    if (refusal !== undefined) return { kind: 'rejected', rejection: rejectionOf(refusal) };
    const tx = this.#tick(document.at);
    const resolution = this.#resolve(document, tx);
    const contents = this.#contentsOf(resolution.kind === 'commit' ? resolution.facts : []);
    if (resolution.kind !== 'commit') return resolution;
    const { facts, ids } = resolution;
    this.#checkNew(tx);
    this.#foldFacts(facts, this.#state.next, true);
    return { kind: 'committed', tx, facts, ids, participants: [], contents, effort: AT_ONCE };
  }

  #resolve(document: TransactionDocument, tx: Tx): Resolution {
    return resolve(document, {
      state: this.#current,
      schema: this.#schema,
      tx,
      partition: this.#partition,
      partitions: this.#partitions,
      longValues: this.#longValues,
    });
  }

  /** In import mode time follows the data: what is asked for, or else the next step. */
  #tick(at: bigint | undefined): Tx {
    return this.#clock.tick(this.#schema.mode === 'import' ? (at ?? 0n) : this.#now);
  }

  /** The contents of blobs that facts assert, which are put before the record that has these. */
  #contentsOf(facts: readonly StoredFact[]): Contents {
    const contents = this.#longValues.contentsOf(facts);
    for (const [sha256, content] of contents) this.#blobs.set(sha256, content);
    return contents;
  }

  #checkNew(tx: Tx): void {
    assert(tx > this.#state.closed, 'I4: nothing is committed at or below a closed timestamp');
  }

  #hear({ offset, message }: Heard): void {
    assert(offset >= this.#nextMessage, 'messages are taken in the order of their offsets');
    this.#nextMessage = logOffset(offset + 1);
    switch (message.kind) {
      case 'close':
        return;
      case 'prepare':
        this.#participant.prepare(message, this.#isNew(message));
        break;
      case 'decision':
        this.#participant.decide(message, this.#isNew(message));
        break;
      case 'vote':
        this.#coordinator.vote(message);
        break;
      case 'done':
        this.#coordinator.done(message);
        break;
      case 'lookup':
        this.#participant.lookup(message);
        break;
      case 'found':
        this.#coordinator.found(message);
        break;
      case 'progress':
        if (this.#schema.mode === 'import') this.#clock.raise(message.closed);
        break;
      default:
        unreachable(message);
    }
    this.#advance();
  }

  /** Messages of a coordinator that was replaced, and those that come twice, have no effect (protocol 1.3). */
  #isNew({ id, mark }: PrepareMessage | DecisionMessage): boolean {
    const peer = id.coordinator;
    const known = this.#marks.get(peer);
    if (
      known !== undefined &&
      (mark.epoch < known.epoch || (mark.epoch === known.epoch && mark.counter <= known.counter))
    )
      return false;
    this.#marks.set(peer, mark);
    this.#changedMarks.add(peer);
    return true;
  }

  #advance(): void {
    let isAnything = true;
    while (isAnything) {
      isAnything = this.#coordinator.advance();
      if (isAnything) this.#participant.released();
      if (this.#participant.advance()) isAnything = true;
    }
  }

  /** Partitions without data close by the time of the one that an import enters by. */
  #tellProgress(): void {
    if (!this.#hasProgress || this.#now < this.#progress.at + PROGRESS_NANOS) return;
    const { closed } = this.#state;
    this.#progress = { closed, at: this.#now };
    for (let to = 0; to < this.#partitions; to++) {
      if (to === this.#partition) continue;
      const message = { kind: 'progress', from: this.#partition, closed } as const;
      this.#messages.push({ to: partitionNo(to), message });
    }
  }

  /** Whether there is time of an import that others do not know of. Time that others have told is not told again. */
  get #hasProgress(): boolean {
    return (
      this.#partitions > 1 &&
      this.#schema.mode === 'import' &&
      this.#state.lowWater > 0 &&
      this.#state.closed > this.#progress.closed
    );
  }

  #emit(item: DraftItem): void {
    if (isInForce(item)) {
      this.#checkNew(item.tx);
      // Entities were known when it was resolved; what is committed later may have been dropped since.
      this.#foldFacts(item.facts, this.#state.next, item.kind === 'commit');
    }
    this.#items.push(item);
    this.#table.fold(item);
  }

  #send(to: PartitionNo, message: DraftMessage): void {
    if (message.kind !== 'prepare' && message.kind !== 'decision') {
      this.#messages.push({ to, message });
      return;
    }
    const counter = (this.#sent.get(to) ?? 0) + 1;
    this.#sent.set(to, counter);
    const mark = { epoch: this.#state.admission.epoch, counter };
    this.#messages.push({ to, message: { ...message, mark } });
  }

  #desk(): Desk {
    const [schema, now, clock] = [() => this.#schema, () => this.#now, this.#clock];
    const elapsed = (): bigint => this.#elapsed;
    return {
      partition: this.#partition,
      partitions: this.#partitions,
      state: this.#current,
      get schema() {
        return schema();
      },
      get now() {
        return now();
      },
      get elapsed() {
        return elapsed();
      },
      get last() {
        return clock.last;
      },
      get clock() {
        return endOfStep(clock.last);
      },
      longValues: this.#longValues,
      tick: (at) => this.#tick(at),
      contentsOf: (facts) => this.#contentsOf(facts),
      raise: (seen) => clock.raise(seen),
      emit: (item) => this.#emit(item),
      send: (to, message) => this.#send(to, message),
      tell: (offset, outcome) => void this.#outcomes.push({ offset, outcome }),
    };
  }

  /** The schema first: whether a value is unique depends on it. */
  #foldFacts(facts: readonly StoredFact[], offset: LogOffset, isOwn: boolean): void {
    const before = this.#schema;
    this.#schema = foldSchema(before, facts);
    for (const change of attributeChanges(before, this.#schema, facts)) {
      // Both need that it has no facts (schema-change.ts).
      const becomesUnique =
        change.before?.unique === undefined && change.after?.unique !== undefined;
      if (change.before === undefined || becomesUnique) this.#current.begin(change.ident);
    }
    this.#current.fold(facts, this.#schema, offset, isOwn);
  }

  /** @param isWorth whether there is something to write */
  #finish(isWorth: boolean): Step {
    assert(this.#leading && this.#undurable === undefined, 'a leader makes one record at a time');
    const [items, outcomes, messages] = [this.#items, this.#outcomes, this.#messages];
    [this.#items, this.#outcomes, this.#messages] = [[], [], []];
    const blobs = this.#blobs;
    this.#blobs = new Map();
    assert(isWorth || items.length === 0, 'what was made is written');
    const record = isWorth ? this.#recordOf(items) : undefined;
    this.#current.trim();
    return { record, outcomes, messages, blobs };
  }

  #recordOf(items: readonly DraftItem[]): DraftRecord {
    const { admission, closed } = this.#state;
    assert(admission.owner !== undefined, 'a leader was admitted');
    if (this.#schema.mode === 'live') this.#clock.advance(this.#now);
    const promised = this.#promised;
    const least = this.#coordinator.least;
    const marks = Array.from(this.#changedMarks, (peer): Mark => {
      const mark = must(this.#marks.get(peer), 'a changed mark is one');
      return { peer, ...mark };
    });
    this.#changedMarks.clear();
    const record: DraftRecord = {
      kind: 'items',
      epoch: admission.epoch,
      owner: admission.owner,
      seq: admission.seq + 1,
      coordination: this.#nextMessage,
      marks,
      lowWater: least ?? this.#nextInput,
      closed: promised > closed ? promised : closed,
      schemaTx: this.#schema.tx,
      items,
    };
    const { state, counts } = advance(this.#state, this.#state.next, record);
    assert(counts, 'I6: its own next record counts');
    this.#state = state;
    this.#undurable = record;
    return record;
  }

  /** Nothing will be committed at or below it: what is promised may yet be, from its time on. */
  get #promised(): Tx {
    const promised = endOfStep(this.#clock.last);
    const { pinned } = this.#table;
    return pinned === undefined || pinned > promised ? promised : asTx(pinned - 1n);
  }
}

function itemOf(offset: LogOffset, outcome: Outcome): DraftItem {
  switch (outcome.kind) {
    case 'committed':
      return { kind: 'commit', offset, tx: outcome.tx, facts: outcome.facts };
    case 'rejected':
      return { kind: 'rejected', offset, rejection: outcome.rejection };
    case 'duplicate':
      return { kind: 'duplicate', offset, tx: outcome.tx };
  }
}
