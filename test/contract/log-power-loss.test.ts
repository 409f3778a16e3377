/**
 * The power goes at any call that the local log makes of its disk, or the process is killed there and the
 * power goes later. Whatever the disk kept of what was not synced: what was acknowledged is there, once and
 * in order; behind it, at most the beginning of what was being written; and what anybody has read of it
 * stays.
 *
 * `PYRALOG_SEED` repeats a run; `PYRALOG_POWER_LOSSES` sets how many lives a log has.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalLog } from '@pyralog/log/local';
import { logOffset, partitionNo } from '@pyralog/model';
import { SeededRand } from '@pyralog/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Crash, Disk } from './log-disk.ts';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const LIVES = Number(process.env['PYRALOG_POWER_LOSSES'] ?? 400);
/** Lives of one log; then another begins on an empty disk. */
const LIVES_OF_A_LOG = 20;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pyralog-power-'));
});
afterAll(() => rm(root, { recursive: true }));

test('nothing acknowledged is lost with the power', { timeout: 600_000 }, async () => {
  const rand = new SeededRand(SEED);
  let acknowledged = 0;
  for (let life = 0; life < LIVES;) {
    const disk = new Disk(join(root, String(life)));
    const history = new History();
    for (let i = 0; i < LIVES_OF_A_LOG; i++, life++) {
      await live(disk, history, rand);
      if (rand.fraction() < 0.7) disk.losePower(rand);
      else disk.kill();
    }
    await live(disk, history, rand, 'calm');
    disk.kill();
    acknowledged += history.settled.length;
  }
  process.stdout.write(`power loss: seed ${SEED}, ${LIVES} lives, ${acknowledged} records\n`);
  expect(acknowledged).toBeGreaterThan(LIVES);
});

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

/** A process that opens the log, looks at it and writes until it crashes. */
async function live(disk: Disk, history: History, rand: SeededRand, calm?: 'calm'): Promise<void> {
  const below = (end: number): number => Math.floor(rand.fraction() * end);
  if (calm === undefined) disk.crashAt = below(below(2) === 0 ? 12 : 60);
  // Small files, so that many end.
  const options = { dir: disk.dir, files: disk.files, fileBytes: 6_000 };
  let log: LocalLog | undefined;
  try {
    log = await LocalLog.open(options);
    await log.createTopic(at.topic, 2);
    history.check(await texts(log));
    for (let group = 0; group < 8; group++) await append(log, history, below);
  } catch (error) {
    if (!isCrash(error)) throw error;
  } finally {
    await log?.[Symbol.asyncDispose]();
  }
}

const at = { topic: 'main.commits', partition: partitionNo(0) };

async function texts(log: LocalLog): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of log.read(at, logOffset(0), { follow: false }))
    for (const { value } of batch) found.push(Buffer.from(value ?? []).toString());
  return found;
}

/** A group commit of several callers, of one to some records each. */
async function append(
  log: LocalLog,
  history: History,
  below: (end: number) => number,
): Promise<void> {
  const calls = Array.from({ length: 1 + below(3) }, () =>
    Array.from({ length: 1 + below(3) }, () => record(history.made++, below(4) * below(700))),
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
    if (result.status === 'rejected') throw result.reason as Error;
    history.settled.push(...history.open.splice(0, calls[i]?.length));
  }
}

const beginning = (record: string): string => record.slice(0, 12);

const record = (i: number, length: number): string => `record ${i} ${'abcdefg'.repeat(length / 7)}`;

/** The crash itself, or an operating error that it became. */
function isCrash(error: unknown): boolean {
  return error instanceof Crash || (error instanceof Error && error.cause instanceof Crash);
}
