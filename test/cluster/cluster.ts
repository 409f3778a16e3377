import { Kafka, logLevel } from 'kafkajs';
import { expect } from 'vitest';
import { FaultyHttp } from '../servers/faulty-http.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { RedisServer } from '../servers/redis.ts';
import { S3ProxyServer } from '../servers/s3proxy.ts';
import { type ClusterProcess, Processes } from './processes.ts';
import { eventually } from './waiting.ts';

/** Facts of a part in all roles: few, so that indexers flush while something fails. */
export const PART_FACTS = 2_000;

export type RoleName = 'sequencer' | 'indexer' | 'api';

/** Real engines, and processes of every role on them. Nothing is left of it when it is disposed. */
export class Cluster implements AsyncDisposable {
  readonly kafka: KafkaServer;
  readonly s3: S3ProxyServer;
  readonly redis: RedisServer;
  /** Between the processes and the bucket, where that was asked for. */
  readonly proxy: FaultyHttp | undefined;
  readonly #processes = new Processes();
  readonly #started: { readonly name: string; readonly process: ClusterProcess }[] = [];
  readonly #client: Kafka;

  private constructor(servers: {
    readonly kafka: KafkaServer;
    readonly s3: S3ProxyServer;
    readonly redis: RedisServer;
    readonly proxy: FaultyHttp | undefined;
  }) {
    ({ kafka: this.kafka, s3: this.s3, redis: this.redis, proxy: this.proxy } = servers);
    this.#client = new Kafka({
      brokers: [this.kafka.address],
      clientId: 'test',
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50 },
    });
  }

  /** Starts the engines, of which none knows of a database yet. */
  static async start(options: { readonly proxy?: boolean } = {}): Promise<Cluster> {
    const started = await Promise.allSettled([
      KafkaServer.start(),
      S3ProxyServer.start(),
      RedisServer.start(),
    ]);
    const [kafka, s3, redis] = started;
    if (kafka.status === 'fulfilled' && s3.status === 'fulfilled' && redis.status === 'fulfilled') {
      const proxy = options.proxy === true ? await FaultyHttp.start(s3.value.address) : undefined;
      return new Cluster({ kafka: kafka.value, s3: s3.value, redis: redis.value, proxy });
    }
    for (const each of started)
      if (each.status === 'fulfilled') await each.value[Symbol.asyncDispose]();
    throw started.find((each) => each.status === 'rejected')?.reason;
  }

  /** A client of the broker that knows nothing of the database. */
  get client(): Kafka {
    return this.#client;
  }

  /** The environment in which the bucket can be opened. */
  get keys(): Readonly<Record<string, string>> {
    const { accessKey, secretKey } = this.s3;
    return { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
  }

  /** Starts a process, which need not come so far as to listen. */
  launch(role: RoleName, ...args: readonly string[]): ClusterProcess {
    const { bucket, address } = this.s3;
    const where = [
      ...['--kafka', this.kafka.address, '--s3', this.proxy?.url ?? address, '--bucket', bucket],
      ...['--redis', this.redis.address, '--replication', '1', '--port', '0'],
    ];
    const process = this.#processes.start([role, ...where, ...args], {
      ...this.keys,
      PYRALOG_PART_FACTS: String(PART_FACTS),
    });
    this.#started.push({ name: `${role} ${this.#started.length}`, process });
    return process;
  }

  /** Starts a process and waits until it does its work. */
  async run(role: RoleName, ...args: readonly string[]): Promise<ClusterProcess> {
    const process = this.launch(role, ...args);
    await process.ready();
    await process.listening();
    await healthy(process);
    return process;
  }

  /** Runs a command to its end. @returns what it printed; rejects where it ended otherwise than by success */
  command(...args: readonly string[]): Promise<string> {
    return this.#processes.run(args);
  }

  /** Resolves when a group of a role has so many members, all of which know who does what. */
  async members(role: 'sequencer' | 'indexer', database: string, count: number): Promise<void> {
    const admin = this.#client.admin();
    await admin.connect();
    try {
      const group = `pyralog.${role}.${database}`;
      await eventually(`${group} has ${count} members`, async () => {
        const { groups } = await admin.describeGroups([group]);
        expect([groups[0]?.state, groups[0]?.members.length]).toEqual(['Stable', count]);
      });
    } finally {
      await admin.disconnect();
    }
  }

  /** What all processes have written to stderr, for people who look for the reason of a failure. */
  get errors(): string {
    return this.#started.map(({ name, process }) => `── ${name}\n${process.errors}`).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const parts = [this.#processes, this.proxy, this.kafka, this.s3, this.redis];
    const ended = [];
    // Processes first: what they would say of engines that go is nobody's concern.
    for (const part of parts) ended.push(await Promise.allSettled([part?.[Symbol.asyncDispose]()]));
    const failed = ended.flat().find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Resolves when a process says that it is ready. */
export function healthy(process: ClusterProcess): Promise<void> {
  return eventually('the process is ready', async () => {
    expect(await process.health()).toEqual({ status: 200, reasons: [] });
  });
}

/** Makes a database. */
export async function create({ url }: ClusterProcess, name: string, partitions = 1): Promise<void> {
  const response = await fetch(`${url}/v1/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ partitions }),
  });
  expect([200, 201], await response.text()).toContain(response.status);
}
