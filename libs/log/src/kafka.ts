import { type LogOffset, PyralogError } from '@pyralog/model';
import { closed, KafkaCluster, type KafkaClusterOptions, settledWithin } from './kafka-cluster.ts';
import { checkTopics, type TopicExpectations, type TopicFinding } from './kafka-doctor.ts';
import { KafkaGroupAdvice } from './kafka-group.ts';
import { boundsOf, readPartition } from './kafka-reader.ts';
import { defaultTopicSettings, makeTopic } from './kafka-topics.ts';
import { PartitionWriter } from './kafka-writer.ts';
import type { GroupAdvice } from './advice.ts';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from './log.ts';

export type { KafkaClusterOptions } from './kafka-cluster.ts';
export type { KafkaConnectionOptions, KafkaLogLine } from './kafka-connection.ts';
export type { TopicExpectations, TopicFinding } from './kafka-doctor.ts';

/** Where a log of a Kafka cluster lies, and how its topics are made. */
export interface KafkaLogOptions extends KafkaClusterOptions {
  /** Replicas of each partition of topics that are made; 3 where data matter. */
  readonly replicationFactor: number;
  /** Settings of a topic that is made, over the defaults. */
  readonly topicSettings?: ((topic: string) => Readonly<Record<string, string>>) | undefined;
}

/** How long closing waits for the outcome of appends under way. */
const CLOSE_MILLIS = 5_000;

/**
 * A log of a Kafka cluster of version 2.3 or later. Durable on all in-sync replicas (acks=all), of which a
 * topic made here needs a majority. Kafka's transactions are not used: admission fences, by records.
 *
 * - `append` takes records of up to 900 KiB, one append up to 1,000,000 bytes (`value-too-large`). It rejects
 *   with `unreachable` where nothing was sent, with `outcome-unknown` where the answer to what was sent did
 *   not come in time; what was not answered may still come into the log later.
 * - `read` waits at the broker and yields what is there of committed transactions. Records of any codec of
 *   Kafka are read; a batch that cannot be is refused with `log-damaged` or `format-unknown`.
 * - Nothing is asked of a broker before it is needed, so a log can be made before there is one.
 */
export class KafkaLog implements Log {
  readonly #options: KafkaLogOptions;
  readonly #cluster: KafkaCluster;
  readonly #writers = new Map<string, PartitionWriter>();
  readonly #advice: KafkaGroupAdvice;
  #closing: Promise<void> | undefined;

  /** @throws PyralogError `parameter-invalid` */
  constructor(options: KafkaLogOptions) {
    if (!Number.isInteger(options.replicationFactor) || options.replicationFactor < 1) {
      throw new PyralogError(
        'parameter-invalid',
        `A replication factor of ${options.replicationFactor} is none; give 1 or more.`,
      );
    }
    this.#options = options;
    this.#cluster = new KafkaCluster(options);
    this.#advice = new KafkaGroupAdvice(this.#cluster);
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    this.#checkOpen();
    const { replicationFactor, topicSettings } = this.#options;
    const settings = {
      ...defaultTopicSettings(topic, replicationFactor),
      ...topicSettings?.(topic),
    };
    await makeTopic(this.#cluster, topic, partitions, { replicationFactor, settings });
  }

  async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    this.#checkOpen();
    return this.#writer(at).append(records);
  }

  read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    return readPartition(this.#cluster, at, from, options);
  }

  async bounds(
    at: TopicPartition,
  ): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    this.#checkOpen();
    const what = `The bounds of ${at.topic}/${at.partition} cannot be read`;
    return this.#cluster.retrying(what, at.topic, this.#cluster.stopped, () =>
      boundsOf(this.#cluster, at),
    );
  }

  /**
   * The time of the broker that leads a partition, in milliseconds since 1970, by a tombstone that is
   * appended; undefined where the topic keeps the times of producers.
   */
  async timeAt(at: TopicPartition): Promise<number | undefined> {
    this.#checkOpen();
    const writer = this.#writer(at);
    await writer.append([{ value: null }]);
    return writer.appendedMillis;
  }

  /** Settings of topics that endanger data. */
  async checkTopics(
    topics: readonly string[],
    expectations: TopicExpectations = {},
  ): Promise<readonly TopicFinding[]> {
    this.#checkOpen();
    return checkTopics(this.#cluster, topics, expectations);
  }

  /** Advice by consumer groups of the cluster. Members leave when this log is closed. */
  get advice(): GroupAdvice {
    return this.#advice;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const ended = Promise.all([
      this.#advice.close(),
      ...[...this.#writers.values()].map((writer) => writer.close()),
    ]);
    await settledWithin(ended, CLOSE_MILLIS);
    this.#cluster.close();
    await ended;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }

  #writer(at: TopicPartition): PartitionWriter {
    const name = `${at.topic}/${at.partition}`;
    let writer = this.#writers.get(name);
    if (writer === undefined) {
      writer = new PartitionWriter(this.#cluster, at);
      this.#writers.set(name, writer);
    }
    return writer;
  }
}
