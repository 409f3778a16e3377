import { type Item } from '@pyralog/format';
import {
  type LogOffset,
  parseDocument,
  partitionOf,
  type TransactionDocument,
} from '@pyralog/model';
import { expect, test } from 'vitest';
import { type Effort, effortOf } from './outcome.ts';
import { Partitions } from './testing/partitions.ts';

const P = 2;
const MILLI = 1_000_000n;

/** The n-th entity of a partition. */
function entityOn(partition: number, n = 0): string {
  for (let i = 0, found = 0; ; i++) {
    if (partitionOf(`e:${i}`, P) === partition && found++ === n) return `e:${i}`;
  }
}

const [HERE, THERE] = [entityOn(0), entityOn(1)];

function assertOn(...entities: readonly string[]): TransactionDocument {
  return parseDocument(JSON.stringify({ ops: entities.map((entity) => ({ entity, x: 1 })) }));
}

/** Two partitions that know the attribute. */
function prepared(mode: 'import' | 'live' = 'live'): Partitions {
  const partitions = new Partitions(P, { mode });
  const schema = { ops: [{ entity: 'attribute:x', 'db/valueType': 'int' }] };
  partitions.publish(0, parseDocument(JSON.stringify(schema)));
  partitions.settle();
  return partitions;
}

function effort(partitions: Partitions, p: number, offset: LogOffset): Effort {
  const outcome = partitions.outcome(p, offset);
  if (outcome?.kind !== 'committed') throw new Error(`it is ${outcome?.kind}`);
  return outcome.effort;
}

function decided(partitions: Partitions, p: number, offset: LogOffset): Item & { kind: 'decided' } {
  const item = partitions.logged().get(`${p}.${offset}`);
  if (item?.kind !== 'decided') throw new Error(`it is ${item?.kind}`);
  return item;
}

/** What is asked elsewhere arrives, and after so long what is said to it. */
function answer(partitions: Partitions, p: number, after: bigint): void {
  partitions.step(p === 0 ? 1 : 0);
  partitions.now += after;
  partitions.step(p);
}

test('what begins as it comes has not waited, and was asked for until all had promised', () => {
  const partitions = prepared();
  const offset = partitions.publish(0, assertOn(HERE, THERE));
  partitions.step(0);
  answer(partitions, 0, 7n * MILLI);
  const { attempts, waitedNanos, askedNanos } = effort(partitions, 0, offset);
  expect({ attempts, waitedNanos }).toEqual({ attempts: 1, waitedNanos: 0n });
  // Times are rounded to steps of the clock.
  expect(Number(askedNanos)).toBeCloseTo(7e6, -4);
  expect(effortOf(decided(partitions, 0, offset), 'live')).toEqual(effort(partitions, 0, offset));
});

test('what has to wait for another says how long, on one partition and on several', () => {
  const partitions = prepared();
  partitions.publish(0, assertOn(HERE, THERE));
  partitions.step(0);
  partitions.now += 3n * MILLI;
  const one = partitions.publish(0, assertOn(HERE));
  const several = partitions.publish(0, assertOn(HERE, THERE));
  const other = partitions.publish(0, assertOn(entityOn(0, 1)));
  partitions.step(0);
  expect(effort(partitions, 0, other)).toEqual({ attempts: 1, waitedNanos: 0n, askedNanos: 0n });
  answer(partitions, 0, 5n * MILLI);
  const waited = effort(partitions, 0, one);
  expect(waited).toMatchObject({ attempts: 1, askedNanos: 0n });
  expect(Number(waited.waitedNanos)).toBeCloseTo(5e6, -4);
  answer(partitions, 0, 2n * MILLI);
  const both = effort(partitions, 0, several);
  expect(both.attempts).toBe(1);
  expect(Number(both.waitedNanos)).toBeCloseTo(5e6, -4);
  expect(Number(both.askedNanos)).toBeCloseTo(2e6, -4);
});

/** A younger transaction of 0 gives way on 1 to an older one. @returns its offset */
function givesWay(partitions: Partitions): LogOffset {
  partitions.publish(1, assertOn(THERE, HERE));
  partitions.step(1);
  partitions.now += 1n * MILLI;
  const offset = partitions.publish(0, assertOn(THERE));
  // Only its own document: the older one's prepare is still on its way.
  partitions.step(0, { messages: 0 });
  partitions.step(1);
  return offset;
}

test('an attempt that gave way is counted, and its time is waited', () => {
  const partitions = prepared();
  const offset = givesWay(partitions);
  partitions.now += 4n * MILLI;
  partitions.settle();
  const { attempts, waitedNanos, askedNanos } = effort(partitions, 0, offset);
  expect(attempts).toBe(2);
  expect(Number(waitedNanos)).toBeGreaterThanOrEqual(4e6);
  // Nothing takes time any more.
  expect(Number(askedNanos)).toBeLessThan(1e5);
  const { attempt, begun, start, tx } = decided(partitions, 0, offset);
  expect(attempt).toBe(2);
  expect(start < begun && begun < tx).toBe(true);
  expect({ waitedNanos: begun - start, askedNanos: tx - begun }).toEqual({
    waitedNanos,
    askedNanos,
  });
});

test('a new owner knows when the attempt began', () => {
  const partitions = prepared();
  partitions.publish(0, assertOn(HERE, THERE));
  partitions.step(0);
  const offset = partitions.publish(0, assertOn(HERE, THERE));
  partitions.step(0);
  answer(partitions, 0, 6n * MILLI);
  // It has begun, and is led by another from here on.
  partitions.now += 50n * MILLI;
  partitions.kill(0);
  partitions.settle();
  const item = decided(partitions, 0, offset);
  expect(Number(item.begun - item.start)).toBeCloseTo(6e6, -4);
  expect(Number(item.tx - item.begun)).toBeCloseTo(5e7, -4);
});

test('in import mode, where time is that of the data, durations are not known', () => {
  const partitions = prepared('import');
  const offset = partitions.publish(0, assertOn(HERE, THERE));
  partitions.settle();
  const unknown = { attempts: 1, waitedNanos: undefined, askedNanos: undefined };
  expect(effort(partitions, 0, offset)).toEqual(unknown);
  expect(decided(partitions, 0, offset)).toMatchObject({ attempt: 1 });
  const { start, begun } = decided(partitions, 0, offset);
  expect(begun).toBe(start);
});
