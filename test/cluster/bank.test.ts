/**
 * SIGKILL of any process of a cluster, of transactions over partitions: the bank of `test/e2e/kill-bank.test.ts` on four
 * partitions that two sequencers share, with readers at another API node than the writers. After every kill another
 * process takes over, everything that was sent gets its outcome, and the questions of that test are asked. At the end
 * what a cluster makes of it for others is compared too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Bank } from '../e2e/bank-database.ts';
import { undying } from '../e2e/killing.ts';
import { Random } from '../e2e/random.ts';
import { NotAnswered } from '../e2e/witness.ts';
import { isCut, writeSingly } from '../e2e/writers.ts';
import { checkCluster, statusesOf } from './check.ts';
import { Cluster, create, healthy, type RoleName } from './cluster.ts';
import { Load } from './load.ts';
import type { ClusterProcess } from './processes.ts';
import { LONG, SEED, tell } from './support.ts';
import { eventually, within } from './waiting.ts';

const DATABASE = 'bank';
const PARTITIONS = 4;
const KILLS = LONG ? 20 : 5;
/** Of each role. */
const PROCESSES = 2;
/** Sequencers twice as often as others: they are what transactions over partitions depend on. */
const VICTIMS: readonly RoleName[] = ['sequencer', 'sequencer', 'indexer', 'api'];
/** Acknowledged transactions before and behind a kill. */
const SOME = 30;
const LIFE_MILLIS_MAX = 1_000;
const READ_PAUSE_MILLIS_MAX = 100;
/** Pauses before an idle partition closes its time double up to 64 s. */
const CLOSING_MILLIS_MAX = 70_000;

let cluster: Cluster;
const processes: Record<RoleName, ClusterProcess[]> = { sequencer: [], indexer: [], api: [] };
/** Where nobody answers any more. */
const gone = new Set<string>();
beforeAll(async () => {
  cluster = await Cluster.start();
  const roles: readonly RoleName[] = ['sequencer', 'indexer', 'api'];
  await Promise.all(
    roles.map(async (role) => {
      const started = Array.from({ length: PROCESSES }, () => cluster.run(role));
      processes[role] = await Promise.all(started);
    }),
  );
});
afterAll(() => cluster[Symbol.asyncDispose]());

test(
  'I1 I2 I3 I5 I8 I9 I10 I14 transactions over partitions are whole when any process of a cluster is killed',
  { timeout: 3_600_000 },
  async () => {
    const random = new Random(SEED);
    const bank = new Bank(DATABASE, PARTITIONS, random);
    const { witness } = bank;
    const killed: Record<RoleName, number> = { sequencer: 0, indexer: 0, api: 0 };
    let takeoverMillis = 0;
    onTestFailed(() => {
      process.stderr.write(`seed ${SEED}, ${JSON.stringify(killed)}\n${cluster.errors}`);
    });
    await create(api(0), DATABASE, PARTITIONS);
    await open(bank);
    for (let kills = 0; kills < KILLS; kills++) {
      const role = random.pick(VICTIMS);
      killed[role]++;
      const took = await killOne(bank, random, role);
      if (role === 'sequencer') takeoverMillis = Math.max(takeoverMillis, took);
      const { url } = api(random.below(PROCESSES));
      await witness.check(url);
      await witness.checkPast(url, random);
    }
    await timeGoesOn();
    const { url } = api(0);
    await checkCluster({
      cluster,
      url,
      database: DATABASE,
      witness,
      random,
    });
    tell(
      `bank: seed ${SEED}, ${KILLS} kills (${killed.sequencer} of sequencers, ${killed.indexer} of indexers, ${killed.api} of API nodes), ${witness.acknowledged} acknowledged, ${witness.refused} refused, ${witness.seen} transactions in the feed, longest without an answer behind a sequencer's ${Math.round(takeoverMillis)} ms`,
    );
  },
);

const api = (index: number): ClusterProcess => processes.api[index] as ClusterProcess;

async function open(bank: Bank): Promise<void> {
  const opening = [...bank.opening];
  const { witness } = bank;
  const writer = { ...undying(api(0).url), database: DATABASE, witness };
  await writeSingly({ ...writer, next: () => opening.shift() });
  await bank.look(api(0).url);
}

/**
 * Kills one process under load, starts another in its place, and waits until all that was sent has its outcome.
 * @returns how long nothing was acknowledged behind the kill, in milliseconds
 */
async function killOne(bank: Bank, random: Random, role: RoleName): Promise<number> {
  const { witness } = bank;
  const index = random.below(PROCESSES);
  const victim = processes[role][index] as ClusterProcess;
  const writing = random.below(PROCESSES);
  const documents = {
    next: () => bank.mixed(),
    committed: bank.committed.bind(bank),
    refresh: (at: string) => patiently(at, () => bank.look(at)),
  };
  const { url } = api(writing);
  await using load = new Load({ url, database: DATABASE, witness, random, documents });
  await using _readers = new Readers(bank, random, () => api(1 - writing).url);
  await load.acknowledged(SOME);
  await sleep(random.below(LIFE_MILLIS_MAX));
  const next = cluster.launch(role);
  if (random.below(2) === 0) await next.ready();
  if (victim === api(writing)) load.moveTo(api(1 - writing).url);
  const silent = load.acknowledged(1);
  gone.add(victim.url);
  await victim.kill();
  await next.listening();
  processes[role][index] = next;
  const millis = await silent;
  await load.acknowledged(SOME);
  await load.stop();
  await healthy(next);
  return millis;
}

/** Read balances and the feed beside writers, whatever is killed. */
class Readers implements AsyncDisposable {
  readonly #reading: Promise<unknown>;
  #over = false;

  constructor(bank: Bank, random: Random, url: () => string) {
    const again = async (read: (url: string) => Promise<void>): Promise<void> => {
      while (!this.#over) {
        const at = url();
        await patiently(at, () => read(at));
        await sleep(random.below(READ_PAUSE_MILLIS_MAX));
      }
    };
    this.#reading = Promise.all([
      again((at) => bank.look(at)),
      again((at) => bank.witness.overhear(at)),
    ]);
    // Who disposes it is told.
    this.#reading.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await within('readers end', this.#reading, 60_000);
  }
}

/** Reads, where that can be answered at the moment. */
async function patiently(url: string, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof NotAnswered) && !(isCut(error) && gone.has(url))) throw error;
  }
}

/** All partitions close the time that it is now, though nobody writes or asks. */
async function timeGoesOn(): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  await eventually(
    'the time of all partitions goes on',
    async () => {
      const statuses = await statusesOf(api(0).url, DATABASE);
      expect(statuses).toHaveLength(PARTITIONS);
      for (const { closed } of statuses) expect(BigInt(closed)).toBeGreaterThanOrEqual(now);
    },
    CLOSING_MILLIS_MAX,
  );
}
