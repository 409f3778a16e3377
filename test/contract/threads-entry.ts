/** What threads under test run: one of the scenarios that threads.ts asks for. */
import { type Channel, SystemTimers } from '@pyralog/runtime';

/** Cloned to the thread; its parts tell what to do. */
export interface ThreadData {
  readonly scenario: keyof typeof scenarios;
  readonly text?: string;
  /** Shared with whoever started the thread: the thread sets its first element to 1 when it has ended. */
  readonly ended?: Int32Array;
}

const timers = new SystemTimers();
const closed = (channel: Channel): Promise<Error | undefined> =>
  new Promise((resolve) => channel.onClose(resolve));

const scenarios = {
  /** Sends everything back, until it is told to end. */
  async echo(channel: Channel) {
    channel.listen((message) => channel.post(message));
    await closed(channel);
  },
  /** Says what it was given, and ends. */
  async say(channel: Channel, { text }: ThreadData) {
    channel.post(text);
    channel.post('last words');
  },
  /** Turns a deaf ear for a while. */
  async listenLate(channel: Channel) {
    for (let i = 0; i < 20; i++) await timers.immediate();
    channel.listen((message) => channel.post(message));
    await closed(channel);
  },
  /** Sends buffers back without a copy. */
  async transfer(channel: Channel) {
    channel.listen((message) => {
      const { buffer } = message as Uint8Array<ArrayBuffer>;
      channel.post(message, [buffer]);
      channel.post(buffer.byteLength);
    });
    await closed(channel);
  },
  /** Fails when it is spoken to. */
  async crash(channel: Channel) {
    await new Promise<void>((_, reject) => {
      channel.listen((message) => reject(new RangeError(`told ${String(message)}`)));
    });
  },
  /** Goes on for a while when it is told to end. */
  async lingering(channel: Channel, { ended }: ThreadData) {
    channel.post('here');
    await closed(channel);
    for (let i = 0; i < 50; i++) await timers.immediate();
    if (ended !== undefined) Atomics.store(ended, 0, 1);
  },
  /** Does not end. */
  async deaf(channel: Channel) {
    channel.post('here');
    await new Promise(() => {
      channel.listen((message) => channel.post(message));
    });
  },
};

export async function run(channel: Channel, data: unknown): Promise<void> {
  const told = data as ThreadData;
  await scenarios[told.scenario](channel, told);
}
