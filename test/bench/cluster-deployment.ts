import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@pyralog/log';
import { KafkaLog } from '@pyralog/log/kafka';
import { S3Objects, s3OptionsOf } from '@pyralog/objects/s3';
import { logOffset, partitionNo, type Tx } from '@pyralog/model';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { ClaimingLog } from '../../services/pyralog/src/cluster/claiming-log.ts';
import { KafkaServer } from '../servers/kafka.ts';
import { RedisServer } from '../servers/redis.ts';
import { S3ProxyServer } from '../servers/s3proxy.ts';
import { type Server, startProcess, startServer } from './server.ts';

/** The database of all of them. */
export const DATABASE = 'main';
const LOOK_MILLIS = 20;

export interface Restarted {
  /** When, by `performance.now()`. */
  readonly started: number;
  readonly readyMillis: number;
}

/** Processes that serve a database, on nothing at first. Nothing is left of them when they are disposed. */
export interface Deployment extends AsyncDisposable {
  /** Of the HTTP door. */
  readonly url: string;
  /** All that works for it, by name; another after every start. */
  pids(): ReadonlyMap<string, number>;
  /** Resolves when all that is made of transactions for others is at this one. */
  published(tx: Tx): Promise<void>;
  /** Ends what has the HTTP door, and starts it again on the same data. */
  restartDoor(): Promise<Restarted>;
}

/** `pyralog dev --data`: everything in one process. */
export class EmbeddedDeployment implements Deployment {
  readonly #dir: string;
  #server: Server;

  private constructor(dir: string, server: Server) {
    this.#dir = dir;
    this.#server = server;
  }

  static async start(): Promise<EmbeddedDeployment> {
    const dir = mkdtempSync(join(tmpdir(), 'pyralog-bench-'));
    return new EmbeddedDeployment(dir, await startServer('built', dir));
  }

  get url(): string {
    return this.#server.url;
  }

  pids(): ReadonlyMap<string, number> {
    return new Map([['dev', this.#server.pid]]);
  }

  /** Nothing is. */
  async published(): Promise<void> {}

  async restartDoor(): Promise<Restarted> {
    await this.#server[Symbol.asyncDispose]();
    const started = performance.now();
    this.#server = await startServer('built', this.#dir);
    return { started, readyMillis: this.#server.readyMillis };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

type Role = 'sequencer' | 'indexer' | 'api';

interface Engines {
  readonly kafka: KafkaServer;
  readonly s3: S3ProxyServer;
  readonly redis: RedisServer;
}

/** As the environment of a process has them. */
function keysOf({ accessKey, secretKey }: S3ProxyServer): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
}

/** A process of each role, on a Kafka, an S3 and a Redis of their own. */
export class ClusterDeployment implements Deployment {
  /** The log of the database, as the roles have it. */
  readonly log: Log;
  readonly #engines: Engines;
  readonly #closing: readonly AsyncDisposable[];
  readonly #roles = new Map<Role, Server>();
  #standby: Server | undefined;
  readonly #more: Server[] = [];

  private constructor(engines: Engines, kafka: KafkaLog, objects: S3Objects) {
    this.#engines = engines;
    this.#closing = [kafka, objects, engines.kafka, engines.s3, engines.redis];
    this.log = new ClaimingLog(kafka, objects);
  }

  /**
   * What has started by then ends with this process where another does not start.
   * @throws ServerUnavailable where an engine cannot be had
   */
  static async start(): Promise<ClusterDeployment> {
    const engines = {
      kafka: await KafkaServer.start(),
      s3: await S3ProxyServer.start(),
      redis: await RedisServer.start(),
    };
    const { kafka, s3 } = engines;
    const log = new KafkaLog({
      brokers: [kafka.address],
      clientId: 'bench',
      replicationFactor: 1,
    });
    // What the SDK says of old versions of Node is about versions of it that are not the pinned one.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
    const where = s3OptionsOf({ url: s3.address, bucket: s3.bucket }, keysOf(s3));
    const cluster = new ClusterDeployment(engines, log, await S3Objects.open(where));
    for (const role of ['sequencer', 'indexer', 'api'] as const)
      cluster.#roles.set(role, await cluster.#start(role));
    return cluster;
  }

  get url(): string {
    return this.#role('api').url;
  }

  pids(): ReadonlyMap<string, number> {
    return new Map([
      ...[...this.#roles].map(([role, { pid }]) => [role, pid] as const),
      ['Kafka', this.#engines.kafka.pid],
      ['S3', this.#engines.s3.pid],
      ['Redis', this.#engines.redis.pid],
    ]);
  }

  async published(tx: Tx): Promise<void> {
    const redis = new Redis(this.#engines.redis.address);
    try {
      while ((await redis.hget(`${DATABASE}:v:0`, 'watermark')) !== String(tx))
        await sleep(LOOK_MILLIS);
    } finally {
      redis.disconnect();
    }
    // Nobody's tx but the newest is in the last record.
    const changes = { topic: `${DATABASE}.changes`, partition: partitionNo(0) };
    for (;;) {
      const { end } = await this.log.bounds(changes);
      const last = logOffset(Math.max(0, end - 1));
      for await (const batch of this.log.read(changes, last, { follow: false }))
        for (const { value } of batch) if (Buffer.from(value ?? []).includes(`"${tx}"`)) return;
      await sleep(LOOK_MILLIS);
    }
  }

  async restartDoor(): Promise<Restarted> {
    await this.#role('api')[Symbol.asyncDispose]();
    const started = performance.now();
    const api = await this.#start('api');
    this.#roles.set('api', api);
    return { started, readyMillis: api.readyMillis };
  }

  /** One more sequencer, which has no partition as long as the leader is there. */
  async addStandby(): Promise<void> {
    this.#standby = await this.#start('sequencer');
    await this.#groupHas(2);
  }

  /** More sequencers, so that there are so many; they share the partitions of the database. */
  async shareAmong(sequencers: number): Promise<void> {
    while (this.#more.length + 1 < sequencers) this.#more.push(await this.#start('sequencer'));
    await this.#groupHas(sequencers);
  }

  /** Resolves when the signal has ended the sequencer that leads, with the standby in its place. */
  async endLeader(signal: NodeJS.Signals): Promise<void> {
    const leader = this.#role('sequencer');
    if (this.#standby === undefined) throw new Error('nobody stands by');
    this.#roles.set('sequencer', this.#standby);
    this.#standby = undefined;
    await leader.end(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Processes first: they would complain of engines that are gone.
    const processes = [...this.#roles.values(), ...this.#more];
    await Promise.all(processes.map((each) => each[Symbol.asyncDispose]()));
    await this.#standby?.[Symbol.asyncDispose]();
    for (const each of this.#closing) await each[Symbol.asyncDispose]();
  }

  #role(role: Role): Server {
    const server = this.#roles.get(role);
    if (server === undefined) throw new Error(`no ${role} runs`);
    return server;
  }

  #start(role: Role): Promise<Server> {
    const { kafka, s3, redis } = this.#engines;
    const where = [
      ...['--kafka', kafka.address, '--s3', s3.address, '--bucket', s3.bucket],
      ...['--redis', redis.address, '--port', '0'],
    ];
    return startProcess('built', [role, ...where], keysOf(s3));
  }

  /** Resolves when so many sequencers share the database, and all of them know who does what. */
  async #groupHas(members: number): Promise<void> {
    const admin = new Kafka({
      brokers: [this.#engines.kafka.address],
      clientId: 'bench',
      logLevel: logLevel.NOTHING,
    }).admin();
    await admin.connect();
    try {
      for (;;) {
        const { groups } = await admin.describeGroups([`pyralog.sequencer.${DATABASE}`]);
        const [group] = groups;
        if (group?.state === 'Stable' && group.members.length === members) return;
        await sleep(LOOK_MILLIS);
      }
    } finally {
      await admin.disconnect();
    }
  }
}
