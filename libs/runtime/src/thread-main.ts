import { parentPort, workerData } from 'node:worker_threads';
import { must } from '@pyralog/base';
import { PortChannel } from './channel.ts';
import type { Channel } from './ports.ts';
import { END } from './threads.ts';

/** First code of a worker thread once its language is known: connects the channel and runs the entry. */
export async function threadMain(): Promise<void> {
  const port = must(parentPort, 'a thread has a parent');
  const { entry, data } = workerData as { readonly entry: string; readonly data: unknown };
  const inner = {
    postMessage: port.postMessage.bind(port),
    on: (event: 'message', listener: (message: unknown) => void) =>
      port.on(event, (message: unknown) => {
        if (message === END) channel.lost(undefined);
        else listener(message);
      }),
  };
  const channel: PortChannel = new PortChannel(
    inner as ConstructorParameters<typeof PortChannel>[0],
    () => port.close(),
  );
  const module = (await import(entry)) as { run(channel: Channel, data: unknown): Promise<void> };
  try {
    await module.run(channel, data);
  } finally {
    port.close();
  }
}
