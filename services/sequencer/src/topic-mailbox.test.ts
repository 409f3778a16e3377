import { encodeCoordination } from '@pyralog/format';
import type { Log, LogReadOptions, StoredRecord, TopicPartition } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { logOffset, type LogOffset, partitionNo } from '@pyralog/model';
import { Health, SeededRand, SystemClock, SystemTimers, type Timers } from '@pyralog/runtime';
import type { Heard } from '@pyralog/sequencing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TopicMailbox } from './topic-mailbox.ts';

const TOPIC: TopicPartition = { topic: 'db.coordination', partition: partitionNo(0) };
/** As many as are read ahead. */
const AHEAD = 4_096;

let log: MemoryLog;
let mailbox: TopicMailbox;
let pauses: number;
const told: string[] = [];

/** Pauses are counted, and over at once. */
const timers: Timers = Object.assign(new SystemTimers(), {
  sleep: () => {
    pauses++;
    return new Promise<void>((resolve) => setImmediate(resolve));
  },
});

function opened(on: Pick<Log, 'read' | 'bounds'>): TopicMailbox {
  const health = new Health({
    clock: new SystemClock(),
    onFailure: (error) => void told.push(`fails: ${(error as Error).message}`),
    onRecovery: () => void told.push('works'),
  });
  return new TopicMailbox({
    log: on as Log,
    topic: TOPIC,
    timers,
    rand: new SeededRand(1),
    health,
  });
}

beforeEach(async () => {
  log = new MemoryLog();
  pauses = 0;
  told.length = 0;
  await log.createTopic(TOPIC.topic, 1);
  mailbox = opened(log);
});
afterEach(() => mailbox.close());

const message = (no: number): Uint8Array =>
  encodeCoordination({
    kind: 'done',
    id: { coordinator: partitionNo(0), offset: logOffset(no) },
    part: '',
    attempt: 1,
    from: partitionNo(1),
  });
const append = (...values: readonly (Uint8Array | null)[]): Promise<LogOffset> =>
  log.append(
    TOPIC,
    values.map((value) => ({ value })),
  );
const brief = (heard: readonly Heard[]): readonly (readonly [number, number])[] =>
  heard.map(({ offset, message: each }) => [offset, each.kind === 'done' ? each.id.offset : -1]);

/** Until nothing that has come is still on its way. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('messages are read from a position on, in order, as they come', async () => {
  await append(message(0), message(1), message(2));
  mailbox.begin(logOffset(1));
  await quiet();
  expect(mailbox.waiting).toBe(true);
  expect(brief(mailbox.take(1))).toEqual([[1, 1]]);
  expect(brief(mailbox.take())).toEqual([[2, 2]]);
  expect([mailbox.waiting, mailbox.take()]).toEqual([false, []]);
  await append(message(3));
  await quiet();
  expect(brief(mailbox.take())).toEqual([[3, 3]]);
});

test('whoever leads is told when something comes where nothing waited', async () => {
  let arrivals = 0;
  mailbox.onArrival = () => void arrivals++;
  mailbox.begin(logOffset(0));
  await quiet();
  expect(arrivals).toBe(0);
  await append(message(0), message(1));
  await quiet();
  expect(arrivals).toBe(1);
  mailbox.take();
  await append(message(2));
  await quiet();
  expect(arrivals).toBe(2);
});

test('what is no message says nothing, and keeps its offset', async () => {
  const damaged = message(1);
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  await append(Uint8Array.of(1, 2, 3), null, new Uint8Array(), damaged, message(4));
  mailbox.begin(logOffset(0));
  await quiet();
  expect(brief(mailbox.take())).toEqual([[4, 4]]);
  expect([pauses, told]).toEqual([0, []]);
});

test('a leader that begins again hears again what its log does not have', async () => {
  await append(message(0), message(1));
  mailbox.begin(logOffset(0));
  await quiet();
  expect(mailbox.take()).toHaveLength(2);
  mailbox.begin(logOffset(1));
  await quiet();
  await append(message(2));
  await quiet();
  expect(brief(mailbox.take())).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test('nobody reads on for a leader that was before', async () => {
  let arrivals = 0;
  mailbox.onArrival = () => void arrivals++;
  mailbox.begin(logOffset(0));
  await quiet();
  mailbox.begin(logOffset(0));
  await quiet();
  await append(message(0));
  await quiet();
  expect(arrivals).toBe(1);
});

test('I13 no more is read ahead than the bound, and the rest when there is room', async () => {
  const count = AHEAD + 100;
  await append(...Array.from({ length: count }, (_, no) => message(no)));
  mailbox.begin(logOffset(0));
  await quiet();
  const [first, ...others] = brief(mailbox.take(1));
  expect([first, others]).toEqual([[0, 0], []]);
  await quiet();
  const more = brief(mailbox.take(count));
  expect(more).toHaveLength(AHEAD);
  await quiet();
  const rest = brief(mailbox.take(count));
  expect(rest).toHaveLength(99);
  expect([...more, ...rest].map(([offset]) => offset)).toEqual(
    Array.from({ length: count - 1 }, (_, i) => i + 1),
  );
});

test('who waits for room is not kept when the leader begins again or stops', async () => {
  await append(...Array.from({ length: AHEAD + 100 }, (_, no) => message(no)));
  mailbox.begin(logOffset(0));
  await quiet();
  mailbox.begin(logOffset(AHEAD + 99));
  await quiet();
  expect(brief(mailbox.take())).toEqual([[AHEAD + 99, AHEAD + 99]]);
  mailbox.close();
  await append(message(1));
  await quiet();
  expect([mailbox.waiting, mailbox.take()]).toEqual([false, []]);
  mailbox.begin(logOffset(0));
  await quiet();
  expect([mailbox.waiting, mailbox.take()]).toEqual([false, []]);
});

/** A log that fails some times before it reads, and has lost what lies before an offset. */
class Failing {
  failures: number;
  start: number;

  constructor(failures: number, start: number) {
    this.failures = failures;
    this.start = start;
  }

  async bounds(at: TopicPartition): ReturnType<Log['bounds']> {
    return { ...(await log.bounds(at)), start: logOffset(this.start) };
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    if (from < this.start) throw new Error('it is not there any more');
    for await (const batch of log.read(at, from, { ...options, batchBytesMax: 1 })) {
      yield batch;
      if (this.failures-- > 0) throw new Error('the connection broke');
    }
  }
}

test('where reading fails it goes on behind what was read, after a pause, and says so once', async () => {
  mailbox = opened(new Failing(3, 0));
  await append(message(0), message(1), message(2), message(3), message(4));
  mailbox.begin(logOffset(0));
  await quiet();
  await quiet();
  expect(brief(mailbox.take()).map(([offset]) => offset)).toEqual([0, 1, 2, 3, 4]);
  expect(pauses).toBe(3);
  expect(told.filter((each) => each.startsWith('fails'))).toEqual(
    Array.from({ length: 3 }, () => 'fails: the connection broke'),
  );
  expect(told.at(-1)).toBe('works');
});

test('what is not kept any more is not waited for', async () => {
  mailbox = opened(new Failing(0, 2));
  await append(message(0), message(1), message(2));
  mailbox.begin(logOffset(0));
  await quiet();
  expect(brief(mailbox.take())).toEqual([[2, 2]]);
  expect(told).toEqual([]);
});
