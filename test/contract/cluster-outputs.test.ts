/** What a cluster writes for others: topics of changes and rejects, and views. */
import { type FeedEvent, printEntity, printFeedEvent } from '@pyralog/client';
import type { StoredRecord } from '@pyralog/log';
import {
  logOffset,
  type PartitionNo,
  partitionNo,
  partitionOf,
  partitionOfTx,
  TX_NONE,
  type Tx,
} from '@pyralog/model';
import type { Database } from '@pyralog/client';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { commit, create, expectCode, feedOf, write } from './database-support.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

function start(): Promise<ClusterOfOne> {
  return ClusterOfOne.start(threads, { factsMax: 10, bytesMax: 1e9 }, (...told) =>
    troubles.push(told),
  );
}

const allOf = (partitions: number): readonly PartitionNo[] =>
  Array.from({ length: partitions }, (_, p) => partitionNo(p));

/** Records of a partition of a topic, once there are so many. */
async function records(
  { ports }: ClusterOfOne,
  topic: string,
  partition: PartitionNo,
  count: number,
): Promise<readonly StoredRecord[]> {
  const found: StoredRecord[] = [];
  if (count === 0) return found;
  const read = ports.log.read({ topic, partition }, logOffset(0), {
    follow: true,
    signal: AbortSignal.timeout(10_000),
  });
  for await (const batch of read) {
    found.push(...batch);
    if (found.length >= count) break;
  }
  return found;
}

const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();
const header = (record: StoredRecord | undefined, name: string): string =>
  text(record?.headers?.[name]);

/** The views of all entities of a database equal its answers at their watermarks, when these have come to what is in the feed. */
async function expectViews(
  { ports: { views } }: ClusterOfOne,
  database: Database,
  partitions: number,
): Promise<void> {
  const newest = allOf(partitions).map(() => TX_NONE);
  const entities = new Set<string>();
  for (const event of await transactionsOf(database)) {
    for (const { entity } of event.facts) {
      entities.add(entity);
      newest[partitionOf(entity, partitions)] = event.tx;
    }
  }
  expect(entities.size).toBeGreaterThan(5);
  const marks = async (): Promise<Tx[]> =>
    Promise.all(
      allOf(partitions).map(async (p) => (await views?.position('main', p))?.watermark ?? TX_NONE),
    );
  await expect
    .poll(async () => (await marks()).every((mark, p) => mark >= (newest[p] ?? TX_NONE)), {
      timeout: 10_000,
    })
    .toBe(true);
  const watermarks = await marks();
  for (const entity of entities) {
    const asOf = watermarks[partitionOf(entity, partitions)];
    const view = await views?.entity('main', entity);
    const { attributes } = JSON.parse(printEntity(await database.entity(entity, { asOf }))) as {
      attributes: Record<string, unknown>;
    };
    // Not a fact, but computed from the tx.
    delete attributes['tx/timestamp'];
    const found = Object.fromEntries(
      [...(view?.attributes ?? [])].map(([name, json]) => [name, JSON.parse(json) as unknown]),
    );
    expect(found, entity).toEqual(attributes);
  }
}

async function transactionsOf(
  database: Database,
): Promise<readonly (FeedEvent & { readonly kind: 'transaction' })[]> {
  const last = await write(database, { entity: 'e:last', n: 1 });
  // Of all partitions, with everything that was written before.
  await database.transactions({ limit: 1 }, { await: last.tx });
  return (await feedOf(database, { offset: '-1' })).flatMap((event) =>
    event.kind === 'transaction' ? [event] : [],
  );
}

async function fill(database: Database): Promise<void> {
  await write(database, {
    entity: 'attribute:tag',
    'db/cardinality': 'many',
    'db/valueType': 'string',
  });
  for (let i = 0; i < 12; i++)
    await write(database, { entity: `e:${i % 5}`, n: i, tag: ['a', `b${i}`] });
  // Kept as blobs, which nobody is to notice.
  for (const end of ['1', '2'])
    await write(database, { entity: 'e:0', text: 'long '.repeat(20_000) + end });
  await write(database, { op: 'retractEntity', entity: 'e:3' });
  await write(database, { op: 'retract', entity: 'e:4', attribute: 'tag' });
  for (let i = 0; i < 16; i++) await write(database, { entity: `solo:${i}`, n: i });
  // Over several partitions, where there are several.
  const pairs = Array.from({ length: 8 }, (_, i) => ({ entity: `pair:${i}`, n: i }));
  await write(database, ...pairs);
  await write(database, ...pairs.map((pair) => ({ ...pair, tag: ['both'] })));
}

describe.each([1, 4])('on %d partitions', (partitions) => {
  const of = (cluster: ClusterOfOne): Promise<Database> => create(cluster, 'main', { partitions });

  test('every transaction is a change of who coordinated it, whole and in the order of their txs, as the feed tells it', async () => {
    await using cluster = await start();
    const database = await of(cluster);
    await fill(database);
    const feed = await transactionsOf(database);
    for (const partition of allOf(partitions)) {
      const own = feed.filter(({ tx }) => partitionOfTx(tx) % partitions === partition);
      expect(own.length).toBeGreaterThan(0);
      const changes = await records(cluster, 'main.changes', partition, own.length);
      expect(changes.map((each) => header(each, 'pyralog-tx'))).toEqual(
        own.map(({ tx }) => tx.toString()),
      );
      expect(changes.map(({ value }) => text(value))).toEqual(own.map(printFeedEvent));
    }
  });

  test('I9 what is rejected is a reject with its reason and the bytes that were sent', async () => {
    await using cluster = await start();
    const database = await of(cluster);
    await write(database, { entity: 'e:1', n: 1 });
    const cas = { op: 'cas', entity: 'e:1', attribute: 'n', old: 5, new: 6 };
    await expectCode(commit(database, { ops: [cas] }), 'cas-failed');
    const { log } = cluster.ports;
    const partition = partitionOf('e:1', partitions);
    const inputs = { topic: 'main.transactions', partition };
    const sent = {
      key: Buffer.from('k'),
      value: Buffer.from('{"ops":'),
      headers: { own: Buffer.from('h') },
    };
    const offset = await log.append(inputs, [sent]);
    await log.append(inputs, [{ value: null }]);
    await write(database, { entity: 'e:1', n: 2 });
    const [first, second, third] = await records(cluster, 'main.rejects', partition, 3);
    expect(header(first, 'pyralog-code')).toBe('cas-failed');
    expect(JSON.parse(text(first?.value))).toEqual({ ops: [cas] });
    expect(header(second, 'pyralog-code')).toBe('json-malformed');
    expect(header(second, 'pyralog-detail')).not.toBe('');
    expect(header(second, 'pyralog-partition')).toBe(String(partition));
    expect(header(second, 'pyralog-offset')).toBe(String(offset));
    expect([second?.key, second?.value].map(text)).toEqual(['k', '{"ops":']);
    expect(header(second, 'own')).toBe('h');
    expect(third?.value).toBeNull();
  });

  test('a rejection by another partition is one of who coordinated', async () => {
    await using cluster = await start();
    const database = await of(cluster);
    const entities = Array.from({ length: 8 }, (_, i) => `e:${i}`);
    await write(database, ...entities.map((entity) => ({ entity, n: 1 })));
    const cas = entities.map((entity) => ({ op: 'cas', entity, attribute: 'n', old: 1, new: 2 }));
    await write(database, { entity: 'e:7', n: 3 });
    await expectCode(commit(database, { ops: cas }), 'cas-failed');
    const coordinator = partitionOf('e:0', partitions);
    const [only] = await records(cluster, 'main.rejects', coordinator, 1);
    expect(header(only, 'pyralog-code')).toBe('cas-failed');
    expect(header(only, 'pyralog-detail')).toContain('e:7');
    expect(JSON.parse(text(only?.value))).toEqual({ ops: cas });
  });

  test('views follow, and are loaded anew where they were lost', async () => {
    await using cluster = await start();
    const database = await of(cluster);
    await fill(database);
    await expectViews(cluster, database, partitions);
    await cluster.ports.views?.clear('main');
    for (const partition of allOf(partitions)) {
      expect(await cluster.ports.views?.position('main', partition)).toMatchObject({
        watermark: TX_NONE,
      });
    }
    // Nothing tells the updater; the next transaction does.
    await write(database, { entity: 'e:new', n: 1 });
    await expectViews(cluster, database, partitions);
  });
});
