import type { Item } from '@pyralog/format';
import { type LogOffset, PyralogError } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';

/** What the commit log says of an input, and the facts that it wrote. */
export interface SeenOutcome<Facts> {
  readonly item: Item;
  readonly facts: Facts;
}

/**
 * Gives the outcomes of inputs to those who published them, by following the commit log. An outcome may
 * be seen before the one who published its input knows the offset, so while anybody publishes, outcomes
 * are kept.
 */
export class Outcomes<Facts> {
  readonly #timers: Timers;
  readonly #waiting = new Map<LogOffset, (outcome: SeenOutcome<Facts>) => void>();
  readonly #early = new Map<LogOffset, SeenOutcome<Facts>>();
  #publishing = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Inputs whose outcome is waited for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The commit log has an outcome. */
  seen(outcome: SeenOutcome<Facts>): void {
    const { offset } = outcome.item;
    const resolve = this.#waiting.get(offset);
    if (resolve !== undefined) {
      this.#waiting.delete(offset);
      resolve(outcome);
    } else if (this.#publishing > 0) this.#early.set(offset, outcome);
  }

  /**
   * Publishes an input and waits for its outcome.
   * @param publish resolves with the offset of the input
   * @throws outcome-unknown when the time is over, or with what `publish` rejects with
   */
  async of(publish: () => Promise<LogOffset>, timeoutMillis: number): Promise<SeenOutcome<Facts>> {
    let offset: LogOffset;
    let early: SeenOutcome<Facts> | undefined;
    this.#publishing++;
    try {
      offset = await publish();
      early = this.#early.get(offset);
    } finally {
      this.#publishing--;
      if (this.#publishing === 0) this.#early.clear();
    }
    // From here on it is waited for, in the same turn: no outcome may be seen in between.
    return early ?? this.#waitFor(offset, timeoutMillis);
  }

  #waitFor(offset: LogOffset, timeoutMillis: number): Promise<SeenOutcome<Facts>> {
    return new Promise((resolve, reject) => {
      const limit = this.#timers.after(timeoutMillis, () => {
        this.#waiting.delete(offset);
        reject(
          new PyralogError(
            'outcome-unknown',
            `The transaction was published at offset ${offset}, and nothing was heard of it for ${timeoutMillis / 1000} s.`,
            {
              hint: 'No sequencer may be running. The transaction will have its outcome; send it again only with the same id.',
            },
          ),
        );
      });
      this.#waiting.set(offset, (outcome) => {
        limit[Symbol.dispose]();
        resolve(outcome);
      });
    });
  }
}
