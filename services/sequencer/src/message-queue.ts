import { type LogOffset, logOffset } from '@pyralog/model';
import type { Heard } from '@pyralog/sequencing';
import { GROUP_MESSAGES_MAX, type Mailbox } from './mailbox.ts';

/**
 * The messages to a partition whose peers are in the same process. Volatile: who waits for an answer asks again. Offsets go
 * on from those of the commit log.
 */
export class MessageQueue implements Mailbox {
  #queue: Heard['message'][] = [];
  #next: LogOffset = logOffset(0);
  #closed = false;
  onArrival: () => void = () => undefined;

  get waiting(): boolean {
    return this.#queue.length > 0;
  }

  put(message: Heard['message']): void {
    if (this.#closed) return;
    this.#queue.push(message);
    this.onArrival();
  }

  begin(from: LogOffset): void {
    this.#next = from;
  }

  take(max: number = GROUP_MESSAGES_MAX): readonly Heard[] {
    return this.#queue.splice(0, max).map((message) => {
      const offset = this.#next;
      this.#next = logOffset(offset + 1);
      return { offset, message };
    });
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }
}
