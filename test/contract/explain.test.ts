import { must, utf8Encode } from '@pyralog/base';
import type { CommitExplanation, CommitResult, Database, DatabaseHost } from '@pyralog/client';
import { DEFAULT_CUT } from '@pyralog/indexing';
import { partitionOf } from '@pyralog/model';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ClusterMetrics } from '../../services/pyralog/src/cluster/metrics.ts';
import type { StepListener } from '../../services/pyralog/src/sequencer-metrics.ts';
import { served } from '../http/served.ts';
import { ClusterOfOne } from './cluster-host.ts';
import { create, write } from './database-support.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const onTrouble = (what: string, error?: unknown): number => troubles.push(what, error);

const P = 4;

type Make = (steps?: StepListener) => Promise<DatabaseHost>;
const HOSTS: readonly (readonly [string, boolean, Make])[] = [
  ['one process', false, (steps) => embeddedHost(threads, DEFAULT_CUT, onTrouble, steps)],
  [
    'a cluster',
    true,
    (steps) => ClusterOfOne.start(threads, DEFAULT_CUT, onTrouble, undefined, steps),
  ],
];

/** An entity of each partition. */
const ENTITIES = Array.from({ length: P }, (_, partition) => {
  for (let i = 0; ; i++) if (partitionOf(`e:${i}`, P) === partition) return `e:${i}`;
});
const entityOn = (partition: number): string => must(ENTITIES[partition], 'it is one of them');

/** Commits one value of each entity. */
function explain(database: Database, entities: readonly string[]): Promise<CommitResult> {
  const ops = entities.map((entity) => ({ entity, n: 1 }));
  return database.transact(utf8Encode(JSON.stringify({ ops })), { explain: true });
}

/** The explanation, whose stages are its total. */
function explained({ explain: its }: CommitResult): CommitExplanation {
  const { millis } = must(its, 'it was asked for');
  const { publish, wait = 0, prepare = 0, commit, total } = millis;
  for (const each of [publish, wait, prepare, commit]) expect(each).toBeGreaterThanOrEqual(0);
  // One more than it all took where the clock of the coordinator was put forward, by as much as a step of it.
  expect(Math.abs(publish + wait + prepare + commit - total)).toBeLessThan(0.1);
  return must(its, 'it was asked for');
}

async function withPartitions(host: DatabaseHost, partitions: number): Promise<Database> {
  const database = await create(host, 'main', { partitions });
  // What is known of the schema takes a transaction of its own.
  await write(database, { entity: 'attribute:n', 'db/valueType': 'int' });
  return database;
}

describe.each(HOSTS)('in %s', (_name, isCluster, make) => {
  test('what is not asked for is not told, and of a duplicate there is nothing to tell', async () => {
    await using host = await make();
    const database = await withPartitions(host, P);
    expect((await write(database, { entity: 'e', n: 1 })).explain).toBeUndefined();
    const document = utf8Encode('{"id":"key","ops":[{"entity":"e","n":2}]}');
    const first = await database.transact(document, { explain: true });
    expect(first.explain).toBeDefined();
    const again = await database.transact(document, { explain: true });
    expect({ duplicate: again.duplicate, explain: again.explain }).toEqual({
      duplicate: true,
      explain: undefined,
    });
  });

  test.each([1, P])('one partition of %i', async (partitions) => {
    await using host = await make();
    const database = await withPartitions(host, partitions);
    const its = explained(await explain(database, [entityOn(2)]));
    expect(its).toMatchObject({ partitions: [partitions === 1 ? 0 : 2], attempts: 1 });
    // In a cluster it is a part of `commit`: the log does not tell.
    expect(its.millis.wait).toBe(isCluster ? undefined : 0);
    expect(its.millis.prepare).toBe(0);
    expect(its.millis.publish > 0).toBe(isCluster);
    expect(its.millis.commit).toBeGreaterThan(0);
  });

  test('several partitions, the coordinator first', async () => {
    await using host = await make();
    const database = await withPartitions(host, P);
    const its = explained(await explain(database, [2, 3, 0].map(entityOn)));
    expect(its).toMatchObject({ partitions: [2, 0, 3], attempts: 1, millis: { wait: 0 } });
    expect(its.millis.prepare).toBeGreaterThan(0);
    expect(its.millis.commit).toBeGreaterThan(0);
  });

  test('what has to wait for others says how long', async () => {
    await using host = await make();
    const database = await withPartitions(host, P);
    const both = [entityOn(1), entityOn(2)];
    const all = await Promise.all(Array.from({ length: 12 }, () => explain(database, both)));
    const waits = all.map((result) => must(explained(result).millis.wait, 'it is in the log'));
    expect(waits[0]).toBe(0);
    // In one process all are there before the first is decided.
    const waited = waits.filter((wait) => wait > 0).length;
    expect(waited).toBeGreaterThanOrEqual(isCluster ? 1 : 11);
  });

  test('in import mode, where time is that of the data, wait and prepare are not told', async () => {
    await using host = await make();
    const database = await create(host, 'main', { partitions: P, mode: 'import' });
    await write(database, { entity: 'attribute:n', 'db/valueType': 'int' });
    const { millis, partitions } = explained(await explain(database, [1, 2].map(entityOn)));
    expect(partitions).toEqual([0, 1, 2]);
    expect({ wait: millis.wait, prepare: millis.prepare }).toEqual({});
  });

  test('leaders and doors measure each transaction once, by stage and kind', async () => {
    const { metrics, steps } = measured();
    const host = await make(steps);
    await using server = await served(host, { metrics });
    const database = await withPartitions(server, P);
    const before = await samples(metrics);
    for (let i = 0; i < 3; i++) await write(database, { entity: entityOn(1), n: i });
    for (let i = 0; i < 2; i++)
      await write(database, { entity: entityOn(1), n: -i }, { entity: entityOn(3), n: -i });
    const after = await samples(metrics);
    const risen = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const count = (stage: string, kind: string): number =>
      risen(`pyralog_transaction_seconds_count{stage="${stage}",kind="${kind}"}`);
    expect({
      publish: [count('publish', 'one'), count('publish', 'several')],
      wait: [count('wait', 'one'), count('wait', 'several')],
      prepare: [count('prepare', 'one'), count('prepare', 'several')],
      commit: [count('commit', 'one'), count('commit', 'several')],
      attempts: risen('pyralog_transaction_attempts_total'),
      retries: risen('pyralog_transaction_retries_total'),
    }).toEqual({
      publish: [3, 2],
      wait: [3, 2],
      prepare: [0, 2],
      commit: [3, 2],
      attempts: 2,
      retries: 0,
    });
    // A commit each; begin and decision of two, and what the other has promised and done.
    expect(risen('pyralog_commit_record_items_sum')).toBeGreaterThanOrEqual(3 + 2 * 4);
    expect(
      risen('pyralog_transaction_seconds_sum{stage="prepare",kind="several"}'),
    ).toBeGreaterThan(0);
    for (const name of ['documents_waiting', 'transactions_begun', 'parts_promised'])
      await expect
        .poll(async () => (await samples(metrics)).get(`pyralog_${name}{partition="main/1"}`))
        .toBe(0);
  });

  test('a partition that is not led here any more is in no gauge', async () => {
    const { metrics, steps } = measured();
    const host = await make(steps);
    await withPartitions(host, 1);
    const name = 'pyralog_documents_waiting{partition="main/0"}';
    expect((await samples(metrics)).has(name)).toBe(true);
    await host[Symbol.asyncDispose]();
    expect((await samples(metrics)).has(name)).toBe(false);
  });
});

/** What a process measures, and who tells it. */
function measured(): {
  readonly metrics: ClusterMetrics['registry'];
  readonly steps: StepListener | undefined;
} {
  const metrics = new ClusterMetrics();
  const { steps } = metrics.counted({ onFailure: onTrouble, onRecovery: onTrouble });
  return { metrics: metrics.registry, steps };
}

/** Values by name with labels. */
async function samples(metrics: ClusterMetrics['registry']): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.metrics()).split('\n').filter((line) => !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))] as const;
    }),
  );
}
