import type { Codec } from '@pyralog/format';
import type { Log, StoredRecord, TopicPartition } from '@pyralog/log';
import { type LogOffset, logOffset } from '@pyralog/model';
import { Backoff, type Health, type PauseRule, type Rand, type Timers } from '@pyralog/runtime';
import type { Input } from '@pyralog/sequencing';
import { groupLength, type Inbox, type Taken } from './inbox.ts';
import { inputOf, type InputFormat } from './input.ts';

/** Where the inputs of a partition are read. */
export interface TopicInboxOptions {
  readonly log: Log;
  readonly topic: TopicPartition;
  /** Of records whose headers do not say. */
  readonly format: InputFormat;
  /** Of those that are compressed Arrow. */
  readonly codec: Codec;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Told of every attempt to read the topic. */
  readonly health: Health;
}

/** What may be read ahead of the leader (I13). */
const AHEAD_BYTES_MAX = 8 * 1024 * 1024;
const AHEAD_INPUTS_MAX = 8_192;
const READ_PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };
/** Before what came to nothing is read again: the index has no room, or cannot be read. */
const BEGIN_PAUSES: PauseRule = { firstMillis: 100, maxMillis: 1_000 };

/**
 * The input topic of a partition. It is read from the low-water mark of the commit log on, each time that
 * the leader begins, so that no input is without an outcome and none has two, whoever leads. Begun again where it
 * was, it pauses first.
 */
export class TopicInbox implements Inbox {
  readonly #options: TopicInboxOptions;
  readonly #pauses: Backoff;
  #reading: Reading | undefined;
  /** Where it was begun last. */
  #begun: LogOffset | undefined;
  #closed = false;
  readonly isKept = true;
  onArrival: () => void = () => undefined;

  constructor(options: TopicInboxOptions) {
    this.#options = options;
    this.#pauses = new Backoff(BEGIN_PAUSES, options.rand);
  }

  get waiting(): boolean {
    return this.#reading !== undefined && this.#reading.ahead.length > 0;
  }

  begin(from: LogOffset): void {
    this.#reading?.stop();
    const isAgain = from === this.#begun;
    if (!isAgain) this.#pauses.reset();
    this.#begun = from;
    const pauseMillis = isAgain ? this.#pauses.next() : 0;
    this.#reading = this.#closed
      ? undefined
      : new Reading(this.#options, from, pauseMillis, () => this.onArrival());
  }

  take(max?: number): readonly Taken[] {
    return this.#reading?.take(max) ?? [];
  }

  refuse(): void {
    this.#reading?.stop();
    this.#reading = undefined;
  }

  close(): void {
    this.#closed = true;
    this.refuse();
  }
}

interface Ahead {
  readonly input: Input;
  readonly bytes: number;
}

/** One pass over the topic, from an offset on, until it is stopped. */
class Reading {
  readonly ahead: Ahead[] = [];
  readonly #options: TopicInboxOptions;
  readonly #onArrival: () => void;
  readonly #stop = new AbortController();
  #bytes = 0;
  #next: LogOffset;
  #wake: () => void = () => undefined;

  constructor(
    options: TopicInboxOptions,
    from: LogOffset,
    pauseMillis: number,
    onArrival: () => void,
  ) {
    this.#options = options;
    this.#next = from;
    this.#onArrival = onArrival;
    void this.#run(pauseMillis);
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  take(max?: number): readonly Taken[] {
    const group = this.ahead.splice(0, groupLength(this.ahead, max));
    for (const { bytes } of group) this.#bytes -= bytes;
    this.#wake();
    return group.map(({ input }) => ({
      input,
      replayed: true,
      settle: () => undefined,
      // It is read again when the leader begins again.
      fail: () => undefined,
    }));
  }

  /** Reads on behind what cannot be read at the moment, never past it. */
  async #run(pauseMillis: number): Promise<void> {
    const { log, topic, timers, rand, health } = this.#options;
    const { signal } = this.#stop;
    const backoff = new Backoff(READ_PAUSES, rand);
    if (pauseMillis > 0) await timers.sleep(pauseMillis, signal);
    while (!signal.aborted) {
      try {
        const { end } = await log.bounds(topic);
        // Where nothing is published, nothing would tell that it can be read again.
        if (this.#next >= end) health.working();
        for await (const batch of log.read(topic, this.#next, { follow: true, signal })) {
          health.working();
          backoff.reset();
          for (const record of batch) await this.#add(record);
          if (signal.aborted) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        health.failed(error);
        await timers.sleep(backoff.next(), signal);
      }
    }
  }

  async #add(record: StoredRecord): Promise<void> {
    const { signal } = this.#stop;
    while (
      !signal.aborted &&
      (this.#bytes > AHEAD_BYTES_MAX || this.ahead.length >= AHEAD_INPUTS_MAX)
    ) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (signal.aborted) return;
    const bytes = (record.value?.length ?? 0) + (record.key?.length ?? 0);
    const { format, codec } = this.#options;
    this.ahead.push({ input: inputOf(record, format, codec), bytes });
    this.#bytes += bytes;
    this.#next = logOffset(record.offset + 1);
    if (this.ahead.length === 1) this.#onArrival();
  }
}
