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
  readonly witness: Witness;
  readonly random: Random;
}

interface Status {
  readonly partitions: readonly {
    readonly epoch: number;
    readonly logEnd: number;
    readonly indexed: number;
    readonly closed: string;
    readonly liveFacts: number;
    readonly troubles: readonly unknown[];
  }[];
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

/** The status of each partition. */
export async function statusesOf(url: string, database: string): Promise<Status['partitions']> {
  const response = await fetch(`${url}/v1/${database}/status`);
  return ((await response.json()) as Status).partitions;
}

/** The status of the first partition. */
export async function statusOf(url: string, database: string): Promise<Status['partitions'][0]> {
  const [partition] = await statusesOf(url, database);
  if (partition === undefined) throw new Error(`${database} has no partition.`);
  return partition;
}

/** Numbers of the partitions. */
async function partitionsOf({ url, database }: CheckOptions): Promise<readonly number[]> {
  return [...(await statusesOf(url, database)).keys()];
}

/** Every input has one outcome, in a record that counts (I9); a writer would send again what had none. */
async function checkOutcomes(options: CheckOptions): Promise<void> {
  const { cluster, database } = options;
  await using topics = await Topics.open(cluster);
  for (const partition of await partitionsOf(options)) {
    // Of a log without its beginning nobody can say which records count.
    if ((await topics.start(`${database}.commits`, partition)) > 0) continue;
    const inputs = await topics.read(`${database}.transactions`, 0, partition);
    const name = `${database}/${partition}`;
    // What was decided is told to others behind its outcome.
    await eventually(`${name} is settled`, async () => {
      const outcomes = await outcomesOf(topics.batches(`${database}.commits`, partition));
      expectSettled(outcomes, name);
      // What waits for other partitions has its outcome behind younger ones.
      expect(
        outcomes.inputs.toSorted((a, b) => a - b),
        `I9: the inputs of ${name} with an outcome`,
      ).toEqual(inputs.map(({ offset }) => offset));
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

/** A record may come twice, and the first ones are every transaction of its partition in order. */
async function checkChanges(options: CheckOptions): Promise<void> {
  const { cluster, database, witness } = options;
  const topic = `${database}.changes`;
  await using topics = await Topics.open(cluster);
  const partitions = (await partitionsOf(options)).map((partition) => ({ partition, next: 0 }));
  const texts = partitions.map(() => new Map<string, string>());
  await eventually(`${topic} reaches the end`, async () => {
    for (const [p, read] of partitions.entries()) {
      const own = texts[p] ?? new Map<string, string>();
      for (const { offset, value } of await topics.read(topic, read.next, read.partition)) {
        read.next = offset + 1;
        const text = Buffer.from(value ?? []).toString();
        const { tx } = JSON.parse(text) as Committed;
        expect(text, `${tx} comes again as it was`).toBe(own.get(tx) ?? text);
        own.set(tx, text);
      }
    }
    expect(texts.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThanOrEqual(witness.seen);
  });
  const told = texts.map((each) => [...each.values()].map((text) => JSON.parse(text) as Committed));
  for (const own of told) expect(own.map(({ tx }) => tx)).toEqual(own.map(({ tx }) => tx).sort());
  witness.checkTransactions(told.flat().sort((a, b) => (a.tx < b.tx ? -1 : 1)));
}

/** Every view is the entity as of the watermark, and there is one of every entity. */
async function checkViews(options: CheckOptions): Promise<void> {
  const { cluster, database, witness } = options;
  const redis = new Redis(cluster.redis.address);
  try {
    const newest = newestByHome(witness, (await partitionsOf(options)).length);
    await eventually(`the views of ${database} reach the end`, async () => {
      for (const [partition, tx] of newest)
        expect(await redis.hget(`${database}:v:${partition}`, 'watermark')).toBe(tx);
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

/** The newest transaction that has facts of entities at home on a partition. */
function newestByHome(witness: Witness, partitions: number): ReadonlyMap<number, string> {
  const newest = new Map<number, string>();
  for (const entity of witness.everWritten) {
    const home = partitionOf(entity, partitions);
    const tx = witness.newestOf(entity);
    if (tx !== undefined && tx > (newest.get(home) ?? '')) newest.set(home, tx);
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
