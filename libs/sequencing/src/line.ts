import type { LogOffset, PyralogError, TransactionDocument } from '@pyralog/model';
import type { Lock } from '@pyralog/format';
import { Doubts } from './doubts.ts';
import type { HintsSoFar } from './hints.ts';
import { type Holder, isOlder, LockTable } from './locks.ts';
import { roughLocks } from './plan.ts';

/** How long a document may wait before it is refused, in nanoseconds. */
export const WAIT_NANOS_MAX = 10_000_000_000n;
/** What was not answered is sent again after this long. */
export const RESEND_NANOS = 500_000_000n;

/** A document that waits for its turn. It holds nothing. */
export interface Waiting {
  readonly holder: Holder;
  readonly offset: LogOffset;
  readonly document: TransactionDocument;
  readonly hints: HintsSoFar;
  /** When it came; this and other times of what waits are of {@link Desk.elapsed}. */
  readonly since: bigint;
  readonly notBefore: bigint;
  /** Why it may not have the time that it asks for; a duplicate is told of the first all the same. */
  readonly refusal: PyralogError | undefined;
  readonly doubts: Doubts;
  /** Attempts before. */
  readonly attempts: number;
  /** When others were asked last for what it needs to know; undefined when they have answered. */
  askedAt: bigint | undefined;
  /** Whether an answer is what its last turn has ended for: then it is asked for again. */
  isAsking: boolean;
  /** What was in the way when it was planned last: while it is, nothing is to be planned. */
  blocked: readonly Lock[] | undefined;
}

/** One that was not looked at yet. */
export function newWaiting(
  known: Omit<Waiting, 'doubts' | 'askedAt' | 'isAsking' | 'blocked'>,
): Waiting {
  const doubts = new Doubts();
  return { ...known, doubts, askedAt: undefined, isAsking: false, blocked: undefined };
}

/** Documents of a partition that wait, the oldest first, and what they are going to lock. */
export class Line {
  #waiting: Waiting[] = [];
  readonly #byOffset = new Map<LogOffset, Waiting>();
  /** Who comes later waits for these. */
  readonly locks: LockTable = new LockTable();
  #due: bigint | undefined;

  get length(): number {
    return this.#waiting.length;
  }

  /** When one of them is to be looked at without an event, as of the last {@link push} or {@link keep}. */
  get due(): bigint | undefined {
    return this.#due;
  }

  [Symbol.iterator](): Iterator<Waiting> {
    return this.#waiting[Symbol.iterator]();
  }

  get(offset: LogOffset): Waiting | undefined {
    return this.#byOffset.get(offset);
  }

  /** Adds the youngest. */
  push(waiting: Waiting, elapsed: bigint): void {
    this.#waiting.push(waiting);
    this.#byOffset.set(waiting.offset, waiting);
    this.#due = least(this.#due, dueOf(waiting, elapsed));
  }

  /** Adds one at the place of its age. It is due when the line is looked at next. */
  insert(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#byOffset.set(waiting.offset, waiting);
    this.#waiting.sort((a, b) => (isOlder(a.holder, b.holder) ? -1 : 1));
  }

  /** Those behind it keep their order, though it holds nothing until it is its turn. */
  keepPlace(holder: Holder, document: TransactionDocument): void {
    this.locks.add(holder, holder.id, roughLocks(document));
  }

  /** Looks at each, in order, and keeps those that stay. */
  keep(stays: (waiting: Waiting) => boolean, elapsed: bigint): void {
    this.#waiting = this.#waiting.filter((waiting) => {
      if (stays(waiting)) return true;
      this.#byOffset.delete(waiting.offset);
      return false;
    });
    this.#due = undefined;
    for (const waiting of this.#waiting) this.#due = least(this.#due, dueOf(waiting, elapsed));
  }
}

/** The earlier of two times, of which one may not be. */
export function least(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b < a ? b : a;
}

function dueOf({ notBefore, since, askedAt, isAsking }: Waiting, elapsed: bigint): bigint {
  let due = since + WAIT_NANOS_MAX;
  if (notBefore > elapsed) due = least(due, notBefore);
  return askedAt === undefined || !isAsking ? due : least(due, askedAt + RESEND_NANOS);
}
