/**
 * Producers that are faster than what is behind the log: they are refused before anything of theirs is published, and
 * soon, and everything goes on by itself when what was behind has caught up.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentOf } from '../e2e/documents.ts';
import { Random } from '../e2e/random.ts';
import type { Committed } from '../e2e/witness.ts';
import { Cluster, healthy } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin, type Run, tell } from './support.ts';
import { Topics } from './topics.ts';
import { eventually, within } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 100;
/** Between new writers, none of whom waits for another. */
const PACE_MILLIS = 100;
/** Refusals that are waited for. */
const REFUSALS = 20;
/** A writer waits for room for 5 s; the rest is for a busy machine. */
const REFUSAL_MILLIS_MAX = 15_000;

let cluster: Cluster;
let api: ClusterProcess;
let other: ClusterProcess;
let sequencer: ClusterProcess;
let indexer: ClusterProcess;
beforeAll(async () => {
  cluster = await Cluster.start();
  [api, other, sequencer, indexer] = await Promise.all([
    cluster.run('api'),
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
});
afterAll(() => cluster[Symbol.asyncDispose]());

interface Answer extends Committed {
  readonly code?: string;
}

/** Writers that come one after the other, whatever became of those before, and send one transaction each. */
class Newcomers {
  readonly #run: Run;
  readonly #random = new Random(1);
  readonly #sent: Promise<void>[] = [];
  readonly refusedKeys: string[] = [];
  /** How long the slowest of those who were refused waited for the word. */
  slowestMillis = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Sends one to each node after the other until so many more were refused. */
  async refused(count: number, database: string, ...nodes: readonly ClusterProcess[]) {
    const until = this.refusedKeys.length + count;
    for (let i = 0; this.refusedKeys.length < until; i++) {
      const { url } = nodes[i % nodes.length] ?? api;
      this.#sent.push(this.#send(`${url}/v1/${database}/transactions`));
      await new Promise((resolve) => setTimeout(resolve, PACE_MILLIS));
    }
  }

  /** Resolves when each of them has heard what became of its transaction. */
  async answered(): Promise<void> {
    await Promise.all(this.#sent);
  }

  async #send(url: string): Promise<void> {
    const { witness } = this.#run;
    const key = witness.nextKey();
    const began = performance.now();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: documentOf(key, this.#random),
    });
    const answer = (await response.json()) as Answer;
    if (answer.code === undefined) return witness.acknowledge(key, answer);
    // Of what was published nobody may say that it will not be there.
    if (answer.code === 'outcome-unknown') return;
    expect([answer.code, response.status]).toEqual(['busy', 503]);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    this.slowestMillis = Math.max(this.slowestMillis, performance.now() - began);
    this.refusedKeys.push(key);
    witness.refuse(key);
  }
}

/** Nothing of a refused writer was published, let alone committed. */
async function expectUnpublished(database: string, keys: readonly string[]): Promise<void> {
  await using topics = await Topics.open(cluster);
  const published = (await topics.read(`${database}.transactions`)).map(
    ({ value }) => (JSON.parse(Buffer.from(value ?? []).toString()) as { id: string }).id,
  );
  expect(published.filter((key) => keys.includes(key))).toEqual([]);
}

test('I1 I8 I9 I13 I14 while the indexer is halted writers are refused, on every node, and all goes on with it', async () => {
  await using run = await begin(cluster, api, 'behind');
  const { load, witness } = run;
  await load.acknowledged(SOME);
  indexer.pause();
  const halted = performance.now();
  const newcomers = new Newcomers(run);
  await within('writers are refused', newcomers.refused(REFUSALS, 'behind', api), 120_000);
  tell(`refused ${Math.round(performance.now() - halted)} ms after the indexer was halted`);
  // One that has published nothing yet.
  await within('on the other node too', newcomers.refused(REFUSALS, 'behind', other), 60_000);
  expect(newcomers.slowestMillis).toBeLessThan(REFUSAL_MILLIS_MAX);
  indexer.resume();
  await load.acknowledged(SOME);
  await newcomers.answered();
  await eventually('the other node takes transactions again', async () => {
    const response = await fetch(`${other.url}/v1/behind/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: documentOf(witness.nextKey(), new Random(2)),
    });
    expect(response.status).toBe(200);
  });
  await Promise.all([api, other, sequencer, indexer].map(healthy));
  await run.check();
  tell(
    `${newcomers.refusedKeys.length} writers were refused, the slowest after ${Math.round(newcomers.slowestMillis)} ms; ${load.refusals.get('outcome-unknown') ?? 0} of the load did not know`,
  );
  await expectUnpublished('behind', newcomers.refusedKeys);
});

test('I1 I8 I9 I13 I14 while there is no sequencer writers are refused, and all goes on with the next one', async () => {
  await using run = await begin(cluster, api, 'leaderless');
  await run.load.acknowledged(SOME);
  await sequencer.kill();
  const newcomers = new Newcomers(run);
  await within('writers are refused', newcomers.refused(REFUSALS, 'leaderless', api), 60_000);
  expect(newcomers.slowestMillis).toBeLessThan(REFUSAL_MILLIS_MAX);
  sequencer = await cluster.run('sequencer');
  await run.load.acknowledged(SOME);
  await newcomers.answered();
  await run.check();
  await expectUnpublished('leaderless', newcomers.refusedKeys);
});
