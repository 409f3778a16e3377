import { join } from 'node:path';
import { type LogOffset, type PartitionNo, partitionNo, PyralogError } from '@pyralog/model';
import { type LogFiles, storageError, SYSTEM_FILES, syncFolder } from './files.ts';
import { LocalPartition } from './local-partition.ts';
import { lockFolder } from './lock-file.ts';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from './log.ts';
import { noPartition, otherPartitions } from './memory.ts';

export type { LogFiles } from './files.ts';
export { type FileReport, verifyLocalLog } from './verify.ts';

/** Where a log of local files lies and how it writes. */
export interface LocalLogOptions {
  /** Folder of the log; made where it is not there. One process at a time. */
  readonly dir: string;
  /** Size at which a partition goes on in a new file; default 64 MiB. */
  readonly fileBytes?: number | undefined;
  /** Opens without a lock, cuts nothing, writes nothing; for inspection. */
  readonly readOnly?: boolean | undefined;
  readonly files?: LogFiles | undefined;
}

/** A log in a folder: `<topic>/<partition>/<first offset>.log`. Survives loss of power. */
export class LocalLog implements Log {
  readonly #options: {
    readonly dir: string;
    readonly fileBytes: number;
    readonly readOnly: boolean;
    readonly files: LogFiles;
  };
  readonly #lock: Disposable | undefined;
  readonly #topics = new Map<string, LocalPartition[]>();
  #closed = false;

  private constructor(options: LocalLogOptions) {
    const { dir, fileBytes = 64 * 1024 * 1024, readOnly = false, files = SYSTEM_FILES } = options;
    this.#options = { dir, fileBytes, readOnly, files };
    this.#lock = readOnly ? undefined : lockFolder(dir);
  }

  /** @throws PyralogError `data-locked`, `log-damaged`, `format-unknown`, `storage-failed` */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    const log = new LocalLog(options);
    try {
      log.#openTopics();
      return log;
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    const known = this.#topics.get(topic);
    if (known !== undefined) {
      if (known.length !== partitions) throw otherPartitions(topic, known.length, partitions);
      return;
    }
    const { dir, files } = this.#options;
    try {
      // A crash between them leaves fewer partitions: made again by the next call under another name.
      for (let p = partitions - 1; p >= 0; p--)
        files.mkdirSync(join(dir, topic, String(p)), { recursive: true });
      syncFolder(files, join(dir, topic));
      syncFolder(files, dir);
    } catch (error) {
      throw storageError(error, `The topic ${topic} cannot be made`);
    }
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, (_, p) => this.#openPartition(topic, partitionNo(p))),
    );
  }

  async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    return this.#partition(at).append(records);
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    yield* this.#partition(at).read(from, options);
  }

  async bounds(
    at: TopicPartition,
  ): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    const { start, end } = this.#partition(at);
    return { start, end };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const partitions of this.#topics.values())
      for (const partition of partitions) partition.close();
    this.#lock?.[Symbol.dispose]();
  }

  #partition(at: TopicPartition): LocalPartition {
    if (this.#closed) throw new PyralogError('stopping', 'The log is closed.');
    const found = this.#topics.get(at.topic)?.[at.partition];
    if (found === undefined) throw noPartition(at);
    return found;
  }

  #openTopics(): void {
    const { dir, files } = this.#options;
    for (const entry of files.readdirSync(dir, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const numbers = files
        .readdirSync(join(dir, entry.name))
        .filter((name) => /^[0-9]+$/.test(name));
      const partitions = numbers.map((_, p) => this.#openPartition(entry.name, partitionNo(p)));
      this.#topics.set(entry.name, partitions);
    }
  }

  #openPartition(topic: string, partition: PartitionNo): LocalPartition {
    const { dir, files, fileBytes, readOnly } = this.#options;
    return new LocalPartition({
      at: { topic, partition },
      folder: join(dir, topic, String(partition)),
      files,
      fileBytes,
      readOnly,
    });
  }
}
