import type { Tx } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';

interface Waiter {
  readonly tx: Tx;
  readonly wake: () => void;
}

/** Those who wait for a timestamp: until a rising one has reached it, or itself comes. */
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

  /** Wakes those who wait for exactly this one. */
  came(tx: Tx): void {
    if (this.#waiting.size === 0) return;
    for (const waiter of this.#waiting) if (waiter.tx === tx) waiter.wake();
  }

  /** Resolves when `tx` is reached or comes, the time is over or the signal aborts; the caller looks again. */
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
