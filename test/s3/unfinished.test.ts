/** A store that is killed in the middle of an upload: what it leaves is named, is no damage, and disturbs nobody. */
import { createHash, createHmac } from 'node:crypto';
import { request } from 'node:http';
import { createCodec } from '@pyralog/format/zstd';
import { S3Objects } from '@pyralog/objects/s3';
import { verifyBucket } from '@pyralog/reading';
import { SystemClock, SystemRand } from '@pyralog/runtime';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createDatabase } from '../../services/pyralog/src/database-settings.ts';
import { verify } from '../../services/pyralog/src/cli/verify.ts';
import { S3ProxyServer } from '../servers/s3proxy.ts';
import { keysOf } from './support.ts';

/** Of which a half is sent. */
const BODY_BYTES = 2_000_000;

let server: S3ProxyServer;
let store: S3Objects;
beforeAll(async () => {
  server = await S3ProxyServer.start();
  const { accessKey, secretKey, bucket, address } = server;
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKey);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretKey);
  store = await S3Objects.open({
    endpoint: address,
    region: 'us-east-1',
    bucket,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await store[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Sends the first half of an object, and nothing more. Resolves when the connection has ended. */
async function putHalf(key: string): Promise<void> {
  const { accessKey, secretKey, bucket, address } = server;
  const date = new Date().toUTCString();
  const signed = `PUT\n\n\n${date}\n/${bucket}/${key}`;
  const signature = createHmac('sha1', secretKey).update(signed).digest('base64');
  const put = request(`${address}/${bucket}/${key}`, {
    method: 'PUT',
    headers: {
      date,
      authorization: `AWS ${accessKey}:${signature}`,
      'content-length': BODY_BYTES,
    },
  });
  put.on('error', () => undefined);
  put.write(Buffer.alloc(BODY_BYTES / 2));
  await new Promise((resolve) => put.once('close', resolve));
}

/** What the command prints, and its exit status. */
async function told(json: boolean): Promise<{ readonly status: number; readonly text: string }> {
  let text = '';
  const stdout = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((part) => ((text += String(part)), true));
  try {
    const { address, bucket } = server;
    return { status: await verify({ s3: address, bucket, json }), text };
  } finally {
    stdout.mockRestore();
  }
}

test('what is left of an upload that was cut off is named, and the bucket is whole', async () => {
  await createDatabase(
    'main',
    {},
    {
      objects: store,
      clock: new SystemClock(),
      rand: new SystemRand(),
      partitionsDefault: 1,
    },
  );
  const content = Buffer.from('what was too large for a record');
  const claim = `main/claims/${createHash('sha256').update(content).digest('hex')}`;
  await store.put(claim, content);
  const run = `main/index/0/eavt-0-${'ab'.repeat(32)}.run`;
  const cut = putHalf(run);
  await expect.poll(() => keysOf(store, run)).toHaveLength(1);
  await server.kill();
  await cut;
  await server.start();

  const [left = ''] = await keysOf(store, run);
  expect(left.startsWith(`${run}-`)).toBe(true);
  const human = await told(false);
  expect(human.status).toBe(0);
  expect(human.text).toMatch(`left over  ${left}`);
  expect(human.text).toMatch(/2 files, .*: all whole/);
  const { status, text } = await told(true);
  expect(status).toBe(0);
  expect(JSON.parse(text)).toMatchObject({ files: 2, problems: [], leftOver: [left] });

  // The key is free: whoever wanted to put it does.
  expect(await store.put(run, Buffer.from('no run'))).toBe('created');
  const damaged = await told(true);
  expect(damaged.status).toBe(1);
  expect(JSON.parse(damaged.text)).toMatchObject({ problems: [{ file: run }], leftOver: [left] });
  expect(await keysOf(store, run)).toEqual([run, left]);
});

test('a claimed object that is not what it is called after is named', async () => {
  const key = `other/claims/${'cd'.repeat(32)}`;
  await store.put(key, Buffer.from('x'));
  const reports = [];
  for await (const report of verifyBucket(store, await createCodec(), 'other'))
    reports.push(report);
  expect(reports).toMatchObject([{ key, leftOver: false, problem: { code: 'object-damaged' } }]);
});
