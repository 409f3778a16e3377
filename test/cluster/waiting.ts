import { setTimeout as sleep } from 'node:timers/promises';

/** How long a test waits for what must come, on a busy machine too. */
export const PATIENCE_MILLIS = 60_000;
const LOOK_MILLIS = 50;

/** Looks until expectations hold. Rejects with the last failure when the time is over. */
export async function eventually(
  what: string,
  look: () => Promise<void>,
  millis: number = PATIENCE_MILLIS,
): Promise<void> {
  const deadline = performance.now() + millis;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`Not within ${millis} ms: ${what}.\n${(error as Error).message}`, {
          cause: error,
        });
    }
    await sleep(LOOK_MILLIS);
  }
}

/** What a promise resolves with. Rejects when that takes too long. */
export async function within<T>(what: string, promise: Promise<T>, millis: number): Promise<T> {
  const over = new AbortController();
  const late = sleep(millis, undefined, { signal: over.signal }).then(
    () => {
      throw new Error(`Not within ${millis} ms: ${what}.`);
    },
    () => promise,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
