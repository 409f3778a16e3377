import { channelPair, InlineThreads, lanes, WorkerThreads } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { channelContract, Inbox, threadsContract } from './threads.ts';

channelContract('pair', channelPair);

channelContract('lane', () => {
  const [mine, its] = channelPair();
  const names = ['other', 'tested'] as const;
  return [lanes(mine, names).tested, lanes(its, names).tested];
});

test('lanes end with what carries them, and not with each other', async () => {
  const [mine, its] = channelPair();
  const names = ['a', 'b'] as const;
  const [here, there] = [lanes(mine, names), lanes(its, names)];
  const inboxes = { a: new Inbox(there.a), b: new Inbox(there.b) };
  here.a.close();
  await inboxes.a.closed;
  here.b.post('still open');
  expect(await inboxes.b.take(1)).toEqual(['still open']);
  mine.close();
  await inboxes.b.closed;
});

threadsContract('worker', () => new WorkerThreads());
threadsContract('inline', () => new InlineThreads());

test('worker: one that does not end in time is killed by its disposal', async () => {
  const thread = new WorkerThreads(50).start(new URL('./threads-entry.ts', import.meta.url), {
    scenario: 'deaf',
  });
  await new Inbox(thread.channel).take(1);
  await thread[Symbol.asyncDispose]();
  await expect(thread.ended).rejects.toThrow(/ended with status/);
});
