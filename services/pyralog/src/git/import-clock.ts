import { CLOCK_STEP } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';
import { secondsText } from './documents.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/**
 * Chooses the commit times of imported commits: the committer's time where the database can take it,
 * and else its own next step. Committers' clocks stand still, go back, and run ahead; transactions
 * only rise. Foresees what the database does with the commits that are still on their way.
 */
export class ImportClock {
  #last: bigint;
  readonly #wall: Clock;
  /** Commits dated after now, which cannot have their time. */
  ahead = 0;

  /** @param last the newest transaction of the database, 0n for none */
  constructor(last: bigint, wall: Clock) {
    this.#last = last;
    this.#wall = wall;
  }

  /** @returns `at` of the next transaction, or undefined where the database shall choose */
  at(seconds: bigint): string | undefined {
    const wanted = seconds * NANOS_PER_SECOND;
    const ahead = wanted > this.#wall.nowNanos();
    if (ahead) this.ahead++;
    if (ahead || wanted <= this.#last) {
      this.#last += CLOCK_STEP;
      return undefined;
    }
    this.#last = wanted;
    return secondsText(seconds);
  }
}
