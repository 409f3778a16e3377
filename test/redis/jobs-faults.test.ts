import type { JobAttempt, JobJson } from '@pyralog/jobs';
import { BullJobs, type BullJobsOptions } from '@pyralog/jobs/bullmq';
import { expect, inject, test } from 'vitest';
import { RedisServer } from '../servers/redis.ts';
import { Child, freshName, Gate, keysOf, outsiderOf, refused } from './support.ts';

const shared = inject('redis');
const WORKER = new URL('./worker.ts', import.meta.url);

function open(url: string, prefix: string, options: Partial<BullJobsOptions> = {}): BullJobs {
  return new BullJobs({ url, prefix, lockMillis: 2_000, deathsMax: 2, ...options });
}

const job = (id: string, data: JobJson = null) => ({ name: 'merge', id, data });

/** Has every job on its hands until it is told what became of it. */
class Hands {
  readonly #begun: JobAttempt[] = [];
  readonly #ends = new Map<string, (result: JobJson) => void>();
  #more = new Gate();

  readonly handler = (attempt: JobAttempt): Promise<JobJson> => {
    this.#begun.push(attempt);
    const ended = new Promise<JobJson>((resolve) => this.#ends.set(attempt.id, resolve));
    this.#more.open();
    this.#more = new Gate();
    return ended;
  };

  get begun(): readonly string[] {
    return this.#begun.map(({ id, attempt }) => `${id} ${attempt}`);
  }

  /** Resolves with the attempt that was begun as the n-th. */
  async attempt(n: number): Promise<JobAttempt> {
    for (;;) {
      const attempt = this.#begun[n - 1];
      if (attempt !== undefined) return attempt;
      await this.#more.opened;
    }
  }

  end(id: string, result: JobJson): void {
    this.#ends.get(id)?.(result);
  }
}

function aborted({ signal }: JobAttempt): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

test('a server that is killed has all jobs when it comes back, and workers come back by themselves', async () => {
  await using server = await RedisServer.start();
  await using queue = open(server.address, freshName(), { lockMillis: 30_000 });
  const begun: string[] = [];
  const [failed, active, release] = [new Gate(), new Gate(), new Gate()];
  const work = async ({ id, attempt }: JobAttempt): Promise<JobJson> => {
    begun.push(`${id} ${attempt}`);
    if (id === 'twice' && attempt === 1) {
      failed.open();
      throw new Error('once');
    }
    if (id === 'active') {
      active.open();
      await release.opened;
    }
    return `${id} is done`;
  };
  await queue.work('merge', work);
  const pauses = { firstMillis: 500, maxMillis: 500 };
  const added = [await queue.add({ ...job('twice'), pauses })];
  await failed.opened;
  for (const id of ['active', 'waiting']) added.push(await queue.add(job(id)));
  await active.opened;
  await server.kill();
  const [error] = await Promise.all([
    refused('unreachable', () => queue.add(job('another'))),
    refused('unreachable', () => queue.counts('merge')),
    refused('unreachable', () => queue.failed('merge')),
    refused('unreachable', () => queue.work('merge', work)),
  ]);
  expect(error.message).toContain(server.address);
  // It ends while nobody can be told.
  release.open();
  await server.start();
  const ends = await Promise.all(added.map(({ ended }) => ended));
  expect(ends).toEqual(['twice is done', 'active is done', 'waiting is done']);
  expect([...begun].sort()).toEqual(['active 1', 'twice 1', 'twice 2', 'waiting 1']);
  expect(await (await queue.add(job('after'))).ended).toBe('after is done');
});

test.for<readonly [string, (server: RedisServer) => unknown, (server: RedisServer) => unknown]>([
  ['is away', (server) => server.kill(), (server) => server.start()],
  ['does not answer', (server) => server.pause(), (server) => server.resume()],
])(
  'a worker that closes while the server %s does so, and its job is done by another',
  async ([, takeAway, giveBack]) => {
    await using server = await RedisServer.start();
    const prefix = freshName();
    const hands = new Hands();
    const queue = open(server.address, prefix, { silenceMillisMax: 2_000 });
    await queue.work('merge', hands.handler);
    const { ended } = await queue.add(job('a'));
    const attempt = await hands.attempt(1);
    await takeAway(server);
    const closing = queue[Symbol.asyncDispose]();
    await aborted(attempt);
    hands.end('a', 'heard by nobody');
    await closing;
    await refused('stopping', () => ended);
    await giveBack(server);
    await using other = open(server.address, prefix);
    await other.work('merge', async ({ attempt: made }) => `again, attempt ${made}`);
    const again = await other.add(job('a'));
    expect(await again.ended).toBe('again, attempt 1');
  },
);

test('a process that closes its queue while the server is away ends by itself', async () => {
  await using server = await RedisServer.start();
  const prefix = freshName();
  const queue = open(server.address, prefix);
  await queue.add(job('a'));
  await queue[Symbol.asyncDispose]();
  await using worker = new Child(WORKER, server.address, prefix, 'hold');
  expect([await worker.line(), await worker.line()].sort()).toEqual(['a 1', 'ready']);
  await server.kill();
  worker.tell('close');
  expect(await worker.line()).toBe('closed');
  expect(await worker.line()).toBeUndefined();
});

test('a job that comes to a worker with a free hand that is closing is left to others, as it was', async () => {
  await using outsider = outsiderOf(shared);
  const prefix = freshName();
  await using queue = open(shared, prefix);
  const hands = new Hands();
  const worker = await queue.work('merge', hands.handler, { concurrency: 2 });
  const held = await queue.add(job('held'));
  const attempt = await hands.attempt(1);
  // It has asked for another one.
  const connection = `${prefix}:${Buffer.from('merge').toString('base64')}`;
  const waits = new RegExp(`name=${connection} .*flags=b .*cmd=bzpopmin`);
  while (!waits.test((await outsider.client.client('LIST')) as string));
  const closing = worker[Symbol.asyncDispose]();
  await aborted(attempt);
  const late = await queue.add(job('late'));
  const begun = async (): Promise<readonly (string | null)[]> => {
    const keys = await keysOf(outsider.client, `${prefix}:merge:[0-9]*-*`);
    const jobs = keys.filter((key) => !key.endsWith(':lock'));
    return Promise.all(
      jobs.map(async (key) => {
        const [id, times] = await outsider.client.hmget(key, 'name', 'ats');
        return `${id} ${times}`;
      }),
    );
  };
  while (!(await begun()).includes('late 1'));
  for (let i = 0; i < 50; i++) await queue.counts('merge');
  expect([...(await begun())].sort()).toEqual(['held 1', 'late 1']);
  expect(await queue.counts('merge')).toEqual({ waiting: 1, delayed: 0, active: 1, failed: 0 });
  expect(hands.begun).toEqual(['held 1']);
  hands.end('held', 'done');
  await closing;
  expect(await held.ended).toBe('done');
  await queue.work('merge', async ({ attempt: made }) => made);
  expect(await late.ended).toBe(1);
});

// Later, an end that was not heard is looked for.
const BEFORE_LOOK_MILLIS = 25_000;
test(
  'a server that does not answer is found out, and taken up again',
  {
    timeout: BEFORE_LOOK_MILLIS,
  },
  async () => {
    await using server = await RedisServer.start();
    await using queue = open(server.address, freshName(), { silenceMillisMax: 2_000 });
    await queue.work('merge', async ({ id }) => id);
    expect(await (await queue.add(job('before'))).ended).toBe('before');
    server.pause();
    await Promise.all([
      refused('unreachable', () => queue.add(job('during'))),
      refused('unreachable', () => queue.work('merge', async () => null)),
    ]);
    server.resume();
    expect(await (await queue.add(job('after'))).ended).toBe('after');
    // It may have been heard after all, or not.
    expect(await (await queue.add(job('during'))).ended).toBe('during');
  },
);

test('no server at all is unreachable, for a queue that has never had one too', async () => {
  await using server = await RedisServer.start();
  await server.stop();
  await using queue = open(server.address, freshName());
  await Promise.all([
    refused('unreachable', () => queue.add(job('a'))),
    refused('unreachable', () => queue.work('merge', async () => null)),
  ]);
  await server.start();
  await queue.work('merge', async () => 'there');
  expect(await (await queue.add(job('a'))).ended).toBe('there');
});

test('jobs are done by other processes, and whoever added them hears how they ended', async () => {
  const prefix = freshName();
  await using queue = open(shared, prefix);
  const one = await queue.add(job('one'));
  const two = await queue.add(job('two', 'fails'));
  const three = await queue.add(job('three'));
  // Somebody else adds the same.
  await using other = open(shared, prefix);
  const same = await other.add(job('three'));
  expect(same.outcome).toBe('exists');
  await using worker = new Child(WORKER, shared, prefix, 'do');
  const lines = [];
  for (let i = 0; i < 4; i++) lines.push(await worker.line());
  expect(lines.filter((line) => line !== 'ready')).toEqual(['one 1', 'two 1', 'three 1']);
  const by = { by: worker.pid };
  expect(await one.ended).toEqual(by);
  const error = await refused('object-missing', () => two.ended);
  expect(error.message).toBe('There is no two.');
  expect(await three.ended).toEqual(by);
  expect(await same.ended).toEqual(by);
  expect((await other.failed('merge')).map(({ id }) => id)).toEqual(['two']);
});

test('the job of a worker that was killed is taken by another; if too many die at it it has failed', async () => {
  const prefix = freshName();
  await using queue = open(shared, prefix);
  const { ended } = await queue.add(job('deadly'));
  for (let died = 0; died < 3; died++) {
    await using worker = new Child(WORKER, shared, prefix, 'hold');
    const lines = [await worker.line(), await worker.line()];
    expect(lines.sort()).toEqual(['deadly 1', 'ready']);
    expect((await queue.counts('merge')).active).toBe(1);
    await worker.kill();
  }
  const begun: string[] = [];
  await queue.work('merge', async ({ id }) => {
    begun.push(id);
    return 'done';
  });
  const behind = await queue.add(job('behind'));
  const error = await refused('internal', () => ended);
  expect(error.message).toBe('Its workers ended in the middle of it, one after another.');
  expect(await behind.ended).toBe('done');
  expect(begun).toEqual(['behind']);
  expect((await queue.failed('merge')).map(({ id, code }) => [id, code])).toEqual([
    ['deadly', 'internal'],
  ]);
  expect((await queue.add(job('deadly'))).outcome).toBe('queued');
});

test('a worker whose job was taken from it is told, and what it does about it counts for nothing', async () => {
  await using redis = outsiderOf(shared);
  const prefix = freshName();
  await using queue = open(shared, prefix, { deathsMax: 5 });
  const hands = new Hands();
  const first = await queue.work('merge', hands.handler);
  const { ended } = await queue.add({ ...job('a'), attemptsMax: 1 });
  const attempt = await hands.attempt(1);
  await using _ = await queue.work('merge', async ({ attempt: made }) => `another, ${made}`);
  // As when its process had been stopped for longer than the lock lasts.
  await redis.client.del(await keysOf(redis.client, `${prefix}:merge:*:lock`));
  await aborted(attempt);
  hands.end('a', 'too late');
  await first[Symbol.asyncDispose]();
  expect(await ended).toBe('another, 1');
  expect(await queue.failed('merge')).toEqual([]);
});

test('a server whose memory is full refuses jobs, and takes them when there is room', async () => {
  await using server = await RedisServer.start();
  await using redis = outsiderOf(server.address);
  await using queue = open(server.address, freshName());
  await queue.add(job('before'));
  await redis.client.config('SET', 'maxmemory', '1');
  await refused('storage-full', () => queue.add(job('a')));
  await redis.client.config('SET', 'maxmemory', '0');
  await queue.work('merge', async ({ id }) => id);
  expect(await (await queue.add(job('a'))).ended).toBe('a');
});

test('a job that its server has lost ends as lost', async () => {
  await using server = await RedisServer.start();
  await using redis = outsiderOf(server.address);
  await using queue = open(server.address, freshName());
  const lost = await queue.add(job('a'));
  await redis.client.flushall();
  const error = refused('storage-failed', () => lost.ended);
  const again = await queue.add(job('a'));
  expect(again.outcome).toBe('queued');
  // It is looked for whenever a connection comes back, and the second look is certain.
  for (let looks = 0; looks < 2; looks++) {
    await server.kill();
    await server.start();
    await queue.counts('merge');
  }
  expect((await error).message).toContain('no longer knows');
  await queue.work('merge', async () => 'done');
  expect(await again.ended).toBe('done');
});

test('an end that could not be heard is found when a connection comes back', async () => {
  await using server = await RedisServer.start();
  await using outsider = outsiderOf(server.address);
  const prefix = freshName();
  await using queue = open(server.address, prefix);
  const release = new Gate();
  const work = async ({ id }: JobAttempt): Promise<JobJson> => {
    if (id === 'unheard') await release.opened;
    return `${id} is done`;
  };
  await queue.work('merge', work, { concurrency: 2 });
  const { ended } = await queue.add(job('unheard'));
  // As after a loss of the stream and a clock that was set back: what comes now is older than what was read.
  const events = `${prefix}:merge:events`;
  await outsider.client.xadd(events, '9999999999999-0', 'event', 'far ahead');
  await (
    await queue.add(job('heard'))
  ).ended;
  await outsider.client.del(events);
  release.open();
  while ((await queue.counts('merge')).active > 0);
  await server.kill();
  await server.start();
  expect(await ended).toBe('unheard is done');
});
