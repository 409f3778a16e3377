import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { probeObjectStore } from '@pyralog/objects';
import { S3Objects, s3OptionsOf } from '@pyralog/objects/s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { objectsContract } from '../contract/objects.ts';
import { bytes, emptyAndClose, keysOf, ownPart, text } from './support.ts';

objectsContract('s3', async () => {
  const store = await S3Objects.open(ownPart());
  return {
    store,
    async close() {
      await emptyAndClose(store);
      await expect(store.get('closed')).rejects.toMatchObject({ code: 'stopping' });
      await expect(store.put('closed', bytes(''))).rejects.toMatchObject({ code: 'stopping' });
      await expect(keysOf(store)).rejects.toMatchObject({ code: 'stopping' });
    },
  };
});

let store: S3Objects;
const part = ownPart();
beforeAll(async () => {
  store = await S3Objects.open(part);
});
afterAll(() => emptyAndClose(store));

test('of several processes exactly one creates each key', async () => {
  const { endpoint, bucket, prefix, credentials } = ownPart();
  const racer = fileURLToPath(new URL('./s3-racer.ts', import.meta.url));
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  };
  const place = `${bucket}/${prefix}`;
  const racers = ['0', '1', '2'].map((id) => {
    const args = ['--conditions=source', '--import', 'tsx', racer, endpoint, place, id];
    const { stdin, stdout } = spawn(process.execPath, args, {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    return { id, stdin, line: async () => String((await lines.next()).value) };
  });
  // All have opened the bucket before one puts.
  expect(await Promise.all(racers.map(({ line }) => line()))).toEqual(['ready', 'ready', 'ready']);
  const winners = new Map<string, string>();
  for (let round = 0; round < 25; round++) {
    for (const { stdin } of racers) stdin.write(`${round}\n`);
    for (const { id, line } of racers) {
      for (const key of (await line()).split(' ').filter((each) => each !== '')) {
        expect(winners.get(key), key).toBeUndefined();
        winners.set(key, id);
      }
    }
  }
  for (const { stdin } of racers) stdin.end();
  expect(winners.size).toBe(100);
  // They did race: nobody has won them all.
  expect(new Set(winners.values()).size).toBeGreaterThan(1);
  const raced = await S3Objects.open(s3OptionsOf({ url: endpoint, bucket: place }, env));
  for (const [key, id] of winners) expect(text(await raced.get(key))).toBe(id);
  await emptyAndClose(raced);
});

test('a store that keeps the first writer passes the probe, and is left as it was', async () => {
  await probeObjectStore(store, store.name);
  expect(await keysOf(store, '_probe/')).toEqual([]);
});

test('a listing of several pages is whole and in order, from any key on', async () => {
  const keys = Array.from({ length: 1_005 }, (_, i) => `pages/${String(i).padStart(4, '0')}`);
  await Promise.all(keys.map((key) => store.put(key, bytes(key))));
  expect(await keysOf(store, 'pages/')).toEqual(keys);
  expect(await keysOf(store, 'pages/', 'pages/0003')).toEqual(keys.slice(4));
  // Behind a key that is not there.
  expect(await keysOf(store, 'pages/', 'pages/0998x')).toEqual(keys.slice(999));
});

test('a prefix is a part of its own: what lies beside it is not seen', async () => {
  const beside = await S3Objects.open({ ...part, prefix: `${part.prefix}-2` });
  const inside = await S3Objects.open({ ...part, prefix: `${part.prefix}/inside` });
  await beside.put('mine', bytes('beside'));
  await inside.put('mine', bytes('inside'));
  expect(await store.get('mine')).toBeUndefined();
  expect(await keysOf(store, 'mine')).toEqual([]);
  expect(await keysOf(beside)).toEqual(['mine']);
  expect(text(await store.get('inside/mine'))).toBe('inside');
  await emptyAndClose(beside);
  await emptyAndClose(inside);
});

test('an object of many megabytes, and ranges of it', { timeout: 120_000 }, async () => {
  const content = new Uint8Array(65 * 2 ** 20);
  for (let i = 0; i < content.length; i += 4_096) content[i] = i >> 12;
  expect(await store.put('large', content)).toBe('created');
  expect(await store.head('large')).toEqual({ key: 'large', bytes: content.length });
  expect(Buffer.from((await store.get('large')) ?? []).equals(content)).toBe(true);
  const range = await store.getRange('large', 2 ** 25 - 1, 2 ** 13);
  expect(range).toEqual(content.slice(2 ** 25 - 1, 2 ** 25 - 1 + 2 ** 13));
  await store.delete('large');
});

test('ranges of nothing, of an empty object, and of what is not there', async () => {
  await store.put('ranges', bytes('0123456789'));
  expect(text(await store.getRange('ranges', 3, 0))).toBe('');
  expect(text(await store.getRange('ranges', -3, 0))).toBe('');
  expect(text(await store.getRange('ranges', -4, 4))).toBe('6789');
  expect(text(await store.getRange('ranges', -4, 100))).toBe('6789');
  expect(text(await store.getRange('ranges', 10, 1))).toBe('');
  expect(text(await store.getRange('ranges', 0, 2 ** 40))).toBe('0123456789');
  await store.put('empty', bytes(''));
  for (const [start, length] of [
    [0, 1],
    [-1, 1],
    [-2, 1],
    [0, 0],
  ] as const) {
    expect(text(await store.getRange('empty', start, length))).toBe('');
    expect(await store.getRange('none', start, length)).toBeUndefined();
  }
  // A caller may hand on the memory of what it was given.
  const given = await store.getRange('ranges', 0, 2);
  expect(given?.buffer.byteLength).toBe(2);
});
