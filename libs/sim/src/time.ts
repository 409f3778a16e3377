import type { Clock, Rand, Timers } from '@pyralog/runtime';
import { SeededRand } from '@pyralog/runtime';
import { hashText } from './choice.ts';
import type { SimProcess } from './process.ts';

/** When every world begins: 2026-01-01T00:00:00Z, in nanoseconds. */
export const WORLD_BEGAN: bigint = 1_767_225_600_000_000_000n;

/** The clock of a process: virtual time, and what the process's wall clock is ahead or behind. */
export class SimClock implements Clock {
  readonly #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  nowNanos(): bigint {
    const { scheduler, clockOffsetNanos } = this.#process;
    return WORLD_BEGAN + BigInt(scheduler.nowMicros) * 1_000n + clockOffsetNanos;
  }

  monotonicMillis(): number {
    return this.#process.scheduler.nowMicros / 1_000;
  }
}

/** Timers of a process, by virtual time. */
export class SimTimers implements Timers {
  readonly #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  sleep(delayMillis: number, signal?: AbortSignal): Promise<void> {
    return this.#process.wait('slept', delayMillis * 1_000, signal);
  }

  immediate(): Promise<void> {
    return this.#process.wait('immediate', 0, undefined);
  }

  after(delayMillis: number, call: () => void): Disposable {
    const { scheduler } = this.#process;
    const pending = scheduler.enqueue(this.#process, 'timer', delayMillis * 1_000, call);
    return { [Symbol.dispose]: () => pending.cancel() };
  }
}

/**
 * Chance of a process: one choice tells all that it draws. Processes of different names draw differently
 * even where everything is calm: two owners must not have one id.
 */
export class SimRand implements Rand {
  readonly #rand: SeededRand;

  constructor({ name, choice }: SimProcess) {
    this.#rand = new SeededRand(hashText(name) ^ choice.pick(2 ** 31, 'seed of chance'));
  }

  bytes(length: number): Uint8Array {
    return this.#rand.bytes(length);
  }

  fraction(): number {
    return this.#rand.fraction();
  }
}
