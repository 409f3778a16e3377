import type { LogOffset } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';

/** What closing the time of an idle partition takes. */
export interface IdleClosingOptions {
  readonly timers: Timers;
  /** Where the log ends; an idle one stays there. */
  readonly next: () => LogOffset;
  /** In import mode time follows the data. */
  readonly mayClose: () => boolean;
  readonly close: () => void;
}

/** The first pause; it doubles up to the bound while nothing happens. */
const PAUSE_MILLIS = 1_000;
const PAUSE_MILLIS_MAX = 64_000;

/** Moves the closed timestamp of an idle partition on now and then; a reader who waits has it moved at once. */
export class IdleClosing {
  readonly #options: IdleClosingOptions;
  #pause = PAUSE_MILLIS;

  constructor(options: IdleClosingOptions) {
    this.#options = options;
  }

  /** Something was written: the next pause is a short one. */
  busy(): void {
    this.#pause = PAUSE_MILLIS;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { timers, next, mayClose, close } = this.#options;
    while (!signal.aborted) {
      const before = next();
      await timers.sleep(this.#pause, signal);
      if (signal.aborted || next() !== before || !mayClose()) continue;
      this.#pause = Math.min(PAUSE_MILLIS_MAX, this.#pause * 2);
      close();
    }
  }
}
