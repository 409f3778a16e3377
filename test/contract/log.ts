import { type LogOffset, isPyralogError, logOffset, partitionNo } from '@pyralog/model';
import type { Log, StoredRecord, TopicPartition } from '@pyralog/log';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** A log under test. */
export interface LogUnderTest {
  readonly log: Log;
  close(): Promise<void>;
}

/** One that outlives its process. */
export interface DurableLogUnderTest extends LogUnderTest {
  /** Closes it and opens it again. */
  reopen(): Promise<Log>;
}

const at: TopicPartition = { topic: 'main.commits', partition: partitionNo(0) };
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** What every adapter of Log promises (libs/log/src/log.ts). Assumes neither offsets without gaps nor speed. */
export function logContract(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`Log: ${name}`, () => {
    let tested: LogUnderTest;
    let log: Log;
    beforeEach(async () => {
      tested = await make();
      log = tested.log;
      await log.createTopic(at.topic, 2);
    });
    afterEach(() => tested.close());

    test('records come back in order, whole, from any of their offsets', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 30 }),
          async (values) => {
            const first = await log.append(
              at,
              values.map((value) => ({ value })),
            );
            const stored = await readAll(log, first);
            expect(stored.map(({ value }) => value && Buffer.from(value))).toEqual(
              values.map((value) => Buffer.from(value)),
            );
            for (const [i, { offset }] of stored.entries()) {
              const rest = await readAll(log, offset);
              expect(rest.map((record) => record.offset)).toEqual(
                stored.slice(i).map((record) => record.offset),
              );
            }
          },
        ),
        { numRuns: 15 },
      );
    });

    test('keys, headers, tombstones and empty values are kept', async () => {
      const first = await log.append(at, [
        { key: bytes('k'), value: null },
        { value: bytes(''), headers: { a: bytes('1'), 'b\u{1F600}': bytes('') } },
      ]);
      const [tombstone, headed] = await readAll(log, first);
      expect(tombstone?.value).toBeNull();
      expect(Buffer.from(tombstone?.key ?? []).toString()).toBe('k');
      expect(headed?.value?.length).toBe(0);
      expect(Object.keys(headed?.headers ?? {})).toEqual(['a', 'b\u{1F600}']);
    });

    test('offsets rise, and appends of several callers are not torn apart', async () => {
      const firsts = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          log.append(at, [{ value: bytes(`${i}a`) }, { value: bytes(`${i}b`) }]),
        ),
      );
      expect(new Set(firsts).size).toBe(20);
      const texts = (await readAll(log, logOffset(0))).map(({ value }) =>
        Buffer.from(value as Uint8Array).toString(),
      );
      for (let i = 0; i < 20; i++) expect(texts.indexOf(`${i}b`)).toBe(texts.indexOf(`${i}a`) + 1);
    });

    test('a reader that follows sees what comes later, until it is told to stop', async () => {
      const stop = new AbortController();
      const seen: string[] = [];
      const following = (async () => {
        for await (const batch of log.read(at, logOffset(0), {
          follow: true,
          signal: stop.signal,
        })) {
          for (const { value } of batch) seen.push(Buffer.from(value as Uint8Array).toString());
          if (seen.length === 3) stop.abort();
        }
      })();
      for (const text of ['x', 'y', 'z']) await log.append(at, [{ value: bytes(text) }]);
      await following;
      expect(seen).toEqual(['x', 'y', 'z']);
    });

    test('a large record comes alone, and batches are bounded', async () => {
      const large = new Uint8Array(300_000).fill(7);
      await log.append(at, [{ value: large }, { value: bytes('small') }, { value: large }]);
      const sizes: number[] = [];
      for await (const batch of log.read(at, logOffset(0), {
        follow: false,
        batchBytesMax: 100_000,
      }))
        sizes.push(batch.length);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3);
      expect(sizes.length).toBeGreaterThan(1);
    });

    test('partitions are apart, and one that is not there is refused', async () => {
      await log.append({ ...at, partition: partitionNo(1) }, [{ value: bytes('other') }]);
      expect((await log.bounds(at)).end).toBe(0);
      await refused('not-found', () => log.bounds({ ...at, partition: partitionNo(2) }));
      await refused('not-found', () =>
        log.append({ ...at, topic: 'none' }, [{ value: bytes('x') }]),
      );
      await refused('parameter-invalid', () => log.createTopic(at.topic, 3));
    });

    test('an offset beyond the end is refused', async () => {
      await refused('offset-out-of-range', () => readAll(log, logOffset(5)));
    });
  });
}

/** What an adapter promises besides where it outlives its process. */
export function durableLogContract(name: string, make: () => Promise<DurableLogUnderTest>): void {
  test(`Log: ${name}: what was appended is there after closing and opening`, async () => {
    const tested = await make();
    await tested.log.createTopic(at.topic, 2);
    await tested.log.append(at, [{ value: bytes('1') }, { value: bytes('2') }]);
    const again = await tested.reopen();
    expect(await readAll(again, logOffset(0))).toHaveLength(2);
    const third = await again.append(at, [{ value: bytes('3') }]);
    expect(third).toBe((await again.bounds(at)).end - 1);
    expect(await readAll(again, logOffset(0))).toHaveLength(3);
    await tested.close();
  });
}

async function readAll(log: Log, from: LogOffset): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const batch of log.read(at, from, { follow: false })) {
    expect(batch.length, 'batches are not empty').toBeGreaterThan(0);
    records.push(...batch);
  }
  return records;
}

async function refused(code: string, call: () => Promise<unknown>): Promise<void> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) ? error.code : error).toBe(code);
}
