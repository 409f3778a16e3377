import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partitionOf } from '@pyralog/model';
import { type Database, type DatabaseHost, HttpHost } from 'pyralog';
import { openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { ClusterDeployment, DATABASE } from './cluster-deployment.ts';
import { inFlight, timed } from './measure.ts';
import type { Results } from './report.ts';

/** Who serves: one process with so many partitions, or a cluster with eight and so many sequencers. */
export type PartitionColumn =
  | 'embedded 1'
  | 'embedded 4'
  | 'embedded 8'
  | 'cluster 1'
  | 'cluster 2'
  | 'cluster 4';

export const EMBEDDED = [1, 4, 8] as const;
export const SEQUENCERS = [1, 2, 4] as const;
/** Of a database of a cluster. */
const PARTITIONS = 8;
/** Entities of each partition. */
const ENTITIES = 2_000;
export const IN_FLIGHT = 64;

export interface PartitionBenchSize {
  /** Transactions that are committed one after the other, of each kind. */
  readonly commits: number;
  /** Transactions that are committed many at a time. */
  readonly loaded: number;
}

/** One way in each round has a new database. */
export class PartitionsRun {
  readonly #size: PartitionBenchSize;
  readonly #results: Results<PartitionColumn>;
  readonly #progress: (text: string) => void;

  constructor(
    size: PartitionBenchSize,
    results: Results<PartitionColumn>,
    progress: (text: string) => void,
  ) {
    this.#size = size;
    this.#results = results;
    this.#progress = progress;
  }

  async embedded(): Promise<void> {
    for (const partitions of EMBEDDED) {
      this.#progress(`  one process, partitions: ${partitions}`);
      const dir = mkdtempSync(join(tmpdir(), 'pyralog-bench-'));
      try {
        await using host = await openEmbedded({ dir });
        await this.#measure(host, partitions, `embedded ${partitions}`);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    }
  }

  async cluster(): Promise<void> {
    for (const sequencers of SEQUENCERS) {
      this.#progress(`  cluster, sequencers: ${sequencers}`);
      await using cluster = await ClusterDeployment.start();
      const host = new HttpHost(cluster.url);
      await host.create(DATABASE, { partitions: PARTITIONS });
      await cluster.shareAmong(sequencers);
      await this.#measure(host, PARTITIONS, `cluster ${sequencers}`);
    }
  }

  async #measure(host: DatabaseHost, partitions: number, column: PartitionColumn): Promise<void> {
    await host.create(DATABASE, { partitions });
    const database = await host.database(DATABASE);
    const documents = new Documents(partitions);
    await database.transact(bytesOf({ entity: 'attribute:n', 'db/valueType': 'int' }));
    await inFlight(documents.first(), IN_FLIGHT, (each) => commit(database, each));
    const { commits, loaded } = this.#size;
    for (const kind of partitions === 1 ? (['one'] as const) : (['one', 'two'] as const)) {
      // The first ones warm up.
      for (let i = 0; i < commits * 1.2; i++) {
        const document = kind === 'one' ? documents.ofOne() : documents.ofTwo();
        const millis = await timed(() => commit(database, document));
        if (i >= commits * 0.2) this.#results.add(`commit ${kind}`, column, millis);
      }
    }
    for (const share of partitions === 1 ? [0] : [0, 0.1, 1]) {
      const all = Array.from({ length: loaded }, (_, i) =>
        (i % 10) / 10 < share ? documents.ofTwo() : documents.ofOne(),
      );
      const millis = await timed(() => inFlight(all, IN_FLIGHT, (each) => commit(database, each)));
      this.#results.add(`rate ${share}`, column, (loaded * 1_000) / millis);
    }
  }
}

interface BenchDocument {
  readonly bytes: Uint8Array;
  /** That it writes. */
  readonly facts: number;
}

/** Transactions that replace a number of entities, a partition after the other. */
class Documents {
  readonly #entities: readonly string[][];
  #next = 0;

  constructor(partitions: number) {
    this.#entities = Array.from({ length: partitions }, () => []);
    for (let i = 0; this.#entities.some((own) => own.length < ENTITIES); i++) {
      const entity = `e:${i}`;
      const own = this.#entities[partitionOf(entity, partitions)] ?? [];
      if (own.length < ENTITIES) own.push(entity);
    }
  }

  /** Each entity for the first time. */
  first(): BenchDocument[] {
    return this.#entities.flatMap((own) => own.map((entity) => this.#document([entity], 1)));
  }

  ofOne(): BenchDocument {
    return this.#document([this.#entity()], 2);
  }

  ofTwo(): BenchDocument {
    return this.#document([this.#entity(), this.#entity()], 4);
  }

  /** No two of those in flight are the same. */
  #entity(): string {
    const at = this.#next++;
    const own = this.#entities[at % this.#entities.length] ?? [];
    return own[Math.floor(at / this.#entities.length) % own.length] ?? '';
  }

  #document(entities: readonly string[], facts: number): BenchDocument {
    const n = this.#next;
    return { bytes: bytesOf(...entities.map((entity) => ({ entity, n }))), facts };
  }
}

function bytesOf(...ops: readonly object[]): Uint8Array {
  return Buffer.from(JSON.stringify({ ops }));
}

async function commit(database: Database, { bytes, facts }: BenchDocument): Promise<void> {
  const result = await database.transact(bytes);
  if (result.facts.length !== facts)
    throw new Error(`a commit wrote ${result.facts.length} facts, not ${facts}`);
}
