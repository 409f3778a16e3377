import { Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { StoredRecord, TopicPartition } from '@pyralog/log';
import type { KafkaLog } from '@pyralog/log/kafka';
import { type LogOffset, logOffset } from '@pyralog/model';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { KafkaServer } from '../servers/kafka.ts';
import {
  Advised,
  bytes,
  Count,
  freshName,
  freshPartition,
  openLog,
  readAll,
  refused,
  textOf,
} from './support.ts';

/** Longer than a broker takes to come back on a busy machine. */
const PATIENT = { patienceMillis: 120_000 };

let server: KafkaServer;
beforeAll(async () => {
  server = await KafkaServer.start();
}, 120_000);
// Also where a test has failed while it was away.
beforeEach(() => server.start());
afterAll(() => server[Symbol.asyncDispose]());

/** A reader that follows from the beginning, and what it has seen. */
class Follower {
  readonly seen: StoredRecord[] = [];
  readonly count = new Count();
  readonly #stop = new AbortController();
  readonly ended: Promise<void>;

  constructor(log: KafkaLog, at: TopicPartition) {
    this.ended = this.#follow(log, at);
  }

  async stop(): Promise<readonly StoredRecord[]> {
    this.#stop.abort();
    await this.ended;
    return this.seen;
  }

  async #follow(log: KafkaLog, at: TopicPartition): Promise<void> {
    const options = { follow: true, signal: this.#stop.signal };
    for await (const batch of log.read(at, logOffset(0), options)) {
      this.seen.push(...batch);
      this.count.add(batch.length);
    }
  }
}

/** Appends `<writer>:<number>` without a pause, until it is told to stop. */
class Appender {
  readonly acknowledged = new Map<LogOffset, string>();
  readonly count = new Count();
  #stopped = false;
  readonly #ended: Promise<unknown>;

  constructor(log: KafkaLog, at: TopicPartition, writers: number) {
    this.#ended = Promise.all(Array.from({ length: writers }, (_, w) => this.#append(log, at, w)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #append(log: KafkaLog, at: TopicPartition, writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const text = `${writer}:${i}`;
      this.acknowledged.set(await log.append(at, [{ value: bytes(text) }]), text);
      this.count.add();
    }
  }
}

/** What was acknowledged is there, at its place and once, and nothing else; a reader saw just that. */
async function expectNothingLost(
  log: KafkaLog,
  at: TopicPartition,
  appender: Appender,
  follower: Follower,
): Promise<void> {
  await appender.stop();
  await follower.count.reaches(appender.acknowledged.size);
  const stored = await readAll(log, at, logOffset(0));
  const expected = [...appender.acknowledged].toSorted(([a], [b]) => a - b);
  expect(stored.map((record) => [record.offset, textOf(record)])).toEqual(expected);
  expect(stored.map(({ offset }) => offset)).toEqual(stored.map((_, i) => i));
  const seen = await follower.stop();
  expect(seen.map((record) => [record.offset, textOf(record)])).toEqual(expected);
}

test('an append whose answer is lost is there once', async () => {
  await using log = openLog(server.address);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('first') }]);
  let sent = 0;
  const write = Reflect.get(Socket.prototype, 'write') as (...args: unknown[]) => boolean;
  const writing = vi.spyOn(Socket.prototype, 'write');
  writing.mockImplementation(function (this: Socket, ...args: unknown[]) {
    const [request] = args;
    const isAppend = request instanceof Uint8Array && isProduce(request);
    // Every second time, so that each is sent twice.
    if (!isAppend || sent++ % 2 === 1) return Reflect.apply(write, this, args);
    // All of it reaches the broker, and no answer comes back.
    this.removeAllListeners('data');
    const cut = (): void => void this.destroy(new Error('The connection is cut.'));
    return Reflect.apply(write, this, [request, cut]);
  });
  try {
    for (let i = 0; i < 20; i++) await log.append(at, [{ value: bytes(String(i)) }]);
  } finally {
    writing.mockRestore();
  }
  expect(sent).toBe(40);
  const texts = (await readAll(log, at, logOffset(0))).map(textOf);
  expect(texts).toEqual(['first', ...Array.from({ length: 20 }, (_, i) => String(i))]);
});

/** Whether a request is one to append: its kind stands behind its length. */
function isProduce(request: Uint8Array): boolean {
  const { buffer, byteOffset, length } = request;
  const view = new DataView(buffer, byteOffset, length);
  return length > 100 && view.getInt16(4) === 0 && view.getInt16(6) === 7;
}

test('a broker that is killed twice and comes back has all that it acknowledged, once and in order', async () => {
  await using log = openLog(server.address, PATIENT);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const follower = new Follower(log, at);
  const appender = new Appender(log, at, 3);
  for (let kill = 0; kill < 2; kill++) {
    await appender.count.reaches(appender.count.value + 200);
    await server.kill();
    const before = appender.count.value;
    await server.start();
    await appender.count.reaches(before + 200);
  }
  await expectNothingLost(log, at, appender, follower);
}, 300_000);

test('a broker that is stopped in order and comes back neither', async () => {
  await using log = openLog(server.address, PATIENT);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const follower = new Follower(log, at);
  const appender = new Appender(log, at, 2);
  await appender.count.reaches(100);
  await server.stop();
  const before = appender.count.value;
  await server.start();
  await appender.count.reaches(before + 100);
  await expectNothingLost(log, at, appender, follower);
}, 300_000);

test('a broker that stands still for 5 seconds is waited for', async () => {
  await using log = openLog(server.address, PATIENT);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  const follower = new Follower(log, at);
  const appender = new Appender(log, at, 3);
  await appender.count.reaches(200);
  server.pause();
  await sleep(5_000);
  const before = appender.count.value;
  server.resume();
  await appender.count.reaches(before + 200);
  await expectNothingLost(log, at, appender, follower);
}, 300_000);

test('whoever comes before the broker waits for it', async () => {
  await using made = openLog(server.address);
  const at = freshPartition();
  await made.createTopic(at.topic, 1);
  await server.stop();
  const refusals = new Count();
  await using log = openLog(server.address, {
    ...PATIENT,
    onLog: ({ level }) => void (level === 'error' && refusals.add()),
  });
  const follower = new Follower(log, at);
  const appended = log.append(at, [{ value: bytes('early') }]);
  const bounds = log.bounds(at);
  const topic = freshName('commits');
  const created = log.createTopic(topic, 3);
  await refusals.reaches(8);
  await server.start();
  expect(await appended).toBe(0);
  expect((await bounds).start).toBe(0);
  await created;
  await follower.count.reaches(1);
  expect((await follower.stop()).map(textOf)).toEqual(['early']);
}, 300_000);

test('who is not patient is told that there is no broker', async () => {
  await using log = openLog(server.address, { patienceMillis: 300 });
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('x') }]);
  await server.stop();
  await Promise.all([
    refused('unreachable', () => log.append(at, [{ value: bytes('y') }])),
    refused('unreachable', () => log.bounds(at)),
    refused('unreachable', () => log.createTopic(freshName('commits'), 1)),
    refused('unreachable', () => readAll(log, at, logOffset(0))),
    refused('unreachable', () => new Follower(log, at).ended),
  ]);
  await server.start();
  // Nothing was sent, so nothing came.
  expect(await log.append(at, [{ value: bytes('z') }])).toBe(1);
}, 300_000);

test('the outcome of what was sent and not answered is unknown, and what waits behind it was not sent', async () => {
  await using log = openLog(server.address, { patienceMillis: 300 });
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('before') }]);
  server.pause();
  const sent = refused('outcome-unknown', () => log.append(at, [{ value: bytes('sent') }]));
  await setImmediate();
  const waiting = refused('unreachable', () => log.append(at, [{ value: bytes('waiting') }]));
  await server.kill();
  await sent;
  const begin = performance.now();
  await waiting;
  // It does not wait as long again.
  expect(performance.now() - begin).toBeLessThan(100);
  await server.start();
  await log.append(at, [{ value: bytes('after') }]);
  const texts = (await readAll(log, at, logOffset(0))).map(textOf);
  expect(texts.filter((text) => text !== 'sent')).toEqual(['before', 'after']);
}, 300_000);

test('closing does not wait for a broker that stands still', async () => {
  const log = openLog(server.address, PATIENT);
  const at = freshPartition();
  await log.createTopic(at.topic, 1);
  await log.append(at, [{ value: bytes('x') }]);
  const follower = new Follower(log, at);
  const advised = new Advised((signal) => log.advice.join(freshName('roles'), at.topic, signal));
  await Promise.all([follower.count.reaches(1), advised.next()]);
  server.pause();
  try {
    const sent = refused('outcome-unknown', () => log.append(at, [{ value: bytes('y') }]));
    await setImmediate();
    const asked = refused('stopping', () => log.bounds(at));
    const begin = performance.now();
    // By its signal a reader ends even while it asks where to read.
    const stop = new AbortController();
    const late = (async () => {
      for await (const _ of log.read(at, logOffset(0), { follow: true, signal: stop.signal }));
    })();
    stop.abort();
    await late;
    expect(performance.now() - begin).toBeLessThan(1_000);
    await log[Symbol.asyncDispose]();
    await Promise.all([sent, asked, follower.ended, advised.ended]);
    expect(performance.now() - begin).toBeLessThan(10_000);
  } finally {
    server.resume();
  }
}, 300_000);

test('advice stands while the broker is away, and goes on when it is back', async () => {
  await using log = openLog(server.address);
  const topic = freshName('commits');
  const group = freshName('roles');
  await log.createTopic(topic, 4);
  const join = (): Advised => new Advised((signal) => log.advice.join(group, topic, signal));
  const first = join();
  expect(await first.next()).toEqual([0, 1, 2, 3]);
  await server.kill();
  await server.start();
  const second = join();
  await Promise.all([first.has(2), second.has(2)]);
  expect(first.told).not.toContainEqual([]);
  await Promise.all([first.stop(), second.stop()]);
}, 300_000);
