import type { Manifest } from '@pyralog/format';
import { Backoff, type PauseRule, type Rand, type Timers } from '@pyralog/runtime';
import type { IndexReader } from './index-reader.ts';

/** How the manifests of a partition are followed. */
export interface ManifestFollowing {
  readonly index: IndexReader;
  /** Resolves when a manifest is due: the log has passed a cut that the index does not cover. */
  readonly whenDue: (signal: AbortSignal) => Promise<void>;
  /** Takes over the next manifest. */
  readonly adopt: (manifest: Manifest) => Promise<void>;
  readonly timers: Timers;
  readonly rand: Rand;
}

/** Pauses before the bucket is asked again for a manifest that is due: an indexer is at it. */
const DUE_PAUSES: PauseRule = { firstMillis: 25, maxMillis: 1_000 };

/**
 * Adopts the manifests that indexers elsewhere put, one after the other, until the signal aborts. Cuts
 * are a pure function of the log, so who reads the log knows when the next manifest is due, and asks the
 * bucket only then. Rejects with whatever the bucket refuses; to go on is to run it again.
 */
export async function followManifests(
  { index, whenDue, adopt, timers, rand }: ManifestFollowing,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(DUE_PAUSES, rand);
  while (!signal.aborted) {
    await whenDue(signal);
    if (signal.aborted) return;
    const number = (index.manifest?.number ?? 0) + 1;
    const manifest = await index.bucket.manifest(index.partition, number);
    if (manifest === undefined) {
      await timers.sleep(backoff.next(), signal);
      continue;
    }
    await adopt(manifest);
    backoff.reset();
  }
}
