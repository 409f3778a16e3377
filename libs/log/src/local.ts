import { join } from 'node:path';
import { type LogOffset, type PartitionNo, partitionNo, PyralogError } from '@pyralog/model';
import { knownError, type LogFiles, makeFolder, SYSTEM_FILES, syncFolder } from './files.ts';
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

/** Begins the name of a topic that is being made. */
const MAKING = '.making-';

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
    if (!readOnly) makeFolder(files, dir);
    this.#lock = readOnly ? undefined : lockFolder(dir);
  }

  /** @throws PyralogError `data-locked`, `log-damaged`, `format-unknown`, `storage-failed` */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    const what = `The log ${options.dir} cannot be opened`;
    let log: LocalLog;
    try {
      log = new LocalLog(options);
    } catch (error) {
      throw knownError(error, what);
    }
    try {
      log.#openTopics();
      return log;
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw knownError(error, what);
    }
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    const known = this.#topics.get(topic);
    if (known !== undefined) {
      if (known.length !== partitions) throw otherPartitions(topic, known.length, partitions);
      return;
    }
    try {
      const made = this.#makeTopic(topic, partitions);
      if (made.length !== partitions) throw otherPartitions(topic, made.length, partitions);
      this.#topics.set(topic, made);
    } catch (error) {
      throw knownError(error, `The topic ${topic} cannot be made`);
    }
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
    const { dir, files, readOnly } = this.#options;
    for (const entry of files.readdirSync(dir, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.startsWith(MAKING)) continue;
      const partitions = this.#openTopic(entry.name);
      if (partitions.length > 0) this.#topics.set(entry.name, partitions);
    }
    // What a process left that was killed before it came to that.
    if (!readOnly) syncFolder(files, dir);
  }

  #openTopic(topic: string): LocalPartition[] {
    const { dir, files } = this.#options;
    const folder = join(dir, topic);
    const numbers = files.readdirSync(folder).filter((name) => /^[0-9]+$/.test(name));
    const missing = numbers.findIndex((_, p) => !numbers.includes(String(p)));
    if (missing >= 0) {
      throw new PyralogError('log-damaged', `${join(folder, String(missing))} is missing.`, {
        hint: 'Restore this folder from a backup. Nothing was changed.',
      });
    }
    return numbers.map((_, p) => this.#openPartition(topic, partitionNo(p)));
  }

  /** All partitions at once: under another name, until they are there. Opens what an earlier attempt made. */
  #makeTopic(topic: string, partitions: number): LocalPartition[] {
    const { dir, files } = this.#options;
    const making = join(dir, `${MAKING}${topic}`);
    if (
      !files.readdirSync(dir).includes(topic) ||
      files.readdirSync(join(dir, topic)).length === 0
    ) {
      files.rmSync(making, { recursive: true, force: true });
      for (let p = 0; p < partitions; p++)
        files.mkdirSync(join(making, String(p)), { recursive: true });
      syncFolder(files, making);
      files.renameSync(making, join(dir, topic));
    }
    syncFolder(files, dir);
    return this.#openTopic(topic);
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
