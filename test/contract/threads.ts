import { AssertionError } from '@pyralog/base';
import type { Channel, Thread, Threads } from '@pyralog/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ThreadData } from './threads-entry.ts';

const ENTRY = new URL('./threads-entry.ts', import.meta.url);

/** Messages of all kinds that are cloned. */
const MESSAGES: readonly unknown[] = [
  'text \u{1F600}',
  0,
  -1.5,
  2n ** 70n,
  true,
  null,
  undefined,
  { deep: [{ list: [1, undefined, 'x'] }] },
  new Uint8Array([0, 255]),
  new Map([['key', new Set([1])]]),
  new RangeError('an error is a message too'),
];

/** Both ends of a channel within this thread. */
export function channelContract(name: string, make: () => readonly [Channel, Channel]): void {
  describe(`Channel: ${name}`, () => {
    let ends: readonly [Channel, Channel];
    beforeEach(() => {
      ends = make();
    });

    test.each([0, 1])('messages arrive in order, as clones, from end %d', async (from) => {
      const [mine, its] = [ends[from] as Channel, ends[1 - from] as Channel];
      const inbox = new Inbox(its);
      for (const message of MESSAGES) mine.post(message);
      expect(await inbox.take(MESSAGES.length)).toEqual(MESSAGES);
    });

    test('a message is as it was when it was posted', async () => {
      const [mine, its] = ends;
      const message = { list: [1] };
      mine.post(message);
      message.list.push(2);
      expect(await new Inbox(its).take(1)).toEqual([{ list: [1] }]);
    });

    test('a transferred buffer is gone from here and there whole', async () => {
      const [mine, its] = ends;
      const inbox = new Inbox(its);
      const bytes = new Uint8Array([1, 2, 3]);
      mine.post({ bytes }, [bytes.buffer]);
      expect(bytes.buffer.byteLength).toBe(0);
      expect(await inbox.take(1)).toEqual([{ bytes: new Uint8Array([1, 2, 3]) }]);
    });

    test('what cannot be cloned is refused where it is posted, and nothing arrives', async () => {
      const [mine, its] = ends;
      const inbox = new Inbox(its);
      expect(() => mine.post(() => undefined)).toThrow(/clone/);
      mine.post('after');
      expect(await inbox.take(1)).toEqual(['after']);
    });

    test('a listener is never called from within post', async () => {
      const [mine, its] = ends;
      let posting = false;
      const within: boolean[] = [];
      const arrived = new Promise<void>((resolve) => {
        its.listen(() => {
          within.push(posting);
          resolve();
        });
      });
      posting = true;
      mine.post('x');
      posting = false;
      await arrived;
      expect(within).toEqual([false]);
    });

    test('messages wait for the listener, and stay in order with those that come later', async () => {
      const [mine, its] = ends;
      const echo = new Inbox(mine);
      mine.post(1);
      mine.post(2);
      its.post('its own');
      // When it is here, those posted before it are there.
      await echo.take(1);
      const inbox = new Inbox(its);
      mine.post(3);
      expect(await inbox.take(3)).toEqual([1, 2, 3]);
    });

    test('closing one end tells both, behind all that was posted', async () => {
      const [mine, its] = ends;
      const inbox = new Inbox(its);
      mine.post(1);
      mine.post(2);
      mine.close();
      const told = await Promise.all([closing(mine), inbox.closed]);
      expect(told).toEqual([undefined, undefined]);
      expect(inbox.messages).toEqual([1, 2]);
    });

    test('messages that came before the end are still there for a listener', async () => {
      const [mine, its] = ends;
      mine.post(1);
      mine.close();
      await closing(its);
      expect(await new Inbox(its, 'after its end').take(1)).toEqual([1]);
    });

    test('a closed channel takes and gives no message, quietly', async () => {
      const [mine, its] = ends;
      const inbox = new Inbox(its);
      const late: unknown[] = [];
      mine.listen((message) => late.push(message));
      its.post('on its way');
      mine.close();
      mine.post('after the end');
      await inbox.closed;
      its.post('to the deaf');
      its.close();
      mine.close();
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(late).toEqual([]);
      expect(inbox.messages).toEqual([]);
    });

    test('whoever asks after the end is told at once', async () => {
      const [mine, its] = ends;
      mine.close();
      await closing(its);
      let told = 0;
      mine.onClose(() => told++);
      expect(told).toBe(1);
    });

    test('there is one listener of each kind', () => {
      const [mine] = ends;
      mine.listen(() => undefined);
      mine.onClose(() => undefined);
      expect(() => mine.listen(() => undefined)).toThrow(AssertionError);
      expect(() => mine.onClose(() => undefined)).toThrow(AssertionError);
    });
  });
}

/** What every adapter of Threads promises (libs/runtime/src/ports.ts). */
export function threadsContract(name: string, make: () => Threads): void {
  describe(`Threads: ${name}`, { timeout: 30_000 }, () => {
    let threads: Threads;
    const started: Thread[] = [];
    const start = (data: ThreadData, entry: URL = ENTRY): Thread => {
      const thread = threads.start(entry, data);
      started.push(thread);
      return thread;
    };
    beforeEach(() => {
      threads = make();
    });
    afterEach(async () => {
      await Promise.all(started.splice(0).map((thread) => thread.kill()));
    });

    test('messages go there and back in order, as clones', async () => {
      const { channel } = start({ scenario: 'echo' });
      const inbox = new Inbox(channel);
      for (const message of MESSAGES) channel.post(message);
      expect(await inbox.take(MESSAGES.length)).toEqual(MESSAGES);
    });

    test('a thread gets a clone of its data, as it was at the start', async () => {
      const data = { scenario: 'say' as const, text: 'before' };
      const { channel } = start(data);
      data.text = 'after';
      expect(await new Inbox(channel).take(1)).toEqual(['before']);
    });

    test('what was posted before the thread listens is kept for it', async () => {
      const { channel } = start({ scenario: 'listenLate' });
      for (let i = 0; i < 10; i++) channel.post(i);
      expect(await new Inbox(channel).take(10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });

    test('buffers go there and back without a copy', async () => {
      const { channel } = start({ scenario: 'transfer' });
      const inbox = new Inbox(channel);
      const bytes = new Uint8Array(1_000_000).fill(7);
      channel.post(bytes, [bytes.buffer]);
      expect(bytes.buffer.byteLength).toBe(0);
      const [back, left] = await inbox.take(2);
      expect(Buffer.alloc(1_000_000, 7).equals(back as Uint8Array)).toBe(true);
      expect(left).toBe(0);
    });

    test('a thread that ends by itself says all it has to say before its end', async () => {
      const thread = start({ scenario: 'say', text: 'hello' });
      const inbox = new Inbox(thread.channel);
      await thread.ended;
      expect(await inbox.closed).toBeUndefined();
      expect(inbox.messages).toEqual(['hello', 'last words']);
      thread.channel.post('to nobody');
      await thread[Symbol.asyncDispose]();
    });

    test('a thread that crashes tells its error by both ways', async () => {
      const thread = start({ scenario: 'crash' });
      const inbox = new Inbox(thread.channel);
      thread.channel.post('boo');
      await expect(thread.ended).rejects.toThrow('told boo');
      const error = await inbox.closed;
      expect(error).toBeInstanceOf(Error);
      expect(error?.message).toBe('told boo');
      // Disposal of what is no more is quiet.
      await thread[Symbol.asyncDispose]();
    });

    test('an entry that is not there, or cannot be run, is a crash', async () => {
      const missing = start({ scenario: 'echo' }, new URL('./no-such-entry.ts', import.meta.url));
      const told = closing(missing.channel);
      await expect(missing.ended).rejects.toThrow(/no-such-entry/);
      expect(await told).toBeInstanceOf(Error);
      const none = start({ scenario: 'echo' }, new URL('./threads-no-run.ts', import.meta.url));
      await expect(none.ended).rejects.toThrow(/run is not a function/);
    });

    test('disposal tells the thread to end and waits until it has', async () => {
      const ended = new Int32Array(new SharedArrayBuffer(4));
      const thread = start({ scenario: 'lingering', ended });
      await new Inbox(thread.channel).take(1);
      await thread[Symbol.asyncDispose]();
      expect(Atomics.load(ended, 0)).toBe(1);
      await thread.ended;
      await thread[Symbol.asyncDispose]();
    });

    test('closing the channel tells the thread to end', async () => {
      const thread = start({ scenario: 'echo' });
      thread.channel.close();
      await thread.ended;
    });

    test('a thread that does not end is killed, which is told', async () => {
      const thread = start({ scenario: 'deaf' });
      const inbox = new Inbox(thread.channel);
      await inbox.take(1);
      const ending = expect(thread.ended).rejects.toThrow();
      await thread.kill();
      await ending;
      await inbox.closed;
      thread.channel.post('to the dead');
      await thread.kill();
    });

    test('threads are apart', async () => {
      const all = Array.from({ length: 3 }, () => start({ scenario: 'echo' }));
      const inboxes = all.map(({ channel }) => new Inbox(channel));
      for (const [i, { channel }] of all.entries()) channel.post(i);
      expect(await Promise.all(inboxes.map((inbox) => inbox.take(1)))).toEqual([[0], [1], [2]]);
      await all[0]?.[Symbol.asyncDispose]();
      all[1]?.channel.post('still here');
      expect(await inboxes[1]?.take(2)).toEqual([1, 'still here']);
    });
  });
}

/** Collects what arrives at one end of a channel. */
export class Inbox {
  readonly messages: unknown[] = [];
  readonly closed: Promise<Error | undefined>;
  #wake: () => void = () => undefined;

  /** @param kind whether its end is already heard by another */
  constructor(channel: Channel, kind: 'to its end' | 'after its end' = 'to its end') {
    this.closed = kind === 'to its end' ? closing(channel) : Promise.resolve(undefined);
    channel.listen((message) => {
      this.messages.push(message);
      this.#wake();
    });
  }

  /** The first messages, when so many have arrived. */
  async take(count: number): Promise<readonly unknown[]> {
    while (this.messages.length < count) await new Promise<void>((wake) => (this.#wake = wake));
    return this.messages.slice(0, count);
  }
}

function closing(channel: Channel): Promise<Error | undefined> {
  return new Promise((resolve) => channel.onClose(resolve));
}
