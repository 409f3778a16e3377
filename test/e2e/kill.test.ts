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
import { mkdtemp, readdir, rm, watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyFolder } from '../../services/pyralog/src/cli/verify.ts';
import { documentOf } from './documents.ts';
import { Random } from './random.ts';
import { killWhileStarting, type Server, startServer } from './server.ts';
import { Witness } from './witness.ts';
import { type Sent, writeSingly, writeStream } from './writers.ts';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const KILLS = Number(process.env['PYRALOG_KILLS'] ?? 200);
const BUDGET_MILLIS =
  process.env['PYRALOG_KILLS'] === undefined ? 75_000 : Number.POSITIVE_INFINITY;
const SINGLE_WRITERS = 3;
/** One transaction in so many has a long value. */
const LONG_OF = 25;
/** How long a life lasts at most, in milliseconds. */
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
    const databases = [new Told('main', random), new Told('past', random)];
    const deadline = Date.now() + BUDGET_MILLIS;
    const kills = { living: 0, starting: 0 };
    let cutFlushes = 0;
    let startMillis = 1_000;
    const dead = (): number => kills.living + kills.starting;
    while (dead() < KILLS && Date.now() < deadline) {
      for (let again = random.below(3); again > 0 && dead() < KILLS - 1; again--) {
        await killWhileStarting(['--data', dir], random.fraction() * startMillis);
        kills.starting++;
      }
      await using server = await startServer(['--data', dir], {
        // Small parts, so that kills also hit flushes and restarts also read runs.
        PYRALOG_PART_FACTS: String(random.pick([100, 300, 3_000, 262_144])),
      });
      startMillis = server.readyMillis;
      await makeImport(server);
      const whole = random.below(10) === 0;
      for (const { witness } of databases) {
        await (whole ? witness.checkAll(server.url) : witness.check(server.url));
        await witness.checkPast(server.url, random);
      }
      await live(server, databases, random);
      kills.living++;
      for (const { name } of databases) cutFlushes += await unnamedSegments(name);
    }
    await using last = await startServer(['--data', dir]);
    for (const { witness } of databases) {
      await witness.checkAll(last.url);
      await witness.checkPast(last.url, random);
    }
    expect(await last.stop()).toBe(0);
    // Every blob that a fact refers to is there: it was put before the record was written.
    const { problems, unnamed } = await verifyFolder(dir);
    expect(problems).toEqual([]);
    const acknowledged = databases.reduce((sum, { witness }) => sum + witness.acknowledged, 0);
    const seen = databases.reduce((sum, { witness }) => sum + witness.seen, 0);
    process.stdout.write(
      `kill test: seed ${SEED}, ${dead()} kills (${kills.starting} of them while it started, ${cutFlushes} in a flush), ${acknowledged} acknowledged, ${seen} transactions in the feed, ${unnamed.length} blobs without a fact\n`,
    );
    expect(kills.living).toBeGreaterThanOrEqual(5);
    expect(kills.starting).toBeGreaterThan(0);
    expect(acknowledged).toBeGreaterThan(dead());
  },
);

/** A database, what it was told, and what is to be sent again. */
class Told {
  readonly name: string;
  readonly witness: Witness;
  readonly #random: Random;
  /** Without outcome, in the order in which it was sent. */
  unheard: Sent[] = [];
  /** Some of the newest that were sent. */
  #recent: Sent[] = [];
  #atSeconds = 946_684_800;

  constructor(name: string, random: Random) {
    this.name = name;
    this.witness = new Witness(name);
    this.#random = random;
  }

  /** A new transaction. In import mode each is later than the one before. */
  make(): Sent {
    const key = this.witness.nextKey();
    const at = this.name === 'past' ? new Date(this.#atSeconds++ * 1_000).toISOString() : undefined;
    const sent = { key, body: documentOf(key, this.#random, at, LONG_OF) };
    this.#recent = [...this.#recent.slice(-20), sent];
    return sent;
  }

  /** First what has no outcome, then something that has one, then what is new. */
  *sendings(): Generator<Sent, never> {
    yield* this.unheard.splice(0);
    const known = this.#recent.filter(({ key }) => this.witness.promisedTx(key) !== undefined);
    if (known.length > 0) yield this.#random.pick(known);
    for (;;) yield this.make();
  }
}

/** Writers until the server dies under them: at any time, or while a flush is on its way. */
async function live(server: Server, databases: readonly Told[], random: Random): Promise<void> {
  const delayMillis = random.below(LIFE_MILLIS_MAX);
  const inFlush = random.below(3) === 0;
  let alive = true;
  let heard = (): void => undefined;
  const answered = new Promise<void>((resolve) => (heard = resolve));
  const writing = databases.map(async (told) => {
    const { name: database, witness } = told;
    const sendings = told.sendings();
    const options = {
      url: server.url,
      database,
      witness,
      next: (): Sent => sendings.next().value,
      alive: () => alive,
      heard,
    };
    // History comes in one stream; what lives is written by many at once.
    const single = database === 'past' ? 0 : SINGLE_WRITERS;
    const unheard = await Promise.all([
      writeStream(options, random.pick([1, 20, 200])),
      ...Array.from({ length: single }, () => writeSingly(options)),
    ]);
    told.unheard = unheard.flat();
  });
  const dying = (async () => {
    // A server that has answered is at work.
    await answered;
    if (inFlush) await segmentBegun(random.below(12));
    else await sleep(delayMillis);
    alive = false;
    await server.kill();
  })();
  await Promise.all([dying, ...writing]);
}

/** Resolves a moment after a flush has put its first file, or when none does for long. */
async function segmentBegun(momentMillis: number): Promise<void> {
  const folder = join(dir, 'bucket', 'main', 'segments', '0');
  const limit = AbortSignal.timeout(3 * LIFE_MILLIS_MAX);
  try {
    for await (const { filename } of watch(folder, { signal: limit }))
      if (filename?.endsWith('.arrow') === true) break;
    await sleep(momentMillis);
  } catch (error) {
    // Before the first flush there is no folder.
    if (!limit.aborted && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** The database in import mode; it is there after the first life that came so far. */
async function makeImport({ url }: Server): Promise<void> {
  const response = await fetch(`${url}/v1/past`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"mode":"import"}',
  });
  expect([200, 201]).toContain(response.status);
}

/** 1 where the newest segment has no manifest yet: the kill cut a flush. */
async function unnamedSegments(database: string): Promise<number> {
  const count = async (kind: string): Promise<number> =>
    (await readdir(join(dir, 'bucket', database, kind, '0')).catch(() => [])).filter(
      (name) => !name.startsWith('.'),
    ).length;
  return (await count('segments')) - (await count('manifest'));
}
