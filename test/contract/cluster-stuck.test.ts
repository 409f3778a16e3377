/** A transaction over partitions that cannot go on: who reads goes on where it can, and the status names what waits. */
import { MemoryLog } from '@pyralog/log/memory';
import type { LogRecord, TopicPartition } from '@pyralog/log';
import { type LogOffset, partitionNo, partitionOf } from '@pyralog/model';
import { afterAll, expect, test } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { create, write } from './database-support.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const PARTITIONS = 3;
/** An entity of a partition. */
const on = (p: number, prefix = 'e'): string =>
  Array.from({ length: 100 }, (_, i) => `${prefix}:${i}`).find(
    (entity) => partitionOf(entity, PARTITIONS) === p,
  ) ?? '';
const [A, B, C] = [on(0), on(1), on(2)];

/** A log that loses the messages to some partitions. */
class DeafLog extends MemoryLog {
  readonly deaf = new Set<number>();

  override async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    if (at.topic.endsWith('.coordination') && this.deaf.has(at.partition))
      return (await this.bounds(at)).end;
    return super.append(at, records);
  }
}

test('I2 I4 I14 what waits for a vote holds back its own partitions only, is named, and is committed when it comes', async () => {
  const log = new DeafLog();
  const nobody = (): void => undefined;
  const rule = { factsMax: 1_000, bytesMax: 1e9 };
  await using cluster = await ClusterOfOne.start(threads, rule, nobody, log);
  const database = await create(cluster, 'main', { partitions: PARTITIONS });
  const before = await write(
    database,
    { entity: A, n: 1 },
    { entity: B, n: 1 },
    { entity: C, n: 1 },
  );
  await database.state({ index: 'eavt' }, { await: before.tx });
  // The coordinator hears nothing of what others promise.
  log.deaf.add(partitionOf(A, PARTITIONS));
  const committing = write(database, { entity: A, n: 2 }, { entity: B, n: 2 });
  const openOf = async (): Promise<unknown> =>
    (await database.status()).partitions.map(({ open }) =>
      open.map(({ coordinator, role }) => [coordinator, role]),
    );
  await expect
    .poll(openOf, { timeout: 5_000 })
    .toEqual([[[0, 'coordinator']], [[0, 'participant']], []]);
  const [told] = (await database.status()).partitions[0]?.open ?? [];
  expect(Math.abs(Date.parse(told?.since ?? '') - Date.now())).toBeLessThan(60_000);

  // Elsewhere all goes on, and time with it.
  const { tx } = await write(database, { entity: C, n: 3 });
  expect((await database.entity(C, { await: tx })).attributes.get('n')?.values).toEqual([
    { type: 'int', value: 3n },
  ]);
  // Of what is promised nobody sees anything; the whole is read at the moment before it.
  expect((await database.entity(B)).attributes.get('n')?.values).toEqual([
    { type: 'int', value: 1n },
  ]);
  expect((await database.status()).partitions[partitionNo(1)]?.closed).toBeLessThan(tx);
  log.deaf.clear();
  const after = await committing;
  expect(after.tx > before.tx).toBe(true);
  for (const entity of [A, B]) {
    expect(
      (await database.entity(entity, { await: after.tx })).attributes.get('n')?.values,
    ).toEqual([{ type: 'int', value: 2n }]);
  }
  await expect.poll(openOf).toEqual([[], [], []]);
});

test('I9 a writer whose transaction waits for other partitions hears its outcome, though younger ones have theirs', async () => {
  const log = new DeafLog();
  const nobody = (): void => undefined;
  const rule = { factsMax: 1_000, bytesMax: 1e9 };
  await using cluster = await ClusterOfOne.start(threads, rule, nobody, log);
  const database = await create(cluster, 'main', { partitions: PARTITIONS });
  await write(database, { entity: A, n: 1 });
  log.deaf.add(partitionOf(A, PARTITIONS));
  const committing = write(database, { entity: A, n: 2 }, { entity: B, n: 2 });
  await expect
    .poll(async () => (await database.status()).partitions[0]?.open, { timeout: 5_000 })
    .toHaveLength(1);
  for (let n = 1; n <= 3; n++) await write(database, { entity: on(0, 'other'), n });
  log.deaf.clear();
  const { tx } = await committing;
  expect((await database.entity(B, { await: tx })).attributes.get('n')?.values).toEqual([
    { type: 'int', value: 2n },
  ]);
});
