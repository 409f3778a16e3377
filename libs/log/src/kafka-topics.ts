import { PyralogError } from '@pyralog/model';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { KafkaMetadata } from './kafka-connection.ts';
import { refusalOf } from './kafka-errors.ts';
import { otherPartitions } from './memory.ts';

/** Ends the names of topics that hold commit logs. */
const COMMITS = '.commits';
/** How long inputs, messages and what is published for outsiders are kept. */
const WEEK_MILLIS = 7 * 24 * 60 * 60 * 1000;
/** Kafka's default: one batch of 1 MiB and its header. */
export const MESSAGE_BYTES = 1_048_588;

/** How many replicas must have an append before it counts: a majority of all. */
export function inSyncReplicas(replicationFactor: number): number {
  return Math.floor(replicationFactor / 2) + 1;
}

/** Whether a topic holds a commit log, which is the truth and is kept for ever. */
export function isCommitLog(topic: string): boolean {
  return topic.endsWith(COMMITS);
}

/** The settings that a topic is made with, stated in full: a broker's defaults may be other ones. */
export function defaultTopicSettings(
  topic: string,
  replicationFactor: number,
): Readonly<Record<string, string>> {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': isCommitLog(topic) ? '-1' : String(WEEK_MILLIS),
    'retention.bytes': '-1',
    'min.insync.replicas': String(inSyncReplicas(replicationFactor)),
    // A replica that lags must not become the truth.
    'unclean.leader.election.enable': 'false',
    // The broker's clock: by that of a producer a record could be too old to be kept on arrival.
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': String(MESSAGE_BYTES),
    // Batches stay as they were sent.
    'compression.type': 'producer',
  };
}

export interface TopicOptions {
  readonly replicationFactor: number;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Makes a topic and waits until every partition has a leader. One that is there stays as it is.
 *
 * @throws PyralogError `parameter-invalid` where it has another number of partitions, or the broker takes
 *   no such topic
 */
export async function makeTopic(
  cluster: KafkaCluster,
  topic: string,
  partitions: number,
  options: TopicOptions,
): Promise<void> {
  const what = `The topic ${topic} cannot be made`;
  await cluster.retrying(what, topic, cluster.stopped, async () => {
    const known = await cluster.metadata(topic);
    if (known !== undefined) {
      const has = partitionsOf(known);
      if (has.length !== partitions) throw otherPartitions(topic, has.length, partitions);
      if (has.every(({ leader }) => leader >= 0)) return;
      throw new NotThereYet(topic);
    }
    try {
      await cluster.createTopic({
        topic,
        numPartitions: partitions,
        replicationFactor: options.replicationFactor,
        configEntries: Object.entries(options.settings).map(([name, value]) => ({ name, value })),
      });
    } catch (error) {
      const type = refusalOf(error)?.type;
      if (type !== undefined && REFUSED.has(type)) {
        throw new PyralogError('parameter-invalid', `${what}: the broker answers ${type}.`, {
          cause: error,
          hint: 'Check its name, the number of brokers against the replication factor, and its settings.',
        });
      }
      if (type !== 'TOPIC_ALREADY_EXISTS') throw error;
    }
    throw new NotThereYet(topic);
  });
}

const REFUSED = new Set([
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_CONFIG',
  'INVALID_REQUEST',
  'POLICY_VIOLATION',
]);

/** Passes: brokers learn of a new topic one after the other. */
class NotThereYet extends Error {
  override readonly name = 'NotThereYet';
  readonly type = 'LEADER_NOT_AVAILABLE';
  readonly retriable = true;
  constructor(topic: string) {
    super(`Not every partition of ${topic} has a leader.`);
  }
}

/** All partitions of the only topic of an answer. */
export function partitionsOf({
  topicMetadata,
}: KafkaMetadata): KafkaMetadata['topicMetadata'][number]['partitionMetadata'] {
  return topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata);
}
