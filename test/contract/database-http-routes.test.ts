import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { type ErrorCode, errors } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { MemoryHost } from '../http/memory-database.ts';
import { type Served, served } from '../http/served.ts';
import { commit, create } from './database-support.ts';

const DOCUMENT =
  '{"meta":{"author":"user:alice"},"ops":[{"entity":"paper:1","title":"Relativity","author":["Einstein"],"pages":30}]}';
const JSON_HEADERS = { 'content-type': 'application/json' };

async function withData(): Promise<{
  readonly server: Served;
  readonly base: string;
  readonly tx: string;
}> {
  const server = await served(new MemoryHost());
  const { tx } = await commit(await create(server), DOCUMENT);
  return { server, base: `${server.url}/v1/main`, tx: tx.toString() };
}

/** Expects a problem document, whole, with the status of its code. */
async function expectProblem(
  response: Response,
  code: ErrorCode,
): Promise<Record<string, unknown>> {
  const problem = (await response.json()) as Record<string, unknown>;
  const { http, title, category } = errors[code];
  expect(problem).toMatchObject({
    type: `urn:pyralog:error:${code}`,
    title,
    status: http,
    code,
    category,
    detail: expect.stringMatching(/\w+ \w+/),
  });
  expect(response.status).toBe(http);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return problem;
}

/** A request whose target is sent as it stands, without what URL parsers make of it. */
function rawRequest(
  url: string,
  target: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Response> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    httpRequest(
      {
        host: hostname,
        port,
        path: target,
        method: options.method ?? 'GET',
        headers: options.headers ?? {},
      },
      (message) => {
        const chunks: Buffer[] = [];
        message
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => {
            const headers = Object.entries(message.headers).map(
              ([name, value]): [string, string] => [name, String(value)],
            );
            const status = message.statusCode ?? 0;
            resolve(
              new Response(status === 204 || status === 304 ? null : Buffer.concat(chunks), {
                status,
                headers,
              }),
            );
          });
      },
    )
      .on('error', reject)
      .end();
  });
}

describe('answers', () => {
  test('a database is made with 201, found with 200, and listed', async () => {
    await using server = await served(new MemoryHost());
    const put = (name: string, body?: string): Promise<Response> =>
      fetch(`${server.url}/v1/${name}`, {
        method: 'PUT',
        ...(body === undefined ? {} : { body, headers: JSON_HEADERS }),
      });
    const made = await put('main', '{"mode":"import","strict":true,"partitions":1}');
    expect([made.status, ((await made.json()) as { mode: string }).mode]).toEqual([201, 'import']);
    expect((await put('main', '{"mode":"import","strict":true}')).status).toBe(200);
    expect((await put('other')).status).toBe(201);
    expect(await (await fetch(`${server.url}/v1`)).json()).toEqual({
      databases: ['main', 'other'],
    });
    await expectProblem(await put('main', '{"mode":"live"}'), 'database-exists');
    await expectProblem(await put('third', '{"mode":"fast"}'), 'parameter-invalid');
    expect(
      (await expectProblem(await put('third', '{"stric":true}'), 'parameter-invalid'))['hint'],
    ).toContain('"strict"');
    await expectProblem(await put('third', '[]'), 'parameter-invalid');
    await expectProblem(await put('third', '{"partitions":1.5}'), 'parameter-invalid');
    await expectProblem(await put('third', '{'), 'json-malformed');
    await expectProblem(await put('Third'), 'database-name-invalid');
  });

  test('shapes are those of the contract', async () => {
    const { server, base, tx } = await withData();
    await using _ = server;
    const get = async (path: string): Promise<unknown> => (await fetch(`${base}${path}`)).json();
    const fact = {
      entity: 'paper:1',
      attribute: 'title',
      value: 'Relativity',
      type: 'string',
      tx,
      operation: 'assert',
    };
    expect(await get('/entities/paper:1')).toEqual({
      entity: 'paper:1',
      basis: tx,
      attributes: { author: ['Einstein'], pages: 30, title: 'Relativity' },
    });
    expect(await get('/entities/paper:1/history?attribute=title')).toEqual({
      entity: 'paper:1',
      basis: tx,
      facts: [fact],
      next: null,
    });
    expect(await get('/state?entity=paper:1&attribute=:title')).toEqual({
      basis: tx,
      facts: [fact],
      next: null,
    });
    expect(await get('/facts?index=aevt&attribute=title')).toEqual({
      basis: tx,
      facts: [fact],
      next: null,
    });
    expect(await get(`/transactions`)).toEqual({
      basis: tx,
      transactions: [
        {
          tx,
          instant: expect.stringMatching(/^20\d\d-.*\.\d{9}Z$/),
          meta: { author: 'user:alice' },
        },
      ],
      next: null,
    });
    expect(await get(`/transactions/${tx}`)).toMatchObject({
      tx,
      meta: { author: 'user:alice' },
      facts: expect.arrayContaining([fact]),
    });
    expect(await get(`/diff?from=2020-01-01&to=${tx}`)).toMatchObject({
      basis: tx,
      added: expect.arrayContaining([fact]),
      removed: [],
      next: null,
    });
    expect(await get('/schema')).toMatchObject({
      basis: tx,
      strict: false,
      mode: 'live',
      attributes: expect.arrayContaining([
        {
          ident: 'title',
          valueType: 'string',
          cardinality: 'one',
          unique: null,
          index: false,
          doc: null,
          inferred: true,
        },
      ]),
    });
    expect(await get('/status')).toMatchObject({
      database: 'main',
      partitions: [{ partition: 0, closed: tx }],
    });
  });

  test('a commit answers with its facts unless they are not wanted', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const post = async (query: string): Promise<Record<string, unknown>> =>
      (await (
        await fetch(`${base}/transactions${query}`, {
          method: 'POST',
          headers: JSON_HEADERS,
          body: '{"ops":[{"entity":"_:x","n":9007199254740993}]}',
        })
      ).json()) as Record<string, unknown>;
    expect(Object.keys(await post(''))).toEqual(['tx', 'instant', 'facts', 'ids', 'duplicate']);
    expect(Object.keys(await post('?facts=false'))).toEqual(['tx', 'instant', 'ids', 'duplicate']);
    const page = await (await fetch(`${base}/state?index=aevt&attribute=n`)).text();
    expect(page).toContain('"value":{"int":"9007199254740993"}');
  });

  test('a commit says where its time went when it is asked', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const post = async (query: string, body: string, type: string): Promise<Response> =>
      fetch(`${base}/transactions${query}`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      });
    const document = '{"id":"key","ops":[{"entity":"a","n":1}]}';
    const stages = { publish: 0, wait: 0, prepare: 0 };
    const its = {
      partitions: [0],
      attempts: 1,
      millis: { ...stages, commit: expect.any(Number), total: expect.any(Number) },
    };
    const one = await post('?explain=true&facts=false', document, 'application/json');
    const answer = (await one.json()) as Record<string, unknown>;
    expect(Object.keys(answer)).toEqual(['tx', 'instant', 'ids', 'duplicate', 'explain']);
    expect(answer['explain']).toEqual(its);
    // Nothing was done for a duplicate; and each line of a stream is told by itself.
    const lines = `${document}\n{"ops":[{"entity":"a","n":2}]}\n`;
    const stream = await post('?explain=true', lines, 'application/x-ndjson');
    const answers = (await stream.text()).trim().split('\n');
    expect(answers.map((line) => (JSON.parse(line) as { explain: unknown }).explain)).toEqual([
      undefined,
      its,
    ]);
    const silent = await post('?explain=false', '{"ops":[]}', 'application/json');
    expect(await silent.json()).not.toHaveProperty('explain');
    await expectProblem(
      await post('?explain=yes', document, 'application/json'),
      'parameter-invalid',
    );
    // The client asks and reads.
    const database = await server.database('main');
    const bytes = new TextEncoder().encode('{"ops":[{"entity":"a","n":3}]}');
    expect((await database.transact(bytes, { explain: true })).explain).toEqual(its);
    expect((await database.transact(bytes)).explain).toBeUndefined();
  });

  test('every read names its basis, and only what names its moment is kept without asking', async () => {
    const { server, base, tx } = await withData();
    await using _ = server;
    const reads = [
      '/entities/paper:1?',
      '/entities/paper:1/history?',
      '/state?',
      '/facts?index=aevt&',
      '/transactions?',
      `/diff?from=2020-01-01&to=${tx}&`,
      '/schema?',
    ];
    for (const read of reads) {
      const now = await fetch(`${base}${read}`);
      expect([
        now.status,
        now.headers.get('pyralog-basis'),
        now.headers.get('cache-control'),
      ]).toEqual([200, tx, 'no-cache']);
      const then = await fetch(`${base}${read}asOf=${tx}`);
      expect([then.status, then.headers.get('pyralog-basis'), then.headers.get('etag')]).toEqual([
        200,
        tx,
        `"${tx}"`,
      ]);
      expect(then.headers.get('cache-control')).toContain('immutable');
      for (const known of [`"${tx}"`, `W/"${tx}"`, `"x", "${tx}"`, '*']) {
        const same = await fetch(`${base}${read}asOf=${tx}`, {
          headers: { 'if-none-match': known },
        });
        expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([
          304,
          '',
          `"${tx}"`,
        ]);
      }
      expect((await fetch(`${base}${read}`, { headers: { 'if-none-match': '"1"' } })).status).toBe(
        200,
      );
    }
    const transaction = await fetch(`${base}/transactions/${tx}`, {
      headers: { 'if-none-match': `"tx-${tx}"` },
    });
    expect(transaction.status).toBe(304);
    const missing = await fetch(`${base}/entities/nobody?asOf=${tx}`);
    expect(missing.headers.get('pyralog-basis')).toBe(tx);
    expect(missing.headers.get('cache-control')).toBe('no-store');
  });

  test('a page of a cursor is kept too, since its basis is that of the first', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const first = (await (await fetch(`${base}/state?limit=1`)).json()) as { next: string };
    const second = await fetch(`${base}/state?limit=1&cursor=${first.next}`);
    expect(second.headers.get('cache-control')).toContain('immutable');
  });

  test('an answer before the moment that was asked for is not kept: more may come', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server, 'main', { mode: 'import' });
    await commit(database, { at: '2001-01-01T00:00:00Z', ops: [{ entity: 'a', n: 1 }] });
    const response = await fetch(`${server.url}/v1/main/entities/a?asOf=2020-01-01`);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-cache']);
  });

  test('HEAD answers as GET does, without the body', async () => {
    const { server, base, tx } = await withData();
    await using _ = server;
    const head = await fetch(`${base}/entities/paper:1`, { method: 'HEAD' });
    expect([head.status, await head.text(), head.headers.get('pyralog-basis')]).toEqual([
      200,
      '',
      tx,
    ]);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(50);
  });

  test.each([
    ['title=Relativity', 1],
    ['value=Relativity', 1],
    ['value=%22Relativity%22', 1],
    ['valueFrom=R&valueTo=S', 1],
    ['valueFrom=S', 0],
  ])('a value is JSON or plain text: %s', async (query, count) => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    await commit(
      database,
      '{"ops":[{"entity":"attribute:title","db/ident":"title","db/valueType":"string","db/cardinality":"one","db/index":true}]}',
    );
    await commit(database, DOCUMENT);
    const response = await fetch(`${server.url}/v1/main/state?index=avet&attribute=title&${query}`);
    if (query.startsWith('title')) await expectProblem(response, 'parameter-invalid');
    else expect(((await response.json()) as { facts: unknown[] }).facts).toHaveLength(count);
  });

  test('the index that fits is taken where none is named, and a plain value of vaet is a reference', async () => {
    await using server = await served(new MemoryHost());
    await commit(await create(server), '{"ops":[{"entity":"a","friend":{"ref":"b"}}]}');
    const count = async (query: string): Promise<number> =>
      ((await (await fetch(`${server.url}/v1/main/state?${query}`)).json()) as { facts: unknown[] })
        .facts.length;
    expect(await count('value=b')).toBe(1);
    expect(await count('index=vaet&value=b&attribute=friend')).toBe(1);
    expect(await count('attribute=friend')).toBe(1);
    expect(await count('attribute=friend&entity=a&value={"ref":"b"}')).toBe(1);
  });

  test('moments are txs, instants and dates; an instant means its end', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server, 'main', { mode: 'import' });
    await commit(database, { at: '2020-05-05T12:00:00.5Z', ops: [{ entity: 'a', n: 1 }] });
    await commit(database, { at: '2020-05-06T00:00:00Z', ops: [{ entity: 'a', n: 2 }] });
    await commit(database, { at: '2020-05-06T12:00:00Z', ops: [{ entity: 'a', n: 3 }] });
    const at = async (moment: string): Promise<unknown> => {
      const response = await fetch(`${server.url}/v1/main/entities/a?asOf=${moment}`);
      return response.ok
        ? ((await response.json()) as { attributes: { n: number } }).attributes.n
        : ((await response.json()) as { code: string }).code;
    };
    expect(await at('2020-05-05')).toBe('entity-not-found');
    expect(await at('2020-05-05T12:00:00.499999Z')).toBe('entity-not-found');
    expect(await at('2020-05-05T12:00:00.5Z')).toBe(1);
    expect(await at('2020-05-06')).toBe(2);
    expect(await at('2020-05-06T02:00:00%2B02:00')).toBe(2);
    expect(await at('2020-05-06T02:00:00+02:00')).toBe(2);
    expect(await at('2025-01-01')).toBe(3);
    expect(await at('1588723200000000000')).toBe(2);
    for (const wrong of [
      'yesterday',
      '1588723200',
      '2020-13-01',
      '2020-05-06T00:00:00',
      '',
      '99999999999999999999',
      '1969-12-31',
    ])
      expect(await at(wrong)).toBe('as-of-invalid');
    expect(await at('tx:1588723200')).toBe('entity-not-found');
    const range = (await (
      await fetch(
        `${server.url}/v1/main/entities/a/history?from=2020-05-06&to=2020-05-06T00:00:00Z`,
      )
    ).json()) as { facts: { value: number }[] };
    expect(range.facts.map(({ value }) => value)).toEqual([1, 2]);
  });
});

describe('the address of an entity', () => {
  test.each([
    ['/entities/a%2Fb', 'a/b', false],
    ['/entities/a/b', 'a/b', false],
    ['/entities/a/b/history', 'a/b', true],
    ['/entities/a%2Fhistory', 'a/history', false],
    ['/entities/a%2Fhistory/history', 'a/history', true],
    ['/entities/history', 'history', false],
    ['/entities/history/history', 'history', true],
    ['/entities/..', '..', false],
    ['/entities/%2e%2E/history', '..', true],
    ['/entities/?id=..', '..', false],
    ['/entities//history?id=.', '.', true],
    ['/entities/a+b', 'a+b', false],
    ['/entities/a;b=c', 'a;b=c', false],
    ['/entities/%F0%9F%98%80', '😀', false],
    ['/entities/%25', '%', false],
    ['/entities/a%00', 'a\0', false],
    ['/entities//', '/', false],
  ])('%s is %j', async (path, entity, history) => {
    await using server = await served(new MemoryHost());
    await commit(await create(server), {
      ops: [{ op: 'assert', entity, attribute: 'x', value: 1 }],
    });
    const response = await rawRequest(server.url, `/v1/main${path}`);
    expect(response.status).toBe(200);
    const body = (await response.json()) as Record<string, unknown>;
    expect([body['entity'], 'facts' in body]).toEqual([entity, history]);
  });

  test.each([
    ['/entities/', 'entity-invalid'],
    ['/entities//history', 'entity-invalid'],
    ['/entities/%ff', 'parameter-invalid'],
    ['/entities/%', 'parameter-invalid'],
    ['/entities/a%2', 'parameter-invalid'],
    ['/entities/_:x', 'entity-invalid'],
    [`/entities/${'a'.repeat(1025)}`, 'entity-invalid'],
    [`/entities/${'%F0%9F%98%80'.repeat(257)}`, 'entity-invalid'],
    ['/entities/a?id=b', 'parameter-invalid'],
    ['/entities/a/b?limit=3', 'parameter-invalid'],
    ['/entities', 'not-found'],
  ] as const)('%s is refused with %s', async (path, code) => {
    const { server } = await withData();
    await using _ = server;
    const response = await rawRequest(server.url, `/v1/main${path}`);
    expect(((await response.json()) as { code: string }).code).toBe(code);
  });
});

describe('refusals', () => {
  const cases: readonly (readonly [string, ErrorCode])[] = [
    ['/nothing', 'not-found'],
    ['/v2/main', 'not-found'],
    ['/v1/main/', 'not-found'],
    ['/v1/main/sql', 'not-found'],
    ['/v1/nothing/state', 'database-not-found'],
    ['/v1/NOTHING/state', 'database-name-invalid'],
    ['/v1/main/state?limit=0', 'parameter-invalid'],
    ['/v1/main/state?limit=10001', 'parameter-invalid'],
    ['/v1/main/state?limit=1e3', 'parameter-invalid'],
    ['/v1/main/state?limit=', 'parameter-invalid'],
    ['/v1/main/state?limit=1&limit=2', 'parameter-invalid'],
    ['/v1/main/state?index=teav', 'parameter-invalid'],
    ['/v1/main/state?index=aevt&entity=a', 'parameter-invalid'],
    ['/v1/main/state?asof=2020-01-01', 'parameter-invalid'],
    ['/v1/main/state?__proto__=1', 'parameter-invalid'],
    ['/v1/main/state?%ff=1', 'parameter-invalid'],
    ['/v1/main/state?attribute=%ff', 'parameter-invalid'],
    ['/v1/main/state?attribute=%00', 'attribute-invalid'],
    ['/v1/main/state?entity=', 'entity-invalid'],
    ['/v1/main/state?cursor=abc', 'cursor-invalid'],
    ['/v1/main/state?await=abc', 'parameter-invalid'],
    ['/v1/main/state?await=9000000000000000000&timeout=1', 'await-timeout'],
    ['/v1/main/state?timeout=61s', 'parameter-invalid'],
    ['/v1/main/state?timeout=1m', 'parameter-invalid'],
    ['/v1/main/state?asOf=2190-01-01', 'as-of-future'],
    ['/v1/main/state?attribute=title&entity=paper:1&value=[1]', 'value-invalid'],
    ['/v1/main/state?attribute=pages&entity=paper:1&value=many', 'type-mismatch'],
    ['/v1/main/entities/nobody', 'entity-not-found'],
    ['/v1/main/transactions/1', 'transaction-not-found'],
    ['/v1/main/transactions/one', 'parameter-invalid'],
    ['/v1/main/diff', 'parameter-invalid'],
    ['/v1/main/diff?from=2020-01-01', 'parameter-invalid'],
    ['/v1/main/feed?offset=abc', 'offset-invalid'],
    ['/v1/main/feed?live=yes', 'parameter-invalid'],
    ['/v1/main/status?verbose', 'parameter-invalid'],
    ['/%', 'parameter-invalid'],
    ['/v1/%zz/state', 'parameter-invalid'],
  ];
  test.each(cases)('GET %s: %s', async (target, code) => {
    const { server } = await withData();
    await using _ = server;
    await expectProblem(await rawRequest(server.url, target), code);
  });

  test('a parameter that does not exist is answered with those that do', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const problem = await expectProblem(
      await fetch(`${base}/entities/a?asof=1`),
      'parameter-invalid',
    );
    expect(problem).toMatchObject({
      parameter: 'asof',
      hint: expect.stringContaining('Did you mean "asOf"?'),
      allowed: expect.arrayContaining(['asOf', 'await', 'timeout']),
    });
    const none = await expectProblem(await fetch(`${base}/status?a=1`), 'parameter-invalid');
    expect(none['hint']).toContain('no parameters');
  });

  test('a wrong method is told from a wrong address, with the right ones', async () => {
    const { server, base } = await withData();
    await using _ = server;
    for (const [method, path, allow] of [
      ['DELETE', '/state', 'GET, HEAD'],
      ['POST', '/entities/a/b', 'GET, HEAD'],
      ['GET', '/live', 'POST'],
      ['PUT', '/transactions', 'GET, HEAD, POST'],
      ['OPTIONS', '/feed', 'GET'],
      ['HEAD', '/feed', 'GET'],
    ] as const) {
      const response = await fetch(`${base}${path}`, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
    }
    await expectProblem(
      await fetch(`${base}/transactions`, { method: 'PATCH' }),
      'method-not-allowed',
    );
  });

  test.each([
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', {}],
    ['', {}],
    ['nonsense', {}],
    ['application/json; charset=latin1', {}],
    ['application/json', { 'content-encoding': 'gzip' }],
    ['multipart/form-data', {}],
  ])('a body of type %j %j is not supported, and the hint says what is', async (type, headers) => {
    const { server, base } = await withData();
    await using _ = server;
    const response = await fetch(`${base}/transactions`, {
      method: 'POST',
      headers: { ...(type === '' ? {} : { 'content-type': type }), ...headers },
      body: Buffer.from(DOCUMENT),
    });
    const problem = await expectProblem(response, 'media-type-unsupported');
    expect(problem['hint']).toContain('application/json');
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
  ])('a body of type %j is taken', async (type) => {
    const { server, base } = await withData();
    await using _ = server;
    expect(
      (
        await fetch(`${base}/transactions`, {
          method: 'POST',
          headers: { 'content-type': type },
          body: DOCUMENT,
        })
      ).status,
    ).toBe(200);
  });

  test('a body beyond 64 MiB is refused, whether it says its length or not, and the connection serves on', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const bytes = 64 * 1024 * 1024 + 1;
    await expectProblem(
      await fetch(`${base}/transactions`, {
        method: 'POST',
        headers: JSON_HEADERS,
        body: Buffer.alloc(bytes, 32),
      }),
      'transaction-too-large',
    );
    const chunk = new Uint8Array(1024 * 1024).fill(32);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        if ((sent += chunk.length) > bytes + chunk.length) controller.close();
        else controller.enqueue(chunk);
      },
    });
    await expectProblem(
      await fetch(`${base}/transactions`, {
        method: 'POST',
        headers: JSON_HEADERS,
        body: endless,
        duplex: 'half',
      } as RequestInit),
      'transaction-too-large',
    );
    expect((await fetch(`${base}/state`)).status).toBe(200);
  });

  test('bodies over all requests are bounded', async () => {
    await using server = await served(new MemoryHost(), { config: { bodyBytesMax: 1_000 } });
    await create(server);
    const response = await fetch(`${server.url}/v1/main/transactions`, {
      method: 'POST',
      headers: JSON_HEADERS,
      body: ' '.repeat(2_000),
    });
    expect(response.headers.get('retry-after')).toBe('1');
    await expectProblem(response, 'busy');
    expect(
      (
        await fetch(`${server.url}/v1/main/transactions`, {
          method: 'POST',
          headers: JSON_HEADERS,
          body: '{"ops":[]}',
        })
      ).status,
    ).toBe(200);
  });

  test('bodies that are done, refused or cut off count no more', async () => {
    await using server = await served(new MemoryHost(), { config: { bodyBytesMax: 1_000 } });
    await create(server);
    const post = (body: string): Promise<Response> =>
      fetch(`${server.url}/v1/main/transactions`, { method: 'POST', headers: JSON_HEADERS, body });
    for (let n = 0; n < 5; n++) {
      expect((await post(`{"ops":[]}${' '.repeat(600)}`)).status).toBe(200);
      expect((await post(`{"ops":${' '.repeat(600)}`)).status).toBe(400);
      // In pieces, so that a part was counted before the rest was refused.
      const pieces = [' '.repeat(600), ' '.repeat(600)].map((each) =>
        new TextEncoder().encode(each),
      );
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const next = pieces.shift();
          if (next === undefined) controller.close();
          else controller.enqueue(next);
          await fetch(`${server.url}/healthz/alive`);
        },
      });
      const refused = await fetch(`${server.url}/v1/main/transactions`, {
        method: 'POST',
        headers: JSON_HEADERS,
        body,
        duplex: 'half',
      } as RequestInit);
      expect(refused.status).toBe(503);
    }
  });

  test('what is not HTTP, or has huge headers, is answered by a problem', async () => {
    const { server } = await withData();
    await using _ = server;
    const { hostname, port } = new URL(server.url);
    const say = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = '';
        const socket = connect(Number(port), hostname, () => socket.write(text));
        socket
          .on('data', (data) => (answer += data.toString()))
          .on('close', () => resolve(answer))
          .on('error', reject);
      });
    for (const text of [
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`,
      'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n',
    ]) {
      const answer = await say(text);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).toContain('"code":"parameter-invalid"');
    }
    expect((await fetch(`${server.url}/healthz/alive`)).status).toBe(200);
  });

  test('on loopback only its own names are served, and no other page may change anything', async () => {
    const { server, base } = await withData();
    await using _ = server;
    const { port } = new URL(server.url);
    const status = async (headers: Record<string, string>, method = 'GET'): Promise<number> =>
      (await rawRequest(server.url, '/v1', { headers, method })).status;
    for (const host of [
      'localhost',
      `localhost:${port}`,
      '127.0.0.1',
      '[::1]:80',
      'LOCALHOST',
      'kb.localhost',
    ])
      expect(await status({ host })).toBe(200);
    for (const host of [
      'evil.example',
      `localhost.evil.example:${port}`,
      '10.0.0.1',
      '127.0.0.1.evil.example',
      'x',
    ])
      expect(await status({ host })).toBe(403);
    const post = (origin: string): Promise<Response> =>
      rawRequest(base, '/v1/main/live', {
        method: 'POST',
        headers: { origin, host: `127.0.0.1:${port}` },
      });
    await expectProblem(await post('http://evil.example'), 'forbidden');
    await expectProblem(await post('null'), 'forbidden');
    expect((await post(`http://127.0.0.1:${port}`)).status).toBe(200);
  });

  test('a defect is told to the operator and not to the caller', async () => {
    const host = new MemoryHost();
    const broken = Object.assign(Object.create(host) as MemoryHost, {
      list: () => Promise.reject(new Error('secret /path/to/things')),
      create: host.create.bind(host),
      database: host.database.bind(host),
    });
    const told: unknown[] = [];
    const server = await served(broken, { onError: (error) => told.push(error.cause) });
    const response = await fetch(`${server.url}/v1`);
    const problem = await expectProblem(response, 'internal');
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(told).toMatchObject([{ message: 'secret /path/to/things' }]);
    await server[Symbol.asyncDispose]();
  });
});

describe('for those who run it', () => {
  test('health says yes, or why not', async () => {
    const reasons: string[] = [];
    await using server = await served(new MemoryHost(), { notReady: () => reasons });
    const probe = async (name: string): Promise<unknown> => {
      const response = await fetch(`${server.url}/healthz/${name}`);
      return [response.status, await response.json()];
    };
    for (const name of ['started', 'alive', 'ready'])
      expect(await probe(name)).toEqual([200, { status: 'ok', reasons: [] }]);
    reasons.push('The index of main is 5,000,000 facts behind.');
    expect(await probe('ready')).toEqual([503, { status: 'not-ready', reasons }]);
    expect(await probe('alive')).toEqual([200, { status: 'ok', reasons: [] }]);
  });

  test('metrics count requests, commits, facts and refusals', async () => {
    const { server, base } = await withData();
    await using _ = server;
    await fetch(`${base}/entities/paper:1`);
    await fetch(`${base}/entities/paper%2F1`);
    await fetch(`${base}/transactions`, {
      method: 'POST',
      headers: JSON_HEADERS,
      body: '{"ops":[{"entity":"paper:1","pages":"x"}]}',
    });
    await fetch(`${server.url}/nothing/${'x'.repeat(50)}`);
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/);
    const text = await response.text();
    for (const line of [
      'pyralog_http_request_seconds_count{method="GET",route="/v1/:db/entities/:id",status="200"} 1',
      'pyralog_http_request_seconds_count{method="GET",route="/v1/:db/entities/:id",status="404"} 1',
      'pyralog_http_request_seconds_count{method="GET",route="none",status="404"} 1',
      'pyralog_transactions_total{database="main",outcome="committed"} 1',
      'pyralog_transactions_total{database="main",outcome="type-mismatch"} 1',
      'pyralog_transaction_seconds_count{stage="publish",kind="one"} 1',
      'pyralog_transaction_seconds_count{stage="commit",kind="one"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/pyralog_facts_total\{database="main"\} [1-9]/);
    expect(text).not.toContain('xxxxx');
  });

  test('the OpenAPI document names every route, with examples and problems', async () => {
    await using server = await served(new MemoryHost());
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<
        string,
        Record<
          string,
          {
            summary?: string;
            responses: Record<string, unknown>;
            requestBody?: unknown;
            parameters?: { name: string; description?: string }[];
          }
        >
      >;
      components: { schemas: Record<string, unknown> };
    };
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.toSorted()).toEqual(
      [
        ...[
          'GET /v1',
          'PUT /v1/{db}',
          'POST /v1/{db}/live',
          'POST /v1/{db}/transactions',
          'GET /v1/{db}/transactions',
          'GET /v1/{db}/transactions/{tx}',
        ],
        ...[
          'GET /v1/{db}/entities/{id}',
          'GET /v1/{db}/entities/{id}/history',
          'GET /v1/{db}/state',
          'GET /v1/{db}/facts',
          'GET /v1/{db}/diff',
          'GET /v1/{db}/schema',
        ],
        ...[
          'GET /v1/{db}/feed',
          'GET /v1/{db}/status',
          'GET /healthz/started',
          'GET /healthz/alive',
          'GET /healthz/ready',
          'GET /metrics',
        ],
      ].toSorted(),
    );
    for (const methods of Object.values(document.paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation.summary).toMatch(/\w/);
        for (const parameter of operation.parameters ?? [])
          expect(`${parameter.name}: ${parameter.description ?? ''}`).toMatch(/: \w/);
      }
    }
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Fact', 'Entity', 'Problem', 'Commit', 'FeedEvent']),
    );
    expect(
      JSON.stringify(document.paths['/v1/{db}/transactions']?.['post']?.requestBody),
    ).toContain('order-4711');
    const state = document.paths['/v1/{db}/state']?.['get']?.parameters ?? [];
    expect(state.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'db',
        'index',
        'entity',
        'attribute',
        'value',
        'valueFrom',
        'valueTo',
        'limit',
        'cursor',
        'asOf',
        'await',
        'timeout',
      ]),
    );
  });

  test('the documentation needs nothing from elsewhere', async () => {
    await using server = await served(new MemoryHost());
    const page = await fetch(`${server.url}/docs`);
    expect(page.status).toBe(200);
    const html = await page.text();
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      const url = new URL(link, page.url);
      expect(url.origin).toBe(server.url);
      expect((await fetch(url)).status).toBe(200);
    }
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  test('the root says where to look', async () => {
    await using server = await served(new MemoryHost());
    expect(await (await fetch(server.url)).json()).toMatchObject({
      name: 'pyralog',
      documentation: '/docs',
    });
  });

  test('a port that is taken is a refusal with a hint', async () => {
    await using server = await served(new MemoryHost());
    const second = await served(new MemoryHost());
    await expect(
      second.api.listen('127.0.0.1', Number(new URL(server.url).port)),
    ).rejects.toMatchObject({ code: expect.stringMatching(/unreachable|internal/) });
    await second[Symbol.asyncDispose]();
  });
});
