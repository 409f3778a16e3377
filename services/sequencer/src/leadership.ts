import { assert, AssertionError, toHex } from '@pyralog/base';
import {
  type CommitRecord,
  decodeCommitRecord,
  type DraftRecord,
  encodeCommitRecord,
  type LogState,
  type SegmentRecord,
} from '@pyralog/format';
import type { Log, StoredRecord, TopicPartition } from '@pyralog/log';
import {
  type Epoch,
  epoch,
  isPyralogError,
  type LogOffset,
  logOffset,
  type OwnerId,
  ownerId,
  type PartitionNo,
  PyralogError,
  type Schema,
  type Tx,
} from '@pyralog/model';
import {
  Backoff,
  type Clock,
  type Health,
  type PauseRule,
  type Rand,
  type Timers,
} from '@pyralog/runtime';
import {
  type Contents,
  type Need,
  type NeedAnswer,
  PartitionSequencer,
  type Step,
  type StepInput,
} from '@pyralog/sequencing';
import { type BlobStore, putBlobs } from './blobs.ts';
import { checkLogReach } from './log-reach.ts';

/** What the leader reads of the index: state that is not in its memory. */
export interface LeaderIndex {
  /** State and schema at the adopted manifest's cut; `empty` where the database has no facts there. */
  start(): Promise<{ readonly state: LogState; readonly schema: Schema; readonly empty: boolean }>;
  /** Answers from the runs of the adopted manifest alone. */
  answer(needs: readonly Need[]): Promise<readonly NeedAnswer[]>;
  /**
   * Records before the cut of the adopted manifest, in order, of its segments: the log may have forgotten them.
   * @throws object-missing, object-damaged
   */
  records(offsets: readonly LogOffset[]): AsyncIterable<SegmentRecord>;
}

/** That the closed timestamp is to move on. */
export interface Closing {
  /** Where another partition is already; undefined: as far as the clock is. */
  readonly upTo: Tx | undefined;
}

/** What owning a partition takes. */
export interface LeadershipOptions {
  readonly topic: TopicPartition;
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly log: Log;
  readonly index: LeaderIndex;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Memory for current values that are also in runs. */
  readonly cacheBytesMax: number;
  /**
   * Takes every record of the commit log that counts, in order, once it is durable, those of a replay
   * included: readers see nothing before. Records below its own position are its own to skip.
   */
  readonly publish: (offset: LogOffset, record: CommitRecord) => void;
  /** Told of every attempt to write the log. */
  readonly health: Health;
}

/** Pauses before the partition is claimed again. */
const CLAIM_PAUSES: PauseRule = { firstMillis: 250, maxMillis: 5_000 };
/** After another has claimed it: long enough that whoever assigns partitions has told this process so. */
const FENCED_PAUSE_MILLIS = 5_000;

type Role =
  | { readonly kind: 'leading'; readonly sequencer: PartitionSequencer }
  | {
      readonly kind: 'deposed';
      readonly cause: PyralogError;
      /** The greatest epoch seen. */
      readonly epoch: Epoch;
      /** Not claimed again before a pause is over: inputs are refused with the cause. */
      readonly pausing: boolean;
    };

/**
 * The right to write the commit log of a partition, while it lasts. Inputs → core → one durable append
 * that admission counts → outcomes.
 *
 * Nothing is answered before its record is durable (protocol 1.1.3). After any failed append the
 * epoch is given up and the partition claimed again from what the log holds (1.1.2): the state that
 * was resolved on the lost record is thrown away, never mended. While the log cannot be written,
 * inputs are refused with the reason, and claiming goes on by itself, behind a pause.
 */
export class Leadership implements Disposable {
  readonly #options: LeadershipOptions;
  readonly #pauses: Backoff;
  #role: Role;
  #claiming: Disposable | undefined;
  /** Told when a pause before the next claim is over. */
  onMayClaim: () => void = () => undefined;

  private constructor(options: LeadershipOptions, sequencer: PartitionSequencer) {
    this.#options = options;
    this.#pauses = new Backoff(CLAIM_PAUSES, options.rand);
    this.#role = { kind: 'leading', sequencer };
  }

  /**
   * Replays the log of the partition and claims it. Where the log can be read but not written, it leads
   * as soon as it can be, and readers have everything meanwhile.
   */
  static async claim(options: LeadershipOptions): Promise<Leadership> {
    const sequencer = await recover(options);
    const leadership = new Leadership(options, sequencer);
    try {
      await campaign(options, sequencer);
    } catch (error) {
      if (!isPyralogError(error) || error.row.category !== 'unavailable') throw error;
      leadership.#depose(error, sequencer.state.admission.epoch);
    }
    return leadership;
  }

  /** Stops claiming. What is being committed goes on. */
  [Symbol.dispose](): void {
    this.#claiming?.[Symbol.dispose]();
  }

  /** The index holds everything before `next`: what is newer stays in memory. */
  indexed(next: LogOffset): void {
    if (this.#role.kind === 'leading') this.#role.sequencer.indexed(next);
  }

  /**
   * The state to resolve on: this incarnation's, or after a failure a new one's.
   * @throws PyralogError why it cannot lead at the moment
   */
  async leading(): Promise<PartitionSequencer> {
    if (this.#role.kind === 'leading') return this.#role.sequencer;
    const { cause, epoch: seen, pausing } = this.#role;
    if (pausing) throw cause;
    try {
      const sequencer = await reclaim(this.#options, seen);
      this.#role = { kind: 'leading', sequencer };
      return sequencer;
    } catch (error) {
      throw this.#depose(error, seen);
    }
  }

  /**
   * Takes inputs and messages into one step, and makes what it comes to durable. What it comes to may leave then.
   * @param sequencer as {@link leading} has just given it
   * @param closing where the closed timestamp moves on though nothing else is written
   * @throws Unresolved where one of these inputs cannot be resolved; nothing was written
   */
  async commit(
    sequencer: PartitionSequencer,
    taken: StepInput,
    closing: Closing | undefined,
  ): Promise<Omit<Step, 'blobs'>> {
    const step = await this.#resolve(sequencer, taken, closing);
    const { record } = step;
    if (record !== undefined) {
      const bytes = encodeCommitRecord(record);
      await this.#putBlobs(record, step.blobs);
      const offset = await this.#append(sequencer, record, bytes);
      sequencer.durable(offset);
      this.#options.publish(offset, decodeCommitRecord(bytes));
    }
    return step;
  }

  /**
   * What they mean, as one record. Nothing has left the process when it fails.
   * @throws Unresolved where that is for one of these inputs: damage in what it reads, or a defect
   */
  async #resolve(
    sequencer: PartitionSequencer,
    taken: StepInput,
    closing: Closing | undefined,
  ): Promise<Step> {
    const { clock, index } = this.#options;
    try {
      for (let needs = sequencer.needs(taken); needs.length > 0; needs = sequencer.needs(taken)) {
        sequencer.load(await index.answer(needs));
      }
    } catch (error) {
      if (!isPyralogError(error)) throw this.#defect(sequencer, error);
      throw error.row.category === 'fault' ? new Unresolved(error) : error;
    }
    try {
      const now = clock.nowNanos();
      if (closing?.upTo !== undefined) sequencer.follow(closing.upTo, now);
      const step = sequencer.step(taken, now);
      if (step.record !== undefined || closing === undefined) return step;
      const { record } = sequencer.closedRecord(now);
      return { ...step, record };
    } catch (error) {
      throw this.#defect(sequencer, error);
    }
  }

  /** A state in whose making something broke is not gone on with; the log has another. */
  #defect(sequencer: PartitionSequencer, error: unknown): Unresolved {
    const cause = new PyralogError(
      'internal',
      'The transaction could not be resolved; the log of the server tells more.',
      { cause: error },
    );
    this.#role = {
      kind: 'deposed',
      cause,
      epoch: sequencer.state.admission.epoch,
      pausing: false,
    };
    return new Unresolved(cause);
  }

  /**
   * No record is in the log before the blobs that it refers to are in the bucket. Where one cannot be put, the
   * record is never written: the state that it was resolved on is thrown away, as after a failed append.
   */
  async #putBlobs(record: DraftRecord, blobs: Contents): Promise<void> {
    if (blobs.size === 0) return;
    try {
      await putBlobs(this.#options.blobs, blobs);
    } catch (error) {
      throw this.#depose(error, record.epoch);
    }
  }

  async #append(
    sequencer: PartitionSequencer,
    record: DraftRecord,
    bytes: Uint8Array,
  ): Promise<LogOffset> {
    const { log, topic, health } = this.#options;
    let offset: LogOffset;
    let higher: Epoch | undefined;
    try {
      offset = await log.append(topic, [{ value: bytes }]);
      higher = await this.#higherClaim(sequencer, record.epoch, offset);
    } catch (error) {
      throw unconfirmed(record, this.#depose(error, record.epoch));
    }
    if (higher !== undefined) {
      const cause = this.#depose(fenced(record.epoch, higher), higher, FENCED_PAUSE_MILLIS);
      throw unconfirmed(record, cause);
    }
    this.#pauses.reset();
    health.working();
    return offset;
  }

  /**
   * Whether another has claimed the partition before the record at `offset`, which is void then. What
   * lies between it and the record before it tells; usually nothing does.
   */
  async #higherClaim(
    sequencer: PartitionSequencer,
    mine: Epoch,
    offset: LogOffset,
  ): Promise<Epoch | undefined> {
    const { log, topic } = this.#options;
    // The state is that behind its own record, as if it lay where the log ended.
    const expected = logOffset(sequencer.state.next - 1);
    if (offset === expected) return undefined;
    for await (const batch of log.read(topic, expected, { follow: false })) {
      for (const stored of batch) {
        if (stored.offset >= offset) return undefined;
        const record = recordOf(topic, stored);
        if (record.kind === 'epoch' && record.epoch > mine) return record.epoch;
      }
    }
    throw new PyralogError(
      'outcome-unknown',
      'The log does not show the record that it confirmed.',
    );
  }

  /** The log failed: gives the epoch up, and claims the partition again after a pause. */
  #depose(error: unknown, seen: Epoch, pauseMillis: number = this.#pauses.next()): PyralogError {
    if (error instanceof AssertionError) throw error;
    const { timers, health } = this.#options;
    const cause = isPyralogError(error)
      ? error
      : new PyralogError('storage-failed', 'The commit log does not answer as it should.', {
          cause: error,
        });
    this.#role = { kind: 'deposed', cause, epoch: seen, pausing: true };
    health.failed(cause);
    this.#claiming?.[Symbol.dispose]();
    this.#claiming = timers.after(pauseMillis, () => {
      this.#role = { kind: 'deposed', cause, epoch: seen, pausing: false };
      this.onMayClaim();
    });
    return cause;
  }
}

/** An input could not be resolved for a reason of its own. Never leaves the service: the caller gets the cause. */
export class Unresolved extends Error {
  override readonly name = 'Unresolved';
  override readonly cause: PyralogError;

  constructor(cause: PyralogError) {
    super(cause.message);
    this.cause = cause;
  }
}

function fenced(mine: Epoch, higher: Epoch): PyralogError {
  return new PyralogError(
    'fenced',
    `Epoch ${higher} of another owner has replaced epoch ${mine}.`,
    {
      hint: 'Nothing is to be done: the other sequencer goes on.',
    },
  );
}

/** What is told of a record that the log did not confirm. */
function unconfirmed({ seq, epoch: its }: DraftRecord, cause: PyralogError): PyralogError {
  if (cause.code === 'storage-full') return cause;
  return new PyralogError(
    'outcome-unknown',
    `The log did not confirm record ${seq} of epoch ${its}.`,
    {
      hint: 'Send the transaction again with the same id: it will not be committed twice.',
      cause,
    },
  );
}

function recordOf(
  { topic, partition }: TopicPartition,
  { offset, value }: StoredRecord,
): CommitRecord {
  assert(value !== null, 'a commit log has no tombstones');
  return decodeCommitRecord(value, `record ${offset} of ${topic}/${partition}`);
}

/** State and schema at the adopted manifest, and behind it the log, as far as it goes now. */
async function recover(options: LeadershipOptions): Promise<PartitionSequencer> {
  const { log, topic, index, partition, partitions, cacheBytesMax } = options;
  const { state, schema, empty } = await index.start();
  const bounds = await log.bounds(topic);
  const { end } = bounds;
  checkLogReach(topic, state.next, bounds);
  const sequencer = new PartitionSequencer({
    partition,
    partitions,
    state,
    schema,
    complete: empty,
    cacheBytesMax,
  });
  for await (const { offset, record } of index.records(sequencer.openRecords))
    sequencer.reopen(offset, record);
  await replay(options, sequencer, end);
  return sequencer;
}

async function replay(
  { log, topic, publish }: LeadershipOptions,
  sequencer: PartitionSequencer,
  to: LogOffset,
): Promise<void> {
  if (sequencer.state.next >= to) return;
  for await (const batch of log.read(topic, sequencer.state.next, { follow: false })) {
    for (const stored of batch) {
      const record = recordOf(topic, stored);
      sequencer.fold(stored.offset, record);
      publish(stored.offset, record);
    }
  }
}

/** EPOCH, read back, replay (protocol 1.1.2); again with a higher number where another won. */
async function campaign(options: LeadershipOptions, sequencer: PartitionSequencer): Promise<void> {
  for (;;) {
    const { owner, offset } = await appendEpoch(options, sequencer.state.admission.epoch);
    await replay(options, sequencer, logOffset(offset + 1));
    if (sequencer.state.admission.owner !== owner) continue;
    sequencer.lead(options.clock.nowNanos());
    return;
  }
}

/** EPOCH first: whether the log can be written again is known before anything is read from it. */
async function reclaim(options: LeadershipOptions, seen: Epoch): Promise<PartitionSequencer> {
  const { owner } = await appendEpoch(options, seen);
  const sequencer = await recover(options);
  if (sequencer.state.admission.owner === owner) sequencer.lead(options.clock.nowNanos());
  else await campaign(options, sequencer);
  return sequencer;
}

async function appendEpoch(
  { log, topic, rand }: LeadershipOptions,
  seen: Epoch,
): Promise<{ readonly owner: OwnerId; readonly offset: LogOffset }> {
  const owner = ownerId(toHex(rand.bytes(16)));
  const record = encodeCommitRecord({ kind: 'epoch', epoch: epoch(seen + 1), owner });
  return { owner, offset: await log.append(topic, [{ value: record }]) };
}
