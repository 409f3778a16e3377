/**
 * The power goes at any call that the local log makes of its disk, or the process is killed there and the
 * power goes later; now and then the disk is full before. Whatever the disk kept of what was not synced:
 * what was acknowledged is there, once and in order; behind it, at most the beginning of what was being
 * written; what anybody has read of it stays, and what was refused never comes.
 *
 * `PYRALOG_SEED` repeats a run; `PYRALOG_POWER_LOSSES` sets how many lives there are, otherwise the time
 * budget does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalLog } from '@pyralog/log/local';
import { isPyralogError, logOffset, partitionNo } from '@pyralog/model';
import { SeededRand } from '@pyralog/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Crash, Disk } from './log-disk.ts';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const LIVES = Number(process.env['PYRALOG_POWER_LOSSES'] ?? 1_000);
const BUDGET_MILLIS =
  process.env['PYRALOG_POWER_LOSSES'] === undefined ? 5_000 : Number.POSITIVE_INFINITY;
/** Lives of one log; then another begins on an empty disk. */
const LIVES_OF_A_LOG = 20;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pyralog-power-'));
});
afterAll(() => rm(root, { recursive: true }));

test('nothing acknowledged is lost with the power', { timeout: 600_000 }, async () => {
  const rand = new SeededRand(SEED);
  const deadline = Date.now() + BUDGET_MILLIS;
  let acknowledged = 0;
  let life = 0;
  while (life < LIVES && Date.now() < deadline) {
    const disk = new Disk(join(root, String(life)));
    const history = new History();
    for (let i = 0; i < LIVES_OF_A_LOG; i++, life++) {
      await live(unlucky(disk, rand), history, rand, 8);
      if (below(rand, 2) === 0)
        disk.losePower(rand, [0, 0.2, 0.5, 0.8, 1][below(rand, 5)] as number);
      else disk.kill();
    }
    expect(await live(disk, history, rand, 8)).toBe(true);
    disk.kill();
    acknowledged += history.settled.length;
  }
  process.stdout.write(`power loss: seed ${SEED}, ${life} lives, ${acknowledged} records\n`);
  expect(life).toBeGreaterThanOrEqual(LIVES_OF_A_LOG);
  expect(acknowledged).toBeGreaterThan(life);
});

/** How a first process ends, and which part of the cache is written then; undefined where it stays. */
const ENDS = {
  'a kill': undefined,
  'a loss of all that was not synced': 0,
  'a loss of half of it': 0.5,
  'a full disk and then such a loss': 0.5,
};

test.each(Object.entries(ENDS))(
  'a log begins anew from what %s leaves, at whichever call it comes',
  { timeout: 120_000 },
  async (end, kept) => {
    const calm = new Disk(join(root, `${end} never`));
    await live(calm, new History(), new SeededRand(SEED), 4);
    expect(calm.calls).toBeGreaterThan(20);
    for (let call = 0; call < 4 * calm.calls; call++) {
      const rand = new SeededRand(SEED + call);
      const disk = new Disk(join(root, `${end} ${call}`));
      const history = new History();
      if (end.includes('full')) disk.fullAt = call % calm.calls;
      else disk.crashAt = call % calm.calls;
      await live(disk, history, rand, 4);
      if (kept === undefined) disk.kill();
      else disk.losePower(rand, kept);
      // What a killed process did not come to is made up for before anything else is acknowledged.
      expect(await live(disk, history, rand, 1)).toBe(true);
      disk.losePower(rand, 0);
      expect(await live(disk, history, rand, 1)).toBe(true);
      disk.kill();
      expect(history.settled.length).toBeGreaterThan(0);
    }
  },
);

/** What a log should hold. */
class History {
  /** Acknowledged, or read. */
  settled: string[] = [];
  /** Given to the log behind those, not acknowledged. */
  open: string[] = [];
  made = 0;

  /** Compares with what is there; what is there stays from now on. */
  check(found: readonly string[]): void {
    const behind = found.slice(this.settled.length);
    const expected = [...this.settled, ...this.open.slice(0, behind.length)];
    // Their beginnings tell more to those who read a failure than all of their bytes.
    expect(found.map(beginning), `seed ${SEED}`).toEqual(expected.map(beginning));
    expect(
      found.every((record, i) => record === expected[i]),
      `seed ${SEED}: bytes`,
    ).toBe(true);
    this.settled = expected;
    this.open = [];
  }
}

const below = (rand: SeededRand, end: number): number => Math.floor(rand.fraction() * end);

/** A disk on which a process crashes somewhere, and that is full at times. */
function unlucky(disk: Disk, rand: SeededRand): Disk {
  disk.crashAt = below(rand, below(rand, 2) === 0 ? 12 : 60);
  disk.crashAtSync = below(rand, 2) === 0;
  if (below(rand, 3) === 0) disk.fullAt = below(rand, 40);
  return disk;
}

/**
 * A process that opens the log, looks at it and writes so many groups, unless its disk ends it before: by
 * a crash, or by being full.
 * @returns whether it came to its end
 */
async function live(
  disk: Disk,
  history: History,
  rand: SeededRand,
  groups: number,
): Promise<boolean> {
  // Small files, so that many end.
  const options = { dir: disk.dir, files: disk.files, fileBytes: 6_000 };
  let log: LocalLog | undefined;
  try {
    log = await LocalLog.open(options);
    await log.createTopic(at.topic, 2);
    history.check(await texts(log));
    for (let group = 0; group < groups; group++) await append(log, history, rand);
    return true;
  } catch (error) {
    if (!isCrash(error)) throw error;
    return false;
  } finally {
    await log?.[Symbol.asyncDispose]();
  }
}

/** Few, so that what is written takes the place of what was to the byte; of less than a sector and more. */
const LENGTHS = [0, 0, 490, 497, 1_001, 2_800];
const at = { topic: 'main.commits', partition: partitionNo(0) };

async function texts(log: LocalLog): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of log.read(at, logOffset(0), { follow: false }))
    for (const { value } of batch) found.push(Buffer.from(value ?? []).toString());
  return found;
}

/** A group commit of several callers, of one to some records each. */
async function append(log: LocalLog, history: History, rand: SeededRand): Promise<void> {
  const calls = Array.from({ length: 1 + below(rand, 3) }, () =>
    Array.from({ length: 1 + below(rand, 3) }, () =>
      record(history.made++, LENGTHS[below(rand, LENGTHS.length)] as number),
    ),
  );
  history.open.push(...calls.flat());
  const results = await Promise.allSettled(
    calls.map((records) =>
      log.append(
        at,
        records.map((record) => ({ value: Buffer.from(record) })),
      ),
    ),
  );
  for (const [i, result] of results.entries()) {
    if (result.status === 'rejected') {
      // The one refusal that says that nothing of it will ever appear. Half of those who hear it go on.
      const { reason } = result as { readonly reason: unknown };
      if (isPyralogError(reason) && reason.code === 'storage-full') history.open = [];
      if (history.open.length > 0 || below(rand, 2) === 0) throw reason;
      return;
    }
    history.settled.push(...history.open.splice(0, calls[i]?.length));
  }
}

const beginning = (record: string): string => record.slice(0, 12);

const record = (i: number, length: number): string => `record ${i} ${'abcdefg'.repeat(length / 7)}`;

/** The crash itself or the full disk, or an operating error that one of them became. */
function isCrash(error: unknown): boolean {
  if (error instanceof Crash) return true;
  return isPyralogError(error) && (isCrash(error.cause) || error.code.startsWith('storage-'));
}
