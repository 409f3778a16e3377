import type { CreateOptions, Database } from '@pyralog/client';
import { createCodec } from '@pyralog/format/zstd';
import type { CutRule } from '@pyralog/indexing';
import { MemoryLog } from '@pyralog/log/memory';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers, type Threads } from '@pyralog/runtime';
import { EmbeddedHost } from '../../services/pyralog/src/embedded.ts';

/** One database of the product, which can be closed and opened again on what it has written. */
export class Subject implements AsyncDisposable {
  readonly factsMax: number;
  /** What failed behind the scenes. */
  readonly troubles: readonly unknown[];
  readonly #open: () => Promise<EmbeddedHost>;
  #host: EmbeddedHost;
  #database: Database;

  private constructor(
    factsMax: number,
    troubles: readonly unknown[],
    open: () => Promise<EmbeddedHost>,
    host: EmbeddedHost,
    database: Database,
  ) {
    this.factsMax = factsMax;
    this.troubles = troubles;
    this.#open = open;
    this.#host = host;
    this.#database = database;
  }

  /** @param factsMax of a part of the live index */
  static async make(
    threads: Threads,
    { factsMax, ...options }: CreateOptions & { readonly factsMax: number },
  ): Promise<Subject> {
    const [log, objects, codec] = [new MemoryLog(), new MemoryObjects(), await createCodec()];
    const cutRule: CutRule = { factsMax, bytesMax: 1e9 };
    const troubles: unknown[] = [];
    const open = async (): Promise<EmbeddedHost> =>
      EmbeddedHost.over({
        log: kept(log),
        objects,
        bucketDir: undefined,
        codec,
        cache: new BlockCache(64 * 1024 * 1024),
        clock: new SystemClock(),
        timers: new SystemTimers(),
        rand: new SystemRand(),
        threads,
        cutRule,
        onFailure: (what, error) => troubles.push(what, error),
        onRecovery: (what) => troubles.push(what),
      });
    const host = await open();
    await host.create('main', options);
    return new Subject(factsMax, troubles, open, host, await host.database('main'));
  }

  get database(): Database {
    return this.#database;
  }

  /** Closes the database and opens it again: memory is gone, and what it held comes from runs and log. */
  async restart(): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
    this.#host = await this.#open();
    this.#database = await this.#host.database('main');
  }

  /** Resolves when every part that was cut is in runs: less than a part is live then. */
  async flushed(): Promise<void> {
    for (;;) {
      const { partitions } = await this.#database.status();
      if (partitions.every(({ liveFacts }) => liveFacts < this.factsMax)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }
}

/** A port that outlives its host. */
function kept(log: MemoryLog): MemoryLog {
  return new Proxy(log, {
    get(target, name) {
      if (name === Symbol.asyncDispose) return async () => undefined;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === 'function' ? (found.bind(target) as unknown) : found;
    },
  });
}
