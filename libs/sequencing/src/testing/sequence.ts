import {
  type CommitRecord,
  decodeCommitRecord,
  emptyLogState,
  encodeCommitRecord,
} from '@pyralog/format';
import {
  type DatabaseSettings,
  epoch,
  initialSchema,
  logOffset,
  ownerId,
  parseDocument,
  partitionNo,
  type Tx,
} from '@pyralog/model';
import { type Outcome, PartitionSequencer } from '../partition-sequencer.ts';

const OWNER = ownerId('0'.repeat(32));
/** 2026-01-01T00:00:00Z in nanoseconds. */
export const START: bigint = 1_767_225_600_000_000_000n;

/** A sequencer that leads an empty partition, with the log that it writes and a clock to set. */
export class Sequence {
  readonly sequencer: PartitionSequencer;
  readonly log: CommitRecord[] = [];
  now: bigint = START;

  constructor(settings: Partial<DatabaseSettings> = {}, partitions = 1) {
    this.sequencer = fresh(settings, partitions);
    this.#append({ kind: 'epoch', epoch: epoch(1), owner: OWNER });
    this.sequencer.fold(logOffset(0), this.log[0] as CommitRecord);
    this.sequencer.lead();
  }

  /** Commits one document; the clock moves on by a millisecond. */
  transact(document: object): Outcome {
    return this.transactAll([document])[0] as Outcome;
  }

  /** Commits documents in one record. */
  transactAll(documents: readonly object[]): readonly Outcome[] {
    this.now += 1_000_000n;
    const parsed = documents.map((document) =>
      parseDocument(Buffer.from(JSON.stringify(document))),
    );
    const { record, outcomes } = this.sequencer.step(parsed, this.now);
    this.#append(record);
    this.sequencer.durable(logOffset(this.log.length - 1));
    return outcomes;
  }

  /** Moves the closed timestamp on to the clock. @returns it */
  close(): Tx {
    const record = this.sequencer.closedRecord(this.now);
    this.#append(record);
    this.sequencer.durable(logOffset(this.log.length - 1));
    return record.closed;
  }

  /** Another sequencer that has folded the same log. */
  replayed(settings: Partial<DatabaseSettings> = {}): PartitionSequencer {
    const other = fresh(settings, 1);
    for (const [offset, record] of this.log.entries()) other.fold(logOffset(offset), record);
    return other;
  }

  #append(record: Parameters<typeof encodeCommitRecord>[0]): void {
    this.log.push(decodeCommitRecord(encodeCommitRecord(record)));
  }
}

function fresh(settings: Partial<DatabaseSettings>, partitions: number): PartitionSequencer {
  return new PartitionSequencer({
    partition: partitionNo(0),
    partitions,
    state: emptyLogState(),
    schema: initialSchema(settings),
    complete: true,
    cacheBytesMax: 1024 * 1024 * 1024,
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
        `${operation === 'assert' ? '+' : '-'}${entity} ${attribute} ${String(value.value)}`,
    );
}
