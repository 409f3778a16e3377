import { Bell } from '@pyralog/base';
import { type PartitionNo, partitionNo } from '@pyralog/model';

/**
 * Who should lead which partitions, of all processes that ask: advice, and never a right. Two processes may
 * be advised of one partition at once, and one that was paused learns late that another has it; what counts
 * is the fence in the log.
 */
export interface GroupAdvice {
  /**
   * Takes part in a group as long as the iteration lasts, and leaves it at once when that ends, by its
   * signal (quietly), by `break`, or by an error. Every partition of the topic is some member's, and members
   * keep what they have where that is fair.
   *
   * Yields the partitions of this member whenever they change, first as soon as they are known, and none
   * when it loses all. Who comes late for it gets the newest only.
   *
   * @throws PyralogError `not-found` where there is no such topic; `stopping`, `storage-failed`. While the
   *   group cannot be reached the last advice stands.
   */
  join(group: string, topic: string, signal?: AbortSignal): AsyncIterable<ReadonlySet<PartitionNo>>;
}

/** Advice for a process that is alone: it leads all partitions. */
export class AssignAll implements GroupAdvice {
  readonly #partitionsOf: (topic: string) => Promise<number>;

  /** @param partitionsOf how many a topic has */
  constructor(partitionsOf: (topic: string) => Promise<number>) {
    this.#partitionsOf = partitionsOf;
  }

  async *join(
    _group: string,
    topic: string,
    signal?: AbortSignal,
  ): AsyncIterable<ReadonlySet<PartitionNo>> {
    if (signal?.aborted) return;
    const length = await this.#partitionsOf(topic);
    yield new Set(Array.from({ length }, (_, p) => partitionNo(p)));
    await new Bell().wait(signal);
  }
}
