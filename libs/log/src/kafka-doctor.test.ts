import { expect, test } from 'vitest';
import { topicFindings } from './kafka-doctor.ts';
import { defaultTopicSettings } from './kafka-topics.ts';

const sound = (topic: string, replicas: number, changes: Record<string, string> = {}) => ({
  settings: new Map(Object.entries({ ...defaultTopicSettings(topic, replicas), ...changes })),
  replicas,
});
const settingsOf = (
  topic: string,
  replicas: number,
  changes: Record<string, string>,
  segmentLagMillis?: number,
): string[] =>
  topicFindings(topic, sound(topic, replicas, changes), { segmentLagMillis }).map(
    ({ setting, value }) => `${setting}=${value}`,
  );

test.each([1, 2, 3, 5])(
  'topics as they are made have no findings, with %d replicas',
  (replicas) => {
    for (const topic of ['main.commits', 'main.transactions', 'main.coordination'])
      expect(topicFindings(topic, sound(topic, replicas), {})).toEqual([]);
  },
);

test.each([
  { changes: { 'cleanup.policy': 'compact' } },
  { changes: { 'cleanup.policy': 'compact,delete' } },
  { changes: { 'retention.ms': '604800000' } },
  { changes: { 'retention.bytes': '1000000' } },
  { changes: { 'min.insync.replicas': '1' } },
  { changes: { 'min.insync.replicas': '4' } },
  { changes: { 'unclean.leader.election.enable': 'true' } },
  { changes: { 'max.message.bytes': '1000' } },
])('of a commit log $changes is found', ({ changes }) => {
  const [[setting, value] = ['', '']] = Object.entries(changes);
  expect(settingsOf('main.commits', 3, changes)).toEqual([`${setting}=${value}`]);
});

test('a commit log may be kept for a time that is longer than the lag of segments', () => {
  const kept = { 'retention.ms': '3600000' };
  expect(settingsOf('main.commits', 1, kept, 3_599_999)).toEqual([]);
  expect(settingsOf('main.commits', 1, kept, 3_600_000)).toEqual(['retention.ms=3600000']);
});

test('other topics may end, and one replica may be alone', () => {
  expect(
    settingsOf('main.transactions', 1, { 'retention.ms': '1', 'retention.bytes': '1' }),
  ).toEqual([]);
  expect(settingsOf('main.commits', 1, { 'min.insync.replicas': '1' })).toEqual([]);
});
