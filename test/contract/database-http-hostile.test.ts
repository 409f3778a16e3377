import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryHost } from '../http/memory-database.ts';
import { type Served, served } from '../http/served.ts';
import { create, write } from './database-support.ts';

let server: Served;

beforeAll(async () => {
  server = await served(new MemoryHost());
  await write(await create(server), { entity: 'a', n: 1, tags: ['x'] });
});

// Fails where the server met a defect, whatever it answered.
afterAll(() => server[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** A request as it stands, without what URL parsers make of it. */
function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: hostname, port, method, path, headers }, (message) => {
      const chunks: Buffer[] = [];
      message
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () =>
          resolve({
            status: message.statusCode ?? 0,
            headers: message.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
    });
    request.on('error', reject).end(body);
  });
}

/** An answer is a success or a whole problem of the caller's making; the server is never at fault. */
function expectAnswer({ status, headers, body }: Answer): void {
  if (status < 400) return;
  expect(status).toBeLessThan(500);
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(JSON.parse(body)).toMatchObject({
    status,
    code: expect.any(String),
    detail: expect.any(String),
  });
}

const DOCUMENTS = [
  '{"ops":[{"entity":"a","n":1}]}',
  '{"id":"k","meta":{"author":"x"},"if":[{"entity":"a","attribute":"n","is":1}],"ops":[{"op":"cas","entity":"a","attribute":"n","old":1,"new":2},{"op":"retract","entity":"a","attribute":"tags","value":"x"},{"op":"retractEntity","entity":"b"}]}',
  '{"ops":[{"entity":"_:p:x","i":{"int":"9223372036854775807"},"d":-1.5e300,"t":{"instant":"2020-01-01T00:00:00Z"},"r":{"ref":"_:p:x"},"b":{"bytes":"AP8="},"j":{"json":{"a":[null]}},"s":"\\u0000\\ud83d\\ude00"}]}',
  '{"ops":[{"entity":"attribute:q","db/ident":"q","db/valueType":"string","db/cardinality":"many","db/unique":"identity"}]}',
];

/** Flips, cuts, doubles and inserts bytes. */
const mutated = fc
  .record({
    source: fc.constantFrom(...DOCUMENTS),
    edits: fc.array(
      fc.record({
        at: fc.nat(400),
        cut: fc.nat(12),
        insert: fc.oneof(
          fc.uint8Array({ maxLength: 4 }),
          fc
            .constantFrom(
              '{',
              '}',
              '[',
              ']',
              '"',
              ',',
              ':',
              '\\',
              '\\u0000',
              '\\ud800',
              '-',
              '1e999',
              'null',
              '{"a":'.repeat(80),
            )
            .map((text) => Buffer.from(text)),
        ),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ source, edits }) => {
    let bytes: Buffer = Buffer.from(source);
    for (const { at, cut, insert } of edits)
      bytes = Buffer.concat([
        bytes.subarray(0, at % (bytes.length + 1)),
        insert,
        bytes.subarray((at % (bytes.length + 1)) + cut),
      ]);
    return bytes;
  });

describe('hostile input', () => {
  test(
    'no body brings it down or is answered by a fault of its own',
    { timeout: 60_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          mutated,
          fc.constantFrom('application/json', 'application/x-ndjson'),
          async (body, type) => {
            const answer = await send(
              'POST',
              '/v1/main/transactions',
              { 'content-type': type },
              body,
            );
            expectAnswer(answer);
            if (type === 'application/json') return;
            for (const line of answer.body.split('\n').filter((each) => each !== '')) {
              const { status = 200 } = JSON.parse(line) as { status?: number };
              expect(status).toBeLessThan(500);
            }
          },
        ),
        { numRuns: 600 },
      );
    },
  );

  test('no settings of a database do', { timeout: 60_000 }, async () => {
    const json = fc.oneof(
      fc.json(),
      fc.constantFrom(
        '',
        '{"__proto__":{"strict":true}}',
        '{"partitions":1e400}',
        '{"mode":["live"]}',
        '{"strict":{}}',
        '{"partitions":-0}',
      ),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    await fc.assert(
      fc.asyncProperty(json, async (body) =>
        expectAnswer(
          await send('PUT', '/v1/main', { 'content-type': 'application/json' }, Buffer.from(body)),
        ),
      ),
      { numRuns: 200 },
    );
  });

  test('no address does', { timeout: 60_000 }, async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'v1',
        'main',
        'entities',
        'history',
        'state',
        'facts',
        'transactions',
        'diff',
        'schema',
        'feed',
        'status',
        '..',
        '.',
        '',
        '*',
        ':db',
        '%2e%2e',
        '%2f',
        '%00',
        '%ff',
        '%',
        '%c0%af',
        'a'.repeat(5_000),
        '__proto__',
        'docs',
        'static',
        'metrics',
      ),
      fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => encodeURIComponent(text)),
      fc.string({
        unit: fc.constantFrom(...'!$&\'()*+,;=:@-._~[]|^`{}"<>'.split('')),
        maxLength: 5,
      }),
    );
    const parameter = fc.tuple(
      fc.oneof(
        fc.constantFrom(
          'asOf',
          'await',
          'timeout',
          'limit',
          'cursor',
          'index',
          'entity',
          'attribute',
          'value',
          'valueFrom',
          'valueTo',
          'from',
          'to',
          'author',
          'offset',
          'prefix',
          'facts',
          'id',
          '__proto__',
          'constructor',
          'x',
        ),
      ),
      fc.oneof(
        fc.constantFrom(
          '1',
          '0',
          '-1',
          '',
          'true',
          '2020-01-01',
          '1795526400000000000',
          'tx:1',
          'eavt',
          'vaet',
          '%',
          '%ff',
          '%00',
          '{}',
          '[1]',
          'null',
          '"x"',
          '1e999',
          'AAAA',
          'now',
          '%0d%0aSet-Cookie:%20x=1',
          'x'.repeat(2_000),
          '9'.repeat(400),
        ),
        fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => encodeURIComponent(text)),
      ),
    );
    const target = fc
      .tuple(
        fc.array(piece, { maxLength: 6 }),
        fc.array(parameter, { maxLength: 4 }),
        fc.constantFrom('', '/v1/main/', '/v1/main/entities/', '/v1/main/transactions/'),
      )
      .map(
        ([pieces, parameters, prefix]) =>
          `${prefix === '' ? '/' : prefix}${pieces.join('/')}${parameters.length === 0 ? '' : `?${parameters.map(([name, value]) => `${name}=${value}`).join('&')}`}`,
      );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'),
        target,
        async (method, path) => {
          const answer = await send(method, path);
          expect(answer.headers['set-cookie']).toBeUndefined();
          if (method === 'HEAD' || [304, 204].includes(answer.status) || answer.status === 504)
            return;
          // The documentation plugin redirects and serves its own files.
          if (!path.startsWith('/docs')) expectAnswer(answer);
        },
      ),
      { numRuns: 800 },
    );
  });

  test('no value reaches a header', async () => {
    const evil = encodeURIComponent('x\r\nSet-Cookie: a=b\r\n\r\n<script>');
    for (const path of [
      `/v1/main/entities/${evil}`,
      `/v1/${evil}/state`,
      `/${evil}`,
      `/v1/main/feed?offset=${evil}`,
      `/v1/main/state?cursor=${evil}`,
      `/v1/main/state?${evil}=1`,
      `/v1/main/state?entity=${evil}`,
      `/v1/main/transactions/${evil}`,
      `/v1/main/state?asOf=${evil}`,
    ]) {
      const answer = await send('GET', path, { 'last-event-id': 'a', 'if-none-match': '"x"' });
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(JSON.stringify(answer.headers)).not.toContain('script');
      expect(answer.headers['content-type']).not.toContain('html');
    }
  });

  test('no bytes on the wire do', { timeout: 60_000 }, async () => {
    const { hostname, port } = new URL(server.url);
    const start = fc.constantFrom(
      'GET /v1 HTTP/1.1\r\nhost: localhost\r\n',
      'POST /v1/main/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n',
      '',
    );
    const header = fc.constantFrom(
      'content-length: 5\r\n',
      'content-length: -1\r\n',
      'transfer-encoding: chunked\r\n',
      'transfer-encoding: x\r\n',
      'expect: 100-continue\r\n',
      'connection: upgrade\r\nupgrade: websocket\r\n',
      'content-type: application/x-ndjson\r\n',
      'x: \0\r\n',
      '\r\n',
      'if-none-match: \r\n',
      'host: b\r\n',
      'last-event-id: \xff\r\n',
    );
    const rest = fc.oneof(
      fc.constantFrom(
        '\r\n\r\n',
        '\r\n5\r\nhello\r\n0\r\n\r\n',
        '\r\nffffffffffffffff\r\n',
        '\r\n{"ops":[]}',
      ),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    await fc.assert(
      fc.asyncProperty(
        start,
        fc.array(header, { maxLength: 3 }),
        rest,
        async (first, headers, last) => {
          const socket = connect(Number(port), hostname);
          socket.on('error', () => undefined).resume();
          await new Promise<void>((resolve) =>
            socket.write(Buffer.from(first + headers.join('') + last, 'latin1'), () => resolve()),
          );
          socket.destroy();
        },
      ),
      { numRuns: 300 },
    );
    expect((await send('GET', '/healthz/alive')).status).toBe(200);
  });

  test('many that break off at once leave nothing behind', { timeout: 60_000 }, async () => {
    const paths = [
      '/v1/main/feed?live=sse',
      '/v1/main/feed?live=long-poll&offset=now',
      '/v1/main/feed',
      '/v1/main/state?await=9000000000000000000&timeout=60s',
    ];
    const { hostname, port } = new URL(server.url);
    const broken = Array.from({ length: 200 }, (_, n) => {
      const socket = connect(Number(port), hostname);
      return new Promise<void>((resolve) => {
        socket
          .on('error', () => undefined)
          .on('close', () => resolve())
          .resume();
        socket.write(`GET ${paths[n % paths.length]} HTTP/1.1\r\nhost: localhost\r\n\r\n`, () =>
          setTimeout(() => socket.destroy(), n % 50),
        );
      });
    });
    await Promise.all(broken);
    for (;;) {
      const { body } = await send('GET', '/metrics');
      if (body.includes('pyralog_feed_readers{database="main"} 0')) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await send('GET', '/v1/main/entities/a')).status).toBe(200);
  });
});
