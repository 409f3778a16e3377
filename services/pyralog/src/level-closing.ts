import { type PartitionNo, TX_NONE, type Tx } from '@pyralog/model';
import type { Partitions } from '@pyralog/reading';
import type { Rand, Timers } from '@pyralog/runtime';

/** What keeping the partitions of a database level takes. */
export interface LevelClosingOptions {
  readonly partitions: Partitions;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Asks the owner of a partition for a CLOSED record, at `upTo` or above. */
  readonly requestClosed: (partition: PartitionNo, upTo: Tx) => void;
}

/**
 * How long the time of partitions without data may be behind the others' before it is asked for, in milliseconds. Between
 * the two by chance: of many that follow a database the first asks, and the others find that it is done.
 */
const BEHIND_MILLIS = { min: 25, max: 50 };
/** Before they are asked again: a request may be lost, and an owner may be away. */
const AGAIN_MILLIS = 1_000;

/**
 * Who reads all partitions reads at the least of their times (design section 4): keeps those without data close behind those
 * that are written to.
 */
export class LevelClosing implements Disposable {
  readonly #options: LevelClosingOptions;
  #timer: Disposable | undefined;
  #again: Disposable | undefined;
  #closed = false;
  /** Up to where something was written. */
  #written: Tx = TX_NONE;

  constructor(options: LevelClosingOptions) {
    this.#options = options;
  }

  /** A record that says something was written, and closes a time. */
  written(closed: Tx): void {
    const { partitions, timers, rand } = this.#options;
    if (partitions.all.length === 1 || this.#closed) return;
    if (closed > this.#written) this.#written = closed;
    const { min, max } = BEHIND_MILLIS;
    this.#timer ??= timers.after(min + rand.fraction() * (max - min), () => {
      this.#timer = undefined;
      this.#level();
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#again?.[Symbol.dispose]();
  }

  #level(): void {
    const { partitions, timers, requestClosed } = this.#options;
    this.#again?.[Symbol.dispose]();
    this.#again = undefined;
    // In import mode time follows the data, and partitions tell each other.
    if (partitions.first.schema.mode !== 'live') return;
    const behind = partitions.all.filter(({ closed }) => closed < this.#written);
    if (behind.length === 0) return;
    for (const { index } of behind) requestClosed(index.partition, this.#written);
    this.#again = timers.after(AGAIN_MILLIS, () => this.#level());
  }
}
