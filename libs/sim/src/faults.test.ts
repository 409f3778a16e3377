import type { LogRecord, StoredRecord } from '@pyralog/log';
import { logOffset, partitionNo } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { type Choice, seededChoices } from './choice.ts';
import { FAULT_NAMES, type FaultName, FAULTS, faultTable, Swarm } from './faults.ts';
import { SimBrokers } from './log.ts';
import { SimProcess } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { SimBucket } from './store.ts';

const at = { topic: 'main.commits', partition: partitionNo(0) };
const record: LogRecord = { value: Uint8Array.of(1) };

/** One fault, on every occasion; everything else by seed. */
function worldOf(fault: FaultName, seed = 1) {
  const choices = seededChoices(seed);
  const always: Choice = { pick: () => 2, chance: (_, label) => label === `${fault} is on` };
  const swarm = Swarm.draw(always, [fault]);
  const scheduler = new Scheduler({ choice: choices.stream('scheduler') });
  const stream = choices.stream('process');
  const process = new SimProcess('process', scheduler, {
    pick: (n, label) => stream.pick(n, label),
    chance: (_, label) => label === fault,
  });
  const brokers = new SimBrokers();
  brokers.createTopic(at.topic, 1);
  const bucket = new SimBucket();
  return {
    scheduler,
    process,
    brokers,
    bucket,
    swarm,
    log: brokers.connect(process, swarm),
    store: bucket.connect(process, swarm),
    /** What a call comes to when nothing is pending any more. */
    outcome: async <T>(calling: Promise<T>): Promise<T | string> => {
      const settled = calling.catch((error: unknown) => (error as { code: string }).code);
      await scheduler.idle(1_000);
      return settled;
    },
  };
}

describe('faults', () => {
  test('each has a line in the table', () => {
    expect(faultTable().split('\n')).toHaveLength(FAULT_NAMES.length + 1);
    for (const name of FAULT_NAMES)
      expect(Object.values(FAULTS[name].expected).some((each) => each !== '-')).toBe(true);
  });

  test.each([
    ['append-fails', 'storage-failed', 0],
    ['append-unheard', 'storage-failed', 1],
    ['append-late', 'storage-failed', 1],
    ['append-lost', 'storage-failed', 0],
  ] as const)(
    '%s: the caller hears %s, and %d records are in the log',
    async (fault, heard, count) => {
      const { log, brokers, outcome } = worldOf(fault);
      expect(await outcome(log.append(at, [record]))).toBe(heard);
      expect(brokers.records(at)).toHaveLength(count);
    },
  );

  test('append-twice: two records, of which either is answered', async () => {
    const answered = new Set<unknown>();
    for (let seed = 1; seed <= 12; seed++) {
      const { log, brokers, outcome } = worldOf('append-twice', seed);
      answered.add(await outcome(log.append(at, [record])));
      expect(brokers.records(at)).toHaveLength(2);
    }
    expect([...answered].sort()).toEqual([0, 1]);
  });

  test('offset-gap: readers go over it, at the end of the log too', async () => {
    const { log, brokers, outcome, scheduler } = worldOf('offset-gap');
    for (let i = 0; i < 3; i++) await outcome(log.append(at, [record]));
    const seen: StoredRecord[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const batch of log.read(at, logOffset(0), { follow: true, signal: stop.signal }))
        seen.push(...batch);
    })();
    await scheduler.idle(100);
    await outcome(log.append(at, [record]));
    stop.abort();
    await reading;
    const offsets = seen.map(({ offset }) => offset as number);
    expect(offsets).toEqual(brokers.records(at).map(({ offset }) => offset));
    expect(offsets).toHaveLength(4);
    expect(offsets.at(-1)).toBeGreaterThan(3);
    expect(
      await outcome(log.read(at, logOffset(2), { follow: false })[Symbol.asyncIterator]().next()),
    ).toMatchObject({ done: false });
  });

  test('retention: what is cut off cannot be read, and nothing is skipped quietly', async () => {
    const { log, brokers, outcome } = worldOf('retention-cut');
    for (let i = 0; i < 5; i++) await outcome(log.append(at, [record]));
    brokers.cut(at, logOffset(3));
    expect(await outcome(log.bounds(at))).toEqual({ start: 3, end: 5 });
    const first = (from: number) =>
      outcome(log.read(at, logOffset(from), { follow: false })[Symbol.asyncIterator]().next());
    expect(await first(2)).toBe('offset-out-of-range');
    expect(await first(3)).toMatchObject({ value: expect.anything() });
  });

  test.each([
    ['put-fails', 'storage-failed', undefined],
    ['put-unheard', 'storage-failed', '1'],
    ['put-own-exists', 'exists', '1'],
  ] as const)('%s: the caller hears %s, and the key has %s', async (fault, heard, content) => {
    const { store, bucket, outcome } = worldOf(fault);
    expect(await outcome(store.put('a', Uint8Array.of(1)))).toBe(heard);
    expect(bucket.at('a')?.bytes.join()).toBe(content);
    expect(bucket.changes).toHaveLength(content === undefined ? 0 : 1);
  });

  test.each(['range-short', 'bit-flip', 'list-stale', 'get-fails'] as const)(
    '%s: a read is not what was put, and the bucket still has that',
    async (fault) => {
      const { store, bucket, outcome, process } = worldOf(fault);
      // What was there when the world began is in every list.
      await outcome(process.complete('waits', 1_000, () => undefined));
      bucket.put('a', Uint8Array.of(1, 2, 3, 4), process);
      const listed = () => store.list('')[Symbol.asyncIterator]().next();
      const answers = [
        await outcome(store.getRange('a', 0, 4).then((bytes) => bytes?.join())),
        await outcome(listed().then(({ value }) => (value as { key: string } | undefined)?.key)),
      ];
      expect(answers).not.toEqual(['1,2,3,4', 'a']);
      expect(bucket.at('a')?.bytes.join()).toBe('1,2,3,4');
    },
  );

  test('who is cut off reaches nothing until the time is over', async () => {
    const { log, store, brokers, bucket, process, outcome } = worldOf('log-away');
    brokers.cutOff(process, 10_000);
    bucket.cutOff(process, 10_000);
    expect(await outcome(log.append(at, [record]))).toBe('storage-failed');
    expect(await outcome(store.get('a'))).toBe('unreachable');
    await process.wait('waits', 0, AbortSignal.abort());
    void process.complete('waits', 20_000, () => undefined);
    await outcome(Promise.resolve());
    expect(await outcome(log.append(at, [record]))).toBe(0);
    expect(await outcome(store.get('a'))).toBeUndefined();
  });

  test('a swarm that was stopped is calm', async () => {
    const { log, swarm, outcome } = worldOf('append-fails');
    swarm.stop();
    expect(await outcome(log.append(at, [record]))).toBe(0);
  });

  test('runs have different faults on, at different rates', () => {
    const drawn = new Set(
      Array.from({ length: 20 }, (_, seed) =>
        Swarm.draw(seededChoices(seed).stream('swarm'), FAULT_NAMES).describe().join(),
      ),
    );
    expect(drawn.size).toBe(20);
  });
});
