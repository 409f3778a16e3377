/**
 * What others publish and delete: documents twice, records that are none, and offsets that are gone. Every input
 * has one outcome, a partition stops for none of them, and what is lost is said and never passed over.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statusOf } from './check.ts';
import { Cluster } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin } from './support.ts';
import { headersOf, Topics } from './topics.ts';
import { eventually, within } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 50;
/** More than any topic takes unless it is told to. */
const HUGE_BYTES = 20_000_000;

let cluster: Cluster;
let api: ClusterProcess;
let sequencer: ClusterProcess;
let indexer: ClusterProcess;
let topics: Topics;
beforeAll(async () => {
  cluster = await Cluster.start();
  topics = await Topics.open(cluster);
  [api, sequencer, indexer] = await Promise.all([
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
});
afterAll(async () => {
  await topics?.[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** What the topic of rejects has, when it has so many. */
async function rejectsOf(database: string, count: number) {
  await eventually(`${count} rejects of ${database}`, async () => {
    expect(await topics.end(`${database}.rejects`)).toBeGreaterThanOrEqual(count);
  });
  return topics.read(`${database}.rejects`);
}

test('I8 I9 a document that is published many times is committed once', async () => {
  await using run = await begin(cluster, api, 'twice');
  const document = (title: string): string =>
    JSON.stringify({ id: 'order-4711', ops: [{ entity: 'paper:1', title }] });
  const copy = { key: 'paper:1', value: document('Relativity') };
  await topics.send('twice.transactions', copy, copy, copy);
  await run.load.acknowledged(SOME);
  const response = await fetch(`${api.url}/v1/twice/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: copy.value,
  });
  expect(await response.json()).toMatchObject({ duplicate: true });
  const other = await topics.send('twice.transactions', { value: document('Gravitation') }, copy);
  await run.load.acknowledged(SOME);
  const rejects = await rejectsOf('twice', 1);
  await run.check();
  // The witness has seen the key once; what is refused is what says something else.
  expect(run.witness.txOf('order-4711')).toBeDefined();
  expect(rejects.map((record) => Buffer.from(record.value ?? []).toString())).toEqual([
    document('Gravitation'),
  ]);
  expect(rejects.map(headersOf)).toMatchObject([
    { 'pyralog-code': 'key-reused', 'pyralog-partition': '0', 'pyralog-offset': String(other) },
  ]);
});

test('I9 I14 what is no transaction ends in the topic of rejects, and the partition goes on', async () => {
  await using run = await begin(cluster, api, 'garbage');
  await topics.takeUpTo('garbage.transactions', 2 * HUGE_BYTES);
  await run.load.acknowledged(SOME);
  const trace = { trace: 'abc' };
  const huge = randomBytes(HUGE_BYTES);
  const format = (name: string) => ({ ...trace, 'pyralog-format': name });
  const poison = [
    { value: randomBytes(1_000), headers: trace, code: 'json-malformed' },
    { value: huge, headers: trace, code: 'json-malformed' },
    { value: Buffer.from('{"ops":[]'), headers: trace, code: 'json-malformed' },
    { value: Buffer.from('{}'), headers: format('avro'), code: 'document-invalid' },
    { value: null, headers: trace, code: 'document-invalid' },
    { value: Buffer.from('{"a":1}'), headers: format('document'), code: 'document-invalid' },
    {
      value: Buffer.from('{"ops":[]}'),
      headers: { ...trace, 'pyralog-claim': 'a'.repeat(64) },
      code: 'document-invalid',
    },
    {
      value: Buffer.from('{"ops":[{"entity":"e","n":1},{"entity":"e","n":"text"}]}'),
      headers: trace,
      code: 'type-mismatch',
    },
  ];
  const offsets: number[] = [];
  for (const { value, headers } of poison) {
    offsets.push(await topics.send('garbage.transactions', { value, headers }));
    await run.load.acknowledged(5);
  }
  const rejects = await rejectsOf('garbage', poison.length);
  expect(rejects.map(headersOf)).toMatchObject(
    poison.map(({ code, headers }, i) => ({
      ...headers,
      'pyralog-code': code,
      'pyralog-partition': '0',
      'pyralog-offset': String(offsets[i]),
    })),
  );
  for (const [i, { value }] of poison.entries())
    expect(Buffer.compare(Buffer.from(rejects[i]?.value ?? []), value ?? Buffer.alloc(0))).toBe(0);
  await run.load.acknowledged(SOME);
  await run.check();
});

test('I5 what the bucket has may be deleted from the topics', async () => {
  await using run = await begin(cluster, api, 'trimmed');
  await run.load.acknowledged(SOME);
  await eventually('a part is in the bucket', async () => {
    expect((await statusOf(api.url, 'trimmed')).indexed).toBeGreaterThan(0);
  });
  const { indexed } = await statusOf(api.url, 'trimmed');
  await topics.deleteBefore('trimmed.commits', indexed);
  const [, , ...others] = await Promise.all([
    sequencer.stop(),
    indexer.stop(),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
  [sequencer, indexer] = others;
  await run.load.acknowledged(SOME);
  await run.check();
});

test('inputs that are gone before they had an outcome are said, and never passed over', async () => {
  await using run = await begin(cluster, api, 'lost');
  await run.load.acknowledged(SOME);
  await run.check();
  await sequencer.stop();
  const value = JSON.stringify({ ops: [{ entity: 'x', n: 1 }] });
  const first = await topics.send('lost.transactions', { value }, { value }, { value });
  await topics.deleteBefore('lost.transactions', first + 2);
  sequencer = await cluster.run('sequencer');
  const said = `lost.transactions/0 begins at ${first + 2}; ${first} is no longer kept.`;
  await eventually('the sequencer says what is wrong', async () => {
    expect(sequencer.errors).toContain(said);
    expect(await sequencer.health()).toEqual({ status: 503, reasons: [said] });
  });
  // What comes behind the hole has no outcome, and others are not concerned.
  await topics.send('lost.transactions', { value });
  await using other = await begin(cluster, api, 'unconcerned');
  await other.load.acknowledged(SOME);
  await sequencer.stop();
  const { seen } = run.witness;
  await run.witness.check(api.url);
  expect(run.witness.seen).toBe(seen);
  sequencer = await cluster.run('sequencer');
  await other.check();
});

test('commits that are gone before they were in the bucket are said, and nobody goes on', async () => {
  await using run = await begin(cluster, api, 'cut');
  const late = await cluster.run('api');
  await run.load.acknowledged(SOME);
  await run.load.stop();
  await Promise.all([sequencer.stop(), indexer.stop()]);
  const end = await topics.end('cut.commits');
  await topics.deleteBefore('cut.commits', end);
  // One that knew nothing of the database yet answers, and ends when it is told to.
  const response = await fetch(`${late.url}/v1/cut/entities/left:1`, {
    signal: AbortSignal.timeout(20_000),
  });
  expect(await response.json()).toMatchObject({ code: 'log-behind' });
  expect(await within('it ends', late.stop(), 20_000)).toBe(0);
  for (const role of ['sequencer', 'indexer', 'api'] as const) {
    const process = cluster.launch(role);
    await within(
      `the ${role} says it`,
      process.says(new RegExp(`begins at (offset )?${end}\\b`)),
      20_000,
    );
    await process.stop();
  }
  expect(await topics.end('cut.commits')).toBe(end);
  // One that has all of it has it still.
  await run.witness.checkAll(api.url);
});
