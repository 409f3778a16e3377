import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { channelPair, PortChannel } from './channel.ts';
import type { Channel, Thread, Threads } from './ports.ts';

/** What a thread's module exports. */
interface EntryModule {
  run(channel: Channel, data: unknown): Promise<void>;
}

/** How long a thread that was told to end may go on with what it is doing, in milliseconds. */
const END_MILLIS_MAX = 10_000;

/** Threads of the operating system. A thread is told to end by the end of its channel. */
export class WorkerThreads implements Threads {
  readonly #endMillisMax: number;

  constructor(endMillisMax: number = END_MILLIS_MAX) {
    this.#endMillisMax = endMillisMax;
  }

  start(entry: URL, data: unknown): Thread {
    // From source, Node has to learn TypeScript first; a built package is plain JavaScript.
    const source = entry.pathname.endsWith('.ts');
    const worker = new Worker(bootFile(source), {
      workerData: { entry: entry.href, data },
      execArgv: source ? ['--conditions=source'] : [],
    });
    const channel = new PortChannel(worker, () => worker.postMessage(END));
    const ended = new Promise<void>((resolve, reject) => {
      let crash: Error | undefined;
      worker.on('error', (error) => {
        crash = error instanceof Error ? error : new Error(String(error));
      });
      worker.on('exit', (status) => {
        crash ??= status === 0 ? undefined : new Error(`a thread ended with status ${status}`);
        channel.lost(crash);
        if (crash === undefined) resolve();
        else reject(crash);
      });
    });
    // Whoever starts a thread may look at its end later.
    ended.catch(() => undefined);
    const kill = async (): Promise<void> => {
      await worker.terminate();
      await ended.catch(() => undefined);
    };
    const endMillisMax = this.#endMillisMax;
    return {
      channel,
      ended,
      kill,
      async [Symbol.asyncDispose]() {
        channel.close();
        const limit = setTimeout(() => void kill(), endMillisMax);
        await ended.catch(() => undefined);
        clearTimeout(limit);
      },
    };
  }
}

/** The message that ends a thread; no other message is a bare string. */
export const END = 'pyralog:end';

function bootFile(source: boolean): string {
  const file = fileURLToPath(
    new URL(`./thread-boot${source ? '' : '-built'}.mjs`, import.meta.url),
  );
  if (existsSync(file)) return file;
  return fileURLToPath(new URL(`../src/thread-boot${source ? '' : '-built'}.mjs`, import.meta.url));
}

/** No threads: everything on the caller's, with the same channels. For tests and small memories. */
export class InlineThreads implements Threads {
  start(entry: URL, data: unknown): Thread {
    const [mine, its] = channelPair();
    let killed: (reason: Error) => void = () => undefined;
    const given: unknown = structuredClone(data);
    const running = import(entry.href).then((module: EntryModule) => module.run(its, given));
    const ended = new Promise<void>((resolve, reject) => {
      killed = reject;
      running.then(resolve, reject);
    });
    ended.then(
      () => its.close(),
      (error: unknown) => its.crash(error instanceof Error ? error : new Error(String(error))),
    );
    return {
      channel: mine,
      ended,
      // Nothing here can be ended from outside: it goes on without a way to tell anybody.
      async kill() {
        killed(new Error('a thread was killed'));
        mine.close();
      },
      async [Symbol.asyncDispose]() {
        mine.close();
        await ended.catch(() => undefined);
      },
    };
  }
}
