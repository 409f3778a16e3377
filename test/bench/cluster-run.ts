import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, HttpHost, type Tx } from 'pyralog';
import {
  ClusterDeployment,
  DATABASE,
  type Deployment,
  EmbeddedDeployment,
} from './cluster-deployment.ts';
import {
  COMMITS,
  documentsOf,
  FACTS,
  indexed,
  loadByHttp,
  loadByKafka,
} from './cluster-loading.ts';
import { takeOver } from './cluster-takeover.ts';
import { commitEach, type CommitTimes } from './committing.ts';
import { PyralogStore } from './pyralog-store.ts';
import { read, readKinds } from './reading.ts';
import type { Results } from './report.ts';
import { CACHE } from './run.ts';
import { cpuSeconds, peakResidentMib, residentMib } from './server.ts';
import {
  type Draws,
  generate,
  person,
  readDraws,
  transactions,
  type WorkloadTransaction,
} from './workload.ts';

/** Who serves, and how the facts come in: over HTTP, or to a cluster by its input topic. */
export type Way = 'embedded' | 'cluster' | 'kafka';
export const WAYS: readonly Way[] = ['embedded', 'cluster', 'kafka'];

export interface ClusterBenchSize {
  /** People of ten facts. */
  readonly entities: number;
  readonly rounds: number;
  /** How long all is left alone before its memory is looked at. */
  readonly idleMillis: number;
}

/** Transactions in flight. */
export const IN_FLIGHT = { http: 64, kafka: 2_000 } as const;
/** Draws that check what was loaded. */
const CHECKS = 200;
/** The process of the benchmark, which makes and reads what goes over the network. */
export const OURSELVES = 'the benchmark';

/** The benchmark of a cluster beside one process; each way of each round has a new database. */
export class ClusterRun {
  readonly #size: ClusterBenchSize;
  readonly #ways: readonly Way[];
  readonly #results: Results<Way>;
  readonly #progress: (text: string) => void;
  readonly #workload: string;
  readonly #draws: Draws;

  constructor(
    size: ClusterBenchSize,
    ways: readonly Way[],
    results: Results<Way>,
    progress: (text: string) => void,
  ) {
    this.#size = size;
    this.#ways = ways;
    this.#results = results;
    this.#progress = progress;
    // People as they were first loaded are what the reads expect, and what single commits replace.
    this.#workload = generate(CACHE, { entities: size.entities, updates: 0, draws: CHECKS });
    this.#draws = readDraws(this.#workload);
  }

  async all(): Promise<void> {
    for (let round = 0; round < this.#size.rounds; round++) {
      // Each way is the first one now and then.
      const first = round % this.#ways.length;
      for (const way of [...this.#ways.slice(first), ...this.#ways.slice(0, first)]) {
        this.#progress(`round ${round + 1}: starting, ${way}`);
        if (way === 'embedded') {
          await using embedded = await EmbeddedDeployment.start();
          await this.#loadByHttp(embedded, way);
          await this.#restart(embedded, way);
          await this.#commit(embedded, way);
        } else {
          await using cluster = await ClusterDeployment.start();
          await (way === 'kafka' ? this.#loadByKafka(cluster) : this.#loadByHttp(cluster, way));
          await this.#restart(cluster, way);
          if (way === 'kafka') continue;
          await this.#commit(cluster, way);
          await this.#takeOver(cluster, way);
        }
      }
    }
  }

  #loadByHttp(deployment: Deployment, way: Way): Promise<void> {
    return this.#load(deployment, way, async (database, documents) => {
      const newest = await loadByHttp(database, documents, IN_FLIGHT.http);
      return { newest, end: 0 };
    });
  }

  #loadByKafka(cluster: ClusterDeployment): Promise<void> {
    const { log } = cluster;
    return this.#load(cluster, 'kafka', async (_, documents) => {
      const newest = await loadByKafka(log, documents, IN_FLIGHT.kafka);
      return { newest, end: (await log.bounds(COMMITS)).end };
    });
  }

  /** @param load resolves with what was loaded last, and where the commit log ends at least for who has all of it */
  async #load(
    deployment: Deployment,
    way: Way,
    load: (
      database: Database,
      documents: readonly Uint8Array[],
    ) => Promise<{ readonly newest: Tx; readonly end: number }>,
  ): Promise<void> {
    const documents: Uint8Array[] = [];
    for await (const transaction of transactions(this.#workload, 'w1'))
      documents.push(...documentsOf(transaction));
    const facts = documents.length * FACTS;
    const { url } = deployment;
    // What follows reads the log of one partition; more of them are measured by partitions.ts.
    await new HttpHost(url).create(DATABASE, { partitions: 1 });
    await using store = await PyralogStore.open(new HttpHost(url), 'http');
    const database = await new HttpHost(url).database(DATABASE);
    const pids = deployment.pids();
    const processes = new Map([...pids, [OURSELVES, process.pid]]);

    this.#progress(`  ${facts} facts`);
    const cpuBefore = [...processes.values()].map(cpuSeconds);
    const started = performance.now();
    const rate = (id: string): void =>
      this.#results.add(id, way, (facts * 1000) / (performance.now() - started));
    const { newest, end } = await load(database, documents);
    rate('ingest');
    await indexed(database, end);
    rate('ingest indexed');
    await deployment.published(newest);
    if (way !== 'embedded') rate('ingest published');
    for (const [i, [name, pid]] of [...processes].entries()) {
      const [before, after] = [cpuBefore[i], cpuSeconds(pid)];
      if (before !== undefined && after !== undefined)
        this.#results.add(`cpu ${name}`, way, after - before);
    }
    this.#results.add('seconds', way, (performance.now() - started) / 1000);
    await this.#check(store);
    await sleep(this.#size.idleMillis);
    for (const [name, pid] of pids) {
      const [idle, peak] = [residentMib(pid), peakResidentMib(pid)];
      if (idle !== undefined) this.#results.add(`idle ${name}`, way, idle);
      if (peak !== undefined) this.#results.add(`peak ${name}`, way, peak);
    }
  }

  /** People at random are as they were loaded. */
  async #check(store: PyralogStore): Promise<void> {
    for (const kind of readKinds(this.#draws, 0))
      if (kind.id === 'R2') await read(store, kind, 0, 1);
  }

  async #restart(deployment: Deployment, way: Way): Promise<void> {
    this.#progress('  starting again');
    const { readyMillis, started } = await deployment.restartDoor();
    const database = await new HttpHost(deployment.url).database(DATABASE);
    await database.entity(person(0));
    this.#results.add('ready', way, readyMillis / 1000);
    this.#results.add('first answer', way, (performance.now() - started) / 1000);
    await using store = await PyralogStore.reopen(new HttpHost(deployment.url), 'http', []);
    await this.#check(store);
  }

  /** Single facts that are replaced; the first 2,000 warm up. */
  async #commit({ url }: Deployment, way: Way): Promise<void> {
    this.#progress('  single commits');
    const single: WorkloadTransaction[] = [];
    for await (const transaction of transactions(this.#workload, 'w3'))
      if (['w3.1.s', 'w3.1.f1'].includes(transaction.p)) single.push(transaction);
    await using store = await PyralogStore.reopen(new HttpHost(url), 'http', []);
    const times: CommitTimes = new Map();
    await commitEach(store, single, times);
    this.#results.add('commit', way, ...(times.get(1) ?? []));
  }

  async #takeOver(cluster: ClusterDeployment, way: Way): Promise<void> {
    const database = await new HttpHost(cluster.url).database(DATABASE);
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      this.#progress(`  taking over after ${signal}`);
      const millis = await takeOver(cluster, database, signal);
      this.#results.add(`takeover ${signal}`, way, millis / 1000);
    }
  }
}
