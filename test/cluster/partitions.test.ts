/**
 * Databases of several partitions on real servers: sequencers and indexers share them, transactions go over them, and what
 * a producer sends by key is done at home.
 */
import { HttpHost } from '@pyralog/client';
import { partitionOf, partitionOfTx } from '@pyralog/model';
import { Partitioners } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statusesOf } from './check.ts';
import { Cluster, create } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { begin, tell } from './support.ts';
import { eventually } from './waiting.ts';

/** Transactions before and behind what happens. */
const SOME = 50;
/** A session of the group is over after 6 s; the rest is for a busy machine. */
const TAKEOVER_MILLIS_MAX = 20_000;
const PARTITIONS = 8;

let cluster: Cluster;
let api: ClusterProcess;
/** Those that are to be killed. */
let sequencer: ClusterProcess;
let indexer: ClusterProcess;
beforeAll(async () => {
  cluster = await Cluster.start();
  [api, sequencer, indexer] = await Promise.all([
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** How many partitions of a database a process works on. */
function shareOf(process: ClusterProcess, database: string): Promise<number> {
  return process.metric('pyralog_partitions', `"${database}/`);
}

test('a database has eight partitions where nobody says, and as many as somebody says', async () => {
  await cluster.command('create', 'eight', '--url', api.url);
  await cluster.command('create', 'three', '--partitions', '3', '--url', api.url);
  expect(await statusesOf(api.url, 'eight')).toHaveLength(PARTITIONS);
  expect(await statusesOf(api.url, 'three')).toHaveLength(3);
});

test('a document that a producer sends by its key is done at home, with the partitioner of Kafka', async () => {
  await create(api, 'keyed', PARTITIONS);
  const producer = cluster.client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const entities = Array.from({ length: 200 }, (_, i) => `sample:${i}`);
  try {
    await producer.send({
      topic: 'keyed.transactions',
      messages: entities.map((entity, i) => ({
        key: entity,
        value: JSON.stringify({ n: i }),
        headers: { 'pyralog-format': 'document' },
      })),
    });
  } finally {
    await producer.disconnect();
  }
  const database = await new HttpHost(api.url).database('keyed');
  await eventually('all are in', async () => {
    const { facts } = await database.state({ index: 'aevt', attribute: 'n', limit: 1_000 });
    expect(facts).toHaveLength(entities.length);
  });
  const { facts } = await database.state({ index: 'aevt', attribute: 'n', limit: 1_000 });
  for (const { entity, tx } of facts)
    expect(partitionOfTx(tx), entity).toBe(partitionOf(entity, PARTITIONS));
});

test(
  'I1 I2 I3 I5 I8 I9 I10 I14 partitions of a killed sequencer and of a killed indexer are taken over',
  { timeout: 300_000 },
  async () => {
    await using run = await begin(cluster, api, 'shared', PARTITIONS);
    await run.load.acknowledged(SOME);
    await eventually('the partitions are shared', async () => {
      expect(await shareOf(sequencer, 'shared')).toBe(PARTITIONS / 2);
      expect(await shareOf(indexer, 'shared')).toBe(PARTITIONS / 2);
    });
    const taken = run.load.acknowledged(1, TAKEOVER_MILLIS_MAX);
    await sequencer.kill();
    tell(`eight partitions: acknowledged ${Math.round(await taken)} ms after SIGKILL`);
    await run.load.acknowledged(SOME);
    await indexer.kill();
    await run.load.acknowledged(SOME);
    await run.check();
  },
);
