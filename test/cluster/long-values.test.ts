/**
 * Values that are kept as blobs of the bucket, through every door of a cluster: published with kcat and sent over HTTP,
 * read at another node, from the topic of changes and from Redis, with the bucket away for a while.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { S3Objects } from '@pyralog/objects/s3';
import type { JsonFact } from '../e2e/witness.ts';
import { Cluster, create, healthy } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { publishers } from './publish-support.ts';
import { Topics } from './topics.ts';
import { eventually } from './waiting.ts';

const KIB = 1024;

let cluster: Cluster;
let api: ClusterProcess;
let other: ClusterProcess;
let sequencer: ClusterProcess;
let topics: Topics;
beforeAll(async () => {
  cluster = await Cluster.start();
  topics = await Topics.open(cluster);
  [api, other, sequencer] = await Promise.all([
    cluster.run('api'),
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
});
afterAll(async () => {
  await topics?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** A text of so many bytes that ends so. */
function long(end: string, bytes: number): string {
  return 'Begin '.repeat(60).padEnd(bytes - end.length, '.') + end;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The value of an attribute at a node; undefined where there is none yet. */
async function valueAt(
  { url }: ClusterProcess,
  database: string,
  entity: string,
): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/${database}/entities/${entity}`);
  const { attributes } = (await response.json()) as { attributes?: { text: string } };
  return attributes?.text;
}

function post(database: string, document: object): Promise<Response> {
  return fetch(`${api.url}/v1/${database}/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
}

/** What the topic of changes and Redis say of an entity, when they say the last of these values. */
async function checkOutputs(
  database: string,
  entity: string,
  values: readonly string[],
): Promise<void> {
  const expected = values.map(hashOf);
  await eventually(`the changes of ${database}`, async () => {
    const told = (await topics.read(`${database}.changes`)).flatMap(({ value }) => {
      const { facts } = JSON.parse(Buffer.from(value ?? []).toString()) as { facts: JsonFact[] };
      return facts.filter((fact) => fact.entity === entity && fact.operation === 'assert');
    });
    expect(told.map(({ value }) => hashOf(String(value)))).toEqual(expected);
  });
  const redis = new Redis(cluster.redis.address);
  try {
    await eventually(`the view of ${entity}`, async () => {
      const text = await redis.hget(`${database}:e:${entity}`, 'text');
      expect(hashOf(JSON.parse(text ?? '""') as string)).toBe(expected.at(-1));
    });
  } finally {
    redis.disconnect();
  }
}

async function blobs(database: string): Promise<string[]> {
  const { address, bucket, accessKey, secretKey } = cluster.s3;
  const objects = S3Objects.at({
    endpoint: address,
    region: 'us-east-1',
    bucket,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  await using _objects = objects;
  const names: string[] = [];
  for await (const { key } of objects.list(`${database}/blobs/`))
    names.push(key.slice(key.lastIndexOf('/') + 1));
  return names;
}

const kcat = publishers().find(({ name }) => name === 'kcat');
const without = kcat?.reason !== '' && process.env['CI'] !== 'true';

test.skipIf(without)(`a value of 100 KiB that kcat publishes ${kcat?.reason}`, async () => {
  onTestFailed(() => void process.stderr.write(cluster.errors));
  await create(api, 'published');
  const values = [long('1', 100 * KIB), long('2', 100 * KIB)];
  for (const value of values) {
    const document = { key: 'a', value: JSON.stringify({ ops: [{ entity: 'a', text: value }] }) };
    await kcat?.send({ broker: cluster.kafka.address, topic: 'published.transactions' }, [
      document,
    ]);
  }
  for (const node of [api, other])
    await eventually('both nodes have it', async () => {
      expect(hashOf((await valueAt(node, 'published', 'a')) ?? '')).toBe(hashOf(values[1] ?? ''));
    });
  await checkOutputs('published', 'a', values);
  expect(await blobs('published')).toEqual(values.map(hashOf).toSorted());
});

test('one of 5 MiB that is sent over HTTP', async () => {
  onTestFailed(() => void process.stderr.write(cluster.errors));
  await create(api, 'sent');
  const value = long('1', 5 * KIB * KIB);
  const response = await post('sent', { ops: [{ entity: 'a', text: value }] });
  expect(response.status).toBe(200);
  const { tx, facts } = (await response.json()) as { tx: string; facts: JsonFact[] };
  const written = facts.find(({ entity }) => entity === 'a');
  expect(hashOf(String(written?.value))).toBe(hashOf(value));
  const read = await fetch(`${other.url}/v1/sent/entities/a?await=${tx}`);
  const { attributes } = (await read.json()) as { attributes: { text: string } };
  expect(hashOf(attributes.text)).toBe(hashOf(value));
  await checkOutputs('sent', 'a', [value]);
  expect(await blobs('sent')).toEqual([hashOf(value)]);
});

test('I14 while the bucket is away, one waits with all behind it, and comes in when it is back', async () => {
  onTestFailed(() => void process.stderr.write(cluster.errors));
  await create(api, 'waiting');
  await post('waiting', { ops: [{ entity: 'before', text: 'short' }] });
  await cluster.s3.kill();
  const value = long('1', 100 * KIB);
  const told = sequencer.says(/waiting\/blobs\//, sequencer.errors.length);
  const answers = [
    post('waiting', { ops: [{ entity: 'a', text: value }] }),
    post('waiting', { ops: [{ entity: 'b', text: 'short' }] }),
  ];
  await told;
  await cluster.s3.start();
  for (const answer of answers) expect((await answer).status).toBe(200);
  expect(hashOf((await valueAt(other, 'waiting', 'a')) ?? '')).toBe(hashOf(value));
  await checkOutputs('waiting', 'a', [value]);
  for (const node of [api, other, sequencer]) await healthy(node);
});
