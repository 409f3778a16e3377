/**
 * Processes that are started while an engine is away: each says what it waits for, is asked for its health meanwhile,
 * and does its work when the engine is there, without being started again. The broker is in engines.test.ts.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { statusOf } from './check.ts';
import { Cluster, healthy } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin } from './support.ts';
import { eventually, PATIENCE_MILLIS, within } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 100;
const STOP_MILLIS_MAX = 10_000;

let cluster: Cluster;
let processes: readonly ClusterProcess[];
beforeAll(async () => {
  cluster = await Cluster.start();
});
beforeEach(async () => {
  await Promise.all([cluster.kafka, cluster.s3, cluster.redis].map((engine) => engine.start()));
  processes = [];
});
afterAll(() => cluster[Symbol.asyncDispose]());

interface Processes {
  readonly api: ClusterProcess;
  readonly sequencer: ClusterProcess;
  readonly indexer: ClusterProcess;
}

/** One of every role, which need not come so far as to work. */
async function launched(): Promise<Processes> {
  const [api, sequencer, indexer] = [
    cluster.launch('api'),
    cluster.launch('sequencer'),
    cluster.launch('indexer'),
  ];
  processes = [api, sequencer, indexer];
  await Promise.all(processes.map((each) => each.listening()));
  return { api, sequencer, indexer };
}

/** Resolves when a process tells of what a pattern fits on stderr and where it is asked for its health. */
async function waitsFor(process: ClusterProcess, pattern: RegExp): Promise<void> {
  await within(`it says ${pattern.source}`, process.says(pattern), PATIENCE_MILLIS);
  const { status, reasons } = await process.health();
  expect(status).toBe(503);
  expect(reasons.join('\n')).toMatch(pattern);
  expect(await process.metric('pyralog_ready')).toBe(0);
}

async function works(process: ClusterProcess): Promise<void> {
  await within('it is ready', process.ready(), PATIENCE_MILLIS);
  await healthy(process);
}

async function ended({ api, sequencer, indexer }: Processes): Promise<void> {
  expect(await Promise.all([api, sequencer, indexer].map((each) => each.stop()))).toEqual([
    0, 0, 0,
  ]);
}

test('I14 every role waits for the bucket', async () => {
  await cluster.s3.stop();
  const roles = await launched();
  await Promise.all(processes.map((each) => waitsFor(each, /bucket .* cannot be reached/)));
  // Whoever is told to end while it waits does not wait for the end of its patience.
  const waiting = cluster.launch('api');
  await waiting.says(/bucket .* cannot be reached/);
  expect(await within('it ends', waiting.stop(), STOP_MILLIS_MAX)).toBe(0);
  await cluster.s3.start();
  await Promise.all(processes.map(works));
  await using run = await begin(cluster, roles.api, 'bucketless');
  await run.load.acknowledged(SOME);
  await run.check();
  await ended(roles);
});

test('I14 nobody but who keeps the views waits for Redis, and nobody for the views', async () => {
  await cluster.redis.stop();
  const roles = await launched();
  const { api, sequencer, indexer } = roles;
  await Promise.all([api, sequencer].map(works));
  await waitsFor(indexer, /redis:\/\/.* cannot be reached/);
  await using run = await begin(cluster, api, 'viewless');
  await eventually('a part is in the bucket', async () => {
    expect((await statusOf(api.url, 'viewless')).indexed).toBeGreaterThan(0);
  });
  await waitsFor(indexer, /views of viewless/);
  await cluster.redis.start();
  await works(indexer);
  await run.load.acknowledged(SOME);
  await run.check();
  await ended(roles);
});

test('I14 every role waits for all of them, whichever comes first', async () => {
  await Promise.all([cluster.kafka, cluster.s3, cluster.redis].map((engine) => engine.stop()));
  const roles = await launched();
  await Promise.all(processes.map((each) => waitsFor(each, /cannot be reached/)));
  await cluster.kafka.start();
  await Promise.all(processes.map((each) => waitsFor(each, /bucket .* cannot be reached/)));
  await cluster.s3.start();
  await Promise.all([roles.api, roles.sequencer].map(works));
  await waitsFor(roles.indexer, /redis:\/\/.* cannot be reached/);
  await cluster.redis.start();
  await works(roles.indexer);
  await using run = await begin(cluster, roles.api, 'alone');
  await run.load.acknowledged(SOME);
  await run.check();
  await ended(roles);
});
