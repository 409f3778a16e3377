import { assert, AssertionError, toHex } from '@pyralog/base';
import {
  type CommitRecord,
  decodeCommitRecord,
  type DraftRecord,
  encodeCommitRecord,
  type LogState,
} from '@pyralog/format';
import type { Log, TopicPartition } from '@pyralog/log';
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
  type TransactionDocument,
} from '@pyralog/model';
import {
  Backoff,
  type Clock,
  type Health,
  type PauseRule,
  type Rand,
  type Timers,
} from '@pyralog/runtime';
import { type Need, type NeedAnswer, type Outcome, PartitionSequencer } from '@pyralog/sequencing';

/** What the leader reads of the index: state that is not in its memory. */
export interface LeaderIndex {
  /** State and schema at the adopted manifest's cut; `empty` where the database has no facts there. */
  start(): Promise<{ readonly state: LogState; readonly schema: Schema; readonly empty: boolean }>;
  /** Answers from the runs of the adopted manifest alone. */
  answer(needs: readonly Need[]): Promise<readonly NeedAnswer[]>;
}

export interface LeaderOptions {
  readonly topic: TopicPartition;
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly log: Log;
  readonly index: LeaderIndex;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Memory for current values that are also in runs. */
  readonly cacheBytesMax: number;
  /** Documents and bytes that may wait; one more is refused with `busy`. */
  readonly waitingMax: { readonly documents: number; readonly bytes: number };
  /**
   * Takes every record of the commit log in order, once it is durable, those of a replay included:
   * readers see nothing before. Records below its own position are its own to skip.
   */
  readonly publish: (offset: LogOffset, record: CommitRecord) => void;
  /** Whether the index has room for more live facts (I13); asked again behind every {@link PartitionLeader.indexed}. */
  readonly hasRoom: () => boolean;
  /** What writers are told when there was no room for long. */
  readonly noRoom: () => PyralogError;
  /** Told of every attempt to write the log. */
  readonly health: Health;
}

interface Waiting {
  readonly document: TransactionDocument;
  readonly bytes: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Documents of one group commit: enough to share an fdatasync, few enough to answer soon. */
const GROUP_DOCUMENTS_MAX = 512;
/** Input bytes of one group commit, so that a record stays about 500 KiB. */
const GROUP_BYTES_MAX = 512 * 1024;
/** Pauses before the partition is claimed again. */
const CLAIM_PAUSES: PauseRule = { firstMillis: 250, maxMillis: 5_000 };
/** How long writers wait for room in the index before they are refused. */
const ROOM_MILLIS_MAX = 5_000;

type Role =
  | { readonly kind: 'leading'; readonly sequencer: PartitionSequencer }
  | {
      readonly kind: 'deposed';
      readonly cause: PyralogError;
      /** The greatest epoch seen. */
      readonly epoch: Epoch;
      /** Not claimed again before a pause is over: documents are refused with the cause. */
      readonly pausing: boolean;
    };

/**
 * Owns partition `p` until the log says otherwise: documents → core → one durable append → answers.
 *
 * Nothing is answered before its record is durable (protocol 1.1.3). After any failed append the
 * epoch is given up and the partition claimed again from what the log holds (1.1.2): the state that
 * was resolved on the lost record is thrown away, never mended. While the log cannot be written,
 * documents are refused with the reason, and claiming goes on by itself.
 */
export class PartitionLeader implements AsyncDisposable {
  readonly #options: LeaderOptions;
  readonly #pauses: Backoff;
  #role: Role;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #pumping: Promise<void> | undefined;
  #stopping = false;
  #closedWanted = false;
  /** Since when documents wait for room in the index, on the monotonic clock. */
  #fullSinceMillis: number | undefined;
  #wakeFull: () => void = () => undefined;
  #claiming: Disposable | undefined;

  private constructor(options: LeaderOptions, sequencer: PartitionSequencer) {
    this.#options = options;
    this.#pauses = new Backoff(CLAIM_PAUSES, options.rand);
    this.#role = { kind: 'leading', sequencer };
  }

  /**
   * Replays the log of the partition and claims it. Where the log can be read but not written, it leads
   * as soon as it can be, and readers have everything meanwhile.
   */
  static async lead(options: LeaderOptions): Promise<PartitionLeader> {
    const sequencer = await recover(options);
    const leader = new PartitionLeader(options, sequencer);
    try {
      await campaign(options, sequencer);
    } catch (error) {
      if (!isPyralogError(error) || error.row.category !== 'unavailable') throw error;
      leader.#depose(error, sequencer.state.admission.epoch);
    }
    return leader;
  }

  /**
   * Takes a document. Resolves with its outcome when that is durable; rejects with `busy`, `stopping`
   * or the failure of the log, in which case it was not committed unless the code is `outcome-unknown`.
   */
  submit(document: TransactionDocument, bytes: number): Promise<Outcome> {
    if (this.#stopping)
      return Promise.reject(new PyralogError('stopping', 'The database is closing.'));
    const { waitingMax } = this.#options;
    if (
      this.#queue.length >= waitingMax.documents ||
      this.#queuedBytes + bytes > waitingMax.bytes
    ) {
      return Promise.reject(
        new PyralogError(
          'busy',
          `${this.#queue.length} transactions (${this.#queuedBytes} bytes) are waiting, which is the bound.`,
          { hint: 'Send the transaction again after a pause, or keep fewer in flight.' },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ document, bytes, resolve, reject });
      this.#queuedBytes += bytes;
      this.#wake();
    });
  }

  /** Has a CLOSED record appended soon, so that readers waiting at a later moment go on. */
  requestClosed(): void {
    if (this.#stopping) return;
    this.#closedWanted = true;
    this.#wakeFull();
    this.#wake();
  }

  /** The index holds everything before `next`: what is newer stays in memory. */
  indexed(next: LogOffset): void {
    if (this.#role.kind === 'leading') this.#role.sequencer.indexed(next);
    this.#wakeFull();
  }

  /** Number of documents without outcome. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Answers what was taken, then stops leading. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#claiming?.[Symbol.dispose]();
    this.#wakeFull();
    await this.#pumping;
  }

  #wake(): void {
    if (this.#pumping !== undefined) return;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = undefined;
      if (this.#queue.length > 0 || this.#closedWanted) this.#wake();
    });
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0 || this.#closedWanted) {
      // What has arrived by now shares one append.
      await this.#options.timers.immediate();
      const group = (await this.#hasRoom()) ? this.#takeGroup() : [];
      if (group.length === 0 && !this.#closedWanted) continue;
      // Moving time on takes no room.
      this.#closedWanted = false;
      await this.#answer(group);
    }
  }

  /**
   * Whether the index has room for what is queued. Where it has none, waits until that may have changed,
   * and refuses what is queued when it lasts.
   */
  async #hasRoom(): Promise<boolean> {
    const { hasRoom, noRoom, clock, timers } = this.#options;
    if (hasRoom()) {
      this.#fullSinceMillis = undefined;
      return true;
    }
    if (this.#queue.length === 0 || this.#closedWanted) return false;
    const now = clock.monotonicMillis();
    this.#fullSinceMillis ??= now;
    const left = this.#fullSinceMillis + ROOM_MILLIS_MAX - now;
    if (left <= 0 || this.#stopping) {
      const error = noRoom();
      this.#queuedBytes = 0;
      for (const { reject } of this.#queue.splice(0)) reject(error);
      return false;
    }
    await new Promise<void>((resolve) => {
      const limit = timers.after(left, resolve);
      this.#wakeFull = () => {
        limit[Symbol.dispose]();
        resolve();
      };
    });
    return false;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count === GROUP_DOCUMENTS_MAX) break;
      if (count > 0 && bytes + waiting.bytes > GROUP_BYTES_MAX) break;
      bytes += waiting.bytes;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /** Commits a group, or has each of its documents refused. Rejects where a defect may have spoilt what readers see. */
  async #answer(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#commit(group);
    } catch (error) {
      if (error instanceof Unresolved && group.length > 1) {
        // One of them is at fault; the others have nothing to do with it.
        for (const one of group) await this.#answer([one]);
        return;
      }
      for (const { reject } of group) reject(error instanceof Unresolved ? error.cause : error);
      if (!(error instanceof Unresolved) && !isPyralogError(error)) throw error;
    }
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const { publish } = this.#options;
    const sequencer = await this.#leading();
    const { record, outcomes, bytes } = await this.#resolve(sequencer, group);
    const offset = await this.#append(record, bytes);
    sequencer.durable(offset);
    publish(offset, decodeCommitRecord(bytes));
    assert(outcomes.length === group.length, 'I9: every input has one outcome');
    group.forEach(({ resolve }, i) => resolve(outcomes[i] as Outcome));
  }

  /**
   * What the documents mean, as one record. Nothing has left the process when it fails.
   * @throws Unresolved where that is for one of these documents: damage in what it reads, or a defect
   */
  async #resolve(sequencer: PartitionSequencer, group: readonly Waiting[]): Promise<Resolved> {
    const { clock, index } = this.#options;
    const documents = group.map(({ document }) => document);
    try {
      for (
        let needs = sequencer.needs(documents);
        needs.length > 0;
        needs = sequencer.needs(documents)
      ) {
        sequencer.load(await index.answer(needs));
      }
    } catch (error) {
      if (!isPyralogError(error)) throw this.#defect(sequencer, error);
      throw error.row.category === 'fault' ? new Unresolved(error) : error;
    }
    try {
      const now = clock.nowNanos();
      const { record, outcomes } =
        group.length === 0
          ? { record: sequencer.closedRecord(now), outcomes: [] }
          : sequencer.step(documents, now);
      return { record, outcomes, bytes: encodeCommitRecord(record) };
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

  async #append(record: DraftRecord, bytes: Uint8Array): Promise<LogOffset> {
    const { log, topic, health } = this.#options;
    try {
      const offset = await log.append(topic, [{ value: bytes }]);
      this.#pauses.reset();
      health.working();
      return offset;
    } catch (error) {
      const cause = this.#depose(error, record.epoch);
      if (cause.code === 'storage-full') throw cause;
      throw new PyralogError(
        'outcome-unknown',
        `The log did not confirm record ${record.seq} of epoch ${record.epoch}.`,
        {
          hint: 'Send the transaction again with the same id: it will not be committed twice.',
          cause,
        },
      );
    }
  }

  /** The state to resolve on: this incarnation's, or after a failure a new one's. */
  async #leading(): Promise<PartitionSequencer> {
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

  /** The log failed: gives the epoch up, and claims the partition again after a pause. */
  #depose(error: unknown, seen: Epoch): PyralogError {
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
    this.#claiming = timers.after(this.#pauses.next(), () => {
      this.#role = { kind: 'deposed', cause, epoch: seen, pausing: false };
      // Its record is the proof that the log can be written.
      this.requestClosed();
    });
    return cause;
  }
}

interface Resolved {
  readonly record: DraftRecord;
  readonly outcomes: readonly Outcome[];
  readonly bytes: Uint8Array;
}

/** A document could not be resolved for a reason of its own. Never leaves the leader: the caller gets the cause. */
class Unresolved extends Error {
  override readonly name = 'Unresolved';
  override readonly cause: PyralogError;

  constructor(cause: PyralogError) {
    super(cause.message);
    this.cause = cause;
  }
}

/** State and schema at the adopted manifest, and behind it the log, as far as it goes now. */
async function recover(options: LeaderOptions): Promise<PartitionSequencer> {
  const { log, topic, index, partition, partitions, cacheBytesMax } = options;
  const { state, schema, empty } = await index.start();
  const { start, end } = await log.bounds(topic);
  checkLog(state, start, end);
  const sequencer = new PartitionSequencer({
    partition,
    partitions,
    state,
    schema,
    complete: empty,
    cacheBytesMax,
  });
  await replay(options, sequencer, end);
  return sequencer;
}

async function replay(
  { log, topic, publish }: LeaderOptions,
  sequencer: PartitionSequencer,
  to: LogOffset,
): Promise<void> {
  if (sequencer.state.next >= to) return;
  for await (const batch of log.read(topic, sequencer.state.next, { follow: false })) {
    for (const { offset, value } of batch) {
      assert(value !== null, 'a commit log has no tombstones');
      const record = decodeCommitRecord(value);
      sequencer.fold(offset, record);
      publish(offset, record);
    }
  }
}

/** EPOCH, read back, replay (protocol 1.1.2); again with a higher number where another won. */
async function campaign(options: LeaderOptions, sequencer: PartitionSequencer): Promise<void> {
  for (;;) {
    const { owner, offset } = await appendEpoch(options, sequencer.state.admission.epoch);
    await replay(options, sequencer, logOffset(offset + 1));
    if (sequencer.state.admission.owner !== owner) continue;
    sequencer.lead();
    return;
  }
}

/** EPOCH first: whether the log can be written again is known before anything is read from it. */
async function reclaim(options: LeaderOptions, seen: Epoch): Promise<PartitionSequencer> {
  const { owner } = await appendEpoch(options, seen);
  const sequencer = await recover(options);
  if (sequencer.state.admission.owner === owner) sequencer.lead();
  else await campaign(options, sequencer);
  return sequencer;
}

async function appendEpoch(
  { log, topic, rand }: LeaderOptions,
  seen: Epoch,
): Promise<{ readonly owner: OwnerId; readonly offset: LogOffset }> {
  const owner = ownerId(toHex(rand.bytes(16)));
  const record = encodeCommitRecord({ kind: 'epoch', epoch: epoch(seen + 1), owner });
  return { owner, offset: await log.append(topic, [{ value: record }]) };
}

/** The log must hold everything that the bucket does not (design section 5). */
function checkLog(state: LogState, start: LogOffset, end: LogOffset): void {
  if (end < state.next) {
    throw new PyralogError(
      'log-behind',
      `The commit log ends at offset ${end}, but the bucket has seen everything before ${state.next}.`,
      {
        hint: 'Was the log folder replaced or restored from an older copy? Restore the log that belongs to this bucket.',
      },
    );
  }
  if (start > state.next) {
    throw new PyralogError(
      'log-behind',
      `The commit log begins at offset ${start}, but the bucket ends at ${state.next}: records between are lost.`,
      { hint: 'Restore the log files from a backup that reaches back to this offset.' },
    );
  }
}
