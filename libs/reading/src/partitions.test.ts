import { partitionOf, tx } from '@pyralog/model';
import { beforeEach, expect, test } from 'vitest';
import { Partitions } from './partitions.ts';
import { Readers } from './testing/readers.ts';

let readers: Readers;
let partitions: Partitions;

beforeEach(async () => {
  readers = await Readers.open(3);
  partitions = new Partitions(readers.all);
});

test('an entity is read where it lies, the schema on the first', () => {
  expect(partitions.first).toBe(readers.all[0]);
  for (const entity of ['a', 'b', 'f', '{a}b'])
    expect(partitions.of(entity)).toBe(readers.all[partitionOf(entity, 3)]);
  expect(partitions.info.partitions).toBe(3);
});

test('the whole is closed as far as the least of them', () => {
  expect(partitions.closed).toBe(0n);
  readers.close(0, tx(30n));
  readers.close(1, tx(10n));
  expect(partitions.closed).toBe(0n);
  readers.close(2, tx(20n));
  expect(partitions.closed).toBe(10n);
  readers.close(1, tx(40n));
  expect(partitions.closed).toBe(20n);
});

test('who waits for a moment goes on when it is closed on all of them, and not before', async () => {
  let isOver = false;
  const waiting = partitions.waitClosed(tx(20n), 60_000).then(() => {
    isOver = true;
  });
  readers.close(0, tx(30n));
  readers.close(2, tx(20n));
  readers.close(1, tx(19n));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  readers.close(1, tx(20n));
  await waiting;
  expect(partitions.closed).toBe(20n);
});

test('who waits goes on when the time is over, or when it is told to stop', async () => {
  await partitions.waitClosed(tx(20n), 5);
  await partitions.waitClosed(tx(20n), 60_000, AbortSignal.abort());
  const stop = new AbortController();
  const waiting = partitions.waitClosed(tx(20n), 60_000, stop.signal);
  stop.abort();
  await waiting;
  expect(partitions.closed).toBe(0n);
});
