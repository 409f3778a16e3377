/**
 * Indexers and API nodes that are killed or halted, while writers write: another one goes on, and what it makes or
 * answers is what the first would have.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statusOf } from './check.ts';
import { Cluster, PART_FACTS } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin, LONG, tell } from './support.ts';
import { eventually } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 100;
const HALT_MILLIS = LONG ? 30_000 : 10_000;

let cluster: Cluster;
let api: ClusterProcess;
/** The one that works, alone between tests. */
let indexer: ClusterProcess;
beforeAll(async () => {
  cluster = await Cluster.start();
  [api, indexer] = await Promise.all([
    cluster.run('api'),
    cluster.run('indexer'),
    cluster.run('sequencer'),
  ]);
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** One more indexer, which has no partition as long as the other is there. */
async function standby(database: string): Promise<ClusterProcess> {
  const next = await cluster.run('indexer');
  await cluster.members('indexer', database, 2);
  return next;
}

/** Resolves when a part is to be written, or is being written. */
function inFlush(database: string): Promise<void> {
  return eventually('a part is to be written', async () => {
    expect((await statusOf(api.url, database)).liveFacts).toBeGreaterThanOrEqual(PART_FACTS);
  });
}

test('I5 I7 I12 I14 another indexer goes on where one was killed while it wrote', async () => {
  await using run = await begin(cluster, api, 'unfinished');
  await run.load.acknowledged(SOME);
  const next = await standby('unfinished');
  await inFlush('unfinished');
  await indexer.kill();
  const killed = performance.now();
  indexer = next;
  await eventually('the other one works', async () => {
    expect(await next.worksOn('unfinished')).toBe(true);
  });
  tell(`another indexer took over in ${Math.round(performance.now() - killed)} ms`);
  await run.load.acknowledged(SOME);
  await run.check();
});

test('I5 I7 I12 I14 an indexer that was halted does no harm when it goes on', async () => {
  await using run = await begin(cluster, api, 'late');
  await run.load.acknowledged(SOME);
  const next = await standby('late');
  await inFlush('late');
  indexer.pause();
  await sleep(HALT_MILLIS);
  indexer.resume();
  await run.load.acknowledged(SOME);
  await cluster.members('indexer', 'late', 2);
  await eventually('it has left the partition to the other', async () => {
    expect(await indexer.worksOn('late')).toBe(false);
  });
  await run.check();
  expect(await indexer.stop()).toBe(0);
  indexer = next;
});

test('I1 I5 I8 I10 another API node answers where one was killed with requests on their way', async () => {
  await using run = await begin(cluster, api, 'answered');
  await run.load.acknowledged(SOME);
  const next = await cluster.run('api');
  run.moveTo(next);
  await api.kill();
  api = next;
  await run.load.acknowledged(SOME);
  await run.check();
});
