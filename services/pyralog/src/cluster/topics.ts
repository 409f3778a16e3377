import type { TopicPartition } from '@pyralog/log';
import type { PartitionNo } from '@pyralog/model';

/** Topics of a database (design section 5). */
export interface DatabaseTopics {
  /** What producers publish. */
  readonly transactions: string;
  /** Messages between the owners of partitions. */
  readonly coordination: string;
  /** The truth. */
  readonly commits: string;
  /** Transactions as JSON, for readers outside. */
  readonly changes: string;
  /** What became no transaction, with the reason. */
  readonly rejects: string;
}

export function topicsOf(database: string): DatabaseTopics {
  return {
    transactions: `${database}.transactions`,
    coordination: `${database}.coordination`,
    commits: `${database}.commits`,
    changes: `${database}.changes`,
    rejects: `${database}.rejects`,
  };
}

/** Names of databases, in the order they were made: how roles hear of new ones. */
export const DATABASES_TOPIC = 'pyralog.databases';

export function at(topic: string, partition: PartitionNo): TopicPartition {
  return { topic, partition };
}
