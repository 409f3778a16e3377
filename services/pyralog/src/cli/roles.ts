import { Health, WorkerThreads } from '@pyralog/runtime';
import { type Api, createApi, createMonitor, type MonitorOptions } from '@pyralog/service-api';
import type { InputFormat } from '@pyralog/service-sequencer';
import { ClusterHost } from '../cluster/cluster-host.ts';
import { type Cluster, type ClusterSettings, connectCluster } from '../cluster/connect.ts';
import { ClusterMetrics } from '../cluster/metrics.ts';
import type { Role } from '../cluster/role.ts';
import { startIndexer, startSequencer } from '../cluster/roles.ts';
import { checkAtStart, watchViews } from '../cluster/start-checks.ts';
import { healthOf, messageOf } from '../troubles.ts';
import { VERSION } from '../version.ts';
import { EXIT } from './context.ts';
import { colours, line, note } from './print.ts';
import { boundHeap, makeDatabase, stopAsked, tellError } from './process.ts';

/** Roles of processes. `all` is every one of them in this process. */
export type RoleName = 'sequencer' | 'indexer' | 'api' | 'all';

/** What a process of a cluster is told. */
export interface ProcessOptions {
  readonly role: RoleName;
  readonly cluster: ClusterSettings;
  /** The only database it serves; `create` makes it. */
  readonly database: string | undefined;
  readonly create: boolean;
  /** Of records of the input topics that do not say. */
  readonly format: InputFormat;
  readonly host: string;
  readonly port: number;
}

/** A process of a cluster, until it is told to stop. */
export async function runProcess(options: ProcessOptions): Promise<number> {
  boundHeap();
  const asked = stopAsked();
  const stop = new AbortController();
  void asked.then(() => stop.abort());
  const metrics = new ClusterMetrics();
  const listeners = metrics.counted({
    onFailure: (what, error) => note(`${what}: ${messageOf(error)}`),
    onRecovery: (what) => note(`${what}.`),
  });
  await using cluster = await connectCluster(options.cluster, process.env, listeners);
  await using started = new Process(options, cluster, metrics);
  metrics.partitions = () => started.partitions;
  const url = await started.listen();
  line(
    `${colours.bold('Pyralog')} ${VERSION} ${options.role === 'all' ? '' : options.role}`.trim(),
  );
  line(`  kafka      ${options.cluster.kafka.join(', ')}`);
  line(`  bucket     ${cluster.bucketName}`);
  line(
    `  views      ${options.cluster.redis === undefined ? 'none (--redis URL keeps them)' : 'in Redis'}`,
  );
  if (started.servesDatabases) line(`  databases  ${url}/v1`);
  line(`  health     ${url}/healthz/ready`);
  line(`  metrics    ${url}/metrics`);
  if (await started.begin(stop.signal)) line('Ready (Ctrl-C stops)');
  await asked;
  note('Stopping …');
  return EXIT.ok;
}

class Process implements AsyncDisposable {
  readonly #options: ProcessOptions;
  readonly #cluster: Cluster;
  readonly #metrics: ClusterMetrics;
  readonly #starting: Health;
  readonly #views: Health;
  #watchingViews: AsyncDisposable | undefined;
  readonly #host: ClusterHost | undefined;
  #door: Api | undefined;
  #roles: readonly Role[] = [];
  #begun = false;

  constructor(options: ProcessOptions, cluster: Cluster, metrics: ClusterMetrics) {
    this.#options = options;
    this.#metrics = metrics;
    this.#cluster = cluster;
    const { role } = options;
    this.#host = role === 'api' || role === 'all' ? new ClusterHost(cluster.ports) : undefined;
    this.#starting = new Health({
      clock: cluster.ports.clock,
      onFailure: (error) => note(`Waiting: ${messageOf(error)}`),
      onRecovery: () => note('All engines answer.'),
    });
    this.#views = healthOf('Redis', 'reached', cluster.ports);
  }

  /** Those that it works on. */
  get partitions(): readonly string[] {
    return this.#roles.flatMap((role) => role.partitions);
  }

  get servesDatabases(): boolean {
    return this.#host !== undefined;
  }

  async listen(): Promise<string> {
    const options: MonitorOptions = {
      version: VERSION,
      onError: tellError,
      metrics: this.#metrics.registry,
      notReady: () => this.#troubles(),
    };
    this.#door =
      this.#host === undefined
        ? await createMonitor(options)
        : await createApi({ ...options, host: this.#host });
    return this.#door.listen(this.#options.host, this.#options.port);
  }

  /** Resolves when it does its work, with false where it was told to stop before. */
  async begin(signal: AbortSignal): Promise<boolean> {
    const { role, database, create, format } = this.#options;
    await checkAtStart(
      this.#cluster,
      {
        health: this.#starting,
        leads: role === 'sequencer' || role === 'all',
        warn: (text) => note(`warning: ${text}`),
      },
      signal,
    );
    if (signal.aborted) return false;
    const { ports, advice } = this.#cluster;
    const settings = { advice, database };
    if (create && database !== undefined && this.#host !== undefined)
      await makeDatabase(this.#host, database);
    if (role === 'indexer' || role === 'all') this.#watchingViews = watchViews(ports, this.#views);
    this.#roles = [
      ...(role === 'sequencer' || role === 'all'
        ? [startSequencer({ ...settings, format }, ports)]
        : []),
      ...(role === 'indexer' || role === 'all'
        ? [startIndexer({ ...settings, threads: new WorkerThreads() }, ports)]
        : []),
    ];
    this.#begun = true;
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door?.[Symbol.asyncDispose]();
    await this.#host?.[Symbol.asyncDispose]();
    await this.#watchingViews?.[Symbol.asyncDispose]();
    await Promise.all(this.#roles.map((role) => role[Symbol.asyncDispose]()));
  }

  #troubles(): readonly string[] {
    const healths = [...this.#cluster.healths, this.#starting, this.#views];
    const troubles = healths.flatMap(({ failure }) =>
      failure === undefined ? [] : [messageOf(failure.error)],
    );
    if (!this.#begun) return troubles.length === 0 ? ['The process is starting.'] : troubles;
    return [
      ...troubles,
      ...(this.#host?.troubles() ?? []),
      ...this.#roles.flatMap((role) => role.troubles()),
    ];
  }
}
