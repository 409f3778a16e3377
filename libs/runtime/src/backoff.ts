import { assert } from '@pyralog/base';
import type { Rand } from './ports.ts';

/** Pauses between attempts at what failed. */
export interface PauseRule {
  /** After the first failure. */
  readonly firstMillis: number;
  readonly maxMillis: number;
}

/**
 * Pauses that double up to a bound. Each is shortened by chance by up to a half, so that those who failed
 * together do not come back together.
 */
export class Backoff {
  readonly #rule: PauseRule;
  readonly #rand: Rand;
  #pauseMillis: number;

  constructor(rule: PauseRule, rand: Rand) {
    assert(rule.firstMillis > 0 && rule.maxMillis >= rule.firstMillis, 'pauses grow');
    this.#rule = rule;
    this.#rand = rand;
    this.#pauseMillis = rule.firstMillis;
  }

  /** The pause before the next attempt, in milliseconds; the one after it is twice as long. */
  next(): number {
    const pause = this.#pauseMillis;
    this.#pauseMillis = Math.min(this.#rule.maxMillis, pause * 2);
    return pause * (1 - this.#rand.fraction() / 2);
  }

  /** What was attempted works: the next failure is a first one. */
  reset(): void {
    this.#pauseMillis = this.#rule.firstMillis;
  }
}
