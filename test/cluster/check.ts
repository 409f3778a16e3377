import { partitionOf } from '@pyralog/model';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { expectSettled, outcomesOf } from '../e2e/commit-logs.ts';
import type { Random } from '../e2e/random.ts';
import type { Committed, Witness } from '../e2e/witness.ts';
import { type Cluster, PART_FACTS } from './cluster.ts';
import { Topics } from './topics.ts';
import { eventually } from './waiting.ts';

/** What is compared, and by what. */
export interface CheckOptions {
  readonly cluster: Cluster;
  /** Of an API node. */
  readonly url: string;
  readonly database: string;
  readonly partitions?: number;
  readonly witness: Witness;
  readonly random: Random;
}

/** Where a partition stands. */
interface PartitionStatus {
  readonly epoch: number;
  readonly logEnd: number;
  readonly indexed: number;
  readonly closed: string;
  readonly liveFacts: number;
  readonly troubles: readonly unknown[];
}

/**
 * Nothing acknowledged is lost, doubled or torn, answers equal a naive fold (see {@link Witness}), every input has
 * one outcome, and every watermark has come to the end (I14): the index, the topic of changes, and the views, which equal the answers.
 */
export async function checkCluster(options: CheckOptions): Promise<void> {
  const { url, witness, random } = options;
  await witness.checkAll(url);
  await witness.checkPast(url, random);
  await checkOutcomes(options);
  await checkIndexed(options);
  await checkChanges(options);
  await checkViews(options);
  // The same from what is indexed by now.
  await witness.checkPast(url, random);
}

/** Of the first partition. */
export async function statusOf(url: string, database: string): Promise<PartitionStatus> {
  const [partition] = await statusesOf(url, database);
  if (partition === undefined) throw new Error(`${database} has no partition.`);
  return partition;
}

export async function statusesOf(
  url: string,
  database: string,
): Promise<readonly PartitionStatus[]> {
  const response = await fetch(`${url}/v1/${database}/status`);
  const { partitions } = (await response.json()) as { partitions: readonly PartitionStatus[] };
  return partitions;
}

/** Every input has one outcome, in a record that counts (I9); a writer would send again what had none. */
async function checkOutcomes({ cluster, database, partitions = 1 }: CheckOptions): Promise<void> {
  await using topics = await Topics.open(cluster);
  for (let p = 0; p < partitions; p++) {
    // Of a log without its beginning nobody can say which records count.
    if ((await topics.start(`${database}.commits`, p)) > 0) return;
    const inputs = (await topics.read(`${database}.transactions`, 0, p)).map(
      ({ offset }) => offset,
    );
    await eventually(`partition ${p} of ${database} is settled`, async () => {
      const outcomes = await outcomesOf(topics.batches(`${database}.commits`, p));
      expectSettled(outcomes, `partition ${p} of ${database}`);
      // Of several partitions some wait for others.
      const inOrder =
        partitions === 1 ? outcomes.inputs : outcomes.inputs.toSorted((a, b) => a - b);
      expect(inOrder, `I9: the inputs of ${database} with an outcome`).toEqual(inputs);
    });
  }
}

/** Every whole part is in the bucket. */
function checkIndexed({ url, database }: CheckOptions): Promise<void> {
  return eventually(`the index of ${database} reaches the end`, async () => {
    for (const { liveFacts, troubles } of await statusesOf(url, database)) {
      expect(troubles).toEqual([]);
      expect(liveFacts).toBeLessThan(PART_FACTS);
    }
  });
}

/** A record may come twice, and the first ones are every transaction in order, each at its coordinator's. */
async function checkChanges(options: CheckOptions): Promise<void> {
  const { cluster, database, partitions = 1, witness } = options;
  const topic = `${database}.changes`;
  await using topics = await Topics.open(cluster);
  const texts = Array.from({ length: partitions }, () => new Map<string, string>());
  const next = texts.map(() => 0);
  await eventually(`${topic} reaches the end`, async () => {
    for (const [p, known] of texts.entries()) {
      for (const { offset, value } of await topics.read(topic, next[p], p)) {
        next[p] = offset + 1;
        const text = Buffer.from(value ?? []).toString();
        const { tx } = JSON.parse(text) as Committed;
        expect(text, `${tx} comes again as it was`).toBe(known.get(tx) ?? text);
        known.set(tx, text);
      }
    }
    const count = texts.reduce((sum, { size }) => sum + size, 0);
    expect(count).toBeGreaterThanOrEqual(witness.seen);
  });
  const told = texts.map((known) =>
    [...known.values()].map((text) => JSON.parse(text) as Committed),
  );
  for (const of of told) expect(of, 'changes of a partition').toEqual(of.toSorted(byTx));
  witness.checkTransactions(told.flat().toSorted(byTx));
}

const byTx = (a: Committed, b: Committed): number => (BigInt(a.tx) < BigInt(b.tx) ? -1 : 1);

/** Every view is the entity as of the watermark, and there is one of every entity. */
async function checkViews(options: CheckOptions): Promise<void> {
  const { cluster, database, partitions = 1, witness } = options;
  const redis = new Redis(cluster.redis.address);
  try {
    await eventually(`the views of ${database} reach the end`, async () => {
      for (const [p, newest] of newestOf(witness, partitions).entries())
        expect(await redis.hget(`${database}:v:${p}`, 'watermark')).toBe(newest);
    });
    const prefix = `${database}:e:`;
    const keys = new Set<string>();
    for await (const found of redis.scanStream({ match: `${prefix}*`, count: 1_000 }))
      for (const key of found as string[]) keys.add(key);
    const entities = [...keys].map((key) => key.slice(prefix.length)).sort();
    expect(entities).toEqual(witness.entities.toSorted());
    for (let from = 0; from < entities.length; from += 16) {
      const some = entities.slice(from, from + 16);
      await Promise.all(some.map((entity) => checkView(redis, entity, options)));
    }
  } finally {
    redis.disconnect();
  }
}

/** By partition, the newest transaction that says something of an entity there. */
function newestOf(witness: Witness, partitions: number): readonly string[] {
  const newest = Array.from({ length: partitions }, () => '0');
  for (const entity of witness.everyEntity) {
    const p = partitionOf(entity, partitions);
    const tx = witness.newestOf(entity) ?? '0';
    if (BigInt(tx) > BigInt(newest[p] ?? '0')) newest[p] = tx;
  }
  return newest;
}

async function checkView(
  redis: Redis,
  entity: string,
  { url, database, witness }: CheckOptions,
): Promise<void> {
  const id = encodeURIComponent(entity);
  const [view, response] = await Promise.all([
    redis.hgetall(`${database}:e:${entity}`),
    fetch(`${url}/v1/${database}/entities/${id}?asOf=${witness.lastTx}`),
  ]);
  const { attributes } = (await response.json()) as { attributes: Record<string, unknown> };
  // Computed of the tx, and kept nowhere.
  const { 'tx/timestamp': _, ...kept } = attributes;
  const { ':tx': tx, ...fields } = view;
  expect(
    Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, JSON.parse(text)])),
    `the view of ${entity}`,
  ).toEqual(kept);
  expect(tx, `the newest transaction of ${entity}`).toBe(witness.newestOf(entity));
}
