/** `POST /transactions` with Arrow IPC, over a real server. */
import { COMPRESSED, ints, ipc, texts } from '@pyralog/arrow/testing';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { MemoryHost } from '../http/memory-database.ts';
import { type Served, served } from '../http/served.ts';
import { create, data, told } from './database-support.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const STREAM = 'application/vnd.apache.arrow.stream';
const FILE = 'application/vnd.apache.arrow.file';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

interface Answer {
  readonly status: number;
  readonly tx?: string;
  readonly facts?: readonly unknown[];
  readonly duplicate?: boolean;
  readonly code?: string;
  readonly detail?: string;
}

async function post(server: Served, bytes: Uint8Array, type = STREAM): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/main/transactions`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: bytes,
  });
  const answer = (await response.json()) as Answer;
  return { ...answer, status: response.status };
}

const hosts: readonly (readonly [string, () => Promise<Served>])[] = [
  ['a server', () => served(new MemoryHost())],
  [
    'the database of one process',
    async () =>
      served(
        await embeddedHost(threads, { factsMax: 3, bytesMax: 1e9 }, (what, error) =>
          troubles.push(what, error),
        ),
      ),
  ],
];

describe.each(hosts)('%s takes documents as Arrow', (_, make) => {
  test('a stream of entities and a file of operations become facts, without loss', async () => {
    await using server = await make();
    const database = await create(server);
    const columns = [
      texts('entity', ['a', 'b']),
      ints('n', [2n ** 53n + 1n, null]),
      texts('of', [null, 'a'], { 'pyralog.type': 'ref' }),
    ];
    const metadata = { 'pyralog.meta': '{"author":"user:alice"}' };
    const { status, tx = '' } = await post(server, ipc(columns, { metadata }));
    expect(status).toBe(200);
    expect((await database.entity('a')).attributes.get('n')?.values).toEqual([
      { type: 'int', value: 2n ** 53n + 1n },
    ]);
    expect((await database.entity('b')).attributes.get('of')?.values).toEqual([
      { type: 'ref', value: 'a' },
    ]);
    expect((await database.entity(`tx:${tx}`)).attributes.get('tx/author')?.values).toEqual([
      { type: 'string', value: 'user:alice' },
    ]);
    const operations = [
      texts('op', ['retractEntity', null]),
      texts('entity', ['b', 'c']),
      texts('attribute', [null, 'name']),
      texts('value', [null, 'x']),
    ];
    expect((await post(server, ipc(operations, { kind: 'file' }), FILE)).status).toBe(200);
    expect((await database.entity('b')).attributes.size).toBe(0);
    const { facts } = await database.state({ index: 'eavt', entity: 'c' });
    expect(told(data(facts))).toEqual([['c', 'name', 'x', 'assert']]);
  });

  test('the same document with an id is committed once, and other content is refused', async () => {
    await using server = await make();
    await create(server);
    const keyed = (value: string): Uint8Array =>
      ipc([texts('entity', ['a']), texts('n', [value])], { metadata: { 'pyralog.id': 'k' } });
    const first = await post(server, keyed('x'));
    expect(await post(server, keyed('x'))).toMatchObject({ tx: first.tx, duplicate: true });
    expect(await post(server, keyed('y'))).toMatchObject({ status: 409, code: 'key-reused' });
    // It is the same document as JSON.
    const json = await fetch(`${server.url}/v1/main/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"id":"k","ops":[{"entity":"a","n":"x"}]}',
    });
    expect(await json.json()).toMatchObject({ tx: first.tx, duplicate: true });
  });

  test.each(['lz4', 'zstd'] as const)('compressed with %s', async (compression) => {
    await using server = await make();
    const database = await create(server);
    expect((await post(server, COMPRESSED[compression])).status).toBe(200);
    expect((await database.entity('paper:38')).attributes.get('n')?.values).toEqual([
      { type: 'int', value: 38_000n },
    ]);
  });
});

test.each<[string, Uint8Array, number, string, RegExp]>([
  ['nothing', Uint8Array.of(), 422, 'document-invalid', /^The Arrow data do not hold together: /],
  ['JSON', Buffer.from('{"ops":[]}'), 422, 'document-invalid', /they begin otherwise/],
  ['half of a stream', half(), 422, 'document-invalid', /cut off/],
  [
    'an entity that is none',
    ipc([texts('entity', ['a', '']), texts('n', ['x', 'y'])]),
    422,
    'entity-invalid',
    /^ops\[1\]\.entity: /,
  ],
  [
    'too much when decompressed',
    gigantic(),
    413,
    'transaction-too-large',
    /^The columns have more than 67108864 bytes/,
  ],
])('%s is refused', async (_, bytes, status, code, says) => {
  await using server = await served(new MemoryHost());
  await create(server);
  for (const type of [STREAM, FILE])
    expect(await post(server, bytes, type)).toMatchObject({
      status,
      code,
      detail: expect.stringMatching(says),
    });
});

function half(): Uint8Array {
  const whole = ipc([texts('entity', ['a']), texts('n', ['x'])]);
  return whole.subarray(0, whole.length >> 1);
}

/** The first length in front of a compressed buffer is that of 41 offsets. */
function gigantic(): Uint8Array {
  const bytes = Uint8Array.from(COMPRESSED.lz4);
  const at = Buffer.from(bytes).indexOf(Uint8Array.of(41 * 4, 0, 0, 0, 0, 0, 0, 0));
  new DataView(bytes.buffer).setBigInt64(at, 2n ** 40n, true);
  return bytes;
}

test('what is in memory is bounded, before and behind the translation, and given back', async () => {
  await using server = await served(new MemoryHost(), { config: { bodyBytesMax: 30_000 } });
  await create(server);
  // The bytes of a texts are fewer than their JSON, which has escapes.
  const columns = [texts('entity', ['a']), texts('n', ['\0'.repeat(10_000)])];
  const small = ipc([texts('entity', ['a']), texts('n', ['x'])]);
  for (let round = 0; round < 20; round++) {
    expect(await post(server, ipc(columns))).toMatchObject({ status: 503, code: 'busy' });
    expect(await post(server, Uint8Array.of(1))).toMatchObject({ status: 422 });
    expect(await post(server, small)).toMatchObject({ status: 200 });
  }
});

test('the OpenAPI document names both media types, which have no JSON schema', async () => {
  await using server = await served(new MemoryHost());
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    readonly paths: Record<
      string,
      { readonly post: { readonly requestBody: { readonly content: Record<string, unknown> } } }
    >;
  };
  const { content } = document.paths['/v1/{db}/transactions']?.post.requestBody ?? { content: {} };
  expect(Object.keys(content)).toEqual(['application/json', 'application/x-ndjson', STREAM, FILE]);
  expect([content[STREAM], content[FILE]]).toEqual([{}, {}]);
});
