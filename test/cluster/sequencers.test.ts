/**
 * Sequencers that are killed, told to go, halted and joined by others, while writers write: another takes over,
 * nothing acknowledged is lost, doubled or torn, and all that is made of it comes to the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statusOf } from './check.ts';
import { Cluster } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin, LONG, tell } from './support.ts';
import { eventually } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 100;
/** A session of the group is over after 6 s; the rest is for a busy machine. */
const TAKEOVER_MILLIS_MAX = 20_000;
const HALT_MILLIS = LONG ? 30_000 : 10_000;

let cluster: Cluster;
let api: ClusterProcess;
/** The one that leads, alone between tests. */
let leader: ClusterProcess;
beforeAll(async () => {
  cluster = await Cluster.start();
  [api, leader] = await Promise.all([
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** One more sequencer, which has no partition as long as the leader is there. */
async function standby(database: string, members = 2): Promise<ClusterProcess> {
  const next = await cluster.run('sequencer');
  await cluster.members('sequencer', database, members);
  return next;
}

test('I1 I2 I3 I5 I8 I14 another sequencer takes over from one that is killed', async () => {
  await using run = await begin(cluster, api, 'killed');
  await run.load.acknowledged(SOME);
  const next = await standby('killed');
  const taken = run.load.acknowledged(1, TAKEOVER_MILLIS_MAX);
  await leader.kill();
  leader = next;
  tell(`takeover after SIGKILL in ${Math.round(await taken)} ms`);
  await run.load.acknowledged(SOME);
  await run.check();
});

test('I1 I2 I3 I5 I8 I14 another sequencer takes over from one that is told to stop', async () => {
  await using run = await begin(cluster, api, 'stopped');
  await run.load.acknowledged(SOME);
  const next = await standby('stopped');
  const taken = run.load.acknowledged(1, TAKEOVER_MILLIS_MAX);
  const status = leader.stop();
  leader = next;
  tell(`takeover after SIGTERM in ${Math.round(await taken)} ms`);
  expect(await status).toBe(0);
  await run.load.acknowledged(SOME);
  await run.check();
});

test('I1 I3 I5 I6 I8 I14 a sequencer that was halted is fenced when it goes on', async () => {
  await using run = await begin(cluster, api, 'halted');
  await run.load.acknowledged(SOME);
  const next = await standby('halted');
  const halted = performance.now();
  leader.pause();
  tell(
    `takeover after SIGSTOP in ${Math.round(await run.load.acknowledged(1, TAKEOVER_MILLIS_MAX))} ms`,
  );
  await sleep(HALT_MILLIS - (performance.now() - halted));
  leader.resume();
  await run.load.acknowledged(SOME);
  // It found out by a record of its own, and is in the group again.
  await cluster.members('sequencer', 'halted', 2);
  await eventually('it is fenced, and has left the partition to the other', async () => {
    expect(await leader.worksOn('halted')).toBe(false);
    expect(await leader.metric('pyralog_fenced_total')).toBeGreaterThan(0);
    expect(await api.metric('pyralog_void_records_total', '"halted"')).toBeGreaterThan(0);
  });
  await run.load.acknowledged(SOME);
  await leader.stop();
  leader = next;
  await run.check();
});

test('I1 I5 I8 I14 sequencers come and go, and the leader stays the same', async () => {
  await using run = await begin(cluster, api, 'joined');
  await run.load.acknowledged(SOME);
  const { epoch } = await statusOf(api.url, 'joined');
  const others = [await standby('joined'), await standby('joined', 3)];
  await run.load.acknowledged(SOME);
  for (const other of others) expect(await other.stop()).toBe(0);
  await cluster.members('sequencer', 'joined', 1);
  await run.load.acknowledged(SOME);
  expect((await statusOf(api.url, 'joined')).epoch).toBe(epoch);
  await run.check();
});
