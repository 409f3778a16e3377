import type { LogOffset } from '@pyralog/model';
import type { Heard, Sent } from '@pyralog/sequencing';

/** Where the leader of a partition hears what others say of transactions over partitions. */
export interface Mailbox {
  /** Whether there is something to take. */
  readonly waiting: boolean;
  /** Told when something has come. Set once, by the leader. */
  onArrival: () => void;
  /** The leader begins, or begins again after a failure: the next message is that one. */
  begin(from: LogOffset): void;
  /** Takes what has come, in order, up to the bounds of a group. @param max of that, fewer */
  take(max?: number): readonly Heard[];
  /** Nothing more comes. */
  close(): void;
}

/** Messages of a group: enough to share an append, few enough to be answered soon. */
export const GROUP_MESSAGES_MAX = 512;

/**
 * Sends messages to the owners of partitions, in order for each. What is lost is sent again by whoever waits for the
 * answer, so nobody waits for it here.
 */
export type Post = (messages: readonly Sent[]) => void;

/** A database of one partition: nobody says anything. */
export const NO_MAILBOX: Mailbox = {
  waiting: false,
  onArrival: () => undefined,
  begin: () => undefined,
  take: () => [],
  close: () => undefined,
};

/** There is nobody to send to. */
export const NO_POST: Post = () => undefined;
