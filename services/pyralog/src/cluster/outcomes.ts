import type { FactRows, OutcomeItem } from '@pyralog/format';
import { type LogOffset, PyralogError } from '@pyralog/model';
import type { Clock, Timers } from '@pyralog/runtime';

/** How long inputs wait for their outcomes. */
export interface OutcomeWaits {
  /** How long the oldest one has waited. */
  readonly oldestMillis: number;
  /** How long one has waited while no input had its outcome, whoever published that. */
  readonly stalledMillis: number;
}

/** What the commit log says of an input, and the facts that it wrote. */
export interface SeenOutcome<Facts> {
  readonly item: OutcomeItem<FactRows>;
  readonly facts: Facts;
}

/** An input that was published and has no outcome yet. */
interface Unanswered<Facts> {
  /** When it was published, on the monotonic clock. */
  readonly sinceMillis: number;
  /** Who waits for it; undefined where that has taken too long. */
  hear: ((outcome: SeenOutcome<Facts>) => void) | undefined;
}

/** An outcome that came before its offset was known. */
interface Early<Facts> {
  readonly outcome: SeenOutcome<Facts>;
  /** How many had begun to publish by then: it is of none that began later. */
  readonly begun: number;
}

/**
 * Gives the outcomes of inputs to those who published them, by following the commit log. An outcome may
 * be seen before the one who published its input knows the offset, so it is kept while anybody publishes
 * whose it may be.
 */
export class Outcomes<Facts> {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #isSettled: (input: LogOffset) => boolean;
  /** In the order in which they were published. */
  readonly #unanswered = new Map<LogOffset, Unanswered<Facts>>();
  readonly #early = new Map<LogOffset, Early<Facts>>();
  /** Numbers of those who publish, in the order in which they began. */
  readonly #publishing = new Set<number>();
  #begun = 0;
  /** When the newest outcome was seen, on the monotonic clock. */
  #seenMillis = 0;

  /** @param isSettled whether an input has its outcome, by all that is known of the partition */
  constructor(clock: Clock, timers: Timers, isSettled: (input: LogOffset) => boolean) {
    this.#clock = clock;
    this.#timers = timers;
    this.#isSettled = isSettled;
  }

  /** How long inputs have waited for their outcomes by now; zeros where all have theirs. */
  get waits(): OutcomeWaits {
    // One that nobody waits for any more counts as the others do: it is what the next ones would stand behind.
    for (const [offset, { sinceMillis }] of this.#unanswered) {
      if (this.#isSettled(offset)) {
        // Its outcome was passed over, by a manifest that is further than the log was read.
        this.#unanswered.delete(offset);
        continue;
      }
      const now = this.#clock.monotonicMillis();
      return {
        oldestMillis: now - sinceMillis,
        stalledMillis: now - Math.max(sinceMillis, this.#seenMillis),
      };
    }
    return { oldestMillis: 0, stalledMillis: 0 };
  }

  /** Inputs without an outcome, and outcomes that are kept for those who publish. @internal */
  get held(): { readonly unanswered: number; readonly early: number } {
    return { unanswered: this.#unanswered.size, early: this.#early.size };
  }

  /** The commit log has an outcome. */
  seen(outcome: SeenOutcome<Facts>): void {
    const { offset } = outcome.item;
    this.#seenMillis = this.#clock.monotonicMillis();
    const input = this.#unanswered.get(offset);
    if (input !== undefined) {
      this.#unanswered.delete(offset);
      input.hear?.(outcome);
    } else if (this.#publishing.size > 0) this.#early.set(offset, { outcome, begun: this.#begun });
  }

  /**
   * Publishes an input and waits for its outcome.
   * @param publish resolves with the offset of the input
   * @throws outcome-unknown when the time is over, or with what `publish` rejects with
   */
  async of(publish: () => Promise<LogOffset>, timeoutMillis: number): Promise<SeenOutcome<Facts>> {
    let offset: LogOffset;
    let early: SeenOutcome<Facts> | undefined;
    const number = this.#begun++;
    this.#publishing.add(number);
    try {
      offset = await publish();
      early = this.#early.get(offset)?.outcome;
    } finally {
      this.#publishing.delete(number);
      this.#forgetEarly();
    }
    // From here on it is waited for, in the same turn: no outcome may be seen in between.
    return early ?? this.#waitFor(offset, timeoutMillis);
  }

  /** Those that are of nobody who still publishes. */
  #forgetEarly(): void {
    const [oldest = this.#begun] = this.#publishing;
    for (const [offset, { begun }] of this.#early) {
      if (begun > oldest) break;
      this.#early.delete(offset);
    }
  }

  #waitFor(offset: LogOffset, timeoutMillis: number): Promise<SeenOutcome<Facts>> {
    return new Promise((resolve, reject) => {
      const input: Unanswered<Facts> = {
        sinceMillis: this.#clock.monotonicMillis(),
        hear: (outcome) => {
          limit[Symbol.dispose]();
          resolve(outcome);
        },
      };
      const limit = this.#timers.after(timeoutMillis, () => {
        input.hear = undefined;
        reject(
          new PyralogError(
            'outcome-unknown',
            `The transaction was published at offset ${offset}, and nothing was heard of it for ${timeoutMillis / 1000} s.`,
            {
              hint: 'Its partition takes no input at the moment. The transaction will have its outcome; send it again only with the same id.',
            },
          ),
        );
      });
      this.#unanswered.set(offset, input);
    });
  }
}
