import { type LogOffset, logOffset, PyralogError } from '@pyralog/model';
import { batchBytesMax, encodeBatch, encodeBody, type RecordBody } from './kafka-batch.ts';
import { closed, type KafkaCluster } from './kafka-cluster.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { isForgottenProducer, mayBeWritten } from './kafka-errors.ts';
import { LeaderConnection } from './kafka-leader.ts';
import type { LogRecord, TopicPartition } from './log.ts';

/** The most that a record may hold: key, value and headers together, in bytes. */
const RECORD_BYTES_MAX = 900 * 1024;
/** The most that one append may hold. Less than what a broker takes by default (1,048,588). */
const BATCH_BYTES_MAX = 1_000_000;
/** Sequence numbers begin again at 0 behind it. */
const SEQUENCES = 2 ** 31;

/** Outcomes after which it is useless to try what waits. */
const GONE: ReadonlySet<string> = new Set(['unreachable', 'outcome-unknown', 'stopping']);

interface Pending {
  readonly bodies: readonly RecordBody[];
  readonly bytes: number;
  readonly resolve: (first: LogOffset) => void;
  readonly reject: (error: unknown) => void;
}

/** As the broker knows this writer; it drops a batch that it has by its producer and sequence. */
interface Producer {
  readonly id: number;
  readonly epoch: number;
  /** Of the next record. */
  sequence: number;
}

/**
 * Appends to one partition: what waits goes out as one record batch, one batch at a time, so that order
 * needs no proof. A broker writes a batch whole or not at all, and nothing between its records.
 *
 * A batch whose answer was lost is sent again as the same producer and sequence until it is known to be in
 * the log, and is in it once. Where patience ends first, the producer is given up with it: its next batch
 * would have the number of the lost one, and a broker that has that one answers as if it had both.
 */
export class PartitionWriter {
  readonly #cluster: KafkaCluster;
  readonly #at: TopicPartition;
  readonly #leader: LeaderConnection;
  #pending: Pending[] = [];
  #producer: Producer | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  #appendedMillis: number | undefined;

  constructor(cluster: KafkaCluster, at: TopicPartition) {
    this.#cluster = cluster;
    this.#at = at;
    this.#leader = new LeaderConnection(cluster, at, cluster.stopped);
  }

  /** When the last batch was written, by the broker's clock; undefined where it did not say. */
  get appendedMillis(): number | undefined {
    return this.#appendedMillis;
  }

  append(records: readonly LogRecord[]): Promise<LogOffset> {
    if (this.#closed) throw closed();
    for (const record of records) this.#checkSize(record);
    const bodies = records.map(encodeBody);
    const bytes = batchBytesMax(bodies);
    if (bytes > BATCH_BYTES_MAX) {
      throw new PyralogError(
        'value-too-large',
        `${records.length} records take ${bytes} bytes; one append to ${this.#name} takes ${BATCH_BYTES_MAX}.`,
        { hint: 'Append them in parts: only what fits into one batch is written whole.' },
      );
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ bodies, bytes, resolve, reject });
      // From the next microtask on, so that calls of one turn share a batch.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Takes no more. Resolves when what waits has its outcome. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#leader[Symbol.dispose]();
  }

  get #name(): string {
    return `${this.#at.topic}/${this.#at.partition}`;
  }

  #checkSize({ key, value, headers = {} }: LogRecord): void {
    let bytes = (key?.length ?? 0) + (value?.length ?? 0);
    for (const [name, content] of Object.entries(headers)) bytes += name.length + content.length;
    if (bytes <= RECORD_BYTES_MAX) return;
    throw new PyralogError(
      'value-too-large',
      `A record of ${bytes} bytes; ${this.#name} takes ${RECORD_BYTES_MAX}.`,
      { hint: 'Kafka takes batches of 1 MiB by default, and a record is never split.' },
    );
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#nextGroup();
      try {
        let next = await this.#send(group.flatMap(({ bodies }) => bodies));
        for (const { bodies, resolve } of group) {
          resolve(logOffset(next));
          next += bodies.length;
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
        this.#refuseWaiting(error);
      }
    }
    this.#running = undefined;
  }

  #nextGroup(): Pending[] {
    let bytes = 0;
    let length = 0;
    for (const pending of this.#pending) {
      bytes += pending.bytes;
      if (length > 0 && bytes > BATCH_BYTES_MAX) break;
      length++;
    }
    return this.#pending.splice(0, length);
  }

  /** Those behind a batch that found no broker in time need not wait as long again to learn it. */
  #refuseWaiting(error: unknown): void {
    if (!(error instanceof PyralogError) || !GONE.has(error.code)) return;
    const refusal =
      error.code === 'outcome-unknown'
        ? new PyralogError('unreachable', `Nothing could be appended to ${this.#name}.`, {
            cause: error,
            hint: error.hint,
          })
        : error;
    for (const { reject } of this.#pending.splice(0)) reject(refusal);
  }

  /** @returns the offset of the first record */
  async #send(bodies: readonly RecordBody[]): Promise<number> {
    const what = `Nothing can be appended to ${this.#name}`;
    const { topic } = this.#at;
    // An append of nothing has a place too.
    if (bodies.length === 0) {
      return this.#cluster.retrying(what, topic, this.#cluster.stopped, () =>
        this.#leader.use((connection) => connection.listOffset(this.#at, 'end')),
      );
    }
    let inDoubt: Error | undefined;
    try {
      return await this.#cluster.retrying(what, topic, this.#cluster.stopped, () =>
        this.#leader.use(async (connection) => {
          const producer = (this.#producer ??= await newProducer(connection));
          const batch = encodeBatch(bodies, producer, Date.now());
          const before = inDoubt;
          inDoubt ??= new Error('no answer has come yet');
          try {
            const { first, appendedMillis } = await connection.produce(this.#at, batch);
            this.#appendedMillis = appendedMillis;
            if (first < 0) throw new Error('the broker has the batch and does not know where');
            producer.sequence = (producer.sequence + bodies.length) % SEQUENCES;
            return first;
          } catch (error) {
            inDoubt = mayBeWritten(error) ? asError(error) : before;
            if (inDoubt !== undefined || !isForgottenProducer(error)) throw error;
            // Nothing of it is in the log: another producer begins with it.
            this.#producer = undefined;
            throw new ForgottenProducer();
          }
        }),
      );
    } catch (error) {
      this.#producer = undefined;
      if (inDoubt === undefined) throw error;
      const said = inDoubt.message.replace(/\.$/, '');
      throw new PyralogError(
        'outcome-unknown',
        `An append to ${this.#name} was sent and not answered: ${said}.`,
        { cause: error, hint: 'Read the log to know whether it is there.' },
      );
    }
  }
}

/** Passes: the next attempt is another producer's. */
class ForgottenProducer extends Error {
  override readonly name = 'ForgottenProducer';
  readonly type = 'UNKNOWN_PRODUCER_ID';
  readonly retriable = true;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

async function newProducer(connection: KafkaConnection): Promise<Producer> {
  return { ...(await connection.initProducer()), sequence: 0 };
}
