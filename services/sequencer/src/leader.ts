import { must } from '@pyralog/base';
import { isPyralogError, type LogOffset, type PyralogError } from '@pyralog/model';
import { type Input, type PartitionSequencer, rejectionOf } from '@pyralog/sequencing';
import type { Inbox, Taken } from './inbox.ts';
import { Leadership, type LeadershipOptions, Unresolved } from './leadership.ts';

/** What a leader works with. */
export interface LeaderOptions extends LeadershipOptions {
  readonly inbox: Inbox;
  /** Whether the index has room for more live facts (I13); asked again behind every {@link PartitionLeader.indexed}. */
  readonly hasRoom: () => boolean;
  /** What writers are told when there was no room for long. */
  readonly noRoom: () => PyralogError;
}

/** How long writers wait for room in the index before they are refused. */
const ROOM_MILLIS_MAX = 5_000;

/**
 * Takes what comes into the inbox of a partition, in order, and has it committed in groups: what arrives
 * while a group is made durable shares the next one.
 */
export class PartitionLeader implements AsyncDisposable {
  readonly #options: LeaderOptions;
  readonly #leadership: Leadership;
  #pumping: Promise<void> | undefined;
  #stopping = false;
  #closedWanted = false;
  /** Whose low-water mark the inbox has begun at. */
  #begunFor: PartitionSequencer | undefined;
  #beginWanted = true;
  /** Since when inputs wait for room in the index, on the monotonic clock. */
  #fullSinceMillis: number | undefined;
  #wakeFull: () => void = () => undefined;

  private constructor(options: LeaderOptions, leadership: Leadership) {
    this.#options = options;
    this.#leadership = leadership;
  }

  /** Claims the partition, as {@link Leadership.claim} does, and begins to take inputs. */
  static async lead(options: LeaderOptions): Promise<PartitionLeader> {
    const leadership = await Leadership.claim(options);
    const leader = new PartitionLeader(options, leadership);
    // A record is the proof that the log can be written again.
    leadership.onMayClaim = () => leader.requestClosed();
    options.inbox.onArrival = () => leader.#wake();
    leader.#wake();
    return leader;
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
    this.#leadership.indexed(next);
    this.#wakeFull();
  }

  /** Answers what is in the inbox, then stops leading. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#options.inbox.close();
    this.#leadership[Symbol.dispose]();
    this.#wakeFull();
    await this.#pumping;
  }

  get #hasWork(): boolean {
    return this.#options.inbox.waiting || this.#closedWanted || this.#beginWanted;
  }

  #wake(): void {
    if (this.#pumping !== undefined) return;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = undefined;
      if (this.#hasWork) this.#wake();
    });
  }

  async #pump(): Promise<void> {
    const { inbox, timers } = this.#options;
    while (this.#hasWork) {
      // What has arrived by now shares one append.
      await timers.immediate();
      const sequencer = await this.#leading();
      if (sequencer === undefined) continue;
      const group = inbox.waiting && (await this.#hasRoom(sequencer)) ? inbox.take() : [];
      if (group.length === 0 && !this.#closedWanted) continue;
      // Moving time on takes no room.
      this.#closedWanted = false;
      await this.#answer(sequencer, group);
    }
  }

  /** @returns undefined where it cannot lead at the moment, which those who wait were told */
  async #leading(): Promise<PartitionSequencer | undefined> {
    const { inbox } = this.#options;
    this.#beginWanted = false;
    try {
      const sequencer = await this.#leadership.leading();
      if (sequencer !== this.#begunFor) inbox.begin(sequencer.state.lowWater);
      this.#begunFor = sequencer;
      return sequencer;
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      this.#begunFor = undefined;
      this.#closedWanted = false;
      inbox.refuse(error);
      return undefined;
    }
  }

  /**
   * Whether the index has room for what waits. Where it has none, waits until that may have changed,
   * and refuses what waits when it lasts.
   */
  async #hasRoom(sequencer: PartitionSequencer): Promise<boolean> {
    const { inbox, hasRoom, noRoom, clock, timers } = this.#options;
    if (hasRoom()) {
      this.#fullSinceMillis = undefined;
      return true;
    }
    if (this.#closedWanted) return false;
    const now = clock.monotonicMillis();
    this.#fullSinceMillis ??= now;
    const left = this.#fullSinceMillis + ROOM_MILLIS_MAX - now;
    if (left <= 0 || this.#stopping) {
      inbox.refuse(noRoom());
      inbox.begin(sequencer.state.lowWater);
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

  /** Commits a group, or has each of its inputs refused. Rejects where a defect may have spoilt what readers see. */
  async #answer(sequencer: PartitionSequencer, group: readonly Taken[]): Promise<void> {
    try {
      const outcomes = await this.#leadership.commit(
        sequencer,
        group.map(({ input }) => input),
      );
      for (const [i, { settle }] of group.entries())
        settle(must(outcomes[i], 'I9: every input has one outcome'));
    } catch (error) {
      if (error instanceof Unresolved) return this.#answerSingly(group, error.cause);
      for (const { fail } of group) fail(error);
      this.#begunFor = undefined;
      if (!isPyralogError(error)) throw error;
    }
  }

  /** One of them is at fault; the others have nothing to do with it. */
  async #answerSingly(group: readonly Taken[], cause: PyralogError): Promise<void> {
    const [only, ...others] = group;
    if (only === undefined) return;
    if (others.length > 0) {
      for (const [i, one] of group.entries()) {
        const sequencer = await this.#leadingFor(group.slice(i));
        if (sequencer === undefined) return;
        await this.#answer(sequencer, [one]);
      }
      return;
    }
    if (!only.replayed || only.input.kind === 'unreadable') return only.fail(cause);
    const { offset } = only.input;
    const sequencer = await this.#leadingFor(group);
    if (sequencer === undefined) return;
    const input: Input = { kind: 'unreadable', offset, rejection: rejectionOf(cause) };
    await this.#answer(sequencer, [{ ...only, input }]);
  }

  /** As {@link Leadership.leading}; where it cannot lead, those of the group are told. */
  async #leadingFor(group: readonly Taken[]): Promise<PartitionSequencer | undefined> {
    try {
      return await this.#leadership.leading();
    } catch (error) {
      for (const { fail } of group) fail(error);
      this.#begunFor = undefined;
      if (!isPyralogError(error)) throw error;
      return undefined;
    }
  }
}
