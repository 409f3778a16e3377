import type { LogOffset, PyralogError } from '@pyralog/model';
import type { Input, Outcome } from '@pyralog/sequencing';

/** An input on its way to its outcome. */
export interface Taken {
  readonly input: Input;
  /**
   * Whether it comes again until the log has an outcome for it. One that cannot be resolved is rejected
   * there then, and otherwise only where its writer hears of it.
   */
  readonly replayed: boolean;
  /** Its outcome is durable and admitted. */
  readonly settle: (outcome: Outcome) => void;
  /** It has no outcome that anybody knows of, or none at all. */
  readonly fail: (error: unknown) => void;
}

/** Most inputs of a group: enough to share an fdatasync, few enough to answer soon. */
const GROUP_INPUTS_MAX = 512;
/**
 * Input bytes of a group, so that its record stays well below what a record of Kafka may hold: it is up to one and
 * a half times as long. A larger input comes alone.
 */
const GROUP_BYTES_MAX: number = 256 * 1024;

/** Where the leader of a partition gets its inputs. */
export interface Inbox {
  /** Whether there is something to take. */
  readonly waiting: boolean;
  /** Whether what is not taken stays where it is, so that nobody has to be told that there is no room. */
  readonly isKept: boolean;
  /** Told when something has come. Set once, by the leader. */
  onArrival: () => void;
  /**
   * The leader begins, or begins again after a failure, whatever was taken before.
   * @param from the first input that may have no outcome: one that is kept is taken again from there on
   * @param free behind all that have outcomes, or were taken: one that is not kept goes on from there
   */
  begin(from: LogOffset, free: LogOffset): void;
  /** Takes what has come, in order, up to the bounds of a group. @param max of that, fewer */
  take(max?: number): readonly Taken[];
  /** It cannot be taken for some time. Writers who wait here are told; what is replayed comes with the next `begin`. */
  refuse(error: PyralogError): void;
  /** Nothing more comes. What others wait for here is still to be taken. */
  close(): void;
}

/** How many of what waits, in order, make a group. */
export function groupLength(
  waiting: readonly { readonly bytes: number }[],
  max: number = GROUP_INPUTS_MAX,
): number {
  let bytes = 0;
  let count = 0;
  for (const each of waiting) {
    if (count >= Math.min(max, GROUP_INPUTS_MAX)) break;
    if (count > 0 && bytes + each.bytes > GROUP_BYTES_MAX) break;
    bytes += each.bytes;
    count++;
  }
  return count;
}
