import { createHash } from 'node:crypto';
import { utf8Encode } from '@pyralog/base';
import {
  type CommitRecord,
  decodeCommitRecord,
  emptyLogState,
  encodeCommitRecord,
  encodeFacts,
  type SegmentRecord,
} from '@pyralog/format';
import type { LogReadOptions, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import {
  epoch,
  initialSchema,
  isPyralogError,
  type LogOffset,
  logOffset,
  ownerId,
  parseDocument,
  partitionNo,
  printDocument,
  PyralogError,
  tx,
} from '@pyralog/model';
import { type Clock, Health, SeededRand, type Timers } from '@pyralog/runtime';
import type { Need, NeedAnswer, Outcome, Sent } from '@pyralog/sequencing';
import { describe, expect, test } from 'vitest';
import type { BlobStore } from './blobs.ts';
import { DocumentQueue } from './document-queue.ts';
import { PartitionLeader } from './leader.ts';
import { NO_MAILBOX } from './mailbox.ts';

const topic: TopicPartition = { topic: 'main.commits', partition: partitionNo(0) };

/** Time that stands still until a test moves it. */
class SetTime implements Clock, Timers {
  #millis = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  nowNanos(): bigint {
    return 1_767_225_600_000_000_000n + BigInt(Math.round(this.#millis * 1e6));
  }

  monotonicMillis(): number {
    return this.#millis;
  }

  sleep(): Promise<void> {
    throw new Error('nobody asks for it');
  }

  immediate(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  after(delayMillis: number, call: () => void): Disposable {
    const timer = { at: this.#millis + delayMillis, call };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Moves on, has the timers call that are due, and lets all that follows from it happen. */
  async pass(millis: number): Promise<void> {
    this.#millis += millis;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#millis)) {
      this.#timers.delete(timer);
      timer.call();
    }
    for (let i = 0; i < 20; i++) await this.immediate();
  }
}

type AppendFault = 'full' | 'broken' | 'unheard';

/** A log whose appends fail as a test says: without effect, or with one that nobody hears of. */
class FaultyLog extends MemoryLog {
  fault: AppendFault | undefined;
  reads = 0;
  readFault = false;

  override async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    switch (this.fault) {
      case 'full':
        throw new PyralogError('storage-full', 'The disk is full.');
      case 'broken':
        throw new Error('EIO');
      case 'unheard':
        await super.append(at, records);
        throw new PyralogError('storage-failed', 'The answer was lost.');
      case undefined:
        return super.append(at, records);
    }
  }

  override read(
    at: TopicPartition,
    from: LogOffset,
    options: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    this.reads++;
    if (this.readFault) throw new PyralogError('storage-failed', 'The log cannot be read.');
    return super.read(at, from, options);
  }

  /** What is in it, whatever its faults. */
  all(): AsyncIterable<readonly StoredRecord[]> {
    return super.read(topic, logOffset(0), { follow: false });
  }
}

/** A store of blobs that a test has fail. */
class FaultyBlobs implements BlobStore {
  readonly contents = new Map<string, Uint8Array>();
  /** Which of the puts from now on fail: those for which it holds. */
  fails: (sha256: string) => boolean = () => false;
  /** Puts on their way, and the most there were at once. */
  atOnce = 0;
  atOnceMost = 0;

  async putBlob(sha256: string, content: Uint8Array): Promise<void> {
    this.atOnce++;
    this.atOnceMost = Math.max(this.atOnceMost, this.atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    this.atOnce--;
    if (this.fails(sha256)) throw new PyralogError('storage-failed', 'The bucket is broken.');
    this.contents.set(sha256, content);
  }
}

/** A leader of an empty partition in a world that a test breaks. */
class World {
  readonly log: FaultyLog;
  readonly #seed: number;
  readonly time = new SetTime();
  readonly blobs = new FaultyBlobs();
  readonly published: CommitRecord[] = [];
  readonly posted: Sent[] = [];
  readonly told: string[] = [];
  partitions = 1;
  /** Of the log where the manifest was cut; by default there is none. */
  start = emptyLogState();
  /** What segments have of the log before. */
  segments: readonly SegmentRecord[] = [];
  queue = new DocumentQueue({ documents: 100, bytes: 1e7 });
  room = true;
  /** What the index says; by default that it holds nothing. */
  answer: (need: Need) => NeedAnswer = nothing;
  /** Whether the index is known to hold nothing, so that it is not asked. */
  empty = true;

  constructor(log: FaultyLog = new FaultyLog(), seed = 1) {
    this.log = log;
    this.#seed = seed;
  }

  async lead(): Promise<PartitionLeader> {
    await this.log.createTopic(topic.topic, 1);
    this.queue = new DocumentQueue({ documents: 100, bytes: 1e7 });
    return PartitionLeader.lead({
      topic,
      partition: partitionNo(0),
      partitions: this.partitions,
      log: this.log,
      index: {
        start: async () => ({
          state: this.start,
          schema: initialSchema({}),
          empty: this.empty,
        }),
        answer: async (needs) => needs.map((need) => this.answer(need)),
        records: (offsets) => this.#recordsAt(offsets),
      },
      clock: this.time,
      timers: this.time,
      rand: new SeededRand(this.#seed),
      blobs: this.blobs,
      cacheBytesMax: 1e9,
      inbox: this.queue,
      mailbox: NO_MAILBOX,
      post: (messages) => this.posted.push(...messages),
      publish: (offset, record) => {
        if (offset >= this.published.length) this.published.push(record);
      },
      hasRoom: () => this.room,
      noRoom: () => new PyralogError('busy', 'The index has no room.'),
      health: new Health({
        clock: this.time,
        onFailure: (error) => this.told.push((error as PyralogError).code),
        onRecovery: () => this.told.push('well'),
      }),
    });
  }

  async *#recordsAt(offsets: readonly LogOffset[]): AsyncIterable<SegmentRecord> {
    yield* this.segments.filter(({ offset }) => offsets.includes(offset));
  }

  async records(): Promise<CommitRecord[]> {
    const records: CommitRecord[] = [];
    for await (const batch of this.log.all())
      for (const { value } of batch) records.push(decodeCommitRecord(value as Uint8Array));
    return records;
  }
}

function nothing(need: Need): NeedAnswer {
  switch (need.kind) {
    case 'entity':
      return { need, facts: [] };
    case 'owner':
      return { need, owner: undefined };
    case 'lastTx':
      return { need, tx: undefined };
    case 'hasFacts':
      return { need, hasFacts: false };
  }
}

async function submit(world: World, entity: string, id?: string): Promise<string> {
  return submitDocument(world, { id, ops: [{ entity, n: 1 }] });
}

/** @returns what became of it */
async function submitDocument(world: World, document: object): Promise<string> {
  const text = JSON.stringify(document);
  try {
    const outcome: Outcome = await world.queue.submit(
      parseDocument(Buffer.from(text)),
      text.length,
    );
    return outcome.kind;
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    return error.code;
  }
}

describe('a log that cannot be written', () => {
  test.each<[AppendFault, string, string]>([
    ['full', 'storage-full', 'storage-full'],
    ['broken', 'outcome-unknown', 'storage-failed'],
  ])(
    '%s: the epoch is given up, and the partition claimed again by itself',
    async (fault, first, later) => {
      const world = new World();
      await using _leader = await world.lead();
      expect(await submit(world, 'a')).toBe('committed');
      world.log.fault = fault;
      expect(await submit(world, 'b')).toBe(first);
      expect(await submit(world, 'c')).toBe(later);
      expect(world.told).toEqual([later]);
      const { reads } = world.log;
      // Pauses grow, and nothing is read before the log takes a record again.
      for (let i = 0; i < 8; i++) await world.time.pass(5_000);
      expect(await submit(world, 'd')).toBe(later);
      expect(world.log.reads).toBe(reads);
      expect(world.told).toEqual([later]);

      world.log.fault = undefined;
      expect(await submit(world, 'e')).toBe(later);
      await world.time.pass(5_000);
      expect(world.told).toEqual([later, 'well']);
      expect(await submit(world, 'f')).toBe('committed');
      const records = await world.records();
      expect(records.map(({ kind, epoch }) => [kind, epoch])).toEqual([
        ['epoch', 1],
        ['items', 1],
        ['epoch', 2],
        // The record that proves that the log can be written again.
        ['items', 2],
        ['items', 2],
      ]);
      expect(world.published).toEqual(records);
    },
  );

  test('what was written and not confirmed is there after the next claim, and is not written twice', async () => {
    const world = new World();
    await using _leader = await world.lead();
    world.log.fault = 'unheard';
    expect(await submit(world, 'a', 'key')).toBe('outcome-unknown');
    world.log.fault = undefined;
    await world.time.pass(5_000);
    expect(await submit(world, 'a', 'key')).toBe('duplicate');
    expect(world.published).toEqual(await world.records());
  });

  test('a claim that was written and not confirmed is outdone by the next', async () => {
    const world = new World();
    await using _leader = await world.lead();
    world.log.fault = 'full';
    await submit(world, 'a');
    world.log.fault = 'unheard';
    await world.time.pass(5_000);
    world.log.fault = undefined;
    await world.time.pass(5_000);
    expect(await submit(world, 'b')).toBe('committed');
    const epochs = (await world.records()).flatMap((record) =>
      record.kind === 'epoch' ? [record.epoch] : [],
    );
    // The first try at 2 counts for nobody here; the second is refused, so a third is made.
    expect(epochs).toEqual([1, 2, 2, 3]);
  });

  test('at the start it is read, and led when it can be', async () => {
    const world = new World();
    {
      await using _before = await world.lead();
      expect(await submit(world, 'a')).toBe('committed');
    }
    world.log.fault = 'full';
    world.published.length = 0;
    await using _leader = await world.lead();
    expect(world.published).toEqual(await world.records());
    expect(await submit(world, 'b')).toBe('storage-full');
    world.log.fault = undefined;
    await world.time.pass(5_000);
    expect(await submit(world, 'c')).toBe('committed');
  });

  test('that cannot be read either is not begun with', async () => {
    const world = new World();
    await (await world.lead())[Symbol.asyncDispose]();
    world.log.readFault = true;
    await expect(world.lead()).rejects.toMatchObject({ code: 'storage-failed' });
  });

  test('ends with it, without waiting', async () => {
    const world = new World();
    const leader = await world.lead();
    world.log.fault = 'full';
    const outcomes = Array.from({ length: 5 }, () => submit(world, 'a'));
    await leader[Symbol.asyncDispose]();
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['storage-full']));
    expect(await submit(world, 'b')).toBe('stopping');
    await world.time.pass(60_000);
    expect((await world.records()).length).toBe(1);
  });
});

describe('long values', () => {
  const long = (n: number): string => `${n} `.repeat(40_000);
  const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

  test('I7 are blobs before the record that names them is in the log, eight put at once', async () => {
    const world = new World();
    await using _leader = await world.lead();
    const append = world.log.append.bind(world.log);
    const there: number[] = [];
    world.log.append = async (at, records) => {
      there.push(world.blobs.contents.size);
      return append(at, records);
    };
    const many = Array.from({ length: 12 }, (_, n) => long(n));
    expect(await submitDocument(world, { ops: [{ entity: 'a', many }] })).toBe('committed');
    expect(there).toEqual([12]);
    expect(world.blobs.atOnceMost).toBe(8);
    for (const [sha256, content] of world.blobs.contents)
      expect(hashOf(Buffer.from(content).toString())).toBe(sha256);
    expect([...world.blobs.contents.keys()].toSorted()).toEqual(many.map(hashOf).toSorted());
  });

  test('that cannot be put are not committed: their writer is told, and nothing is written', async () => {
    const world = new World();
    await using _leader = await world.lead();
    expect(await submit(world, 'a')).toBe('committed');
    const before = await world.records();
    world.blobs.fails = (sha256) => sha256 === hashOf(long(1));
    const both = [
      submitDocument(world, { ops: [{ entity: 'a', many: [long(1), long(2)] }] }),
      submit(world, 'shares its record'),
    ];
    expect(await Promise.all(both)).toEqual(['storage-failed', 'storage-failed']);
    expect(await world.records()).toEqual(before);
    expect(world.published).toEqual(before);
    await world.time.pass(5_000);
    expect(world.told).toEqual(['storage-failed', 'well']);

    // What was resolved on what never was, is gone: the next sees the state before it.
    const absent = { if: [{ entity: 'shares its record', absent: true }], ops: [] };
    expect(await submitDocument(world, absent)).toBe('committed');
    world.blobs.fails = () => false;
    expect(await submitDocument(world, { ops: [{ entity: 'a', many: [long(1)] }] })).toBe(
      'committed',
    );
    expect(world.published).toEqual(await world.records());
  });

  test('of a transaction that is rejected are not put', async () => {
    const world = new World();
    await using _leader = await world.lead();
    const document = {
      if: [{ entity: 'a', attribute: 'n', is: 1 }],
      ops: [{ entity: 'a', text: long(1) }],
    };
    expect(await submitDocument(world, document)).toBe('rejected');
    expect(world.blobs.contents.size).toBe(0);
  });
});

describe('another owner', () => {
  test('I6 fences the one before: what that appends has no effect, and its writers do not hear of success', async () => {
    const one = new World();
    await using _one = await one.lead();
    expect(await submit(one, 'a')).toBe('committed');
    const other = new World(one.log, 2);
    await using _other = await other.lead();
    expect(await submit(other, 'b')).toBe('committed');

    expect(await submit(one, 'c')).toBe('outcome-unknown');
    expect(one.told).toEqual(['fenced']);
    expect(await submit(one, 'd')).toBe('fenced');
    // The void record is in the log, and no reader of either owner was given it.
    expect(one.published.length).toBe(2);
    const records = await one.records();
    expect(records.map(({ kind, epoch }) => [kind, epoch])).toEqual([
      ['epoch', 1],
      ['items', 1],
      ['epoch', 2],
      ['items', 2],
      ['items', 1],
    ]);
    expect(await submit(other, 'e')).toBe('committed');
    expect(await submit(other, 'f')).toBe('committed');
    expect(other.told).toEqual([]);
  });

  test('is outdone after a pause by one who still asks to lead, from what the log holds then', async () => {
    const one = new World();
    await using _one = await one.lead();
    const other = new World(one.log, 2);
    await using _other = await other.lead();
    expect(await submit(other, 'b', 'key')).toBe('committed');
    expect(await submit(one, 'c')).toBe('outcome-unknown');
    await one.time.pass(4_000);
    expect(await submit(one, 'b', 'key')).toBe('fenced');
    await one.time.pass(1_000);
    expect(one.told).toEqual(['fenced', 'well']);
    expect(await submit(one, 'b', 'key')).toBe('duplicate');
    expect(await submit(other, 'd')).toBe('outcome-unknown');
  });

  test('that appends between two records without a claim that counts changes nothing', async () => {
    const world = new World();
    await using _leader = await world.lead();
    const late = encodeCommitRecord({
      kind: 'epoch',
      epoch: epoch(1),
      owner: ownerId('f'.repeat(32)),
    });
    await world.log.append(topic, [{ value: late }]);
    expect(await submit(world, 'a')).toBe('committed');
    expect(await submit(world, 'b')).toBe('committed');
    expect(world.told).toEqual([]);
  });
});

describe('an index without room', () => {
  test('has writers wait a while, then refuses them at once, until there is room', async () => {
    const world = new World();
    await using leader = await world.lead();
    world.room = false;
    let waiting: string | undefined;
    const waited = submit(world, 'a').then((outcome) => (waiting = outcome));
    await world.time.pass(0);
    await world.time.pass(4_000);
    expect(waiting).toBeUndefined();
    await world.time.pass(1_500);
    expect(await waited).toBe('busy');
    expect(await submit(world, 'b')).toBe('busy');
    world.room = true;
    leader.indexed(logOffset(1));
    expect(await submit(world, 'c')).toBe('committed');
    // The next time, they wait again.
    world.room = false;
    const again = submit(world, 'd');
    await world.time.pass(4_000);
    world.room = true;
    leader.indexed(logOffset(1));
    expect(await again).toBe('committed');
  });

  test('does not keep time from going on, for readers who wait for it', async () => {
    const world = new World();
    await using leader = await world.lead();
    world.room = false;
    const waited = submit(world, 'a');
    await world.time.pass(100);
    const before = world.published.length;
    leader.requestClosed();
    await world.time.pass(100);
    expect(world.published.length).toBe(before + 1);
    // Those who wait do not wait longer for it.
    await world.time.pass(4_900);
    expect(await waited).toBe('busy');
  });

  test('does not hold up the end', async () => {
    const world = new World();
    const leader = await world.lead();
    world.room = false;
    const waited = submit(world, 'a');
    await world.time.pass(100);
    await leader[Symbol.asyncDispose]();
    expect(await waited).toBe('busy');
  });
});

describe('a document that cannot be resolved', () => {
  test.each([
    ['for damage in what it reads', new PyralogError('object-damaged', 'a.run'), 'object-damaged'],
    ['for a defect', new TypeError('x is undefined'), 'internal'],
  ])('%s is refused alone', async (_why, error, code) => {
    const world = new World();
    world.empty = false;
    world.answer = (need) => {
      if (need.kind === 'entity' && need.entity === 'bad') throw error;
      return nothing(need);
    };
    await using _leader = await world.lead();
    const outcomes = await Promise.all(['a', 'bad', 'b', 'c'].map((e) => submit(world, e)));
    expect(outcomes).toEqual(['committed', code, 'committed', 'committed']);
    expect(await submit(world, 'd')).toBe('committed');
    expect(world.published).toEqual(await world.records());
    expect(world.told).toEqual([]);
  });

  test('for a store that does not answer is refused with all that came with it', async () => {
    const world = new World();
    world.empty = false;
    let asked = 0;
    world.answer = () => {
      asked++;
      throw new PyralogError('storage-failed', 'EMFILE');
    };
    await using _leader = await world.lead();
    const outcomes = await Promise.all(['a', 'b', 'c'].map((e) => submit(world, e)));
    expect(outcomes).toEqual(['storage-failed', 'storage-failed', 'storage-failed']);
    expect(asked).toBe(1);
    world.answer = nothing;
    expect(await submit(world, 'a')).toBe('committed');
  });
});

test('T10 a transaction that was open at the cut is gone on with, whatever the log has forgotten', async () => {
  const world = new World();
  world.partitions = 2;
  // What the log has before the cut says nothing of it.
  const [cut, open] = [logOffset(3), logOffset(1)];
  const owner = ownerId('ab'.repeat(16));
  await world.log.createTopic(topic.topic, 1);
  for (let i = 1; i <= cut; i++) {
    const value = encodeCommitRecord({ kind: 'epoch', epoch: epoch(i), owner });
    await world.log.append(topic, [{ value }]);
  }
  const header = { owner, epoch: epoch(1), seq: 1, coordination: logOffset(0), marks: [] };
  const document = parseDocument('{"ops":[{"entity":"e:0","n":1}]}');
  const start = tx(world.time.nowNanos());
  const content = utf8Encode('{"document":"{\\"ops\\":[]}"}');
  world.segments = [
    {
      offset: open,
      record: {
        ...header,
        kind: 'items',
        lowWater: logOffset(1),
        closed: start,
        schemaTx: start,
        items: [
          {
            kind: 'begin',
            offset: logOffset(0),
            attempt: 1,
            start,
            begun: start,
            document: utf8Encode(printDocument(document)),
            contentHash: document.contentHash,
            parts: [{ partition: partitionNo(1), name: '', content }],
            facts: encodeFacts([]),
            locks: [],
          },
        ],
      },
    },
  ];
  world.start = {
    ...emptyLogState(),
    next: cut,
    clock: start,
    admission: { epoch: epoch(cut), owner, seq: 0 },
    lowWater: logOffset(1),
    open: { begun: [{ offset: logOffset(0), start, records: [open] }], prepared: [] },
  };
  await using _leader = await world.lead();
  await world.time.pass(0);
  expect(world.posted).toMatchObject([
    { to: 1, message: { kind: 'prepare', attempt: 1, id: { coordinator: 0, offset: 0 } } },
  ]);
});
