import * as fs from 'node:fs';
import * as files from 'node:fs/promises';
import { join } from 'node:path';
import { createCodec } from '@pyralog/format/zstd';
import { type LogFiles, LocalLog } from '@pyralog/log/local';
import { PyralogError } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { LocalObjects, type ObjectFiles } from '@pyralog/objects/local';
import { BlockCache } from '@pyralog/reading';
import {
  SystemClock,
  SystemRand,
  SystemTimers,
  type Thread,
  type Threads,
  WorkerThreads,
} from '@pyralog/runtime';
import { createApi } from '@pyralog/service-api';
import { EmbeddedHost } from '../../services/pyralog/src/embedded.ts';

/** What an error of the system would be called, for the part of the disk that meets it. */
export type SystemCode = 'ENOSPC' | 'EIO' | 'EMFILE';

const refused = (code: SystemCode, syscall: string): Error =>
  Object.assign(new Error(`${code}, ${syscall}`), { code, syscall });

/** A real folder on a disk that refuses what it is told to. */
class FaultyDisk {
  /** What meets those who write the log. */
  log: SystemCode | undefined;
  /** What meets those who write to the bucket. */
  bucket: SystemCode | undefined;
  /** What meets those who read from the bucket. */
  bucketReads: SystemCode | undefined;

  /** A full disk refuses what takes room, a broken one what is to last, a process without free descriptors what opens. */
  readonly logFiles: LogFiles = {
    ...fs,
    openSync: ((...args: Parameters<typeof fs.openSync>) => {
      if (this.log === 'EMFILE') throw refused(this.log, 'open');
      return fs.openSync(...args);
    }) as LogFiles['openSync'],
    writeSync: ((...args: Parameters<typeof fs.writeSync>) => {
      // What is there already can be written over on a full disk.
      const [fd, , , length, position] = args as unknown as [
        number,
        unknown,
        unknown,
        number,
        number,
      ];
      const grows = position + length > fs.fstatSync(fd).size;
      if (this.log === 'ENOSPC' && grows) throw refused(this.log, 'write');
      return fs.writeSync(...args);
    }) as LogFiles['writeSync'],
    writevSync: (fd, buffers, position) => {
      if (this.log !== 'ENOSPC') return fs.writevSync(fd, buffers, position);
      // A part of it goes down, as a torn write would leave it.
      const [first] = buffers;
      if (first !== undefined)
        fs.writeSync(fd, first as Uint8Array, 0, first.byteLength >> 1, position);
      throw refused(this.log, 'writev');
    },
    fdatasyncSync: (fd) => {
      if (this.log === 'EIO') throw refused(this.log, 'fdatasync');
      fs.fdatasyncSync(fd);
    },
    fsyncSync: (fd) => {
      if (this.log === 'EIO') throw refused(this.log, 'fsync');
      fs.fsyncSync(fd);
    },
  };

  readonly bucketFiles: ObjectFiles = {
    open: async (path, flags) => {
      if (this.bucket === 'EMFILE') throw refused(this.bucket, 'open');
      const handle = await files.open(path, flags);
      const writeFile = handle.writeFile.bind(handle);
      const sync = handle.sync.bind(handle);
      return Object.assign(handle, {
        writeFile: async (bytes: Uint8Array) => {
          if (this.bucket !== 'ENOSPC') return writeFile(bytes);
          await writeFile(bytes.subarray(0, bytes.length >> 1));
          throw refused(this.bucket, 'write');
        },
        sync: () => {
          if (this.bucket === 'EIO') throw refused(this.bucket, 'fsync');
          return sync();
        },
      });
    },
    link: files.link,
    unlink: files.unlink,
    mkdir: (path) => files.mkdir(path),
  };
}

/** A store whose steps a test sees and may refuse. */
class WatchedObjects implements ObjectStore {
  readonly #inner: LocalObjects;
  readonly #disk: FaultyDisk;
  /** Called before and after every put. */
  onPut: (key: string, step: 'before' | 'after') => Promise<void> = () => Promise.resolve();

  constructor(inner: LocalObjects, disk: FaultyDisk) {
    this.#inner = inner;
    this.#disk = disk;
  }

  async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    await this.onPut(key, 'before');
    const result = await this.#inner.put(key, bytes);
    await this.onPut(key, 'after');
    return result;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#read(key);
    return this.#inner.get(key);
  }

  async getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    this.#read(key);
    return this.#inner.getRange(key, start, length);
  }

  head: ObjectStore['head'] = (key) => this.#inner.head(key);
  list: ObjectStore['list'] = (prefix, options) => this.#inner.list(prefix, options);
  delete: ObjectStore['delete'] = (key) => this.#inner.delete(key);

  #read(key: string): void {
    const { bucketReads } = this.#disk;
    if (bucketReads !== undefined)
      throw new PyralogError('storage-failed', `The object ${key} cannot be read: ${bucketReads}.`);
  }
}

/** Real threads, of which the newest can be killed. */
class KillableThreads implements Threads {
  readonly #inner = new WorkerThreads();
  #newest: Thread | undefined;
  started = 0;

  start(entry: URL, data: unknown): Thread {
    this.started++;
    this.#newest = this.#inner.start(entry, data);
    return this.#newest;
  }

  async kill(): Promise<void> {
    await this.#newest?.kill();
  }
}

/** What the operator was told. */
interface Told {
  readonly kind: 'failure' | 'recovery';
  readonly text: string;
}

/** Everything of `pyralog dev` but its process: databases on a faulty disk behind a real HTTP door. */
export interface FaultyServer extends AsyncDisposable {
  readonly url: string;
  readonly disk: FaultyDisk;
  readonly objects: WatchedObjects;
  readonly threads: KillableThreads;
  readonly told: readonly Told[];
  /** Resolves when something is wrong. */
  inTrouble(): Promise<void>;
  /** Resolves when nothing is wrong any more. */
  wellAgain(): Promise<void>;
}

export interface FaultyServerOptions {
  readonly dir: string;
  /** Facts of a part of the live index. */
  readonly partFacts: number;
  readonly disk?: FaultyDisk | undefined;
  /** Size of a file of the log. */
  readonly logFileBytes?: number | undefined;
  /** Memory for decoded blocks; one always stays. */
  readonly cacheBytes?: number | undefined;
}

/** Starts it with a database `main`. */
export async function startFaulty({
  dir,
  partFacts,
  disk = new FaultyDisk(),
  logFileBytes,
  cacheBytes = 1024 * 1024,
}: FaultyServerOptions): Promise<FaultyServer> {
  const told: Told[] = [];
  let wake: () => void = () => undefined;
  const tell = (kind: Told['kind'], text: string): void => {
    told.push({ kind, text });
    wake();
  };
  const bucket = await LocalObjects.open({ dir: join(dir, 'bucket'), files: disk.bucketFiles });
  const objects = new WatchedObjects(bucket, disk);
  const threads = new KillableThreads();
  const host = EmbeddedHost.over({
    log: await LocalLog.open({
      dir: join(dir, 'log'),
      files: disk.logFiles,
      fileBytes: logFileBytes,
    }),
    objects,
    bucketDir: undefined,
    codec: await createCodec(),
    cache: new BlockCache(cacheBytes),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    rand: new SystemRand(),
    threads,
    cutRule: { factsMax: partFacts, bytesMax: 64 * 1024 * 1024 },
    indexerPauses: { firstMillis: 20, maxMillis: 1_000 },
    onFailure: (what, error) => tell('failure', `${what}: ${(error as Error).message}`),
    onRecovery: (what) => tell('recovery', what),
  });
  await host.create('main');
  await host.database('main');
  const api = await createApi({
    host,
    version: '0.0.0',
    onError: () => undefined,
    notReady: () => host.troubles(),
    config: { drainMillis: 2_000 },
  });
  return {
    url: await api.listen('127.0.0.1', 0),
    disk,
    objects,
    threads,
    told,
    async inTrouble() {
      while (host.troubles().length === 0) await new Promise<void>((resolve) => (wake = resolve));
    },
    async wellAgain() {
      while (host.troubles().length > 0) await new Promise<void>((resolve) => (wake = resolve));
    },
    async [Symbol.asyncDispose]() {
      await api.close();
      await host[Symbol.asyncDispose]();
      await bucket[Symbol.asyncDispose]();
    },
  };
}
