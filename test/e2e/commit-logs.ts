import { join } from 'node:path';
import { advance, decodeCommitRecord, emptyLogState, isOutcome } from '@pyralog/format';
import { LocalLog } from '@pyralog/log/local';
import { logOffset, partitionNo } from '@pyralog/model';
import { expect } from 'vitest';

/** What the commit logs of a database say of transactions over partitions. */
export interface Committing {
  /** Commits that several partitions took part in, and attempts at some that gave way or were refused. */
  readonly decided: number;
  readonly retried: number;
  readonly refused: number;
}

/**
 * Every input of the partitions of a folder has one outcome (I9), and no transaction over partitions is open: neither at
 * its coordinator nor at a participant. Nobody may have the folder open.
 */
export async function checkSettled(
  dir: string,
  database: string,
  partitions: number,
): Promise<Committing> {
  await using log = await LocalLog.open({ dir: join(dir, 'log') });
  const counts = { decided: 0, retried: 0, refused: 0 };
  for (let p = 0; p < partitions; p++) {
    const outcomes: number[] = [];
    let state = emptyLogState();
    const topic = { topic: `${database}.commits`, partition: partitionNo(p) };
    for await (const records of log.read(topic, logOffset(0), { follow: false })) {
      for (const { offset, value } of records) {
        const record = decodeCommitRecord(value ?? new Uint8Array(0), `record ${offset}`);
        const next = advance(state, offset, record);
        ({ state } = next);
        if (!next.counts || record.kind !== 'items') continue;
        outcomes.push(...record.items.filter(isOutcome).map((item) => item.offset));
        for (const { kind } of record.items) {
          if (kind === 'decided') counts.decided++;
          else if (kind === 'retry') counts.retried++;
          else if (kind === 'refused') counts.refused++;
        }
      }
    }
    const { begun, prepared } = state.open;
    expect([begun, prepared], `what is open on partition ${p}`).toEqual([[], []]);
    const inputs = outcomes.toSorted((a, b) => a - b);
    expect(inputs, 'I9: one outcome each').toEqual([...new Set(inputs)]);
    expect(state.done, `inputs above the low-water mark of partition ${p}`).toEqual([]);
    expect(inputs.at(-1) ?? -1).toBeLessThan(state.lowWater);
  }
  return counts;
}
