import { PyralogError } from '@pyralog/model';
import type { KafkaCluster } from './kafka-cluster.ts';
import { inSyncReplicas, isCommitLog, MESSAGE_BYTES, partitionsOf } from './kafka-topics.ts';

/** A setting of a topic that can lose data, or stop writing. */
export interface TopicFinding {
  readonly topic: string;
  /** Name of the setting, as Kafka has it. */
  readonly setting: string;
  readonly value: string;
  /** What may happen, in a sentence. */
  readonly danger: string;
  /** What to do about it, in a sentence. */
  readonly cure: string;
}

/** What topics are held against. */
export interface TopicExpectations {
  /**
   * How long a record of a commit log may wait for its segment, in milliseconds: as long must the log keep
   * it. Without it a commit log must be kept for ever.
   */
  readonly segmentLagMillis?: number | undefined;
}

/**
 * Settings of these topics that endanger data, for `pyralog doctor`. Empty where there are none.
 *
 * @throws PyralogError `not-found` of a topic that is not there; `unreachable`, `storage-failed`
 */
export async function checkTopics(
  cluster: KafkaCluster,
  topics: readonly string[],
  expectations: TopicExpectations,
): Promise<readonly TopicFinding[]> {
  const findings: TopicFinding[] = [];
  for (const topic of topics) {
    const what = `The settings of ${topic} cannot be read`;
    const { settings, replicas } = await cluster.retrying(
      what,
      topic,
      cluster.stopped,
      async () => {
        const metadata = await cluster.metadata(topic);
        if (metadata === undefined)
          throw new PyralogError('not-found', `The log has no topic ${topic}.`);
        const counts = partitionsOf(metadata).map(({ replicas: all }) => all.length);
        return { settings: await cluster.describeTopic(topic), replicas: Math.min(...counts) };
      },
    );
    findings.push(...topicFindings(topic, { settings, replicas }, expectations));
  }
  return findings;
}

interface TopicState {
  /** All settings in force, by name. */
  readonly settings: ReadonlyMap<string, string>;
  /** Of the partition that has the fewest. */
  readonly replicas: number;
}

/** The rules of {@link checkTopics}. @internal */
export function topicFindings(
  topic: string,
  { settings, replicas }: TopicState,
  { segmentLagMillis }: TopicExpectations,
): readonly TopicFinding[] {
  const value = (setting: string): string => settings.get(setting) ?? '';
  const findings: TopicFinding[] = [];
  const find = (setting: string, danger: string, cure: string): void => {
    findings.push({ topic, setting, value: value(setting), danger, cure });
  };

  if (value('cleanup.policy').includes('compact'))
    find(
      'cleanup.policy',
      'Compaction removes records that have a successor with the same key.',
      'Set cleanup.policy=delete.',
    );
  if (isCommitLog(topic)) {
    if (endsWithin(value('retention.ms'), segmentLagMillis))
      find(
        'retention.ms',
        'Commits may be deleted before a segment in the bucket holds them.',
        segmentLagMillis === undefined
          ? 'Set retention.ms=-1.'
          : `Set retention.ms=-1, or to more than ${segmentLagMillis}.`,
      );
    if (isLimit(value('retention.bytes')))
      find(
        'retention.bytes',
        'Commits are deleted as soon as there are more bytes of them.',
        'Set retention.bytes=-1.',
      );
  }
  if (replicas > 1 && Number(value('min.insync.replicas')) < 2)
    find(
      'min.insync.replicas',
      'An append counts when one replica has it; the loss of that one loses it.',
      `Set min.insync.replicas=${inSyncReplicas(replicas)}.`,
    );
  if (Number(value('min.insync.replicas')) > replicas)
    find(
      'min.insync.replicas',
      `There are ${replicas} replicas: no append can succeed.`,
      `Set min.insync.replicas=${inSyncReplicas(replicas)}, or add replicas.`,
    );
  if (value('unclean.leader.election.enable') === 'true')
    find(
      'unclean.leader.election.enable',
      'A replica that lags may become the leader; what it lacks is lost, though acknowledged.',
      'Set unclean.leader.election.enable=false.',
    );
  if (Number(value('max.message.bytes')) < MESSAGE_BYTES)
    find(
      'max.message.bytes',
      'Appends of large records are refused, and the partition stops.',
      `Set max.message.bytes=${MESSAGE_BYTES} or more.`,
    );
  return findings;
}

function isLimit(text: string): boolean {
  return Number(text) >= 0;
}

function endsWithin(retentionMillis: string, lagMillis: number | undefined): boolean {
  return (
    isLimit(retentionMillis) && (lagMillis === undefined || Number(retentionMillis) <= lagMillis)
  );
}
