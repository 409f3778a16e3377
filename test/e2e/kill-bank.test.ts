/**
 * SIGKILL at any moment, of transactions over partitions. A bank whose accounts lie on four partitions, and writers who
 * move money and unique handles between them: one partition alone, two, or all at once, on conditions of what they have
 * read. Readers read all balances and follow the feed meanwhile. After every restart the questions of `kill.test.ts`, and
 * these: is the sum of all balances the same after each transaction of the feed, at all that was told of now, and at past
 * moments (I2); does nobody owe anything, and has each handle one owner? When the killing ends, does every transaction
 * have an outcome, and does the time of all partitions go on (I14)? An import over four partitions goes on beside it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyFolder } from '../../services/pyralog/src/cli/verify.ts';
import { BankDatabase } from './bank-database.ts';
import { checkSettled } from './commit-logs.ts';
import { killAgainAndAgain, SEED } from './killing.ts';
import { Random } from './random.ts';
import { ToldDatabase } from './told.ts';

const PARTITIONS = 4;
const BUDGET_MILLIS = 45_000;
/** A transaction over partitions waits for several records. */
const LIFE_MILLIS_MAX = 1_500;
/** Pauses before an idle partition closes its time double up to this. */
const CLOSING_MILLIS_MAX = 64_000;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-kill-bank-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

test(
  'I1 I2 I3 I5 I8 I9 I10 I14 transactions over partitions are whole when the server is killed at any moment',
  { timeout: 3_600_000 },
  async () => {
    const random = new Random(SEED);
    const bank = new BankDatabase(PARTITIONS, random);
    const databases = [bank, new ToldDatabase('past', 'import', random, PARTITIONS)];
    const limits = { budgetMillis: BUDGET_MILLIS, lifeMillisMax: LIFE_MILLIS_MAX };
    const killed = await killAgainAndAgain({ dir, databases, random, ...limits }, (url) =>
      timeGoesOn(url, bank.name),
    );
    const items = await checkSettled(dir, bank.name, PARTITIONS);
    const [decided = 0, retry = 0] = ['decided', 'retry'].map((kind) => items.get(kind));
    await checkSettled(dir, 'past', PARTITIONS);
    const { problems, unnamed } = await verifyFolder(dir);
    expect(problems).toEqual([]);
    process.stdout.write(
      `kill test of a bank: ${killed}, ${decided} over partitions, ${retry} attempts gave way, ${bank.witness.refused} refused, ${unnamed.length} blobs without a fact\n`,
    );
    expect(decided).toBeGreaterThan(bank.witness.seen / 4);
  },
);

/** All partitions close the time that it is now, though nobody writes or asks. */
async function timeGoesOn(url: string, database: string): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const deadline = Date.now() + CLOSING_MILLIS_MAX;
  const behind = async (): Promise<number> => {
    const response = await fetch(`${url}/v1/${database}/status`);
    const { partitions } = (await response.json()) as { partitions: { closed: string }[] };
    expect(partitions).toHaveLength(PARTITIONS);
    return partitions.filter(({ closed }) => BigInt(closed) < now).length;
  };
  while ((await behind()) > 0) {
    expect(Date.now(), 'the time of all partitions goes on').toBeLessThan(deadline);
    await sleep(100);
  }
}
