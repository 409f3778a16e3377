import type { Clock, Timers } from './ports.ts';

/** How far the fine clock may drift from the wall clock before it is set anew, in nanoseconds. */
const DRIFT_MAX = 2_000_000n;

/** The wall clock of the system, refined below its millisecond by the monotonic one. */
export class SystemClock implements Clock {
  #offset = 0n;

  nowNanos(): bigint {
    const wall = BigInt(Date.now()) * 1_000_000n;
    const fine = process.hrtime.bigint() + this.#offset;
    const drift = fine - wall;
    // Date.now() is cut to its millisecond, so the fine clock lies up to one ahead of it.
    if (drift >= 0n && drift <= DRIFT_MAX) return fine;
    this.#offset += wall - fine;
    return wall;
  }

  monotonicMillis(): number {
    return performance.now();
  }
}

/** Node's timers. */
export class SystemTimers implements Timers {
  sleep(delayMillis: number, signal?: AbortSignal, keepAlive = false): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer[Symbol.dispose]();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = startTimer(delayMillis, done, keepAlive);
      if (signal?.aborted) done();
      else signal?.addEventListener('abort', done, { once: true });
    });
  }

  immediate(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  after(delayMillis: number, call: () => void): Disposable {
    return startTimer(delayMillis, call, false);
  }
}

/** The longest that Node can wait at once; of what is longer it makes a millisecond. */
const TIMEOUT_MILLIS_MAX = 2 ** 31 - 1;

function startTimer(delayMillis: number, call: () => void, keepAlive: boolean): Disposable {
  let timer: NodeJS.Timeout;
  const wait = (millis: number): void => {
    const rest = millis - TIMEOUT_MILLIS_MAX;
    timer = setTimeout(rest > 0 ? () => wait(rest) : call, Math.min(millis, TIMEOUT_MILLIS_MAX));
    if (!keepAlive) timer.unref();
  };
  wait(delayMillis);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
