import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { GroupAdvice } from '@pyralog/log';
import type { KafkaLog } from '@pyralog/log/kafka';
import { expect, inject, test } from 'vitest';
import { Advised, freshName, openLog, Outsider, refused } from './support.ts';

const address = inject('kafka');
/** A process that is a member of a group. */
const MEMBER = fileURLToPath(new URL('./member.ts', import.meta.url));
/** Within it a member that says nothing more is struck off. */
const SESSION_MILLIS = 6_000;

async function makeTopic(log: KafkaLog): Promise<string> {
  const topic = freshName('commits');
  await log.createTopic(topic, 8);
  return topic;
}

function join(advice: GroupAdvice, group: string, topic: string): Advised {
  return new Advised((signal) => advice.join(group, topic, signal));
}

test('members share the partitions, keep what they have, and take over from who leaves at once', async () => {
  await using log = openLog(address);
  const topic = await makeTopic(log);
  const group = freshName('roles');
  const first = join(log.advice, group, topic);
  expect(await first.next()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);

  const other = openLog(address);
  const second = join(other.advice, group, topic);
  expect(await second.next()).toHaveLength(4);
  expect(await first.next()).toHaveLength(4);
  const both = [...(first.last ?? []), ...(second.last ?? [])];
  expect(both.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);

  const third = join(log.advice, group, topic);
  const taken = await third.next();
  expect(taken).toHaveLength(2);
  // The shares of both shrink to what they can keep.
  expect([(await first.next()).length, (await second.next()).length]).toEqual([3, 3]);
  for (const p of [...(first.last ?? []), ...(second.last ?? [])]) expect(taken).not.toContain(p);

  const begin = performance.now();
  await third.stop();
  await other[Symbol.asyncDispose]();
  await second.ended;
  await first.has(8);
  expect(performance.now() - begin).toBeLessThan(SESSION_MILLIS);
  await first.stop();
});

test('what a process had that was killed is another’s when its session ends', async () => {
  await using log = openLog(address);
  const topic = await makeTopic(log);
  const group = freshName('roles');
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', MEMBER, address, group, topic],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    expect(await line(child)).toBe('0,1,2,3,4,5,6,7\n');
    const survivor = join(log.advice, group, topic);
    expect(await survivor.next()).toHaveLength(4);
    child.kill('SIGKILL');
    expect(await survivor.next()).toHaveLength(8);
    await survivor.stop();
  } finally {
    child.kill('SIGKILL');
  }
});

test('groups know nothing of each other, and a signal that was given is heeded', async () => {
  await using log = openLog(address);
  const topic = await makeTopic(log);
  const [one, another] = [freshName('roles'), freshName('roles')].map((group) =>
    join(log.advice, group, topic),
  );
  expect(await one?.next()).toHaveLength(8);
  expect(await another?.next()).toHaveLength(8);
  for await (const _ of log.advice.join(freshName('roles'), topic, AbortSignal.abort()))
    expect.unreachable('the signal has been given');
});

test('a member that stops while it joins is struck off at once', async () => {
  await using outsider = new Outsider(address);
  const admin = await outsider.admin();
  await using log = openLog(address);
  const topic = await makeTopic(log);
  const group = freshName('roles');
  const first = join(log.advice, group, topic);
  expect(await first.next()).toHaveLength(8);
  // It is held until the first has come back, which that does with its next heartbeat.
  const hasty = join(log.advice, group, topic);
  for (let state = ''; state !== 'PreparingRebalance';) {
    const { groups } = await admin.describeGroups([group]);
    state = groups[0]?.state ?? '';
  }
  await hasty.stop();
  expect(hasty.told).toEqual([]);
  const second = join(log.advice, group, topic);
  expect(await second.next()).toHaveLength(4);
  await first.has(4);
});

test('a topic that is not there has no partitions to lead', async () => {
  await using log = openLog(address);
  const advised = join(log.advice, freshName('roles'), freshName('commits'));
  await refused('not-found', () => advised.ended);
});

async function line(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error('the child has no output');
  const [data] = (await once(stdout, 'data')) as [Buffer];
  return data.toString();
}
