import { inFlight, timed } from './measure.ts';
import type { Send, Store } from './store.ts';
import type { WorkloadDocument, WorkloadTransaction } from './workload.ts';

/** Facts given by the writer a second. */
export interface LoadRates {
  readonly acknowledged: number;
  /** Until all but the part of the live index that is still filling is in runs. */
  readonly flushed: number;
}

/** What was sent, and the facts that must come of it. */
interface Sending {
  readonly send: Send;
  readonly facts: number;
  /** Transactions that share one are committed in order. */
  readonly keys: readonly string[];
}

/**
 * Loads a part of the workload with several transactions in flight. Where the store takes them in any order,
 * one is not sent before those on the same attribute of an entity are answered, so that the outcome is that
 * of the workload's order.
 */
export async function load(
  store: Store,
  transactions: readonly WorkloadTransaction[],
  concurrency: number,
): Promise<LoadRates> {
  const sendings = transactions.map((transaction): Sending => {
    const { ops, p } = transaction;
    return {
      send: store.load(transaction),
      // The value that is replaced is retracted.
      facts: p === 'w1' ? ops.length : 2 * ops.length,
      keys: p === 'w1' || store.keepsOrder ? [] : ops.map(([e, attribute]) => `${e} ${attribute}`),
    };
  });
  const given = transactions.reduce((sum, { ops }) => sum + ops.length, 0);
  const loading = await timed(() => send(sendings, concurrency));
  const flushing = await timed(() => store.settle());
  return {
    acknowledged: (given * 1000) / loading,
    flushed: (given * 1000) / (loading + flushing),
  };
}

/** Commits documents in batches. @returns documents a second */
export async function loadDocuments(
  store: Store,
  documents: readonly WorkloadDocument[],
  { batch, concurrency }: { readonly batch: number; readonly concurrency: number },
): Promise<number> {
  const sendings: Sending[] = [];
  for (let at = 0; at < documents.length; at += batch) {
    const some = documents.slice(at, at + batch);
    sendings.push({ send: store.loadDocuments(some), facts: 3 * some.length, keys: [] });
  }
  return (documents.length * 1000) / (await timed(() => send(sendings, concurrency)));
}

async function send(sendings: readonly Sending[], concurrency: number): Promise<void> {
  /** The last transaction that was sent, by key. */
  const last = new Map<string, Promise<void>>();
  await inFlight(sendings, concurrency, async ({ send: sent, facts, keys }) => {
    const before = new Set(keys.flatMap((key) => last.get(key) ?? []));
    const answered = Promise.all(before).then(async () => {
      const written = await sent();
      if (written !== facts) throw new Error(`a commit wrote ${written} facts, not ${facts}`);
    });
    for (const key of keys) last.set(key, answered);
    await answered;
  });
}
