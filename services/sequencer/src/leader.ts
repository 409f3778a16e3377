import {
  type DatabaseMode,
  isPyralogError,
  type LogOffset,
  PyralogError,
  type Tx,
} from '@pyralog/model';
import {
  type Heard,
  type Input,
  type PartitionSequencer,
  rejectionOf,
  type Step,
} from '@pyralog/sequencing';
import type { Inbox, Taken } from './inbox.ts';
import { type Closing, Leadership, type LeadershipOptions, Unresolved } from './leadership.ts';
import type { Mailbox, Post } from './mailbox.ts';

/** What a leader works with. */
export interface LeaderOptions extends LeadershipOptions {
  readonly inbox: Inbox;
  readonly mailbox: Mailbox;
  readonly post: Post;
  /** Whether the index has room for more live facts (I13); asked again behind every {@link PartitionLeader.indexed}. */
  readonly hasRoom: () => boolean;
  /** What writers are told when there was no room for long. */
  readonly noRoom: () => PyralogError;
  /** Told of every step that was taken, when what it came to is durable. For measuring: nothing depends on it. */
  readonly onStep?: ((step: TakenStep) => void) | undefined;
}

/** A step of a leader. */
export interface TakenStep extends Pick<Step, 'record' | 'outcomes'> {
  /** Behind it. */
  readonly waiting: PartitionSequencer['waiting'];
}

/** How long writers wait for room in the index before they are refused. */
const ROOM_MILLIS_MAX = 5_000;
/** A step is due after this long at the most where anything is. */
const DUE_MILLIS_MAX = 1_000;
/** Before what is open is gone on with, where that has failed. */
const AGAIN_MILLIS = 100;

/**
 * Takes what comes into the inbox and the mailbox of a partition, in order, and has it committed in groups: what arrives
 * while a group is made durable shares the next one.
 */
export class PartitionLeader implements AsyncDisposable {
  readonly #options: LeaderOptions;
  readonly #leadership: Leadership;
  #pumping: Promise<void> | undefined;
  #stopping = false;
  #closing: Closing | undefined;
  /** Whose low-water mark the inbox has begun at. */
  #begunFor: PartitionSequencer | undefined;
  /** The last that it began at: it begins again at the same where a step failed. */
  #begunLast: PartitionSequencer | undefined;
  #beginWanted = true;
  /** Since when inputs wait for room in the index, on the monotonic clock. */
  #fullSinceMillis: number | undefined;
  #wakeFull: () => void = () => undefined;
  /** Inputs that were taken and have no outcome yet, by offset. */
  readonly #open = new Map<LogOffset, Taken>();
  /** Whether it may lead, or try to; messages stay where they are while it may not. */
  #mayLead = true;
  /** Up to where inputs and messages are taken one by one, since one of them cannot be resolved. */
  #careful: { readonly input: LogOffset | undefined; readonly message: LogOffset | undefined } = {
    input: undefined,
    message: undefined,
  };
  /** Inputs that cannot be resolved, with why not. */
  readonly #condemned = new Map<LogOffset, PyralogError>();
  /** Messages that cannot be. */
  readonly #unheard = new Set<LogOffset>();
  /** A step is due though nothing has come. */
  #stepWanted = false;
  #due: Disposable | undefined;

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
    options.mailbox.onArrival = () => {
      leader.#wakeFull();
      leader.#wake();
    };
    leader.#wake();
    return leader;
  }

  /**
   * Has a CLOSED record appended soon, so that readers waiting at a later moment go on.
   * @param upTo where another partition is already
   */
  requestClosed(upTo?: Tx): void {
    if (this.#stopping) return;
    this.#closing = later(this.#closing, upTo);
    this.#mayLead = true;
    this.#wakeFull();
    this.#wake();
  }

  /** Of the database, behind all that was decided here; undefined while it does not lead. */
  get mode(): DatabaseMode | undefined {
    return this.#begunFor?.schema.mode;
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
    this.#options.mailbox.close();
    this.#due?.[Symbol.dispose]();
    this.#leadership[Symbol.dispose]();
    this.#wakeFull();
    await this.#pumping;
    this.#failOpen(
      new PyralogError(
        'outcome-unknown',
        'The sequencer stopped before the transaction was decided.',
        {
          hint: 'Send it again with the same id: it will not be committed twice.',
        },
      ),
    );
  }

  get #hasWork(): boolean {
    const { inbox, mailbox } = this.#options;
    return (
      inbox.waiting ||
      (mailbox.waiting && this.#mayLead) ||
      this.#closing !== undefined ||
      this.#beginWanted ||
      this.#stepWanted
    );
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
      const hasRoom = inbox.waiting && (await this.#hasRoom(sequencer));
      const messages = this.#takeMessages();
      const isCareful = this.#careful.message !== undefined && messages.length > 0;
      const group = hasRoom && !isCareful ? this.#takeInputs() : [];
      const isNothing = group.length === 0 && messages.length === 0 && !this.#stepWanted;
      // Moving time on takes no room.
      const closing = this.#closing;
      if (isNothing && closing === undefined) continue;
      this.#closing = undefined;
      this.#stepWanted = false;
      await this.#answer(sequencer, group, messages, closing);
      this.#setDue(sequencer);
    }
  }

  /** Transactions that wait for others go on by themselves when their time comes. */
  #setDue(sequencer: PartitionSequencer, millisMin = 1): void {
    this.#due?.[Symbol.dispose]();
    this.#due = undefined;
    const due = sequencer.nextDue;
    if (due === undefined || this.#stopping) return;
    const { clock, timers } = this.#options;
    const millis = Number((due - clock.nowNanos()) / 1_000_000n);
    // A wall clock that is set back makes it no longer.
    const pause = Math.min(DUE_MILLIS_MAX, Math.max(millisMin, millis));
    this.#due = timers.after(pause, () => {
      this.#stepWanted = true;
      this.#wake();
    });
  }

  /** @returns undefined where it cannot lead at the moment, which those who wait were told */
  async #leading(): Promise<PartitionSequencer | undefined> {
    const { inbox } = this.#options;
    this.#beginWanted = false;
    try {
      const sequencer = await this.#leadership.leading();
      if (sequencer !== this.#begunFor) this.#begin(sequencer);
      return sequencer;
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      this.#begunFor = undefined;
      this.#closing = undefined;
      this.#stepWanted = false;
      this.#mayLead = false;
      this.#failOpen(error);
      inbox.refuse(error);
      return undefined;
    }
  }

  #begin(sequencer: PartitionSequencer): void {
    const { inbox, mailbox } = this.#options;
    this.#begunFor = sequencer;
    inbox.begin(sequencer.state.lowWater, sequencer.nextInput);
    const { coordination } = sequencer.state;
    for (const offset of this.#unheard) if (offset < coordination) this.#unheard.delete(offset);
    mailbox.begin(coordination);
    if (sequencer.nextDue === undefined) return;
    // What is open is gone on with: at once, unless that has just failed.
    if (sequencer === this.#begunLast) this.#setDue(sequencer, AGAIN_MILLIS);
    else this.#stepWanted = true;
    this.#begunLast = sequencer;
  }

  /** Those who wait for what this incarnation was to decide. */
  #failOpen(error: unknown): void {
    for (const { fail } of this.#open.values()) fail(error);
    this.#open.clear();
  }

  /**
   * Whether the index has room for what waits. Where it has none, waits until that may have changed,
   * and refuses what waits when it lasts, unless it can wait where it is.
   */
  async #hasRoom(sequencer: PartitionSequencer): Promise<boolean> {
    const { inbox, mailbox, hasRoom, noRoom, clock, timers } = this.#options;
    if (hasRoom()) {
      this.#fullSinceMillis = undefined;
      return true;
    }
    if (this.#closing !== undefined || this.#stepWanted || mailbox.waiting) return false;
    const now = clock.monotonicMillis();
    this.#fullSinceMillis ??= now;
    const left = this.#fullSinceMillis + ROOM_MILLIS_MAX - now;
    if (this.#stopping && inbox.isKept) return false;
    if (!inbox.isKept && (left <= 0 || this.#stopping)) {
      inbox.refuse(noRoom());
      inbox.begin(sequencer.nextInput, sequencer.nextInput);
      return false;
    }
    await new Promise<void>((resolve) => {
      const limit = inbox.isKept ? undefined : timers.after(left, resolve);
      this.#wakeFull = () => {
        limit?.[Symbol.dispose]();
        resolve();
      };
    });
    return false;
  }

  /** Commits a group, or has each of its inputs refused. Rejects where a defect may have spoilt what readers see. */
  async #answer(
    sequencer: PartitionSequencer,
    group: readonly Taken[],
    messages: readonly Heard[],
    closing?: Closing,
  ): Promise<void> {
    try {
      const inputs = group.map(({ input }) => input);
      const step = await this.#leadership.commit(sequencer, { inputs, messages }, closing);
      for (const taken of group) this.#open.set(taken.input.offset, taken);
      for (const { offset, outcome } of step.outcomes) {
        this.#open.get(offset)?.settle(outcome);
        this.#open.delete(offset);
      }
      if (step.messages.length > 0) this.#options.post(step.messages);
      const { record, outcomes } = step;
      this.#options.onStep?.({ record, outcomes, waiting: sequencer.waiting });
    } catch (error) {
      if (error instanceof Unresolved && messages.length + group.length > 0) {
        return this.#isTakenAgain
          ? this.#goCarefully(group, messages, error.cause)
          : this.#answerSingly(group, messages, error.cause);
      }
      for (const { fail } of group) fail(error);
      this.#failOpen(error);
      this.#begunFor = undefined;
      if (!isPyralogError(error) && !(error instanceof Unresolved)) throw error;
    }
  }

  /**
   * Documents that wait for others are lost with an incarnation, and come again from where they are kept: nothing may be
   * taken past them.
   */
  get #isTakenAgain(): boolean {
    const { inbox, partitions } = this.#options;
    return inbox.isKept && partitions > 1;
  }

  /** One of them is at fault: they are taken again one by one, until it is found. */
  #goCarefully(group: readonly Taken[], messages: readonly Heard[], cause: PyralogError): void {
    this.#begunFor = undefined;
    this.#beginWanted = true;
    const [only] = group;
    if (group.length + messages.length > 1) {
      this.#careful = {
        input: group.at(-1)?.input.offset ?? this.#careful.input,
        message: messages.at(-1)?.offset ?? this.#careful.message,
      };
    } else if (only !== undefined) this.#condemned.set(only.input.offset, cause);
    else for (const { offset } of messages) this.#unheard.add(offset);
  }

  /** What comes next, or one of it where care is needed. */
  #takeMessages(): readonly Heard[] {
    const { mailbox } = this.#options;
    const messages = mailbox.take(this.#careful.message === undefined ? undefined : 1);
    const last = messages.at(-1);
    if (last !== undefined && last.offset >= (this.#careful.message ?? Number.POSITIVE_INFINITY))
      this.#careful = { ...this.#careful, message: undefined };
    for (const { message } of messages)
      if (message.kind === 'close') this.#closing = later(this.#closing, message.upTo);
    // A part that cannot be resolved is not promised, and its coordinator gives up in time.
    return messages.filter(({ offset }) => !this.#unheard.has(offset));
  }

  #takeInputs(): readonly Taken[] {
    const { inbox } = this.#options;
    const group = inbox.take(this.#careful.input === undefined ? undefined : 1);
    const last = group.at(-1);
    if (
      last !== undefined &&
      last.input.offset >= (this.#careful.input ?? Number.POSITIVE_INFINITY)
    )
      this.#careful = { ...this.#careful, input: undefined };
    if (this.#condemned.size === 0) return group;
    return group.map((taken) => {
      const { offset } = taken.input;
      const cause = this.#condemned.get(offset);
      if (cause === undefined) return taken;
      this.#condemned.delete(offset);
      const input: Input = { kind: 'unreadable', offset, rejection: rejectionOf(cause) };
      return { ...taken, input };
    });
  }

  /** One of them is at fault; the others have nothing to do with it. */
  async #answerSingly(
    group: readonly Taken[],
    messages: readonly Heard[],
    cause: PyralogError,
  ): Promise<void> {
    if (group.length + messages.length > 1) {
      for (const each of messages) {
        const sequencer = await this.#leadingFor(group);
        if (sequencer === undefined) return;
        await this.#answer(sequencer, [], [each]);
      }
      for (const [i, one] of group.entries()) {
        const sequencer = await this.#leadingFor(group.slice(i));
        if (sequencer === undefined) return;
        await this.#answer(sequencer, [one], []);
      }
      return;
    }
    const [only] = group;
    // A part that cannot be resolved is not promised, and its coordinator gives up in time.
    if (only === undefined) return;
    if (!only.replayed || only.input.kind === 'unreadable') return only.fail(cause);
    const { offset } = only.input;
    const sequencer = await this.#leadingFor(group);
    if (sequencer === undefined) return;
    const input: Input = { kind: 'unreadable', offset, rejection: rejectionOf(cause) };
    await this.#answer(sequencer, [{ ...only, input }], []);
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

/** The later of two times that are wanted. */
function later(wanted: Closing | undefined, upTo: Tx | undefined): Closing {
  const before = wanted?.upTo;
  return { upTo: before !== undefined && (upTo === undefined || upTo < before) ? before : upTo };
}
