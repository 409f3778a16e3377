import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpHost, openEmbedded, type Tx } from 'pyralog';
import { commitEach, type CommitTimes } from './committing.ts';
import { bytesByKind } from './disk.ts';
import { importRepository, makeRepository } from './importing.ts';
import { load, loadDocuments } from './loading.ts';
import type { PostgresServer } from './postgres.ts';
import { PostgresStore } from './postgres-store.ts';
import { PyralogStore } from './pyralog-store.ts';
import { read, readKinds } from './reading.ts';
import type { Column, Results } from './report.ts';
import { memoryOfAllMib, residentMib, type Server, startServer } from './server.ts';
import type { Store } from './store.ts';
import {
  documents,
  type Draws,
  generate,
  person,
  readDraws,
  transactions,
  type WorkloadTransaction,
} from './workload.ts';

/** Where the workload and the results are kept. */
export const CACHE = '.cache/bench';

export interface BenchSize {
  readonly entities: number;
  readonly updates: number;
  readonly draws: number;
  /** Of W4. */
  readonly documents: number;
  /** Of the repository that is imported. */
  readonly commits: number;
  /** Rounds of everything that is a rate; the stores take turns in each. */
  readonly rounds: number;
  /** How long a server is left alone before its memory is looked at. */
  readonly idleMillis: number;
}

/** Transactions of 1,000 facts and of 10 that are in flight. */
const IN_FLIGHT = { w1: 4, w2: 20 } as const;
/** Batch and writers in flight of W4. */
const BATCHES = [
  [1, 1],
  [1, 20],
  [1_000, 1],
  [1_000, 20],
] as const;
const CONNECTIONS = 20;
/** Times that people are counted by city. */
const COUNTS = 5;
/** Draws of R2 that check what was loaded over HTTP. */
const CHECKS = 200;

type StoreColumn = Exclude<Column, 'pyralog'>;

/** The whole comparison, in the order of its methods. */
export class WorkloadRun {
  readonly #size: BenchSize;
  readonly #postgres: PostgresServer | undefined;
  readonly #results: Results;
  readonly #progress: (text: string) => void;
  readonly #workload: string;
  readonly #draws: Draws;
  readonly #temp = mkdtempSync(join(tmpdir(), 'pyralog-bench-'));
  /** Folder and transactions that were loaded last. */
  #loaded: { readonly dir: string; readonly txs: readonly Tx[] } | undefined;
  postgresVersion: string | undefined;

  constructor(
    size: BenchSize,
    postgres: PostgresServer | undefined,
    results: Results,
    progress: (text: string) => void,
  ) {
    this.#size = size;
    this.#postgres = postgres;
    this.#results = results;
    this.#progress = progress;
    this.#workload = generate(CACHE, size);
    this.#draws = readDraws(this.#workload);
  }

  removeFiles(): void {
    rmSync(this.#temp, { recursive: true, force: true });
  }

  async all(): Promise<void> {
    for (let round = 0; round < this.#size.rounds; round++)
      for (const column of this.#turn(round)) await this.#load(column, round);
    this.#measureBytes();
    const copy = join(this.#temp, 'served');
    cpSync(this.#last.dir, copy, { recursive: true });
    await this.#start(copy);
    await this.#ask(copy);
    await this.#import();
  }

  /** The stores of a round: each is the first one now and then. */
  #turn(round: number): StoreColumn[] {
    const columns: StoreColumn[] = ['embedded', 'http'];
    if (this.#postgres !== undefined) columns.push('postgres');
    const first = round % columns.length;
    return [...columns.slice(first), ...columns.slice(0, first)];
  }

  /** W1 and W2 into a new database; those of the last round are kept. */
  async #load(column: StoreColumn, round: number): Promise<void> {
    this.#progress(`round ${round + 1}: loading, ${column}`);
    const isLast = round === this.#size.rounds - 1;
    const dir = join(this.#temp, `${column}-${round}`);
    switch (column) {
      case 'embedded': {
        await using store = await PyralogStore.open(await openEmbedded({ dir }), 'embedded');
        await this.#loadInto(store, column);
        if (isLast) this.#loaded = { dir, txs: store.txs };
        break;
      }
      case 'http': {
        await using server = await startServer('built', dir);
        await using store = await PyralogStore.open(new HttpHost(server.url), 'http');
        await this.#loadInto(store, column);
        // Read elsewhere: here order was kept by the client, and only what is in force is as expected.
        const [now] = readKinds(this.#draws, 0).filter(({ id }) => id === 'R2');
        if (now !== undefined)
          await read(store, { ...now, count: Math.min(CHECKS, now.count) }, 0, 1);
        break;
      }
      case 'postgres': {
        const { url } = this.#postgres as PostgresServer;
        const name = databaseName(round);
        {
          await using store = await PostgresStore.open(url, name, CONNECTIONS);
          await this.#loadInto(store, column);
          await store.tidy();
        }
        if (!isLast) await PostgresStore.drop(url, name);
      }
    }
    if (column === 'http' || !isLast) rmSync(dir, { recursive: true, force: true });
  }

  async #loadInto(store: Store & { tidy?(): Promise<void> }, column: StoreColumn): Promise<void> {
    for (const part of ['w1', 'w2'] as const) {
      const rates = await load(store, await this.#transactions(part), IN_FLIGHT[part]);
      await store.tidy?.();
      const id = part.toUpperCase();
      this.#results.add(`${id} acknowledged`, column, rates.acknowledged);
      this.#results.add(id, column, rates.flushed);
    }
  }

  #measureBytes(): void {
    const facts = this.#size.entities * 10 + this.#size.updates * 20;
    const kinds = bytesByKind(this.#last.dir);
    let all = 0;
    for (const [kind, bytes] of kinds) {
      all += bytes;
      this.#results.add(`bytes ${kind}`, 'pyralog', bytes / facts);
    }
    this.#results.add('bytes', 'pyralog', all / facts);
  }

  /** The command as a user gives it, on nothing and on what was loaded; PostgreSQL on the same. */
  async #start(dir: string): Promise<void> {
    for (let round = 0; round < this.#size.rounds; round++) {
      this.#progress(`round ${round + 1}: starting`);
      const isLast = round === this.#size.rounds - 1;
      await using empty = await startServer('clone', join(this.#temp, `empty-${round}`));
      this.#results.add('ready empty', 'pyralog', empty.readyMillis / 1000);
      if (isLast) await this.#idle(empty, 'idle empty');
      await empty[Symbol.asyncDispose]();

      const started = performance.now();
      await using server = await startServer('clone', dir);
      this.#results.add('ready', 'pyralog', server.readyMillis / 1000);
      const database = await new HttpHost(server.url).database('main');
      await database.entity(person(0));
      this.#results.add('first answer', 'pyralog', (performance.now() - started) / 1000);
      if (isLast) await this.#idle(server, 'idle');
      if (this.#postgres !== undefined) await this.#startPostgres(this.#postgres);
    }
  }

  async #startPostgres(server: PostgresServer): Promise<void> {
    server.stop();
    const started = performance.now();
    server.startAgain();
    await using store = await this.#openPostgres(server, 1);
    await store.person(0);
    this.#results.add('first answer', 'postgres', (performance.now() - started) / 1000);
  }

  async #idle({ pid }: Server, id: string): Promise<void> {
    await sleep(this.#size.idleMillis);
    const mib = residentMib(pid);
    if (mib !== undefined) this.#results.add(id, 'pyralog', mib);
  }

  /** Reads, then single commits, then W4, of all stores in turns. The server has a copy of what was loaded in process. */
  async #ask(copy: string): Promise<void> {
    const { dir, txs } = this.#last;
    await using server = await startServer('built', copy);
    await using embedded = await PyralogStore.reopen(await openEmbedded({ dir }), 'embedded', txs);
    await using http = await PyralogStore.reopen(new HttpHost(server.url), 'http', txs);
    await using postgres =
      this.#postgres && (await this.#openPostgres(this.#postgres, CONNECTIONS));
    const stores = new Map<StoreColumn, Store>([
      ['embedded', embedded],
      ['http', http],
    ]);
    if (postgres !== undefined) {
      stores.set('postgres', postgres);
      this.postgresVersion = await postgres.version();
      const { tables, indexes } = await postgres.bytes();
      const facts = this.#size.entities * 10 + this.#size.updates * 20;
      this.#results.add('bytes', 'postgres', (tables + indexes) / facts);
    }
    await this.#read(stores);
    await this.#commit(stores);
    await this.#loadDocuments(stores);
    const memory = { pyralog: residentMib(server.pid), postgres: this.#postgresMib() };
    if (memory.pyralog !== undefined) this.#results.add('memory', 'pyralog', memory.pyralog);
    if (memory.postgres !== undefined) this.#results.add('memory', 'postgres', memory.postgres);
  }

  async #read(stores: ReadonlyMap<StoreColumn, Store>): Promise<void> {
    const kinds = readKinds(this.#draws, COUNTS);
    for (let round = 0; round < this.#size.rounds; round++) {
      for (const [column, store] of stores) {
        this.#progress(`round ${round + 1}: reading, ${column}`);
        for (const kind of kinds)
          this.#results.add(
            kind.id,
            column,
            ...(await read(store, kind, round, this.#size.rounds)),
          );
      }
    }
  }

  async #commit(stores: ReadonlyMap<StoreColumn, Store>): Promise<void> {
    const all = await this.#transactions('w3');
    for (let round = 0; round < this.#size.rounds; round++) {
      const some = all.filter(({ p }) => p.startsWith(`w3.${round + 1}.`));
      for (const [column, store] of stores) {
        this.#progress(`round ${round + 1}: committing, ${column}`);
        const times: CommitTimes = new Map();
        await commitEach(store, some, times);
        for (const [facts, samples] of times) this.#results.add(`W3 ${facts}`, column, ...samples);
      }
    }
  }

  async #loadDocuments(stores: ReadonlyMap<StoreColumn, Store>): Promise<void> {
    const all = await collect(documents(this.#workload), this.#size.documents);
    let copies = 0;
    for (let round = 0; round < this.#size.rounds; round++) {
      for (const [batch, concurrency] of BATCHES) {
        // Each time they are other entities with other unique values.
        const copy = copies++;
        const some = all.map(({ id, email, ...others }) => ({
          ...others,
          id: id + copy * 1e6,
          email: `${copy}.${email}`,
        }));
        for (const [column, store] of stores) {
          this.#progress(
            `round ${round + 1}: documents by ${batch}, ${concurrency} in flight, ${column}`,
          );
          const rate = await loadDocuments(store, some, { batch, concurrency });
          this.#results.add(`W4 ${batch} ${concurrency}`, column, rate);
        }
      }
    }
  }

  async #import(): Promise<void> {
    const repository = makeRepository(CACHE, this.#size.commits);
    for (let round = 0; round < this.#size.rounds; round++) {
      this.#progress(`round ${round + 1}: importing`);
      const dir = join(this.#temp, `imported-${round}`);
      const inProcess = await importRepository(repository, ['--data', dir], () =>
        openEmbedded({ dir }),
      );
      this.#results.add('import', 'embedded', inProcess / 1000);
      await using server = await startServer('built', join(this.#temp, `import-served-${round}`));
      const overHttp = await importRepository(
        repository,
        ['--url', server.url],
        async () => new HttpHost(server.url),
      );
      this.#results.add('import', 'http', overHttp / 1000);
    }
  }

  #openPostgres({ url }: PostgresServer, connections: number): Promise<PostgresStore> {
    return PostgresStore.reopen(url, databaseName(this.#size.rounds - 1), connections);
  }

  #postgresMib(): number | undefined {
    return this.#postgres === undefined ? undefined : memoryOfAllMib(this.#postgres.pid);
  }

  #transactions(part: string): Promise<WorkloadTransaction[]> {
    return collect(transactions(this.#workload, part));
  }

  get #last(): { readonly dir: string; readonly txs: readonly Tx[] } {
    if (this.#loaded === undefined) throw new Error('nothing was loaded');
    return this.#loaded;
  }
}

function databaseName(round: number): string {
  return `round_${round + 1}`;
}

async function collect<T>(
  items: AsyncIterable<T>,
  max: number = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) {
    if (list.length === max) break;
    list.push(item);
  }
  return list;
}
