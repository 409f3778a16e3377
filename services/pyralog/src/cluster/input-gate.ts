import { PyralogError } from '@pyralog/model';
import type { Timers } from '@pyralog/runtime';
import type { WaitingBounds } from '../overload.ts';
import type { OutcomeWaits } from './outcomes.ts';

/** What a gate goes by. */
export interface InputGateOptions {
  readonly timers: Timers;
  readonly bounds: WaitingBounds;
  /** Whether the index has room for what more inputs would write (I13). */
  readonly hasRoom: () => boolean;
  /** What writers are told when there was none for long. */
  readonly noRoom: () => PyralogError;
  /** How long what was let through has waited for its outcome. */
  readonly waits: () => OutcomeWaits;
  /** What writers are told when that is too long. */
  readonly late: () => PyralogError;
}

/** How long writers wait for room before they are refused. @internal */
export const ROOM_MILLIS_MAX = 5_000;
/** How long there may be no outcome at all of what was published before writers are refused. @internal */
export const STALLED_MILLIS_MAX = 5_000;
/** How far outcomes may be behind before they are: the newest input is to have its own while its writer waits. @internal */
export const BEHIND_MILLIS_MAX = 30_000;

interface Waiting {
  readonly publish: () => void;
  readonly refuse: (error: PyralogError) => void;
}

/**
 * Whether more may be published into the input of a partition. Who publishes cannot take it back, so writers
 * are slowed and refused before: while the index has no room they wait for it, and are refused when that lasts,
 * as those who write to a database in their own process are; and while what was published before gets no
 * outcomes, or late ones, they are refused at once. A refused input was not published.
 *
 * Inputs are published in the order in which they come.
 */
export class InputGate {
  readonly #options: InputGateOptions;
  /** Those who wait for room, in order. */
  #waiting: Waiting[] = [];
  #documents = 0;
  #bytes = 0;
  /** `no`: writers wait. `never`: there has been none for so long that they do not any more. */
  #room: 'yes' | 'no' | 'never' = 'yes';
  #limit: Disposable | undefined;
  #closed = false;

  constructor(options: InputGateOptions) {
    this.#options = options;
  }

  /**
   * Lets an input through: in the turn of the call, unless it has to wait.
   * @param bytes of its document, which count until the result is there
   * @throws busy, stopping where it was not published, and what `publish` rejects with
   */
  async pass<T>(bytes: number, publish: () => Promise<T>): Promise<T> {
    this.moved();
    const refusal = this.#refusal(bytes);
    if (refusal !== undefined) throw refusal;
    this.#documents++;
    this.#bytes += bytes;
    try {
      return await (this.#room === 'yes' ? publish() : this.#whenRoom(publish));
    } finally {
      this.#documents--;
      this.#bytes -= bytes;
    }
  }

  /** The commit log or the index has moved on: there may be room now, or none any more. */
  moved(): void {
    const { hasRoom, timers } = this.#options;
    if (!hasRoom()) {
      if (this.#room !== 'yes') return;
      this.#room = 'no';
      this.#limit = timers.after(ROOM_MILLIS_MAX, () => {
        this.#room = 'never';
        this.#refuseAll(this.#options.noRoom());
      });
      return;
    }
    if (this.#room === 'yes') return;
    this.#room = 'yes';
    this.#limit?.[Symbol.dispose]();
    if (this.#isLate) this.#refuseAll(this.#options.late());
    else for (const { publish } of this.#waiting.splice(0)) publish();
  }

  /** Nothing more is let through. */
  close(): void {
    this.#closed = true;
    this.#limit?.[Symbol.dispose]();
    this.#refuseAll(closing());
  }

  get #isLate(): boolean {
    const { stalledMillis, oldestMillis } = this.#options.waits();
    return stalledMillis > STALLED_MILLIS_MAX || oldestMillis > BEHIND_MILLIS_MAX;
  }

  #refusal(bytes: number): PyralogError | undefined {
    const { bounds, noRoom, late } = this.#options;
    if (this.#closed) return closing();
    if (this.#room === 'never') return noRoom();
    if (this.#isLate) return late();
    if (this.#documents < bounds.documents && this.#bytes + bytes <= bounds.bytes) return undefined;
    return new PyralogError(
      'busy',
      `${this.#documents} transactions (${this.#bytes} bytes) are on their way, which is the bound.`,
      { hint: 'Send the transaction again after a pause, or keep fewer in flight.' },
    );
  }

  #whenRoom<T>(publish: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publish: () => void publish().then(resolve, reject), refuse: reject });
    });
  }

  #refuseAll(error: PyralogError): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }
}

function closing(): PyralogError {
  return new PyralogError('stopping', 'The database is closing.');
}
