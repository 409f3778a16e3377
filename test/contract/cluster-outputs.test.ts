/** What a cluster writes for others: topics of changes and rejects, and views. */
import { printEntity, printFeedEvent } from '@pyralog/client';
import type { StoredRecord } from '@pyralog/log';
import { logOffset, partitionNo, TX_NONE, type Tx } from '@pyralog/model';
import type { Database } from '@pyralog/client';
import { afterAll, afterEach, expect, test } from 'vitest';
import { ClusterOfOne } from './cluster-host.ts';
import { commit, create, expectCode, feedOf, write } from './database-support.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const P = partitionNo(0);

function start(): Promise<ClusterOfOne> {
  return ClusterOfOne.start(threads, { factsMax: 10, bytesMax: 1e9 }, (...told) =>
    troubles.push(told),
  );
}

/** Records of a topic, once there are so many. */
async function records({ ports }: ClusterOfOne, topic: string, count: number) {
  const found: StoredRecord[] = [];
  const read = ports.log.read({ topic, partition: P }, logOffset(0), {
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

/** The views of all entities of a database equal its answers at their watermark, when that has come to a moment. */
async function expectViews(
  { ports: { views } }: ClusterOfOne,
  database: Database,
  moment: Tx,
): Promise<void> {
  let watermark = TX_NONE;
  await expect
    .poll(
      async () => {
        watermark = (await views?.position('main', P))?.watermark ?? TX_NONE;
        return watermark >= moment;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
  const entities = new Set<string>();
  for (const event of await feedOf(database, { offset: '-1' }))
    if (event.kind === 'transaction') for (const { entity } of event.facts) entities.add(entity);
  expect(entities.size).toBeGreaterThan(5);
  for (const entity of entities) {
    const view = await views?.entity('main', entity);
    const { attributes } = JSON.parse(
      printEntity(await database.entity(entity, { asOf: watermark })),
    ) as { attributes: Record<string, unknown> };
    // Not a fact, but computed from the tx.
    delete attributes['tx/timestamp'];
    const found = Object.fromEntries(
      [...(view?.attributes ?? [])].map(([name, json]) => [name, JSON.parse(json) as unknown]),
    );
    expect(found, entity).toEqual(attributes);
  }
}

async function fill(database: Database): Promise<Tx> {
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
  const { tx } = await write(database, { op: 'retract', entity: 'e:4', attribute: 'tag' });
  return tx;
}

test('every transaction is a change, in the order of their txs, as the feed tells it', async () => {
  await using cluster = await start();
  const database = await create(cluster);
  await fill(database);
  const feed = (await feedOf(database, { offset: '-1' })).filter(
    ({ kind }) => kind === 'transaction',
  );
  const changes = await records(cluster, 'main.changes', feed.length);
  expect(changes.map((each) => header(each, 'pyralog-tx'))).toEqual(
    feed.map(({ tx }) => tx.toString()),
  );
  expect(changes.map(({ value }) => text(value))).toEqual(feed.map(printFeedEvent));
});

test('I9 what is rejected is a reject with its reason and the bytes that were sent', async () => {
  await using cluster = await start();
  const database = await create(cluster);
  await write(database, { entity: 'e:1', n: 1 });
  const cas = { op: 'cas', entity: 'e:1', attribute: 'n', old: 5, new: 6 };
  await expectCode(commit(database, { ops: [cas] }), 'cas-failed');
  const { log } = cluster.ports;
  const inputs = { topic: 'main.transactions', partition: P };
  const sent = {
    key: Buffer.from('k'),
    value: Buffer.from('{"ops":'),
    headers: { own: Buffer.from('h') },
  };
  const offset = await log.append(inputs, [sent]);
  await log.append(inputs, [{ value: null }]);
  await write(database, { entity: 'e:1', n: 2 });
  const [first, second, third] = await records(cluster, 'main.rejects', 3);
  expect(header(first, 'pyralog-code')).toBe('cas-failed');
  expect(JSON.parse(text(first?.value))).toEqual({ ops: [cas] });
  expect(header(second, 'pyralog-code')).toBe('json-malformed');
  expect(header(second, 'pyralog-detail')).not.toBe('');
  expect(header(second, 'pyralog-partition')).toBe('0');
  expect(header(second, 'pyralog-offset')).toBe(String(offset));
  expect([second?.key, second?.value].map(text)).toEqual(['k', '{"ops":']);
  expect(header(second, 'own')).toBe('h');
  expect(third?.value).toBeNull();
});

test('views follow, and are loaded anew where they were lost', async () => {
  await using cluster = await start();
  const database = await create(cluster);
  await expectViews(cluster, database, await fill(database));
  await cluster.ports.views?.clear('main');
  expect(await cluster.ports.views?.position('main', P)).toMatchObject({ watermark: TX_NONE });
  // Nothing tells the updater; the next transaction does.
  const { tx } = await write(database, { entity: 'e:new', n: 1 });
  await expectViews(cluster, database, tx);
});
