import { Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { logOffset, partitionNo } from '@pyralog/model';
import { CompressionTypes, ConfigResourceTypes } from 'kafkajs';
import { expect, inject, test, vi } from 'vitest';
import { durableLogContract, logContract } from '../contract/log.ts';
import {
  bytes,
  Count,
  freshName,
  freshPartition,
  openLog,
  Outsider,
  PrefixedLog,
  readAll,
  refused,
  textOf,
} from './support.ts';

const address = inject('kafka');
const KIB = 1024;

logContract('kafka', async () => {
  const log = new PrefixedLog(openLog(address), freshName(''));
  return { log, close: () => log[Symbol.asyncDispose]() };
});

durableLogContract('kafka', async () => {
  const prefix = freshName('');
  let log = new PrefixedLog(openLog(address), prefix);
  return {
    log,
    async reopen() {
      await log[Symbol.asyncDispose]();
      log = new PrefixedLog(openLog(address), prefix);
      return log;
    },
    close: () => log[Symbol.asyncDispose](),
  };
});

test('a commit log is made to be kept for ever, and other topics as they are asked for', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address, {
    topicSettings: (topic) => (topic.endsWith('.transactions') ? { 'retention.ms': '1000' } : {}),
  });
  const admin = await outsider.admin();
  const settingsOf = async (topic: string): Promise<Record<string, string>> => {
    await log.createTopic(topic, 1);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const entries = resources.flatMap(({ configEntries }) => configEntries);
    return Object.fromEntries(
      entries.map(({ configName, configValue }) => [configName, configValue]),
    );
  };
  const always = {
    'cleanup.policy': 'delete',
    'min.insync.replicas': '1',
    'unclean.leader.election.enable': 'false',
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': '1048588',
  };
  expect(await settingsOf(freshName('commits'))).toMatchObject({ ...always, 'retention.ms': '-1' });
  expect(await settingsOf(freshName('transactions'))).toMatchObject({
    ...always,
    'retention.ms': '1000',
  });
});

test('a topic that no cluster takes is refused with the reason', async () => {
  await using log = openLog(address, { replicationFactor: 7 });
  await refused('parameter-invalid', () => log.createTopic(freshName('commits'), 1));
  await using alone = openLog(address);
  await refused('parameter-invalid', () => alone.createTopic('no name', 1));
});

test('records of 900 KiB are taken, and appends of a million bytes; more is refused', async () => {
  await using log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const largest = { value: new Uint8Array(900 * KIB) };
  expect(await log.append(at, [largest])).toBe(0);
  const larger = { value: new Uint8Array(900 * KIB - 1), key: bytes('12') };
  await refused('value-too-large', () => log.append(at, [larger]));
  const half = { value: new Uint8Array(499_900) };
  expect(await log.append(at, [half, half])).toBe(1);
  await refused('value-too-large', () =>
    log.append(at, [half, half, { value: bytes('x'.repeat(99)) }]),
  );
  // Many at once are as many batches as they need.
  const firsts = await Promise.all(Array.from({ length: 10 }, () => log.append(at, [largest])));
  expect(firsts).toEqual(Array.from({ length: 10 }, (_, i) => 3 + i));
  expect((await log.bounds(at)).end).toBe(13);
});

test('appends keep the order in which they were made', async () => {
  await using log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const appends: Promise<unknown>[] = [];
  for (let i = 0; i < 300; i++) {
    appends.push(log.append(at, [{ value: bytes(String(i)) }]));
    // In several turns, so that there are several batches.
    if (i % 7 === 0) await setImmediate();
  }
  await Promise.all(appends);
  const texts = (await readAll(log, at, logOffset(0))).map(textOf);
  expect(texts).toEqual(Array.from({ length: 300 }, (_, i) => String(i)));
});

test('an append of nothing has the place of the next record', async () => {
  await using log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('a') }]);
  expect(await log.append(at, [])).toBe(1);
});

test('a broker that takes less than an append holds is named as the reason', async () => {
  await using log = openLog(address, { topicSettings: () => ({ 'max.message.bytes': '1000' }) });
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await refused('storage-failed', () => log.append(at, [{ value: new Uint8Array(2000) }]));
  expect(await log.append(at, [{ value: bytes('small') }])).toBe(0);
});

test('records that were deleted are refused, and not passed over', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  for (let i = 0; i < 12; i++) await log.append(at, [{ value: new Uint8Array(500 * KIB).fill(i) }]);
  const reading = log.read(at, logOffset(0), { follow: true })[Symbol.asyncIterator]();
  const seen: number[] = [];
  const next = async (): Promise<void> => {
    const { value } = await reading.next();
    for (const { offset } of value ?? []) seen.push(offset);
  };
  await next();

  const admin = await outsider.admin();
  // Without asking for something else first it does not know the topic.
  await admin.fetchTopicOffsets(at.topic);
  await admin.deleteTopicRecords({
    topic: at.topic,
    partitions: [{ partition: 0, offset: '10' }],
  });
  expect(await log.bounds(at)).toEqual({ start: 10, end: 12 });
  await refused('offset-out-of-range', () => readAll(log, at, logOffset(9)));
  expect((await readAll(log, at, logOffset(10))).map(({ offset }) => offset)).toEqual([10, 11]);
  // A reader holds one answer and has asked for no more: that is what bounds its memory.
  await refused('offset-out-of-range', async () => {
    while (seen.length < 10) await next();
  });
  expect(seen.length).toBeLessThanOrEqual(3);
  expect(seen).toEqual(seen.map((_, i) => i));
});

test('what others write is read as they wrote it, garbage and 20 MB records too', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address, {
    topicSettings: () => ({ 'max.message.bytes': String(32 * KIB * KIB) }),
  });
  const at = freshPartition('transactions');
  await log.createTopic(at.topic, 1);
  const garbage = Array.from({ length: 50 }, (_, i) =>
    Buffer.from(Array.from({ length: i * 7 }, (__, j) => (i * 37 + j * 101) & 0xff)),
  );
  const large = Buffer.alloc(20_000_000, 'x');
  const producer = await outsider.producer();
  const messages = garbage.map((value) => ({ key: value, value, headers: { '\u{FFFD}': value } }));
  await producer.send({ topic: at.topic, messages, compression: CompressionTypes.GZIP });
  await producer.send({ topic: at.topic, messages: [{ value: large }] });
  await producer.send({ topic: at.topic, messages: [{ key: 'k', value: null }] });

  const batches: number[] = [];
  const values: (Uint8Array | null)[] = [];
  for await (const batch of log.read(at, logOffset(0), { follow: false })) {
    batches.push(batch.length);
    for (const { value } of batch) values.push(value);
  }
  const same = [...garbage, large, null].map(
    (value, i) => Buffer.compare(values[i] ?? Buffer.alloc(0), value ?? Buffer.alloc(0)) === 0,
  );
  expect(same).toEqual(Array(52).fill(true));
  expect(values[51]).toBeNull();
  expect(batches.at(-2)).toBe(1);
});

test('what a transaction of another client leaves behind is no gap, and what it aborted is not there', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address);
  const at = freshPartition('transactions');
  await log.createTopic(at.topic, 1);
  const producer = await outsider.producer(freshName('producer'));
  for (const [text, outcome] of [
    ['first', 'commit'],
    ['second', 'abort'],
    ['third', 'commit'],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: at.topic, messages: [{ value: text }, { value: text }] });
    await transaction[outcome]();
  }
  const { end } = await log.bounds(at);
  for (let from = 0; from <= end; from++) {
    const read = await readAll(log, at, logOffset(from));
    const expected = [
      [0, 'first'],
      [1, 'first'],
      [6, 'third'],
      [7, 'third'],
    ].filter(([offset]) => Number(offset) >= from);
    expect(read.map((record) => [record.offset, textOf(record)])).toEqual(expected);
  }
  await refused('offset-out-of-range', () => readAll(log, at, logOffset(end + 1)));
});

test('a reader that waits ends at once by its signal, and by closing', async () => {
  const log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('x') }]);
  const seen = new Count();
  const follow = async (signal?: AbortSignal): Promise<void> => {
    for await (const batch of log.read(at, logOffset(0), { follow: true, signal }))
      seen.add(batch.length);
  };
  const stop = new AbortController();
  const readers = [follow(stop.signal), follow()] as const;
  await seen.reaches(2);
  // Both wait at the broker, for up to 5 seconds.
  await setImmediate();
  const begin = performance.now();
  stop.abort();
  await readers[0];
  await log[Symbol.asyncDispose]();
  await readers[1];
  expect(performance.now() - begin).toBeLessThan(3_000);
  await refused('stopping', () => log.append(at, [{ value: bytes('y') }]));
  await refused('stopping', () => readAll(log, at, logOffset(0)));
});

test('whoever waits sets no timers and asks for nothing, and hears at once of a record', async () => {
  await using log = openLog(address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const stop = new AbortController();
  const seen = new Count();
  const following = (async () => {
    const options = { follow: true, signal: stop.signal };
    for await (const batch of log.read(at, logOffset(0), options)) seen.add(batch.length);
  })();
  await log.append(at, [{ value: bytes('x') }]);
  await seen.reaches(1);
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const requests = vi.spyOn(Socket.prototype, 'write');
  await sleep(500);
  // The client would set a timer every millisecond.
  expect(timers.mock.calls.length).toBeLessThan(10);
  expect(requests.mock.calls.length).toBeLessThan(3);
  timers.mockRestore();
  requests.mockRestore();
  const waits: number[] = [];
  for (let i = 2; i <= 100; i++) {
    const begin = performance.now();
    await Promise.all([log.append(at, [{ value: bytes('y') }]), seen.reaches(i)]);
    waits.push(performance.now() - begin);
  }
  stop.abort();
  await following;
  // Half of them, on a busy machine too; a poll would take its interval.
  expect(waits.toSorted((a, b) => a - b)[50]).toBeLessThan(50);
});

test('settings of topics that endanger data are named', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address);
  const admin = await outsider.admin();
  const [sound, unsound] = [freshName('commits'), freshName('commits')];
  await log.createTopic(sound, 2);
  await admin.createTopics({
    topics: [
      {
        topic: unsound,
        configEntries: [
          { name: 'cleanup.policy', value: 'compact,delete' },
          { name: 'retention.ms', value: '3600000' },
          { name: 'unclean.leader.election.enable', value: 'true' },
          { name: 'max.message.bytes', value: '1000' },
        ],
      },
    ],
  });
  const named = (await log.checkTopics([sound, unsound])).map(
    ({ topic, setting, value }) => [topic, setting, value] as const,
  );
  expect(named).toEqual([
    [unsound, 'cleanup.policy', 'compact,delete'],
    [unsound, 'retention.ms', '3600000'],
    [unsound, 'unclean.leader.election.enable', 'true'],
    [unsound, 'max.message.bytes', '1000'],
  ]);
  const settings = (await log.checkTopics([unsound], { segmentLagMillis: 60_000 })).map(
    ({ setting }) => setting,
  );
  expect(settings).not.toContain('retention.ms');
  await refused('not-found', () => log.checkTopics([freshName('commits')]));
});

test('partitions that were added later are there', async () => {
  await using outsider = new Outsider(address);
  await using log = openLog(address);
  const { topic } = freshPartition();
  const second = { topic, partition: partitionNo(1) };
  await log.createTopic(topic, 1);
  await refused('not-found', () => log.append(second, [{ value: bytes('x') }]));
  const admin = await outsider.admin();
  await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
  // The broker learns of it a moment after the one that makes it.
  for (let known = 1; known < 2;) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    known = topics[0]?.partitions.length ?? 0;
  }
  expect(await log.append(second, [{ value: bytes('x') }])).toBe(0);
});
