import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import { createCodec } from '@pyralog/format/zstd';
import type { CutRule } from '@pyralog/indexing';
import { AssignAll, type Log } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers, type Threads } from '@pyralog/runtime';
import { MemoryViews } from '@pyralog/views/memory';
import { ClaimingLog } from '../../services/pyralog/src/cluster/claiming-log.ts';
import { ClusterHost } from '../../services/pyralog/src/cluster/cluster-host.ts';
import { databaseInfo } from '../../services/pyralog/src/database-settings.ts';
import type { ClusterPorts } from '../../services/pyralog/src/cluster/ports.ts';
import type { Role } from '../../services/pyralog/src/cluster/role.ts';
import { startIndexer, startSequencer } from '../../services/pyralog/src/cluster/roles.ts';
import type { StepListener } from '../../services/pyralog/src/sequencer-metrics.ts';

/** One process of every role of a cluster, in this one, over the same ports. */
export class ClusterOfOne implements DatabaseHost {
  readonly #host: ClusterHost;
  readonly #roles: readonly Role[];
  readonly #ports: ClusterPorts;

  private constructor(ports: ClusterPorts, threads: Threads) {
    this.#ports = ports;
    const advice = new AssignAll(async (topic) => {
      const { partitions } = await databaseInfo(topic.replace(/\..*/, ''), ports.objects);
      return partitions;
    });
    const settings = { advice, database: undefined };
    this.#roles = [
      startSequencer({ ...settings, format: 'transaction' }, ports),
      startIndexer({ ...settings, threads }, ports),
    ];
    this.#host = new ClusterHost(ports);
  }

  /**
   * @param onTrouble told of what fails behind the scenes, and of its recovery
   * @param log another than the default, where a test breaks it
   * @param steps told of what is committed
   */
  static async start(
    threads: Threads,
    cutRule: CutRule,
    onTrouble: (what: string, error?: unknown) => void,
    log: Log = new MemoryLog(),
    steps?: StepListener,
  ): Promise<ClusterOfOne> {
    const objects = new MemoryObjects();
    const ports: ClusterPorts = {
      // Most records go by claim.
      log: new ClaimingLog(log, objects, 100),
      objects,
      codec: await createCodec(),
      views: new MemoryViews(),
      cache: new BlockCache(64 * 1024 * 1024),
      clock: new SystemClock(),
      timers: new SystemTimers(),
      rand: new SystemRand(),
      cutRule,
      onFailure: onTrouble,
      onRecovery: onTrouble,
      onVoid: onTrouble,
      steps,
    };
    return new ClusterOfOne(ports, threads);
  }

  /** What the roles work on. */
  get ports(): ClusterPorts {
    return this.#ports;
  }

  create(name: string, options?: CreateOptions): Promise<'created' | 'exists'> {
    return this.#host.create(name, options);
  }

  list(): Promise<readonly string[]> {
    return this.#host.list();
  }

  database(name: string): Promise<Database> {
    return this.#host.database(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
    for (const role of this.#roles) await role[Symbol.asyncDispose]();
    await this.#ports.log[Symbol.asyncDispose]();
  }
}
