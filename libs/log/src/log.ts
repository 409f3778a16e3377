import type { LogOffset, PartitionNo } from '@pyralog/model';

/** One partition of a topic: the unit of order. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: PartitionNo;
}

/** What is appended. */
export interface LogRecord {
  readonly key?: Uint8Array | undefined;
  /** null is a tombstone. */
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, Uint8Array>> | undefined;
}

/** What is read: a record at its place. */
export interface StoredRecord extends LogRecord {
  readonly offset: LogOffset;
}

/** How far a read goes. */
export interface LogReadOptions {
  /** Wait for further records at the end instead of ending. */
  readonly follow: boolean;
  readonly signal?: AbortSignal | undefined;
  /** About how much one batch may hold; a larger record comes alone. Default 1 MiB. */
  readonly batchBytesMax?: number | undefined;
}

/**
 * An ordered, durable list of records per partition of a topic. Contract suite: test/contract/log.ts.
 *
 * - `append` resolves with the offset of the first record when all are durable as the adapter declares
 *   (local: loss of power; Kafka: acks=all), in the order given and without another's between them.
 *   It may have happened even when it rejects: read back to know; only `storage-full` says that it
 *   certainly has not. Calls of one turn of the event loop are made durable together.
 * - `read` yields every retained record from `from` on, in order, in non-empty batches, and rejects with
 *   `offset-out-of-range` when `from` is no longer kept. It never skips. Records are visible only when
 *   durable. `from` may be the end. With `follow` it ends only by its signal (quietly) or by `close`.
 * - Any number of writers may append. The log does not fence; admission does.
 * - A topic or partition that does not exist is refused with `not-found`.
 */
export interface Log extends AsyncDisposable {
  /** Makes a topic with this number of partitions; quietly where it is there with the same number. */
  createTopic(topic: string, partitions: number): Promise<void>;
  append(partition: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset>;
  read(
    partition: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]>;
  /** `start`: the oldest retained offset; `end`: the offset of the next record. */
  bounds(
    partition: TopicPartition,
  ): Promise<{ readonly start: LogOffset; readonly end: LogOffset }>;
}
