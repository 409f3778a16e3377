/**
 * SIGKILL at any moment. Writers over HTTP, a server that is killed again and again, while it writes,
 * flushes, imports and starts, and after every restart the questions that matter: is every acknowledged
 * transaction there (I1), none twice (I8), none torn (I2), tx strictly rising (I3), do answers of now and
 * of the past equal a naive fold of the feed (I5), and does a feed resumed anywhere equal the unbroken one
 * (I10)? What had no outcome is sent again after the restart, and so is some of what was acknowledged.
 *
 * The system keeps what a killed process has written, so this test sees no missing fdatasync: that is for
 * the tests of the log. `PYRALOG_KILLS` sets how many kills there are; otherwise a budget of time does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyFolder } from '../../services/pyralog/src/cli/verify.ts';
import { killAgainAndAgain, SEED } from './killing.ts';
import { Random } from './random.ts';
import { ToldDatabase } from './told.ts';

const BUDGET_MILLIS = 75_000;
const LIFE_MILLIS_MAX = 600;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-kill-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

test(
  'I1 I2 I3 I5 I8 I10 nothing acknowledged is lost, doubled or torn when the server is killed at any moment',
  { timeout: 3_600_000 },
  async () => {
    const random = new Random(SEED);
    const databases = [
      new ToldDatabase('main', 'live', random),
      new ToldDatabase('past', 'import', random),
    ];
    const limits = { budgetMillis: BUDGET_MILLIS, lifeMillisMax: LIFE_MILLIS_MAX };
    const killed = await killAgainAndAgain({ dir, databases, random, ...limits });
    // Every blob that a fact refers to is there: it was put before the record was written.
    const { problems, unnamed } = await verifyFolder(dir);
    expect(problems).toEqual([]);
    process.stdout.write(`kill test: ${killed}, ${unnamed.length} blobs without a fact\n`);
  },
);
