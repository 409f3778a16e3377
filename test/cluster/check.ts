import { advance, decodeCommitRecord, emptyLogState, isOutcome } from '@pyralog/format';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
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

export async function statusOf(url: string, database: string): Promise<Status['partitions'][0]> {
  const response = await fetch(`${url}/v1/${database}/status`);
  const { partitions } = (await response.json()) as Status;
  const [partition] = partitions;
  if (partition === undefined) throw new Error(`${database} has no partition.`);
  return partition;
}

/** Every input has one outcome, in a record that counts (I9); a writer would send again what had none. */
async function checkOutcomes({ cluster, database }: CheckOptions): Promise<void> {
  await using topics = await Topics.open(cluster);
  // Of a log without its beginning nobody can say which records count.
  if ((await topics.start(`${database}.commits`)) > 0) return;
  const outcomes: number[] = [];
  let state = emptyLogState();
  for (const { offset, value } of await topics.read(`${database}.commits`)) {
    const record = decodeCommitRecord(value ?? new Uint8Array(0), `record ${offset}`);
    const next = advance(state, offset, record);
    if (next.counts && record.kind === 'items')
      outcomes.push(...record.items.filter(isOutcome).map(({ offset }) => offset));
    ({ state } = next);
  }
  const inputs = await topics.read(`${database}.transactions`);
  expect(outcomes, `I9: the inputs of ${database} with an outcome`).toEqual(
    inputs.map(({ offset }) => offset),
  );
}

/** Every whole part is in the bucket. */
function checkIndexed({ url, database }: CheckOptions): Promise<void> {
  return eventually(`the index of ${database} reaches the end`, async () => {
    const { liveFacts, troubles } = await statusOf(url, database);
    expect(troubles).toEqual([]);
    expect(liveFacts).toBeLessThan(PART_FACTS);
  });
}

/** A record may come twice, and the first ones are every transaction in order. */
async function checkChanges({ cluster, database, witness }: CheckOptions): Promise<void> {
  const topic = `${database}.changes`;
  await using topics = await Topics.open(cluster);
  const texts = new Map<string, string>();
  let next = 0;
  await eventually(`${topic} reaches the end`, async () => {
    for (const { offset, value } of await topics.read(topic, next)) {
      next = offset + 1;
      const text = Buffer.from(value ?? []).toString();
      const { tx } = JSON.parse(text) as Committed;
      expect(text, `${tx} comes again as it was`).toBe(texts.get(tx) ?? text);
      texts.set(tx, text);
    }
    expect(texts.size).toBeGreaterThanOrEqual(witness.seen);
  });
  witness.checkTransactions([...texts.values()].map((text) => JSON.parse(text) as Committed));
}

/** Every view is the entity as of the watermark, and there is one of every entity. */
async function checkViews(options: CheckOptions): Promise<void> {
  const { cluster, database, witness } = options;
  const redis = new Redis(cluster.redis.address);
  try {
    await eventually(`the views of ${database} reach the end`, async () => {
      expect(await redis.hget(`${database}:v:0`, 'watermark')).toBe(witness.lastTx);
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
