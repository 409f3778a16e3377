import { must } from '@pyralog/base';
import { type LogOffset, logOffset, PyralogError, type TransactionDocument } from '@pyralog/model';
import { inputsFrom, type Outcome } from '@pyralog/sequencing';
import { groupLength, type Inbox, type Taken } from './inbox.ts';

interface Waiting {
  readonly document: TransactionDocument;
  readonly bytes: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** What may wait. */
export interface QueueBounds {
  readonly documents: number;
  readonly bytes: number;
}

/**
 * The input of a partition in one process: documents whose writers wait for the outcome. Volatile; its
 * offsets go on from the low-water mark of the commit log, so that what was not answered may die with the
 * process and nothing is written twice.
 */
export class DocumentQueue implements Inbox {
  readonly #bounds: QueueBounds;
  #queue: Waiting[] = [];
  #bytes = 0;
  #next: LogOffset = logOffset(0);
  #closed = false;
  readonly isKept = false;
  onArrival: () => void = () => undefined;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get waiting(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * Resolves with the outcome of a document when that is durable; rejects with `busy`, `stopping` or the
   * failure of the log, in which case it was not committed unless the code is `outcome-unknown`.
   */
  submit(document: TransactionDocument, bytes: number): Promise<Outcome> {
    if (this.#closed)
      return Promise.reject(new PyralogError('stopping', 'The database is closing.'));
    if (this.#queue.length >= this.#bounds.documents || this.#bytes + bytes > this.#bounds.bytes) {
      return Promise.reject(
        new PyralogError(
          'busy',
          `${this.#queue.length} transactions (${this.#bytes} bytes) are waiting, which is the bound.`,
          { hint: 'Send the transaction again after a pause, or keep fewer in flight.' },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ document, bytes, resolve, reject });
      this.#bytes += bytes;
      this.onArrival();
    });
  }

  close(): void {
    this.#closed = true;
  }

  begin(_from: LogOffset, free: LogOffset): void {
    this.#next = free;
  }

  take(max?: number): readonly Taken[] {
    const group = this.#queue.splice(0, groupLength(this.#queue, max));
    for (const { bytes } of group) this.#bytes -= bytes;
    const inputs = inputsFrom(
      this.#next,
      group.map(({ document }) => document),
    );
    this.#next = logOffset(this.#next + group.length);
    return group.map(({ resolve, reject }, i) => ({
      input: must(inputs[i], 'a document is an input'),
      replayed: false,
      settle: resolve,
      fail: reject,
    }));
  }

  refuse(error: PyralogError): void {
    this.#bytes = 0;
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }
}
