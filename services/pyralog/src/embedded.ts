import { join } from 'node:path';
import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import { createCodec } from '@pyralog/format/zstd';
import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { LocalLog } from '@pyralog/log/local';
import { MemoryLog } from '@pyralog/log/memory';
import { LocalObjects } from '@pyralog/objects/local';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers, WorkerThreads } from '@pyralog/runtime';
import { createDatabase, databaseInfo, databaseNames } from './database-settings.ts';
import { EmbeddedDatabase, type EmbeddedPorts } from './embedded-database.ts';
import { OpenDatabases } from './open-databases.ts';
import type { StepListener } from './sequencer-metrics.ts';
import { messageOf } from './troubles.ts';

export interface EmbeddedOptions {
  /** Folder for log and bucket; undefined: everything in memory, for as long as the process lives. */
  readonly dir: string | undefined;
  /** Where the live index is cut; the default suits all but tests. */
  readonly cutRule?: CutRule | undefined;
  /** Memory for decoded blocks, in bytes. */
  readonly cacheBytes?: number | undefined;
  /** Told when something behind the scenes begins to fail, and of each new way in which it does; default: a line on stderr. */
  readonly onFailure?: ((what: string, error: unknown) => void) | undefined;
  /** Told when it works again; default: a line on stderr. */
  readonly onRecovery?: ((what: string) => void) | undefined;
  /** Told of what is committed, for measuring. */
  readonly steps?: StepListener | undefined;
}

const CACHE_BYTES = 64 * 1024 * 1024;

type Storage = Pick<EmbeddedPorts, 'log' | 'objects' | 'bucketDir'>;

function inMemory(): Storage {
  return { log: new MemoryLog(), objects: new MemoryObjects(), bucketDir: undefined };
}

async function inFolder(dir: string): Promise<Storage> {
  // The log first: it has the lock of the folder.
  const log = await LocalLog.open({ dir: join(dir, 'log') });
  const bucketDir = join(dir, 'bucket');
  try {
    return { log, objects: await LocalObjects.open({ dir: bucketDir }), bucketDir };
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

/** The databases of a folder, or of memory, in this process. */
export class EmbeddedHost implements DatabaseHost {
  readonly #ports: EmbeddedPorts;
  readonly #open = new OpenDatabases<EmbeddedDatabase>();

  private constructor(ports: EmbeddedPorts) {
    this.#ports = ports;
  }

  /** @throws PyralogError `data-locked`, `log-damaged`, `storage-failed`, … */
  static async open({
    dir,
    cutRule = DEFAULT_CUT,
    cacheBytes = CACHE_BYTES,
    onFailure = failureToStderr,
    onRecovery = (what) => toStderr(`${what}.`),
    steps,
  }: EmbeddedOptions): Promise<EmbeddedHost> {
    const codec = await createCodec();
    return new EmbeddedHost({
      ...(dir === undefined ? inMemory() : await inFolder(dir)),
      codec,
      cache: new BlockCache(cacheBytes),
      clock: new SystemClock(),
      timers: new SystemTimers(),
      rand: new SystemRand(),
      threads: new WorkerThreads(),
      cutRule,
      onFailure,
      onRecovery,
      steps,
    });
  }

  /** The databases of these ports, which are closed with it. */
  static over(ports: EmbeddedPorts): EmbeddedHost {
    return new EmbeddedHost(ports);
  }

  async create(name: string, options: CreateOptions = {}): Promise<'created' | 'exists'> {
    const ports = { ...this.#ports, partitionsDefault: 1 };
    return (await createDatabase(name, options, ports)).result;
  }

  list(): Promise<readonly string[]> {
    return databaseNames(this.#ports.objects);
  }

  database(name: string): Promise<Database> {
    return this.#open.get(name, async () =>
      EmbeddedDatabase.open(await databaseInfo(name, this.#ports.objects), this.#ports),
    );
  }

  /** What does not work at the moment, a sentence each; empty while all is well. */
  troubles(): readonly string[] {
    return this.#open.troubles('written');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open.isClosed) return;
    await this.#open[Symbol.asyncDispose]();
    const { log, objects } = this.#ports;
    await log[Symbol.asyncDispose]();
    if (objects instanceof LocalObjects) await objects[Symbol.asyncDispose]();
  }
}

/** Opens the databases of a folder, or of memory. */
export function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedHost> {
  return EmbeddedHost.open(options);
}

function failureToStderr(what: string, error: unknown): void {
  toStderr(`${what}: ${messageOf(error)}`);
}

function toStderr(text: string): void {
  process.stderr.write(`${text}\n`);
}
