import { join } from 'node:path';
import {
  advance,
  decodeCommitRecord,
  emptyLogState,
  isOutcome,
  type LogState,
} from '@pyralog/format';
import type { StoredRecord } from '@pyralog/log';
import { LocalLog } from '@pyralog/log/local';
import { logOffset, partitionNo } from '@pyralog/model';
import { expect } from 'vitest';

/** What a commit log says of its inputs. */
export interface Outcomes {
  /** Behind its last record. */
  readonly state: LogState;
  /** Offsets of the inputs that have one, in the order of the log. */
  readonly inputs: readonly number[];
  /** Items of records that count, by kind. */
  readonly items: ReadonlyMap<string, number>;
}

/** Folds the records of a commit log. */
export async function outcomesOf(
  records: AsyncIterable<readonly StoredRecord[]>,
): Promise<Outcomes> {
  const inputs: number[] = [];
  const items = new Map<string, number>();
  let state = emptyLogState();
  for await (const batch of records) {
    for (const { offset, value } of batch) {
      const record = decodeCommitRecord(value ?? new Uint8Array(0), `record ${offset}`);
      const next = advance(state, offset, record);
      ({ state } = next);
      if (!next.counts || record.kind !== 'items') continue;
      inputs.push(...record.items.filter(isOutcome).map((item) => item.offset));
      for (const { kind } of record.items) items.set(kind, (items.get(kind) ?? 0) + 1);
    }
  }
  return { state, inputs, items };
}

/** No transaction over partitions is open, neither at its coordinator nor at a participant, and each input has one outcome (I9). */
export function expectSettled({ state, inputs }: Outcomes, what: string): void {
  const { open, done, lowWater } = state;
  expect([open.begun, open.prepared], `what is open on ${what}`).toEqual([[], []]);
  const sorted = inputs.toSorted((a, b) => a - b);
  expect(sorted, `I9: one outcome each on ${what}`).toEqual([...new Set(sorted)]);
  expect(done, `inputs above the low-water mark of ${what}`).toEqual([]);
  expect(sorted.at(-1) ?? -1).toBeLessThan(lowWater);
}

/** As {@link expectSettled}, of all partitions of a folder that nobody has open. @returns items by kind */
export async function checkSettled(
  dir: string,
  database: string,
  partitions: number,
): Promise<ReadonlyMap<string, number>> {
  await using log = await LocalLog.open({ dir: join(dir, 'log') });
  const all = new Map<string, number>();
  for (let p = 0; p < partitions; p++) {
    const topic = { topic: `${database}.commits`, partition: partitionNo(p) };
    const outcomes = await outcomesOf(log.read(topic, logOffset(0), { follow: false }));
    expectSettled(outcomes, `partition ${p} of ${database}`);
    for (const [kind, count] of outcomes.items) all.set(kind, (all.get(kind) ?? 0) + count);
  }
  return all;
}
