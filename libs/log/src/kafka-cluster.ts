import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Patience } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';
import {
  KafkaConnection,
  type KafkaConnectionOptions,
  type KafkaMetadata,
  isUnknown,
  type NewTopic,
} from './kafka-connection.ts';
import { mayPass, operatingError, refusalOf, unreachable } from './kafka-errors.ts';
import type { TopicPartition } from './log.ts';
import { noPartition } from './memory.ts';

/** How a cluster is found and waited for. */
export interface KafkaClusterOptions extends KafkaConnectionOptions {
  /** `host:port` of one broker or more, to find the others by. */
  readonly brokers: readonly string[];
  /**
   * How long an operation is tried while brokers cannot be reached or elect leaders, from its first failure.
   * Default 30,000 ms: a broker that was killed is back after 10 to 20 seconds.
   */
  readonly patienceMillis?: number | undefined;
  /** Told when something has failed for a second and is tried on, and of each further failure. */
  readonly onFailing?: ((error: PyralogError) => void) | undefined;
  /** Told of whatever succeeds. */
  readonly onWorking?: (() => void) | undefined;
}

/** Address of the leader of each partition; undefined while one is elected. */
type Leaders = ReadonlyMap<number, string | undefined>;

const PATIENCE_MILLIS = 30_000;
const PAUSES = { firstPauseMillis: 50, pauseMillisMax: 1_000 };

/** The brokers of a cluster, who leads what, and how failures are waited out. */
export class KafkaCluster {
  readonly #options: KafkaClusterOptions;
  readonly #stop = new AbortController();
  readonly #open = new Set<KafkaConnection>();
  /** One per broker, for requests that are answered at once. */
  readonly #shared = new Map<string, Promise<KafkaConnection>>();
  readonly #leaders = new Map<string, Leaders>();
  /** Addresses to ask, the one that answered last in front. */
  #addresses: readonly string[];

  constructor(options: KafkaClusterOptions) {
    if (options.brokers.length === 0 || options.brokers.some((address) => !isAddress(address))) {
      throw new PyralogError(
        'parameter-invalid',
        `${JSON.stringify(options.brokers)} are no addresses of brokers.`,
        { hint: 'Give one or more as host:port, for example 127.0.0.1:9092.' },
      );
    }
    this.#options = options;
    // Every reader and every append listens to it: that there are many is no leak.
    setMaxListeners(0, this.stopped);
    this.#addresses = options.brokers;
  }

  /** Aborted when the cluster is closed. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Attempts something until it succeeds, fails for good, or has failed for as long as patience lasts. Every
   * failure in between makes the next attempt ask anew who leads.
   *
   * @param signal ends it at once, whatever the attempt waits for; {@link stopped}, or one that follows it
   * @param patienceMillis for who waits for longer than others
   * @throws PyralogError `stopping` after closing or the signal; `unreachable`, `storage-failed`, and what
   *   the attempt throws
   */
  async retrying<T>(
    what: string,
    topic: string | undefined,
    signal: AbortSignal,
    attempt: () => Promise<T>,
    patienceMillis: number = this.#options.patienceMillis ?? PATIENCE_MILLIS,
  ): Promise<T> {
    const patience = new Patience({ ...PAUSES, patienceMillis });
    for (;;) {
      if (signal.aborted || this.stopped.aborted) throw closed();
      try {
        const result = await unlessAborted(attempt(), signal);
        this.#options.onWorking?.();
        return result;
      } catch (error) {
        if (signal.aborted || this.stopped.aborted) throw closed();
        if (!mayPass(error)) throw operatingError(error, what);
        const { isNews, isOver } = patience.failed(performance.now());
        if (isNews) this.#options.onFailing?.(unreachable(error, what));
        if (isOver) throw unreachable(error, what);
      }
      if (topic !== undefined) this.#forgetLeaders(topic);
      await sleep(patience.pause(Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** A connection of the caller's own, to be closed by it. */
  async connect(address: string, signal: AbortSignal): Promise<KafkaConnection> {
    for (const connection of this.#open) if (!connection.isOpen) this.#open.delete(connection);
    const connection = await KafkaConnection.open(address, this.#options, signal);
    if (this.stopped.aborted) {
      connection.close();
      throw closed();
    }
    this.#open.add(connection);
    return connection;
  }

  /** The connection for short requests to a broker. */
  shared(address: string): Promise<KafkaConnection> {
    const open = (): Promise<KafkaConnection> => this.connect(address, this.stopped);
    const known = this.#shared.get(address);
    const next = known?.then((connection) => (connection.isOpen ? connection : open()), open);
    // Whoever comes next waits for this one, so that one is opened however many ask.
    const shared = next ?? open();
    this.#shared.set(address, shared);
    return shared;
  }

  /**
   * Address of the leader of a partition, once: to be called by an attempt of {@link retrying}. As it was
   * known, unless a fresh answer is asked for.
   *
   * @throws PyralogError `not-found`
   */
  async leader(
    at: TopicPartition,
    { fresh = false }: { readonly fresh?: boolean } = {},
  ): Promise<string> {
    let leaders = this.#leaders.get(at.topic);
    // Partitions may have been added since.
    if (fresh || !leaders?.has(at.partition)) leaders = await this.#askLeaders(at.topic);
    if (!leaders.has(at.partition)) throw noPartition(at);
    const address = leaders.get(at.partition);
    if (address === undefined) throw new NoLeader(at);
    return address;
  }

  /** What the cluster says of a topic, once. @returns undefined where it has no such topic */
  async metadata(topic: string): Promise<KafkaMetadata | undefined> {
    const metadata = await this.#ask((connection) => connection.metadata(topic));
    return isUnknown(metadata) ? undefined : metadata;
  }

  /** Asks any broker, once. */
  async #ask<T>(question: (connection: KafkaConnection) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const address of this.#addresses) {
      try {
        const connection = await this.shared(address);
        const answer = await question(connection);
        this.#prefer(address);
        return answer;
      } catch (error) {
        if (refusalOf(error) !== undefined || this.stopped.aborted) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Address of the broker that keeps a group, once. */
  coordinator(group: string): Promise<string> {
    return this.#ask((connection) => connection.findCoordinator(group));
  }

  /** Asks the broker that makes topics for one, once. */
  async createTopic(topic: NewTopic): Promise<void> {
    const metadata = await this.#ask((connection) => connection.metadata(topic.topic));
    const controller = metadata.brokers.find(({ nodeId }) => nodeId === metadata.controllerId);
    if (controller === undefined) throw new NoLeader({ topic: topic.topic });
    const connection = await this.shared(addressOf(controller));
    await connection.createTopic(topic);
  }

  /** The settings in force for a topic, once. */
  describeTopic(topic: string): Promise<ReadonlyMap<string, string>> {
    return this.#ask((connection) => connection.describeTopic(topic));
  }

  /** Closes every connection at once. */
  close(): void {
    this.#stop.abort();
    for (const connection of this.#open) connection.close();
  }

  #prefer(address: string): void {
    if (this.#addresses[0] !== address)
      this.#addresses = [address, ...this.#addresses.filter((other) => other !== address)];
  }

  async #askLeaders(topic: string): Promise<Leaders> {
    const metadata = await this.metadata(topic);
    if (metadata === undefined) {
      // A broker that has just started may not know yet what others know.
      if (this.#leaders.has(topic)) throw new NoLeader({ topic });
      return new Map();
    }
    const addresses = new Map(metadata.brokers.map((broker) => [broker.nodeId, addressOf(broker)]));
    // Those given stay: they are how the cluster is found again when all have moved.
    this.#addresses = [...new Set([...this.#addresses, ...addresses.values()])];
    const partitions = metadata.topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata);
    const leaders = new Map(
      partitions.map(({ partitionId, leader }) => [partitionId, addresses.get(leader)]),
    );
    this.#leaders.set(topic, leaders);
    return leaders;
  }

  /** That there was such a topic is kept. */
  #forgetLeaders(topic: string): void {
    if (this.#leaders.has(topic)) this.#leaders.set(topic, new Map());
  }
}

/** No leader is known at the moment: one is being elected. */
class NoLeader extends Error {
  override readonly name = 'NoLeader';
  readonly type = 'LEADER_NOT_AVAILABLE';
  readonly retriable = true;
  constructor({ topic, partition }: { readonly topic: string; readonly partition?: number }) {
    super(
      partition === undefined ? `${topic} is not known.` : `${topic}/${partition} has no leader.`,
    );
  }
}

/** What a promise comes to, or the refusal of closing as soon as the signal aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(closed());
    signal.addEventListener('abort', abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Resolves when the promise has settled, or after this time at the latest. */
export async function settledWithin(promise: Promise<unknown>, millis: number): Promise<void> {
  const settled = new AbortController();
  await Promise.race([
    promise.catch(() => undefined).finally(() => settled.abort()),
    sleep(millis, undefined, { signal: settled.signal }).catch(() => undefined),
  ]);
}

/** The refusal of everything that comes after closing. */
export function closed(): PyralogError {
  return new PyralogError('stopping', 'The log is closed.');
}

function addressOf({ host, port }: KafkaMetadata['brokers'][number]): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isAddress(text: string): boolean {
  return /^(\[[0-9a-fA-F:]+\]|[^:\s/]+):[0-9]{1,5}$/.test(text);
}
