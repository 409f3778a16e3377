/**
 * Engines that are killed and come back, and a bucket that is slow, refuses, or loses its answers, while
 * writers write: the processes stay, say what is wrong, and go on by themselves.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { statusOf } from './check.ts';
import { Cluster, healthy, PART_FACTS } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin, LONG, tell } from './support.ts';
import { eventually, PATIENCE_MILLIS, within } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 100;

/** In the full run a broker is away for longer than requests are tried again, and a busy machine is slow to come back. */
const AWAY = { timeout: LONG ? 300_000 : 120_000 };

let cluster: Cluster;
let api: ClusterProcess;
let sequencer: ClusterProcess;
let indexer: ClusterProcess;
beforeAll(async () => {
  cluster = await Cluster.start({ proxy: true });
});
// Also where a test has failed while one was away.
beforeEach(async () => {
  await Promise.all([cluster.kafka, cluster.s3, cluster.redis].map((engine) => engine.start()));
});
afterAll(() => cluster[Symbol.asyncDispose]());

const everyRole = (): readonly ClusterProcess[] => [api, sequencer, indexer];

/** Resolves when every process says what a pattern fits, from now on. */
async function everyRoleSays(pattern: RegExp): Promise<void> {
  await Promise.all(everyRole().map((each) => each.says(pattern, each.errors.length)));
}

test('processes that start before the broker say so, and begin when it is there', async () => {
  await cluster.kafka.stop();
  api = cluster.launch('api');
  sequencer = cluster.launch('sequencer');
  indexer = cluster.launch('indexer');
  for (const process of everyRole()) {
    await process.listening();
    await process.says(/Kafka cannot be reached: .*ECONNREFUSED/);
    const { status, reasons } = await process.health();
    expect(status).toBe(503);
    expect(reasons.join()).toMatch(/ECONNREFUSED/);
  }
  await cluster.kafka.start();
  for (const process of everyRole()) {
    await within('it is ready', process.ready(), PATIENCE_MILLIS);
    await healthy(process);
  }
});

test('I1 I5 I8 I9 I14 the broker is killed and comes back', AWAY, async () => {
  await using run = await begin(cluster, api, 'broker');
  await run.load.acknowledged(SOME);
  // In the full run for longer than requests are tried again.
  const told = everyRoleSays(LONG ? /cannot be (read|written)/ : /Kafka cannot be reached/);
  await cluster.kafka.kill();
  const answered = run.load.acknowledged(1, 2 * PATIENCE_MILLIS);
  await told;
  for (const process of everyRole()) expect((await process.health()).status).toBe(503);
  await cluster.kafka.start();
  tell(`no answer for ${Math.round(await answered)} ms while the broker was killed and came back`);
  await run.load.acknowledged(SOME);
  await Promise.all(everyRole().map(healthy));
  await run.check();
});

test('I1 I5 I7 I14 the bucket is killed and comes back', async () => {
  await using run = await begin(cluster, api, 'bucket');
  await run.load.acknowledged(SOME);
  await cluster.s3.kill();
  // Writers need no bucket until parts wait for it.
  await run.load.acknowledged(SOME);
  // In the full run for longer than requests are tried again.
  if (LONG) await indexer.says(/The index of bucket\/0 cannot be written/);
  else
    await eventually('a part waits for the bucket', async () => {
      const { liveFacts } = await statusOf(api.url, 'bucket');
      expect(liveFacts).toBeGreaterThan(PART_FACTS);
    });
  await cluster.s3.start();
  await run.load.acknowledged(SOME);
  await Promise.all(everyRole().map(healthy));
  await run.check();
});

test('I14 Redis is killed and comes back', async () => {
  await using run = await begin(cluster, api, 'views');
  await run.load.acknowledged(SOME);
  await cluster.redis.kill();
  await indexer.says(/The views of views\/0 cannot be written/);
  expect((await indexer.health()).reasons.join()).toMatch(/Redis|views/);
  await run.load.acknowledged(SOME);
  await cluster.redis.start();
  await run.load.acknowledged(SOME);
  await healthy(indexer);
  await run.check();
});

test('I1 I5 I7 I12 I14 the bucket is slow, refuses, breaks off and loses answers', async () => {
  await using run = await begin(cluster, api, 'faults');
  const { proxy } = cluster;
  if (proxy === undefined) throw new Error('There is no proxy.');
  const path = /\/faults\//;
  const before = proxy.seen.length;
  await run.load.acknowledged(SOME);
  proxy.meet('PUT', { kind: 'reset-after' }, { path: /faults\/segments\//, times: 1 });
  proxy.meet('PUT', { kind: 'reset-after' }, { path: /faults\/manifest\//, times: 1 });
  proxy.meet('PUT', { kind: 'reset-after' }, { path: /faults\/index\//, times: 2 });
  proxy.meet('PUT', { kind: 'refuse', status: 503 }, { path, times: 5 });
  proxy.meet('PUT', { kind: 'reset-before' }, { path, times: 2 });
  proxy.meet('PUT', { kind: 'hold-answer', until: sleep(3_000) }, { path, times: 2 });
  proxy.meet('GET', { kind: 'refuse', status: 503 }, { path, times: 3 });
  proxy.meet('GET', { kind: 'cut-body' }, { path, times: 3 });
  proxy.meet('GET', { kind: 'flip-answer' }, { path: /faults\/(index|segments)\//, times: 2 });
  proxy.meet('GET', { kind: 'slow-body', pieces: 4, pauseMillis: 100 }, { path, times: 5 });
  await eventually('three parts were written', async () => {
    const puts = proxy.seen.filter(
      ({ method, path: of }) => method === 'PUT' && /faults\/manifest\//.test(of),
    );
    expect(puts.length).toBeGreaterThan(2);
  });
  await run.check();
  const met = proxy.seen.slice(before).flatMap(({ fault }) => fault ?? []);
  tell(
    `faults of the bucket: ${[...new Set(met)].map((kind) => `${met.filter((each) => each === kind).length} ${kind}`).join(', ')}`,
  );
  for (const kind of ['reset-after', 'refuse', 'reset-before', 'hold-answer'])
    expect(met).toContain(kind);
  await Promise.all(everyRole().map(healthy));
});
