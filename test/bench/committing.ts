import { timed } from './measure.ts';
import type { Store } from './store.ts';
import type { WorkloadTransaction } from './workload.ts';

/** Milliseconds of single commits, each awaited, by number of facts. */
export type CommitTimes = Map<number, number[]>;

/**
 * Commits one repetition of W3, in order. Its first 2,000 transactions (label `s`) warm up and are not
 * recorded.
 */
export async function commitEach(
  store: Store,
  transactions: readonly WorkloadTransaction[],
  times: CommitTimes,
): Promise<void> {
  for (const transaction of transactions) {
    const { ops, p } = transaction;
    const send = store.commit(transaction);
    let written = 0;
    const millis = await timed(async () => (written = await send()));
    if (written !== 2 * ops.length)
      throw new Error(`a commit wrote ${written} facts, not ${2 * ops.length}`);
    if (p.endsWith('.s')) continue;
    const samples = times.get(ops.length) ?? [];
    times.set(ops.length, samples);
    samples.push(millis);
  }
}
