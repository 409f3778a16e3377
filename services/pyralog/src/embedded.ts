import { join } from 'node:path';
import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import {
  databaseKey,
  databaseOfKey,
  type DatabaseInfo,
  decodeDatabaseInfo,
  encodeDatabaseInfo,
} from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { LocalLog } from '@pyralog/log/local';
import { MemoryLog } from '@pyralog/log/memory';
import { PyralogError } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers, WorkerThreads } from '@pyralog/runtime';
import { checkName, newDatabase, notFound, sameSettings } from './database-settings.ts';
import { EmbeddedDatabase, type EmbeddedPorts } from './embedded-database.ts';
import { troublesOf } from './troubles.ts';

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
  readonly #open = new Map<string, Promise<EmbeddedDatabase>>();
  readonly #opened = new Set<EmbeddedDatabase>();
  #closed = false;

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
    });
  }

  /** The databases of these ports, which are closed with it. */
  static over(ports: EmbeddedPorts): EmbeddedHost {
    return new EmbeddedHost(ports);
  }

  async create(name: string, options: CreateOptions = {}): Promise<'created' | 'exists'> {
    checkName(name);
    const { objects } = this.#ports;
    const info = newDatabase(name, options, this.#ports);
    // Looked for first: what is there already needs no room on the disk.
    const known = (await objects.head(databaseKey(name))) !== undefined;
    if (!known && (await objects.put(databaseKey(name), encodeDatabaseInfo(info))) === 'created')
      return 'created';
    sameSettings(await this.#info(name), info);
    return 'exists';
  }

  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { key } of this.#ports.objects.list('')) {
      const name = databaseOfKey(key);
      if (name !== undefined) names.push(name);
    }
    return names;
  }

  database(name: string): Promise<Database> {
    if (this.#closed)
      return Promise.reject(new PyralogError('stopping', 'The databases are closed.'));
    const open = this.#open.get(name);
    if (open !== undefined) return open;
    const opening = this.#info(name).then((info) => EmbeddedDatabase.open(info, this.#ports));
    this.#open.set(name, opening);
    opening.then(
      (database) => this.#opened.add(database),
      () => this.#open.delete(name),
    );
    return opening;
  }

  /** What does not work at the moment, a sentence each; empty while all is well. */
  troubles(): readonly string[] {
    return troublesOf(this.#opened, 'written');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const open = await Promise.allSettled(this.#open.values());
    for (const result of open)
      if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]();
    const { log, objects } = this.#ports;
    await log[Symbol.asyncDispose]();
    if (objects instanceof LocalObjects) await objects[Symbol.asyncDispose]();
  }

  async #info(name: string): Promise<DatabaseInfo> {
    checkName(name);
    const key = databaseKey(name);
    const bytes = await this.#ports.objects.get(key);
    if (bytes !== undefined) return decodeDatabaseInfo(bytes, key);
    throw notFound(name);
  }
}

/** Opens the databases of a folder, or of memory. */
export function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedHost> {
  return EmbeddedHost.open(options);
}

function failureToStderr(what: string, error: unknown): void {
  toStderr(`${what}: ${error instanceof Error ? error.message : String(error)}`);
}

function toStderr(text: string): void {
  process.stderr.write(`${text}\n`);
}
