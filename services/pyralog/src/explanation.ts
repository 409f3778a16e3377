import type { CommitExplanation } from '@pyralog/client';
import type { PartitionNo } from '@pyralog/model';
import type { Effort } from '@pyralog/sequencing';

/** What is measured by who answers, in milliseconds. */
export interface Measured {
  /** Until the document was in the input of its partition. */
  readonly publish: number;
  readonly total: number;
}

/** Where the time of a commit went, of what its coordinator tells and what was measured here. */
export function explanation(
  coordinator: PartitionNo,
  participants: readonly PartitionNo[],
  { attempts, waitedNanos, askedNanos }: Effort,
  measured: Measured,
): CommitExplanation {
  const [publish, total] = [rounded(measured.publish), rounded(measured.total)];
  const wait = waitedNanos === undefined ? undefined : rounded(Number(waitedNanos) / 1e6);
  const prepare = askedNanos === undefined ? undefined : rounded(Number(askedNanos) / 1e6);
  // The coordinator has another clock, which may have been put forward meanwhile.
  const commit = Math.max(0, rounded(total - publish - (wait ?? 0) - (prepare ?? 0)));
  return {
    partitions: [coordinator, ...participants],
    attempts,
    millis: { publish, wait, prepare, commit, total },
  };
}

function rounded(millis: number): number {
  return Math.round(millis * 1_000) / 1_000;
}
