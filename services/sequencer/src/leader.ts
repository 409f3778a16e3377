import { assert } from '@pyralog/base';
import {
  type CommitRecord,
  decodeCommitRecord,
  type DraftRecord,
  encodeCommitRecord,
  type LogState,
} from '@pyralog/format';
import type { Log, TopicPartition } from '@pyralog/log';
import {
  epoch,
  isPyralogError,
  type LogOffset,
  logOffset,
  ownerId,
  type PartitionNo,
  PyralogError,
  type Schema,
  type TransactionDocument,
} from '@pyralog/model';
import { toHex } from '@pyralog/base';
import type { Clock, Rand, Timers } from '@pyralog/runtime';
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
  /** Resolves when the index has room for more live facts (I13). */
  readonly room: () => Promise<void>;
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
/** Pause before a partition is claimed again after a failure, and its bound. */
const CLAIM_PAUSE_MILLIS = 250;

type Role =
  | { readonly kind: 'leading'; readonly sequencer: PartitionSequencer }
  | { readonly kind: 'deposed'; readonly cause: unknown; readonly retryAtMillis: number };

/**
 * Owns partition `p` until the log says otherwise: documents → core → one durable append → answers.
 *
 * Nothing is answered before its record is durable (protocol 1.1.3). After any failed append the
 * epoch is given up and the partition claimed again from what the log holds (1.1.2): the state that
 * was resolved on the lost record is thrown away, never mended.
 */
export class PartitionLeader implements AsyncDisposable {
  readonly #options: LeaderOptions;
  #role: Role;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #pumping: Promise<void> | undefined;
  #stopping = false;
  #closedWanted = false;

  private constructor(options: LeaderOptions, sequencer: PartitionSequencer) {
    this.#options = options;
    this.#role = { kind: 'leading', sequencer };
  }

  /** Claims the partition, replays its log and leads. */
  static async lead(options: LeaderOptions): Promise<PartitionLeader> {
    return new PartitionLeader(options, await claim(options));
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
    this.#wake();
  }

  /** The index holds everything before `next`: what is newer stays in memory. */
  indexed(next: LogOffset): void {
    if (this.#role.kind === 'leading') this.#role.sequencer.indexed(next);
  }

  /** Number of documents without outcome. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Answers what was taken, then stops leading. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
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
      await this.#options.room();
      const group = this.#takeGroup();
      this.#closedWanted = false;
      try {
        await this.#commit(group);
      } catch (error) {
        for (const { reject } of group) reject(error);
        if (!isPyralogError(error)) throw error;
      }
    }
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

  async #commit(group: readonly Waiting[]): Promise<void> {
    const { log, topic, clock, index, publish } = this.#options;
    const sequencer = await this.#leading();
    const documents = group.map(({ document }) => document);
    for (
      let needs = sequencer.needs(documents);
      needs.length > 0;
      needs = sequencer.needs(documents)
    ) {
      sequencer.load(await index.answer(needs));
    }
    const now = clock.nowNanos();
    const { record, outcomes } =
      group.length === 0
        ? { record: sequencer.closedRecord(now), outcomes: [] }
        : sequencer.step(documents, now);
    const bytes = encodeCommitRecord(record);
    const offset = await this.#append(log, topic, bytes, record);
    sequencer.durable(offset);
    publish(offset, decodeCommitRecord(bytes));
    assert(outcomes.length === group.length, 'I9: every input has one outcome');
    group.forEach(({ resolve }, i) => resolve(outcomes[i] as Outcome));
  }

  async #append(
    log: Log,
    topic: TopicPartition,
    bytes: Uint8Array,
    record: DraftRecord,
  ): Promise<LogOffset> {
    try {
      return await log.append(topic, [{ value: bytes }]);
    } catch (error) {
      this.#role = {
        kind: 'deposed',
        cause: error,
        retryAtMillis: this.#options.clock.monotonicMillis() + CLAIM_PAUSE_MILLIS,
      };
      if (isPyralogError(error) && error.code === 'storage-full') throw error;
      throw new PyralogError(
        'outcome-unknown',
        `The log did not confirm record ${record.seq} of epoch ${record.epoch}.`,
        {
          hint: 'Send the transaction again with the same id: it will not be committed twice.',
          cause: error,
        },
      );
    }
  }

  /** The state to resolve on: this incarnation's, or after a failure a new one's. */
  async #leading(): Promise<PartitionSequencer> {
    if (this.#role.kind === 'leading') return this.#role.sequencer;
    const { cause, retryAtMillis } = this.#role;
    if (this.#options.clock.monotonicMillis() < retryAtMillis) throw cause;
    try {
      const sequencer = await claim(this.#options);
      this.#role = { kind: 'leading', sequencer };
      return sequencer;
    } catch (error) {
      this.#role = {
        kind: 'deposed',
        cause: error,
        retryAtMillis: this.#options.clock.monotonicMillis() + CLAIM_PAUSE_MILLIS,
      };
      throw error;
    }
  }
}

/** EPOCH, read back, replay (protocol 1.1.2); again with a higher number where another won. */
async function claim(options: LeaderOptions): Promise<PartitionSequencer> {
  const { log, topic, index, partition, partitions, cacheBytesMax, publish, rand } = options;
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
  const replay = async (to: LogOffset): Promise<void> => {
    if (sequencer.state.next >= to) return;
    for await (const batch of log.read(topic, sequencer.state.next, { follow: false })) {
      for (const { offset, value } of batch) {
        assert(value !== null, 'a commit log has no tombstones');
        const record = decodeCommitRecord(value);
        sequencer.fold(offset, record);
        publish(offset, record);
      }
    }
  };
  await replay(end);
  for (;;) {
    const claimed = epoch(sequencer.state.admission.epoch + 1);
    const owner = ownerId(toHex(rand.bytes(16)));
    const offset = await log.append(topic, [
      { value: encodeCommitRecord({ kind: 'epoch', epoch: claimed, owner }) },
    ]);
    await replay(logOffset(offset + 1));
    const { admission } = sequencer.state;
    if (admission.owner === owner) {
      sequencer.lead();
      return sequencer;
    }
  }
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
