import { assert } from '@pyralog/base';
import {
  advance,
  type CommitRecord,
  type DraftItem,
  type DraftRecord,
  isDone,
  type LogState,
  NO_FACTS,
  type Rejection,
} from '@pyralog/format';
import {
  attributeChanges,
  endOfStep,
  type StoredFact,
  foldSchema,
  formatNanos,
  HybridClock,
  type LogOffset,
  logOffset,
  type PartitionNo,
  type Schema,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import { CurrentState, type Need, type NeedAnswer } from './current-state.ts';
import { type Contents, LongValues } from './long-values.ts';
import { needsOf } from './needs.ts';
import { firstWithKey, rejectionOf, type Resolution, resolve } from './resolve.ts';

/** What was read at one offset of the partition's input. */
export type Input = { readonly offset: LogOffset } & (
  | { readonly kind: 'document'; readonly document: TransactionDocument }
  /** What nobody could read as a document; its outcome is this. */
  | { readonly kind: 'unreadable'; readonly rejection: Rejection }
);

/** Documents as the inputs from `first` on, as of a queue that loses nothing. */
export function inputsFrom(first: LogOffset, documents: readonly TransactionDocument[]): Input[] {
  return documents.map((document, i) => ({
    kind: 'document',
    offset: logOffset(first + i),
    document,
  }));
}

/** What becomes of one input; final once its record is durable. */
export type Outcome =
  | {
      readonly kind: 'committed';
      readonly tx: Tx;
      readonly facts: readonly StoredFact[];
      readonly ids: ReadonlyMap<string, string>;
      /** Of the blobs that facts assert. */
      readonly contents: Contents;
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly tx: Tx };

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

/**
 * The sequencer of one partition: documents in, commit records out. Pure: time and what the runs say
 * come in as data. Deciding and folding are one: the state after `step` is the state that a replay of its
 * record gives. It resolves on its own records before they are durable; where one turns out not to be,
 * the object is thrown away and another is made from the log (protocol 1.1.2).
 */
export class PartitionSequencer {
  readonly #partition: PartitionNo;
  readonly #partitions: number;
  readonly #current: CurrentState;
  readonly #clock: HybridClock;
  readonly #longValues = new LongValues();
  #schema: Schema;
  /** After the last record made, durable or not. */
  #state: LogState;
  /** The last record that was made and is not known to be durable. */
  #undurable: DraftRecord | undefined;
  #leading = false;

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
    this.#current = new CurrentState(complete, cacheBytesMax);
    this.#current.indexed(state.next);
    this.#clock = new HybridClock(partition, state.clock);
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

  /** Folds a record of the log: a replay (I8). Records that admission refuses change nothing (I6). */
  fold(offset: LogOffset, record: CommitRecord): void {
    assert(!this.#leading, 'a leader folds its own records by making them');
    const { state, counts } = advance(this.#state, offset, record);
    this.#state = state;
    if (!counts) return;
    this.#clock.raise(state.clock);
    if (record.kind === 'epoch') return;
    for (const item of record.items) {
      if (item.kind !== 'commit') continue;
      const facts: StoredFact[] = [];
      for (let row = item.from; row < item.to; row++) facts.push(record.facts.factAt(row));
      this.#foldFacts(facts, offset, false);
    }
    this.#current.trim();
  }

  /** Its EPOCH was folded as the newest: from here on it makes the records. */
  lead(): void {
    this.#leading = true;
  }

  /** What must be loaded before these inputs can be resolved; ask until it is empty. */
  needs(inputs: readonly Input[]): Need[] {
    if (this.#current.complete) return [];
    return inputs.flatMap((input) =>
      input.kind === 'document'
        ? needsOf(input.document, this.#current, this.#schema, this.#longValues)
        : [],
    );
  }

  load(answers: readonly NeedAnswer[]): void {
    for (const answer of answers) this.#current.load(answer);
  }

  /** The adopted manifest covers everything before `next`. */
  indexed(next: LogOffset): void {
    this.#current.indexed(next);
  }

  /**
   * Resolves inputs in the order of their offsets, each on the state that the ones before it leave. All
   * that lie between the low-water mark and the last of them must be there: what is left out has no
   * outcome, ever. Offsets that hold no input leave gaps.
   * @param now the wall clock, in nanoseconds
   * @returns with the blobs that must be in the bucket before the record is in the log
   */
  step(
    inputs: readonly Input[],
    now: bigint,
  ): {
    readonly record: DraftRecord;
    readonly outcomes: readonly Outcome[];
    readonly blobs: Contents;
  } {
    assert(inputs.length > 0, 'a step has inputs');
    const record = this.#state.next;
    const items: DraftItem[] = [];
    const outcomes: Outcome[] = [];
    let lowWater = this.#state.lowWater;
    for (const input of inputs) {
      const { offset } = input;
      assert(offset >= lowWater && !isDone(this.#state, offset), 'I8: an input has one outcome');
      const outcome = this.#decide(input, now, record);
      outcomes.push(outcome);
      items.push(itemOf(offset, outcome));
      lowWater = logOffset(offset + 1);
    }
    assert(items.length === inputs.length, 'I9: every input has exactly one outcome');
    return { record: this.#finish(items, lowWater, now), outcomes, blobs: blobsOf(outcomes) };
  }

  /** A record without items that moves the closed timestamp on to the clock. */
  closedRecord(now: bigint): DraftRecord {
    return this.#finish([], this.#state.lowWater, now);
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
    this.#state = { ...this.#state, next: logOffset(offset + 1) };
  }

  #decide(input: Input, now: bigint, record: LogOffset): Outcome {
    if (input.kind === 'unreadable') return { kind: 'rejected', rejection: input.rejection };
    const { document } = input;
    try {
      const first = firstWithKey(document, { state: this.#current });
      if (first !== undefined) return { kind: 'duplicate', tx: first };
    } catch (error) {
      return { kind: 'rejected', rejection: rejectionOf(error) };
    }
    const last = this.#clock.last;
    const importing = this.#schema.mode === 'import';
    const refusal = importing ? importTimeRefusal(document, last, now) : liveTimeRefusal(document);
    if (refusal !== undefined) return { kind: 'rejected', rejection: refusal };
    // In import mode time follows the data; `at` or else the next step.
    const tx = this.#clock.tick(importing ? (document.at ?? 0n) : now);
    assert(tx > this.#state.closed, 'I4: nothing is committed at or below a closed timestamp');
    assert(tx > last, 'I3: a tx is never given twice and rises');
    const resolution = this.#resolve(document, tx);
    const asserted = resolution.kind === 'commit' ? resolution.facts : [];
    const contents = this.#longValues.contentsOf(asserted);
    if (resolution.kind !== 'commit') return resolution;
    const { facts, ids } = resolution;
    this.#foldFacts(facts, record, true);
    return { kind: 'committed', tx, facts, ids, contents };
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

  #finish(items: readonly DraftItem[], lowWater: LogOffset, now: bigint): DraftRecord {
    assert(this.#leading && this.#undurable === undefined, 'a leader makes one record at a time');
    const { admission, coordination, closed } = this.#state;
    assert(admission.owner !== undefined, 'a leader was admitted');
    if (this.#schema.mode === 'live') this.#clock.advance(now);
    const promised = endOfStep(this.#clock.last);
    const record: DraftRecord = {
      kind: 'items',
      epoch: admission.epoch,
      owner: admission.owner,
      seq: admission.seq + 1,
      coordination,
      marks: [],
      lowWater,
      closed: promised > closed ? promised : closed,
      schemaTx: this.#schema.tx,
      items,
    };
    const { state, counts } = advance(this.#state, this.#state.next, withoutFacts(record));
    assert(counts, 'I6: its own next record counts');
    this.#state = state;
    this.#undurable = record;
    this.#current.trim();
    return record;
  }
}

/** Of all that was committed; a content that several transactions share stands once. */
function blobsOf(outcomes: readonly Outcome[]): Contents {
  const blobs = new Map<string, Uint8Array>();
  for (const outcome of outcomes) {
    if (outcome.kind !== 'committed') continue;
    for (const [sha256, content] of outcome.contents) blobs.set(sha256, content);
  }
  return blobs;
}

/** `advance` looks at header and items only. */
function withoutFacts(record: DraftRecord): CommitRecord {
  const items = record.items.map((item) =>
    item.kind === 'commit' ? { ...item, from: 0, to: 0 } : item,
  );
  return { ...record, items, facts: NO_FACTS };
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

function liveTimeRefusal({ at }: TransactionDocument): Rejection | undefined {
  if (at === undefined) return undefined;
  return {
    code: 'import-time-invalid',
    detail: 'The transaction asks for a commit time, and the database is live.',
    hint: 'Times can be given while a database is in import mode. Keep the time as an attribute instead.',
  };
}

function importTimeRefusal(
  { at }: TransactionDocument,
  last: bigint,
  now: bigint,
): Rejection | undefined {
  if (at === undefined) return undefined;
  const reason =
    at < last
      ? `lies before the last transaction, ${formatNanos(last)}`
      : at > now
        ? `lies in the future; it is ${formatNanos(now)}`
        : undefined;
  if (reason === undefined) return undefined;
  return {
    code: 'import-time-invalid',
    detail: `The commit time ${formatNanos(at)} ${reason}.`,
    hint: 'Import transactions in the order of their times.',
  };
}
