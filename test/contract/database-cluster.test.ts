import type { DatabaseHost } from '@pyralog/client';
import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { afterAll, afterEach, expect } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { databaseContract } from './database.ts';
import { SharedThread } from './shared-thread.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const make = (cutRule: CutRule): Promise<ClusterOfOne> =>
  ClusterOfOne.start(threads, cutRule, (what, error) => troubles.push(what, error));

const PARTITIONS_DEFAULT = 8;
databaseContract('the database of a cluster', () => make(DEFAULT_CUT), PARTITIONS_DEFAULT);

/** A cluster whose databases have one partition where nothing else is asked for, and runs of few facts. */
async function makeSingle(): Promise<DatabaseHost> {
  const cluster = await make({ factsMax: 3, bytesMax: 1e9 });
  return {
    create: (name, options = {}) => cluster.create(name, { partitions: 1, ...options }),
    list: () => cluster.list(),
    database: (name) => cluster.database(name),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

databaseContract('the database of a cluster on one partition with small runs', makeSingle);

semanticsContract(
  'the database of a cluster',
  stagesOf(() => make(DEFAULT_CUT)),
);
