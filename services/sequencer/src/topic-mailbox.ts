import { decodeCoordination } from '@pyralog/format';
import type { Log, TopicPartition } from '@pyralog/log';
import { isPyralogError, type LogOffset, logOffset } from '@pyralog/model';
import { Backoff, type Health, type PauseRule, type Rand, type Timers } from '@pyralog/runtime';
import type { Heard } from '@pyralog/sequencing';
import { GROUP_MESSAGES_MAX, type Mailbox } from './mailbox.ts';

/** Where the messages to a partition are read. */
export interface TopicMailboxOptions {
  readonly log: Log;
  readonly topic: TopicPartition;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Told of every attempt to read the topic. */
  readonly health: Health;
}

/** Messages that may be read ahead of the leader (I13). */
const AHEAD_MAX = 4_096;
const READ_PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };

/**
 * The coordination topic of a partition, read from where the commit log says it was read to, each time that the leader
 * begins.
 */
export class TopicMailbox implements Mailbox {
  readonly #options: TopicMailboxOptions;
  #reading: Reading | undefined;
  #closed = false;
  onArrival: () => void = () => undefined;

  constructor(options: TopicMailboxOptions) {
    this.#options = options;
  }

  get waiting(): boolean {
    return this.#reading !== undefined && this.#reading.ahead.length > 0;
  }

  begin(from: LogOffset): void {
    this.#reading?.stop();
    this.#reading = this.#closed
      ? undefined
      : new Reading(this.#options, from, () => this.onArrival());
  }

  take(max: number = GROUP_MESSAGES_MAX): readonly Heard[] {
    return this.#reading?.take(max) ?? [];
  }

  close(): void {
    this.#closed = true;
    this.#reading?.stop();
    this.#reading = undefined;
  }
}

/** One pass over the topic, from an offset on, until it is stopped. */
class Reading {
  readonly ahead: Heard[] = [];
  readonly #options: TopicMailboxOptions;
  readonly #onArrival: () => void;
  readonly #stop = new AbortController();
  #next: LogOffset;
  #wake: () => void = () => undefined;

  constructor(options: TopicMailboxOptions, from: LogOffset, onArrival: () => void) {
    this.#options = options;
    this.#next = from;
    this.#onArrival = onArrival;
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  take(max: number = GROUP_MESSAGES_MAX): readonly Heard[] {
    const group = this.ahead.splice(0, max);
    this.#wake();
    return group;
  }

  async #run(): Promise<void> {
    const { log, topic, timers, rand, health } = this.#options;
    const { signal } = this.#stop;
    const backoff = new Backoff(READ_PAUSES, rand);
    while (!signal.aborted) {
      try {
        // What is no longer kept is asked for again by those who said it.
        const { start, end } = await log.bounds(topic);
        if (this.#next < start) this.#next = start;
        // Where nobody says anything, nothing would tell that it can be read again.
        if (this.#next >= end) health.working();
        for await (const batch of log.read(topic, this.#next, { follow: true, signal })) {
          health.working();
          backoff.reset();
          for (const { offset, value } of batch) await this.#add(offset, value);
          if (signal.aborted) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        health.failed(error);
        await timers.sleep(backoff.next(), signal);
      }
    }
  }

  async #add(offset: LogOffset, value: Uint8Array | null): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.ahead.length >= AHEAD_MAX) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (signal.aborted) return;
    this.#next = logOffset(offset + 1);
    const message = value === null ? undefined : messageOf(value);
    if (message === undefined) return;
    this.ahead.push({ offset, message });
    if (this.ahead.length === 1) this.#onArrival();
  }
}

/** Anybody may write there; what is no message says nothing. */
function messageOf(value: Uint8Array): Heard['message'] | undefined {
  try {
    return decodeCoordination(value);
  } catch (error) {
    if (isPyralogError(error)) return undefined;
    throw error;
  }
}
