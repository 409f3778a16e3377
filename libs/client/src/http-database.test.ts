import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tx as asTx } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { printFeedEvent } from './answer-print.ts';
import type { FeedEvent } from './database.ts';
import { HttpDatabase } from './http-database.ts';
import { HttpHost } from './http-host.ts';

interface Other extends AsyncDisposable {
  readonly url: string;
  /** Targets of the requests so far. */
  readonly asked: readonly string[];
}

/** A server in place of Pyralog's, which does what a test says. */
async function other(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<Other> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response, asked.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const DOCUMENT = new TextEncoder().encode('{"ops":[]}');
const database = (server: Other): HttpDatabase =>
  new HttpDatabase(`${server.url}/v1/main`, { retryMillisMax: 10 });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('failures of the network', () => {
  test('a server that is not there cannot be reached, and a transaction was certainly not sent', async () => {
    const port = await freePort();
    for (const url of [
      `http://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      'http://name.invalid:4000',
    ]) {
      const nobody = new HttpDatabase(`${url}/v1/main`);
      await expect(nobody.entity('a')).rejects.toMatchObject({
        code: 'unreachable',
        hint: expect.stringContaining('pyralog dev'),
      });
      await expect(nobody.transact(DOCUMENT)).rejects.toMatchObject({ code: 'unreachable' });
      await expect(new HttpHost(url).list()).rejects.toMatchObject({ code: 'unreachable' });
    }
  });

  test('a connection that breaks before the answer leaves it unknown whether a transaction was committed, and it is not sent again', async () => {
    await using server = await other(
      (request, response) =>
        void request.on('data', () => undefined).on('end', () => response.destroy()),
    );
    await expect(database(server).transact(DOCUMENT)).rejects.toMatchObject({
      code: 'outcome-unknown',
      hint: expect.stringContaining('"id"'),
    });
    await expect(database(server).goLive()).rejects.toMatchObject({ code: 'outcome-unknown' });
    expect(server.asked).toHaveLength(2);
  });

  test('an answer that breaks off in the middle does too', async () => {
    await using server = await other((_request, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write('{"tx":"1"', () => response.destroy());
    });
    await expect(database(server).transact(DOCUMENT)).rejects.toMatchObject({
      code: 'outcome-unknown',
    });
    await expect(database(server).entity('a')).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('a read is tried once more', async () => {
    await using server = await other((_request, response, count) => {
      if (count === 1) response.destroy();
      else
        response
          .writeHead(200, { 'pyralog-basis': '5', etag: '"5"' })
          .end('{"entity":"a","basis":"5","attributes":{"n":9007199254740993}}');
    });
    const answer = await database(server).entity('a');
    expect(answer).toMatchObject({ basis: 5n, closed: true });
    expect(answer.attributes.get('n')?.values).toEqual([{ type: 'int', value: 9007199254740993n }]);
    await using broken = await other((_request, response) => void response.destroy());
    await expect(database(broken).entity('a')).rejects.toMatchObject({ code: 'unreachable' });
    expect(broken.asked).toHaveLength(2);
  });

  test('a read that is stopped ends with the reason', async () => {
    await using server = await other(() => undefined);
    const stop = new AbortController();
    const reading = database(server).entity('a', { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });
});

describe('answers of somebody else', () => {
  test.each([
    [200, '<html>Welcome</html>'],
    [404, 'Not found'],
    [502, '<html>Bad gateway</html>'],
    [200, '{}'],
  ])('status %d with %s is not taken for one of ours', async (status, body) => {
    await using server = await other(
      (_request, response) => void response.writeHead(status).end(body),
    );
    await expect(database(server).entity('a')).rejects.toMatchObject({
      code: 'unreachable',
      hint: expect.stringContaining('Pyralog server'),
    });
  });

  test('a redirect is not followed with a document', async () => {
    await using server = await other(
      (_request, response) => void response.writeHead(307, { location: '/elsewhere' }).end(),
    );
    await expect(database(server).transact(DOCUMENT)).rejects.toMatchObject({
      code: expect.stringMatching(/unreachable|outcome-unknown/),
    });
    expect(server.asked).toHaveLength(1);
  });
});

test.each([
  '',
  'main',
  '127.0.0.1:4000/v1/main',
  'ftp://x/v1/main',
  'http://x/v1',
  'http://x/v1/Main',
  'http://x/v1/a/b',
  'http://x/v1/main?x=1',
  'http://',
])('%j is no address of a database', (url) => {
  expect(() => new HttpDatabase(url)).toThrow(
    expect.objectContaining({
      code: 'usage',
      hint: expect.stringContaining('http://127.0.0.1:4000/v1/main'),
    }),
  );
});

test('a server may stand below a path, and the slash at the end does not matter', async () => {
  await using server = await other(
    (_request, response) => void response.end('{"databases":["main"]}'),
  );
  expect(await new HttpHost(`${server.url}/pyralog/`).list()).toEqual(['main']);
  expect(server.asked).toEqual(['/pyralog/v1']);
  await expect(new HttpDatabase(`${server.url}/p/v1/main/`).status()).rejects.toMatchObject({
    code: 'unreachable',
  });
  expect(server.asked.at(-1)).toBe('/p/v1/main/status');
});

test.each([
  [{ etag: '"5"' }, true],
  [{}, false],
])('an answer with the headers %j can no longer change: %s', async (headers, closed) => {
  await using server = await other(
    (_request, response) =>
      void response
        .writeHead(200, { 'pyralog-basis': '5', ...headers })
        .end('{"entity":"a","basis":"5","attributes":{}}'),
  );
  expect(await database(server).entity('a')).toMatchObject({ basis: 5n, closed });
});

test('what is asked stands in the address, types included', async () => {
  await using server = await other(
    (_request, response) =>
      void response
        .writeHead(200, { 'pyralog-basis': '1' })
        .end('{"entity":"a","basis":"1","facts":[],"attributes":{},"next":null}'),
  );
  const db = database(server);
  await db.entity('a/b?c=d#e%2F 😀', {
    asOf: asTx(1_795_526_400_000_000_000n),
    await: asTx(5n),
    timeoutMillis: 20,
  });
  await db.entity('..', { asOf: asTx(7n) });
  await db.history('.', { limit: 3, cursor: 'x' });
  await db.state({ index: 'avet', attribute: 'n', value: { type: 'int', value: 2n ** 60n } });
  await db.facts({ index: 'avet', attribute: 's', valueFrom: { type: 'string', value: '5' } });
  expect(server.asked).toEqual([
    '/v1/main/entities/a%2Fb%3Fc%3Dd%23e%252F%20%F0%9F%98%80?asOf=1795526400000000000&await=5&timeout=20',
    '/v1/main/entities/?id=..&asOf=tx%3A7',
    '/v1/main/entities//history?limit=3&cursor=x&id=.',
    `/v1/main/state?index=avet&attribute=n&value=${encodeURIComponent('{"int":"1152921504606846976"}')}`,
    `/v1/main/facts?index=avet&attribute=s&valueFrom=${encodeURIComponent('"5"')}`,
  ]);
});

describe('a feed', () => {
  const transaction = (n: number): FeedEvent => ({
    kind: 'transaction',
    offset: `o${n}`,
    tx: asTx(BigInt(n)),
    meta: new Map(),
    facts: [],
  });
  const progress = (n: number): FeedEvent => ({
    kind: 'progress',
    offset: `o${n}`,
    tx: asTx(BigInt(n)),
    upToDate: true,
  });
  const sse = (event: FeedEvent): string =>
    `event: ${event.kind}\nid: ${event.offset}\ndata: ${printFeedEvent(event)}\n\n`;
  const offsetOf = (request: IncomingMessage): string =>
    new URL(request.url ?? '', 'http://x').searchParams.get('offset') ?? '';

  /** The feed o1 to o20, cut off after some bytes, and begun again where the request says. */
  const cutting =
    (
      bytes: (count: number) => number,
      print: (event: FeedEvent) => string,
      last: readonly FeedEvent[],
    ) =>
    (request: IncomingMessage, response: ServerResponse, count: number): void => {
      const from = Number(offsetOf(request).replace(/^o|-1/, '') || 0);
      const events = [
        ...Array.from({ length: 20 - from }, (_, i) => transaction(from + 1 + i)),
        ...last,
      ];
      const text = events.map(print).join('');
      const cut = bytes(count);
      response.writeHead(200, { 'content-type': 'x' });
      if (cut >= text.length) response.end(text);
      else response.write(text.slice(0, cut), () => response.destroy());
    };

  test.each([1, 3, 7])(
    'that follows goes on where it was when its connection breaks (seed %d)',
    async (seed) => {
      await using server = await other(
        cutting((count) => ((seed * 7919 * count) % 700) + 100, sse, []),
      );
      const stop = new AbortController();
      const seen: string[] = [];
      for await (const event of database(server).feed({
        offset: '-1',
        follow: true,
        signal: stop.signal,
      })) {
        seen.push(event.offset);
        if (seen.length === 20) stop.abort();
      }
      expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => `o${i + 1}`));
      expect(server.asked.length).toBeGreaterThan(3);
    },
  );

  test('up to now goes on too, until its last line has come', async () => {
    await using server = await other(
      cutting(
        (count) => count * 400,
        (event) => `${printFeedEvent(event)}\n`,
        [progress(20)],
      ),
    );
    const seen: FeedEvent[] = [];
    for await (const event of database(server).feed({ offset: '-1', follow: false }))
      seen.push(event);
    expect(seen.map(({ offset }) => offset)).toEqual([
      ...Array.from({ length: 20 }, (_, i) => `o${i + 1}`),
      'o20',
    ]);
    expect(seen.at(-1)?.kind).toBe('progress');
    expect(server.asked.length).toBeGreaterThan(2);
  });

  test('up to now gives up on a server that never gets on', async () => {
    await using server = await other(
      (request, response) =>
        void response
          .writeHead(200)
          .end(offsetOf(request) === '-1' ? `${printFeedEvent(transaction(1))}\n` : ''),
    );
    const reading = (async () => {
      for await (const event of database(server).feed({ offset: '-1', follow: false }))
        expect(event.offset).toBe('o1');
    })();
    await expect(reading).rejects.toMatchObject({ code: 'unreachable' });
    expect(server.asked.length).toBeLessThan(10);
  });

  test('waits for a server that is busy or stops, and ends at a refusal', async () => {
    await using server = await other((_request, response, count) => {
      if (count === 1) response.writeHead(200).end(sse(transaction(1)));
      else if (count === 2)
        response
          .writeHead(503)
          .end('{"status":503,"code":"stopping","detail":"The server is stopping."}');
      else if (count === 3)
        response
          .writeHead(200)
          .end(
            `${sse(transaction(2))}event: problem\ndata: {"status":500,"code":"object-damaged","detail":"The segment is damaged."}\n\n`,
          );
      else response.writeHead(500).end();
    });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of database(server).feed({ offset: '-1', follow: true }))
        seen.push(event.offset);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'object-damaged' });
    expect(seen).toEqual(['o1', 'o2']);
    expect(
      server.asked.map((each) => new URL(each, 'http://x').searchParams.get('offset')),
    ).toEqual(['-1', 'o1', 'o1']);
  });

  test('of a server that was never reached is an error at once', async () => {
    const nobody = new HttpDatabase(`http://127.0.0.1:${await freePort()}/v1/main`);
    await expect(
      nobody.feed({ offset: '-1', follow: true })[Symbol.asyncIterator]().next(),
    ).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('a reader that stops ends the request', async () => {
    let ended: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (ended = resolve));
    await using server = await other((_request, response) => {
      response
        .on('close', ended)
        .writeHead(200)
        .write(sse(transaction(1)));
    });
    for await (const event of database(server).feed({ offset: '-1', follow: true })) {
      expect(event.offset).toBe('o1');
      break;
    }
    await gone;
  });
});
