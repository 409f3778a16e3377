import { Redis } from 'ioredis';
import type { AddressOptions, RedisAddress } from './address.ts';
import { LostConnection, redisError } from './errors.ts';

/** As ioredis takes them. */
interface ConnectionOptions extends AddressOptions {
  readonly connectTimeout: number;
  readonly socketTimeout: number;
  readonly retryStrategy: (times: number) => number;
}

/** A server from which nothing has come for so long is taken for lost. */
export const SILENCE_MILLIS_MAX = 15_000;
const CONNECT_MILLIS = 3_000;
/** How long a call waits for a connection that is not there: one that comes back is back by then. */
const PATIENCE_MILLIS = 2_000;
const RETRY_MILLIS_MAX = 1_000;

/** Settings of every connection: one that is lost is tried again for ever. */
export function connectionOptions(
  { options }: RedisAddress,
  silenceMillisMax: number,
): ConnectionOptions {
  return {
    ...options,
    connectTimeout: CONNECT_MILLIS,
    socketTimeout: silenceMillisMax,
    retryStrategy: (times) => Math.min(times * 50, RETRY_MILLIS_MAX),
  };
}

/** A connection for calls that are refused while the server is away. */
export class RedisCalls {
  readonly client: Redis;
  readonly #name: string;
  #number = 0;
  /** What the server or the system said last. */
  #trouble: Error | undefined;
  #connecting: Promise<void> | undefined;

  constructor(address: RedisAddress, silenceMillisMax: number) {
    this.#name = address.name;
    this.client = new Redis({
      ...connectionOptions(address, silenceMillisMax),
      // What was sent on a connection that is lost may have been done: callers are told at once.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
    });
    this.client.on('error', (error: Error) => (this.#trouble = error));
    this.client.on('ready', () => (this.#trouble = undefined));
    this.client.on('close', () => this.#number++);
  }

  /** Of the connection: another one after each loss, for a server that comes back may have lost things. */
  get number(): number {
    return this.#number;
  }

  /** Throws where the connection is not the one of this number any more. */
  assertSame(number: number): void {
    if (number !== this.#number) throw new LostConnection();
  }

  /**
   * @param what what cannot be done where it fails, as the beginning of a sentence
   * @throws PyralogError `unreachable`, `storage-full`, `storage-failed`, and what the call throws
   */
  async run<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      await this.#ready();
      return await call();
    } catch (error) {
      throw redisError(error, what, this.#name);
    }
  }

  close(): void {
    this.client.disconnect();
  }

  async #ready(): Promise<void> {
    if (this.client.status === 'ready') return;
    this.#connecting ??= becomes(this.client, ['ready', 'end'], PATIENCE_MILLIS).finally(
      () => (this.#connecting = undefined),
    );
    await this.#connecting;
    if ((this.client.status as string) !== 'ready') throw this.#trouble ?? new LostConnection();
  }
}

/** What there is to know of a connection, BullMQ's own ones among them. */
export interface Watched {
  readonly status: string;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Resolves when a connection is in one of the states, or has not come there in time. */
export async function becomes(
  client: Watched,
  states: readonly ('ready' | 'end')[],
  withinMillis: number,
): Promise<void> {
  if (states.some((state) => state === client.status)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const state of states) client.off(state, done);
      resolve();
    };
    const timer = setTimeout(done, withinMillis);
    for (const state of states) client.on(state, done);
  });
}

/** Whether something has ended in time, well or not. */
export async function endsWithin(promise: Promise<unknown>, millis: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), millis);
  });
  const ended = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}
