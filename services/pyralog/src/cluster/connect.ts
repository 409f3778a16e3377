import { createCodec } from '@pyralog/format/zstd';
import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import type { GroupAdvice } from '@pyralog/log';
import { KafkaLog } from '@pyralog/log/kafka';
import { BlockCache } from '@pyralog/reading';
import { type Health, SystemClock, SystemRand, SystemTimers } from '@pyralog/runtime';
import { RedisViews } from '@pyralog/views/redis';
import { healthOf } from '../troubles.ts';
import { bucketOf } from './bucket.ts';
import { ClaimingLog } from './claiming-log.ts';
import type { ClusterListeners, ClusterPorts } from './ports.ts';

/** Where the engines of a cluster are. */
export interface ClusterSettings {
  /** `host:port` of one broker or more. */
  readonly kafka: readonly string[];
  /** Replicas of topics that are made. */
  readonly replication: number;
  /** Address of the store; undefined: Amazon's. */
  readonly s3: string | undefined;
  /** A bucket, or `bucket/prefix`. */
  readonly bucket: string;
  /** `redis://…`; undefined: no views are kept. */
  readonly redis: string | undefined;
  /** How long engines that do not answer are tried, in milliseconds; the default suits all but questions. */
  readonly patienceMillis?: number | undefined;
  readonly cutRule?: CutRule | undefined;
  /** Memory for decoded blocks, in bytes. */
  readonly cacheBytes?: number | undefined;
}

/** The engines of a cluster. Nothing was asked of them yet, so they need not be there. */
export interface Cluster extends AsyncDisposable {
  readonly ports: ClusterPorts;
  readonly log: KafkaLog;
  readonly advice: GroupAdvice;
  /** Whether Kafka and the bucket answer. */
  readonly healths: readonly Health[];
  /** What the bucket is called in messages. */
  readonly bucketName: string;
}

const CACHE_BYTES = 64 * 1024 * 1024;

/**
 * @param environment where the keys of the bucket are looked for
 * @throws PyralogError `usage`, `parameter-invalid`
 */
export async function connectCluster(
  settings: ClusterSettings,
  environment: Readonly<Record<string, string | undefined>>,
  listeners: Omit<ClusterListeners, 'clock'>,
): Promise<Cluster> {
  const { kafka, replication, s3, bucket, redis, cutRule, cacheBytes, patienceMillis } = settings;
  const clock = new SystemClock();
  const kafkaHealth = healthOf('Kafka', 'reached', { ...listeners, clock });
  const log = new KafkaLog({
    onFailing: (error) => kafkaHealth.failed(error),
    onWorking: () => kafkaHealth.working(),
    brokers: kafka,
    clientId: 'pyralog',
    replicationFactor: replication,
    patienceMillis,
  });
  const bucketHealth = healthOf('The bucket', 'reached', { ...listeners, clock });
  const objects = bucketOf({ url: s3, bucket }, environment, {
    onFailing: (error) => bucketHealth.failed(error),
    onWorking: () => bucketHealth.working(),
    patienceMillis,
  });
  const views = redis === undefined ? undefined : new RedisViews({ url: redis });
  return {
    ports: {
      log: new ClaimingLog(log, objects),
      objects,
      views,
      codec: await createCodec(),
      cache: new BlockCache(cacheBytes ?? CACHE_BYTES),
      clock,
      timers: new SystemTimers(),
      rand: new SystemRand(),
      cutRule: cutRule ?? DEFAULT_CUT,
      ...listeners,
    },
    log,
    advice: log.advice,
    healths: [kafkaHealth, bucketHealth],
    bucketName: s3 === undefined ? `s3://${bucket}` : `${s3.replace(/\/$/, '')}/${bucket}`,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await views?.[Symbol.asyncDispose]();
      await objects[Symbol.asyncDispose]();
    },
  };
}
