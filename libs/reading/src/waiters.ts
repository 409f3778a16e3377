import type { Tx } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';

interface Waiter {
  readonly tx: Tx;
  readonly wake: () => void;
}

/** Those who wait until a rising timestamp has reached theirs. */
export class Waiters {
  readonly #timers: Timers;
  readonly #waiting = new Set<Waiter>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Wakes those whose timestamp is reached. */
  reached(tx: Tx): void {
    for (const waiter of this.#waiting) {
      if (waiter.tx > tx) continue;
      this.#waiting.delete(waiter);
      waiter.wake();
    }
  }

  /** Resolves when `tx` is reached, the time is over or the signal aborts; the caller looks again. */
  wait(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(waiter);
        timer[Symbol.dispose]();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const waiter: Waiter = { tx, wake: done };
      const timer = this.#timers.after(timeoutMillis, done);
      this.#waiting.add(waiter);
      if (signal?.aborted) done();
      else signal?.addEventListener('abort', done, { once: true });
    });
  }
}
