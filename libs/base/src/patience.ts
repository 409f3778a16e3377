/** How long something that fails is tried again, and how often. */
export interface PatienceRule {
  /** From the first failure on. */
  readonly patienceMillis: number;
  readonly firstPauseMillis: number;
  readonly pauseMillisMax: number;
}

/** What passes sooner is no news. */
const NEWS_AFTER_MILLIS = 1_000;

/**
 * Whoever waits for a server that may come back: what one failure after the other means. One for each
 * operation; time and chance are the caller's.
 */
export class Patience {
  readonly #rule: PatienceRule;
  #pauseMillis: number;
  #failingSinceMillis: number | undefined;

  constructor(rule: PatienceRule) {
    this.#rule = rule;
    this.#pauseMillis = rule.firstPauseMillis;
  }

  /**
   * An attempt has failed.
   * @param nowMillis on a clock that never goes back
   * @returns `isNews`: for so long that the operator is told; `isOver`: patience would end before the next attempt
   */
  failed(nowMillis: number): { readonly isNews: boolean; readonly isOver: boolean } {
    this.#failingSinceMillis ??= nowMillis;
    const millis = nowMillis - this.#failingSinceMillis;
    return {
      isNews: millis >= NEWS_AFTER_MILLIS,
      isOver: millis + this.#pauseMillis > this.#rule.patienceMillis,
    };
  }

  /**
   * The pause before the next attempt, in milliseconds; the one after it is twice as long.
   * @param fraction by chance, in [0, 1): pauses are shortened by up to a half, so that all who lost the same
   *   server do not come back together
   */
  pause(fraction: number): number {
    const pause = this.#pauseMillis * (1 - fraction / 2);
    this.#pauseMillis = Math.min(2 * this.#pauseMillis, this.#rule.pauseMillisMax);
    return pause;
  }
}
