import { readdir, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFailed } from 'vitest';
import type { Random } from './random.ts';
import { killWhileStarting, type Server, startServer } from './server.ts';
import type { Witness } from './witness.ts';

export const SEED: number = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const KILLS = Number(process.env['PYRALOG_KILLS'] ?? 200);
const LIVES_MIN = 5;

/** A server as those see it who work with it until it dies. */
export interface Life {
  readonly url: string;
  /** Whether the server is thought to live: a connection that breaks is a failure of the test then. */
  readonly alive: () => boolean;
  /** Told of every answer. */
  readonly heard: () => void;
}

/** A server that is not killed. */
export const undying = (url: string): Life => ({ url, alive: () => true, heard: () => undefined });

/** A database whose server is killed. */
export interface KilledDatabase {
  readonly name: string;
  readonly partitions: number;
  readonly witness: Witness;
  /** Makes it where it is not there. */
  make(url: string): Promise<void>;
  /** Writes until the server dies. What has no outcome is sent again in the next life. */
  live(life: Life): Promise<void>;
  /** Sends what has no outcome until it has one. */
  settle(url: string): Promise<void>;
}

export interface KillingOptions {
  /** Of the data. */
  readonly dir: string;
  /** The first is open when the server is ready. */
  readonly databases: readonly KilledDatabase[];
  readonly random: Random;
  /** How long a life lasts at most. */
  readonly lifeMillisMax: number;
  /** After which no more is killed, where nothing says how many kills there are. */
  readonly budgetMillis: number;
}

/**
 * Kills a server again and again, while it writes, flushes and starts, and lets witnesses compare after every restart.
 * The last server is left alone, and stopped.
 * @param settled looks at the last server when everything has an outcome
 * @returns what there was, in words
 */
export async function killAgainAndAgain(
  options: KillingOptions,
  settled: (url: string) => Promise<void> = async () => undefined,
): Promise<string> {
  const { dir, databases, random, budgetMillis } = options;
  const isCounted = process.env['PYRALOG_KILLS'] !== undefined;
  const deadline = isCounted ? Number.POSITIVE_INFINITY : Date.now() + budgetMillis;
  const [first] = databases;
  let [living, starting, flushes] = [0, 0, 0];
  onTestFailed(() => {
    process.stderr.write(`seed ${SEED}, behind ${living + starting} kills\n`);
  });
  let startMillis = 1_000;
  let args = ['--data', dir];
  // However busy the machine is, there are some of both kinds.
  const isEnough = (): boolean => living >= LIVES_MIN && starting > 0 && Date.now() >= deadline;
  while (living + starting < KILLS && !isEnough()) {
    for (let again = random.below(3); again > 0 && living + starting < KILLS - 1; again--) {
      await killWhileStarting(args, random.fraction() * startMillis);
      starting++;
    }
    await using server = await startServer(args, {
      // Small parts, so that kills also hit flushes and restarts also read runs.
      PYRALOG_PART_FACTS: String(random.pick([100, 300, 3_000, 262_144])),
    });
    startMillis = server.readyMillis;
    const whole = random.below(10) === 0;
    for (const database of databases) {
      await database.make(server.url);
      const { witness } = database;
      await (whole ? witness.checkAll(server.url) : witness.check(server.url));
      await witness.checkPast(server.url, random);
    }
    // It is there, so the next server opens it before it is ready.
    if (first !== undefined) args = ['--data', dir, '--db', first.name];
    await live(server, options);
    living++;
    for (const database of databases) flushes += await unnamedSegments(dir, database);
  }
  await using last = await startServer(args);
  for (const database of databases) await database.settle(last.url);
  await settled(last.url);
  for (const { witness } of databases) {
    await witness.checkAll(last.url);
    await witness.checkPast(last.url, random);
  }
  expect(await last.stop()).toBe(0);
  const acknowledged = databases.reduce((sum, { witness }) => sum + witness.acknowledged, 0);
  const seen = databases.reduce((sum, { witness }) => sum + witness.seen, 0);
  expect(living).toBeGreaterThanOrEqual(LIVES_MIN);
  expect(starting).toBeGreaterThan(0);
  expect(acknowledged).toBeGreaterThan(living + starting);
  return `seed ${SEED}, ${living + starting} kills (${starting} of them while it started, ${flushes} in a flush), ${acknowledged} acknowledged, ${seen} transactions in the feed`;
}

/** When a server dies: at any time, while a flush is on its way, or as soon as it has answered. */
const MOMENTS = ['any', 'flush', 'answer'] as const;

/** Writers until the server dies under them. */
async function live(server: Server, options: KillingOptions): Promise<void> {
  const { databases, random, lifeMillisMax } = options;
  const delayMillis = random.below(lifeMillisMax);
  const moment = random.pick(MOMENTS);
  let alive = true;
  let heard = (): void => undefined;
  const answer = (): Promise<void> => new Promise((resolve) => (heard = resolve));
  // A server that has answered is at work.
  const answered = answer();
  const life: Life = { url: server.url, alive: () => alive, heard: () => heard() };
  const working = databases.map((database) => database.live(life));
  const dying = (async () => {
    await answered;
    const [first] = databases;
    if (moment === 'flush' && first !== undefined) await segmentBegun(options, first);
    else await sleep(delayMillis);
    if (moment === 'answer') await answer();
    alive = false;
    await server.kill();
  })();
  await Promise.all([dying, ...working]);
}

/** Resolves a moment after a flush has put its first file, or when none does for long. */
async function segmentBegun(
  { dir, random, lifeMillisMax }: KillingOptions,
  { name, partitions }: KilledDatabase,
): Promise<void> {
  const folder = join(dir, 'bucket', name, 'segments', String(random.below(partitions)));
  const momentMillis = random.below(12);
  const limit = AbortSignal.timeout(3 * lifeMillisMax);
  try {
    for await (const { filename } of watch(folder, { signal: limit }))
      if (filename?.endsWith('.arrow') === true) break;
    await sleep(momentMillis);
  } catch (error) {
    // Before the first flush there is no folder.
    if (!limit.aborted && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Partitions whose newest segment has no manifest yet: the kill cut a flush. */
async function unnamedSegments(dir: string, { name, partitions }: KilledDatabase): Promise<number> {
  const count = async (kind: string, partition: number): Promise<number> =>
    (await readdir(join(dir, 'bucket', name, kind, String(partition))).catch(() => [])).filter(
      (file) => !file.startsWith('.'),
    ).length;
  let unnamed = 0;
  for (let p = 0; p < partitions; p++)
    unnamed += (await count('segments', p)) - (await count('manifest', p));
  return unnamed;
}
