import { Bell } from '@pyralog/base';
import { type LogOffset, logOffset, PyralogError } from '@pyralog/model';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from './log.ts';

const BATCH_BYTES = 1024 * 1024;

interface Partition {
  readonly records: StoredRecord[];
  /** Rings when something was appended, or the log closes. */
  readonly more: Bell;
}

/** A log that lasts as long as the process: for tests and for databases that keep nothing. */
export class MemoryLog implements Log {
  readonly #topics = new Map<string, readonly Partition[]>();
  #closed = false;

  createTopic(topic: string, partitions: number): Promise<void> {
    const known = this.#topics.get(topic);
    if (known !== undefined && known.length !== partitions) {
      return Promise.reject(otherPartitions(topic, known.length, partitions));
    }
    if (known === undefined) {
      const made = Array.from({ length: partitions }, () => ({
        records: [],
        more: new Bell(),
      }));
      this.#topics.set(topic, made);
    }
    return Promise.resolve();
  }

  async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    const partition = this.#partition(at);
    const first = logOffset(partition.records.length);
    for (const { key, value, headers } of records) {
      // Copies: the log must not change when a caller uses its buffer again.
      partition.records.push({
        offset: logOffset(partition.records.length),
        key: key?.slice(),
        value: value === null ? null : value.slice(),
        ...(headers === undefined ? {} : { headers: { ...headers } }),
      });
    }
    partition.more.ring();
    return first;
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const { records, more } = this.#partition(at);
    const { follow, signal, batchBytesMax = BATCH_BYTES } = options;
    if (from > records.length) throw beyondEnd(at, from, logOffset(records.length));
    let next: number = from;
    while (!signal?.aborted && !this.#closed) {
      if (next >= records.length) {
        if (!follow) return;
        await more.wait(signal);
        continue;
      }
      const batch: StoredRecord[] = [];
      for (let bytes = 0; next < records.length; next++) {
        const record = records[next] as StoredRecord;
        bytes += record.value?.length ?? 0;
        if (batch.length > 0 && bytes > batchBytesMax) break;
        batch.push(record);
      }
      yield batch;
    }
  }

  bounds(at: TopicPartition): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    try {
      return Promise.resolve({
        start: logOffset(0),
        end: logOffset(this.#partition(at).records.length),
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const partitions of this.#topics.values()) for (const { more } of partitions) more.ring();
  }

  #partition(at: TopicPartition): Partition {
    const found = this.#topics.get(at.topic)?.[at.partition];
    if (found === undefined) throw noPartition(at);
    if (this.#closed) throw new PyralogError('stopping', 'The log is closed.');
    return found;
  }
}

/** Refusals that every adapter words alike. */
export function noPartition({ topic, partition }: TopicPartition): PyralogError {
  return new PyralogError('not-found', `The log has no partition ${partition} of topic ${topic}.`);
}

/** The refusal of a topic that is there with another number of partitions. */
export function otherPartitions(topic: string, has: number, asked: number): PyralogError {
  return new PyralogError(
    'parameter-invalid',
    `Topic ${topic} has ${has} partitions, not ${asked}.`,
  );
}

/** The refusal of a read that begins behind the end. */
export function beyondEnd(
  { topic, partition }: TopicPartition,
  from: LogOffset,
  end: LogOffset,
): PyralogError {
  return new PyralogError(
    'offset-out-of-range',
    `Offset ${from} of ${topic}/${partition} lies beyond its end ${end}.`,
  );
}
