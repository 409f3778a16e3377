import { must } from '@pyralog/base';
import {
  advance,
  type CommitRecord,
  decodeCommitRecord,
  emptyLogState,
  encodeCommitRecord,
  type LogState,
} from '@pyralog/format';
import {
  type DatabaseSettings,
  epoch,
  equalValues,
  type StoredFact,
  foldSchema,
  formatValue,
  initialSchema,
  isReference,
  logOffset,
  ownerId,
  parseDocument,
  partitionNo,
  type Schema,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import type { Need, NeedAnswer } from '../current-state.ts';
import { type Contents, NO_CONTENTS } from '../long-values.ts';
import type { Input, Outcome } from '../outcome.ts';
import { inputsFrom, PartitionSequencer } from '../partition-sequencer.ts';

const OWNER = ownerId('0'.repeat(32));
/** 2026-01-01T00:00:00Z in nanoseconds. */
export const START: bigint = 1_767_225_600_000_000_000n;

/**
 * A sequencer that leads an empty partition, with the log that it writes, a clock to set, and an index that
 * holds the log up to where {@link Sequence.index} was called last.
 */
export class Sequence {
  sequencer: PartitionSequencer;
  readonly log: CommitRecord[] = [];
  /** Of the last record: what would be put before it. */
  blobs: Contents = NO_CONTENTS;
  readonly #settings: Partial<DatabaseSettings>;
  readonly #cacheBytesMax: number;
  readonly #index: NaiveIndex;
  now: bigint = START;

  constructor(
    settings: Partial<DatabaseSettings> = {},
    partitions = 1,
    cacheBytesMax: number = 1024 * 1024 * 1024,
  ) {
    this.#settings = settings;
    this.#cacheBytesMax = cacheBytesMax;
    this.#index = new NaiveIndex(initialSchema(settings));
    this.sequencer = fresh(settings, partitions, cacheBytesMax);
    this.#lead(1);
  }

  /** The index takes in everything up to here, and the sequencer may forget it. */
  index(): void {
    this.#index.take(this.log);
    this.sequencer.indexed(this.#index.state.next);
  }

  /** A new owner leads, from the index and the log behind it. */
  takeOver(): void {
    const { state, schema, facts } = this.#index;
    this.sequencer = new PartitionSequencer({
      partition: partitionNo(0),
      partitions: 1,
      state,
      schema,
      complete: facts.length === 0,
      cacheBytesMax: this.#cacheBytesMax,
    });
    for (const [offset, record] of this.log.entries())
      if (offset >= state.next) this.sequencer.fold(logOffset(offset), record);
    this.#lead(this.sequencer.state.admission.epoch + 1);
  }

  /** Commits one document; the clock moves on by a millisecond. */
  transact(document: object): Outcome {
    return this.transactAll([document])[0] as Outcome;
  }

  /** Commits a document that was read before. */
  transactDocument(document: TransactionDocument): Outcome {
    this.now += 1_000_000n;
    return this.take(inputsFrom(this.sequencer.state.lowWater, [document]))[0] as Outcome;
  }

  /** Commits documents in one record. */
  transactAll(documents: readonly object[]): readonly Outcome[] {
    this.now += 1_000_000n;
    const inputs = inputsFrom(
      this.sequencer.state.lowWater,
      documents.map((document) => parseDocument(Buffer.from(JSON.stringify(document)))),
    );
    return this.take(inputs);
  }

  /** Has inputs resolved into one record. */
  take(inputs: readonly Input[]): readonly Outcome[] {
    const taken = { inputs, messages: [] };
    for (let needs = this.sequencer.needs(taken); needs.length > 0;) {
      this.sequencer.load(needs.map((need) => this.#index.answer(need)));
      needs = this.sequencer.needs(taken);
    }
    const { record, outcomes, blobs } = this.sequencer.step(taken, this.now);
    this.#append(must(record, 'an input has an outcome'));
    this.blobs = blobs;
    this.sequencer.durable(logOffset(this.log.length - 1));
    return outcomes.map(({ outcome }) => outcome);
  }

  /** Moves the closed timestamp on to the clock. @returns it */
  close(): Tx {
    const record = must(this.sequencer.closedRecord(this.now).record, 'it is written');
    this.#append(record);
    this.sequencer.durable(logOffset(this.log.length - 1));
    return record.closed;
  }

  /** Another sequencer that has folded the same log. */
  replayed(): PartitionSequencer {
    const other = fresh(this.#settings, 1, this.#cacheBytesMax);
    for (const [offset, record] of this.log.entries()) other.fold(logOffset(offset), record);
    return other;
  }

  #lead(number: number): void {
    this.#append({ kind: 'epoch', epoch: epoch(number), owner: OWNER });
    const offset = logOffset(this.log.length - 1);
    this.sequencer.fold(offset, this.log[offset] as CommitRecord);
    this.sequencer.lead(this.now);
  }

  #append(record: Parameters<typeof encodeCommitRecord>[0]): void {
    this.log.push(decodeCommitRecord(encodeCommitRecord(record)));
  }
}

/** What runs would answer, by looking through all facts of the log up to its cut. */
class NaiveIndex {
  readonly facts: StoredFact[] = [];
  state: LogState = emptyLogState();
  schema: Schema;

  constructor(schema: Schema) {
    this.schema = schema;
  }

  take(log: readonly CommitRecord[]): void {
    for (let offset = this.state.next as number; offset < log.length; offset++) {
      const record = log[offset] as CommitRecord;
      this.state = advance(this.state, logOffset(offset), record).state;
      if (record.kind === 'epoch') continue;
      for (let row = 0; row < record.facts.length; row++) this.facts.push(record.facts.factAt(row));
    }
    this.schema = foldSchema(this.schema, this.facts);
  }

  answer(need: Need): NeedAnswer {
    switch (need.kind) {
      case 'entity':
        return { need, facts: this.#inForce().filter(({ entity }) => entity === need.entity) };
      case 'owner': {
        const holder = this.#inForce().find(
          ({ attribute, value }) => attribute === need.attribute && equalValues(value, need.value),
        );
        return { need, owner: holder?.entity };
      }
      case 'lastTx': {
        const last = this.facts.findLast(
          ({ entity, attribute }) =>
            entity === need.entity &&
            (need.attribute === undefined || attribute === need.attribute),
        );
        return { need, tx: last?.tx };
      }
      case 'hasFacts':
        return {
          need,
          hasFacts: this.facts.some(({ attribute }) => attribute === need.attribute),
        };
    }
  }

  #inForce(): StoredFact[] {
    const inForce = new Map<string, StoredFact>();
    for (const fact of this.facts) {
      const { entity, attribute, value, operation } = fact;
      const text = isReference(value) ? `#${value.sha256}` : formatValue(value);
      const key = JSON.stringify([entity, attribute, text]);
      if (operation === 'assert') inForce.set(key, fact);
      else inForce.delete(key);
    }
    return [...inForce.values()];
  }
}

function fresh(
  settings: Partial<DatabaseSettings>,
  partitions: number,
  cacheBytesMax: number,
): PartitionSequencer {
  return new PartitionSequencer({
    partition: partitionNo(0),
    partitions,
    state: emptyLogState(),
    schema: initialSchema(settings),
    complete: true,
    cacheBytesMax,
  });
}

/** An outcome in short: `+entity attribute value` a fact, or the code of the rejection. */
export function brief(outcome: Outcome): string | readonly string[] {
  if (outcome.kind === 'rejected') return outcome.rejection.code;
  if (outcome.kind === 'duplicate') return 'duplicate';
  return outcome.facts
    .filter(({ entity }) => !/^(tx:|attribute:)/.test(entity))
    .map(
      ({ entity, attribute, value, operation }) =>
        `${operation === 'assert' ? '+' : '-'}${entity} ${attribute} ${isReference(value) ? `#${value.sha256.slice(0, 8)}` : String(value.value)}`,
    );
}
