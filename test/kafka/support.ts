import { KafkaLog, type KafkaLogOptions } from '@pyralog/log/kafka';
import { isPyralogError, type LogOffset, partitionNo } from '@pyralog/model';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs';
import { expect } from 'vitest';

/** Names of this run: a broker keeps what earlier ones have made. */
const run = `${process.pid.toString(36)}${Date.now().toString(36)}`;
let names = 0;

/** A name that no other test has. */
export function freshName(what: string): string {
  return `${run}-${names++}.${what}`;
}

/** The first partition of a topic that no other test has. */
export function freshPartition(what = 'commits'): TopicPartition {
  return { topic: freshName(what), partition: partitionNo(0) };
}

export function openLog(address: string, options: Partial<KafkaLogOptions> = {}): KafkaLog {
  return new KafkaLog({ brokers: [address], clientId: 'test', replicationFactor: 1, ...options });
}

/** A log in which every topic has a name of its own: suites say always the same ones. */
export class PrefixedLog implements Log {
  readonly #log: Log;
  readonly #prefix: string;

  constructor(log: Log, prefix: string) {
    this.#log = log;
    this.#prefix = prefix;
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.#log.createTopic(this.#prefix + topic, partitions);
  }

  append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    return this.#log.append(this.#own(at), records);
  }

  read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    return this.#log.read(this.#own(at), from, options);
  }

  bounds(at: TopicPartition): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    return this.#log.bounds(this.#own(at));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
  }

  #own({ topic, partition }: TopicPartition): TopicPartition {
    return { topic: this.#prefix + topic, partition };
  }
}

/** Another program at the same cluster, with the client as its users know it. */
export class Outsider implements AsyncDisposable {
  readonly #kafka: Kafka;
  readonly #connected: (Admin | Producer)[] = [];

  constructor(address: string) {
    this.#kafka = new Kafka({
      brokers: [address],
      clientId: 'outsider',
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20 },
    });
  }

  async admin(): Promise<Admin> {
    return this.#connect(this.#kafka.admin());
  }

  async producer(transactionalId?: string): Promise<Producer> {
    return this.#connect(
      this.#kafka.producer({
        createPartitioner: () => () => 0,
        ...(transactionalId === undefined ? {} : { transactionalId, maxInFlightRequests: 1 }),
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connected.map((client) => client.disconnect()));
  }

  async #connect<T extends Admin | Producer>(client: T): Promise<T> {
    this.#connected.push(client);
    await client.connect();
    return client;
  }
}

/** Something that is counted, and waited for. */
export class Count {
  #value = 0;
  readonly #waiting = new Set<{ readonly value: number; readonly resolve: () => void }>();

  get value(): number {
    return this.#value;
  }

  add(n = 1): void {
    this.#value += n;
    for (const each of this.#waiting) {
      if (each.value > this.#value) continue;
      this.#waiting.delete(each);
      each.resolve();
    }
  }

  reaches(value: number): Promise<void> {
    if (this.#value >= value) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ value, resolve }));
  }
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const textOf = ({ value }: LogRecord): string => Buffer.from(value ?? []).toString();

export async function readAll(
  log: Log,
  at: TopicPartition,
  from: LogOffset,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const batch of log.read(at, from, { follow: false })) records.push(...batch);
  return records;
}

export async function refused(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) ? error.code : error).toBe(code);
}

/** What a member of a group is advised of, one after the other. */
export class Advised {
  /** Of its last advice that was taken by {@link next}. */
  last: readonly number[] | undefined;
  /** Rejects where the advice ends by an error. */
  readonly ended: Promise<void>;
  readonly told: (readonly number[])[] = [];
  readonly #stop = new AbortController();
  readonly #count = new Count();
  #taken = 0;

  constructor(join: (signal: AbortSignal) => AsyncIterable<ReadonlySet<number>>) {
    this.ended = this.#listen(join(this.#stop.signal));
    // Who looks for it is told.
    this.ended.catch(() => undefined);
  }

  /** @returns what has not been taken yet, or comes next */
  async next(): Promise<readonly number[]> {
    await Promise.race([this.ended, this.#count.reaches(this.#taken + 1)]);
    const told = this.told[this.#taken];
    if (told === undefined) throw new Error('The advice has ended.');
    this.#taken++;
    this.last = told;
    return told;
  }

  /** Resolves when it is advised of so many partitions. */
  async has(count: number): Promise<void> {
    while (this.last?.length !== count) await this.next();
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.ended;
  }

  async #listen(advice: AsyncIterable<ReadonlySet<number>>): Promise<void> {
    for await (const partitions of advice) {
      this.told.push([...partitions]);
      this.#count.add();
    }
  }
}
