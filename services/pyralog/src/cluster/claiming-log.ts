import { createHash } from 'node:crypto';
import { claimKey, isDatabaseName } from '@pyralog/format';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import { DOCUMENT_BYTES_MAX, type LogOffset, PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { CLAIM_HEADER } from '@pyralog/service-sequencer';

/** Values of this size and more go into an object: with key and headers less than a record of Kafka may have. */
const CLAIM_BYTES_MIN = 768 * 1024;
const SHA256 = /^[0-9a-f]{64}$/;
const NO_BYTES = new Uint8Array(0);

/** What a claim came to. */
type Claimed =
  | { readonly bytes: Uint8Array }
  | { readonly missing: 'object-missing' | 'object-damaged' };

/**
 * A log with a claim check: what is too large for a record of another log is put into an object first, and
 * the record refers to it. Who reads through it sees the records as they were given.
 *
 * A claim of a commit log that cannot be had is an error, for the record counts. In other topics, where
 * anybody may write, such a record is yielded as it is, with its header.
 */
export class ClaimingLog implements Log {
  readonly #log: Log;
  readonly #objects: ObjectStore;
  readonly #claimBytesMin: number;

  /** @param log it is the caller's to close, and so are the objects; @param claimBytesMin smaller in tests */
  constructor(log: Log, objects: ObjectStore, claimBytesMin: number = CLAIM_BYTES_MIN) {
    this.#log = log;
    this.#objects = objects;
    this.#claimBytesMin = claimBytesMin;
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.#log.createTopic(topic, partitions);
  }

  bounds(at: TopicPartition): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    return this.#log.bounds(at);
  }

  append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    // Most hold nothing large, and are to share the turn of the event loop in which they come.
    if (!records.some((record) => this.#isLarge(record))) return this.#log.append(at, records);
    return this.#appendClaims(at, records);
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    for await (const batch of this.#log.read(at, from, options)) {
      let begin = 0;
      for (const [i, record] of batch.entries()) {
        if (record.headers?.[CLAIM_HEADER] === undefined) continue;
        // Each alone: objects are larger than batches.
        if (i > begin) yield batch.slice(begin, i);
        yield [await this.#resolved(at, record)];
        begin = i + 1;
        if (options.signal?.aborted === true) return;
      }
      if (begin === 0) yield batch;
      else if (begin < batch.length) yield batch.slice(begin);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #isLarge({ value }: LogRecord): boolean {
    return value !== null && value.length >= this.#claimBytesMin;
  }

  async #appendClaims(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    const database = databaseOf(at.topic);
    const claims: LogRecord[] = [];
    for (const record of records) {
      if (!this.#isLarge(record)) claims.push(record);
      else {
        const { value } = record;
        const bytes = value ?? NO_BYTES;
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        await this.#objects.put(claimKey(database, sha256), bytes);
        const headers = { ...record.headers, [CLAIM_HEADER]: Buffer.from(sha256) };
        claims.push({ ...record, value: NO_BYTES, headers });
      }
    }
    return this.#log.append(at, claims);
  }

  async #resolved(at: TopicPartition, record: StoredRecord): Promise<StoredRecord> {
    const claimed = await this.#claimed(at, record);
    if ('bytes' in claimed) {
      const { [CLAIM_HEADER]: _claim, ...headers } = record.headers ?? {};
      return {
        ...record,
        value: claimed.bytes,
        headers: Object.keys(headers).length === 0 ? undefined : headers,
      };
    }
    if (!isCommitLog(at)) return record;
    throw new PyralogError(
      claimed.missing,
      `Record ${record.offset} of ${at.topic}/${at.partition} is in an object that ${claimed.missing === 'object-missing' ? 'is not there' : 'is damaged'}.`,
      { hint: 'Is this the bucket that belongs to the log? Restore the object below claims/.' },
    );
  }

  async #claimed(at: TopicPartition, { headers }: StoredRecord): Promise<Claimed> {
    const sha256 = Buffer.from(headers?.[CLAIM_HEADER] ?? NO_BYTES).toString('latin1');
    if (!SHA256.test(sha256)) return { missing: 'object-missing' };
    const key = claimKey(databaseOf(at.topic), sha256);
    // Anybody may name any object: none is fetched that is larger than a document may be.
    if (!isCommitLog(at) && ((await this.#objects.head(key))?.bytes ?? 0) > DOCUMENT_BYTES_MAX)
      return { missing: 'object-damaged' };
    const bytes = await this.#objects.get(key);
    if (bytes === undefined) return { missing: 'object-missing' };
    const found = createHash('sha256').update(bytes).digest('hex');
    return found === sha256 ? { bytes } : { missing: 'object-damaged' };
  }
}

function isCommitLog({ topic }: TopicPartition): boolean {
  return topic.endsWith('.commits');
}

/** Topics are called after their database. */
function databaseOf(topic: string): string {
  const name = topic.slice(0, Math.max(0, topic.lastIndexOf('.')));
  if (isDatabaseName(name)) return name;
  throw new PyralogError(
    'value-too-large',
    `What is too large for a record of ${topic} has no other place.`,
  );
}
