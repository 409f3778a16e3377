import {
  type Channel,
  PortChannel,
  type Thread,
  type Threads,
  WorkerThreads,
} from '@pyralog/runtime';

/**
 * One real thread for many entries. What a thread costs until it knows TypeScript and has loaded its
 * modules is paid once by a suite instead of by each of its tests; messages are cloned or transferred
 * between two threads as ever.
 */
export class SharedThread implements Threads, AsyncDisposable {
  readonly #thread: Thread;
  readonly #guests = new Map<number, Guest>();
  #started = 0;
  #crash: Error | undefined;

  constructor() {
    this.#thread = new WorkerThreads().start(new URL(import.meta.url), undefined);
    const { channel } = this.#thread;
    channel.listen((message) => {
      const { id, ...told } = message as Told;
      const guest = this.#guests.get(id);
      if (told.kind === 'message') guest?.end.take(told.message);
      if (told.kind !== 'ended') return;
      this.#guests.delete(id);
      guest?.stop(told.error);
    });
    // A crash of the thread is one of all its guests, those to come included.
    channel.onClose((error) => {
      this.#crash = error ?? new Error('the shared thread has ended');
      for (const guest of this.#guests.values()) guest.stop(this.#crash);
    });
  }

  start(entry: URL, data: unknown): Thread {
    const id = this.#started++;
    const { channel } = this.#thread;
    const end = new End(id, channel);
    let stop: Guest['stop'] = () => undefined;
    const ended = new Promise<void>((resolve, reject) => {
      stop = (error) => {
        end.channel.lost(error);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    // Whoever starts a thread may look at its end later.
    ended.catch(() => undefined);
    this.#guests.set(id, { end, stop });
    if (this.#crash !== undefined) stop(this.#crash);
    channel.post({ id, kind: 'start', entry: entry.href, data } satisfies Told);
    return {
      channel: end.channel,
      ended,
      // The thread has other guests: this one loses all that it could be heard by.
      async kill() {
        stop(new Error('a thread was killed'));
      },
      async [Symbol.asyncDispose]() {
        end.channel.close();
        await ended.catch(() => undefined);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}

/** What both sides say to each other, of which guest. */
type Told = { readonly id: number } & (
  | { readonly kind: 'start'; readonly entry: string; readonly data: unknown }
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'close' }
  | { readonly kind: 'ended'; readonly error: Error | undefined }
);

interface Guest {
  readonly end: End;
  readonly stop: (error: Error | undefined) => void;
}

/** One end of a guest's channel within the channel of the thread. */
class End {
  readonly channel: PortChannel;
  take: (message: unknown) => void = () => undefined;

  constructor(id: number, carrier: Channel) {
    const port = {
      postMessage: (message: unknown, transfer: readonly ArrayBuffer[] = []) =>
        carrier.post({ id, kind: 'message', message } satisfies Told, transfer),
      on: (_: 'message', listener: (message: unknown) => void) => (this.take = listener),
    };
    this.channel = new PortChannel(port, () => carrier.post({ id, kind: 'close' } satisfies Told));
  }
}

/** The other side: runs the guests on the thread. */
export async function run(channel: Channel): Promise<void> {
  const ends = new Map<number, End>();
  const host = async (id: number, entry: string, data: unknown): Promise<void> => {
    const end = new End(id, channel);
    ends.set(id, end);
    let error: Error | undefined;
    try {
      const guest = (await import(entry)) as {
        run(channel: Channel, data: unknown): Promise<void>;
      };
      await guest.run(end.channel, data);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    ends.delete(id);
    channel.post({ id, kind: 'ended', error } satisfies Told);
  };
  channel.listen((message) => {
    const told = message as Told;
    const end = ends.get(told.id);
    if (told.kind === 'start') void host(told.id, told.entry, told.data);
    if (told.kind === 'message') end?.take(told.message);
    if (told.kind === 'close') end?.channel.lost(undefined);
  });
  await new Promise<void>((resolve) => channel.onClose(() => resolve()));
}
