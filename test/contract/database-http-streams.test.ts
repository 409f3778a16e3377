import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Database, FeedEvent, FeedQuery } from '@pyralog/client';
import { PyralogError, tx as asTx } from '@pyralog/model';
import { SystemTimers } from '@pyralog/runtime';
import { describe, expect, test } from 'vitest';
import { MemoryDatabase, MemoryHost } from '../http/memory-database.ts';
import { type Served, served } from '../http/served.ts';
import { commit, create, write } from './database-support.ts';

type Line = Record<string, unknown>;

const NDJSON = { 'content-type': 'application/x-ndjson' };
const parsed = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

/** A host whose database `main` is another than usual. */
class HostOf extends MemoryHost {
  readonly #main: Database;

  constructor(main: Database) {
    super();
    this.#main = main;
  }

  override async database(): Promise<Database> {
    return this.#main;
  }
}

/** An upload in our hands: lines are sent when the test says so. */
function upload(
  server: Served,
  query = '',
): {
  readonly request: ClientRequest;
  readonly answers: AsyncGenerator<Line>;
  readonly response: Promise<IncomingMessage>;
} {
  const { hostname, port } = new URL(server.url);
  const request = httpRequest({
    host: hostname,
    port,
    method: 'POST',
    path: `/v1/main/transactions${query}`,
    headers: NDJSON,
  });
  const response = once(request, 'response').then(([message]) => message as IncomingMessage);
  request.flushHeaders();
  async function* answers(): AsyncGenerator<Line> {
    let rest = '';
    for await (const chunk of await response) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as Line;
    }
    expect(rest).toBe('');
  }
  return { request, answers: answers(), response };
}

describe('a stream of transactions', () => {
  test('is answered line by line, in order, and a bad line does not stop it', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    const lines = [
      '{"ops":[{"entity":"a","n":1}]}',
      '',
      'not json',
      '{"ops":[{"entity":"a","n":"x"}]}\r',
      '   ',
      '{"opps":[]}',
      '{"id":"k","ops":[{"entity":"_:b","n":2}]}',
      '{"id":"k","ops":[{"entity":"_:b","n":2}]}',
      '\xff',
      '{"ops":[{"entity":"a","n":3}]}',
    ];
    const response = await fetch(`${server.url}/v1/main/transactions`, {
      method: 'POST',
      headers: NDJSON,
      body: Buffer.from(lines.join('\n'), 'latin1'),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/x-ndjson',
    ]);
    const answers = parsed(await response.text());
    expect(answers.map(({ code, line, duplicate }) => code ?? line ?? duplicate)).toEqual([
      false,
      'json-malformed',
      'type-mismatch',
      'document-invalid',
      false,
      true,
      'json-malformed',
      false,
    ]);
    expect(answers.filter(({ code }) => code !== undefined).map(({ line }) => line)).toEqual([
      3, 4, 6, 9,
    ]);
    expect(answers[1]).toMatchObject({
      status: 400,
      title: expect.any(String),
      detail: expect.any(String),
    });
    expect(answers[0]).not.toHaveProperty('facts');
    expect(Object.keys(answers[4]?.['ids'] as object)).toEqual(['_:b']);
    expect((await database.entity('a')).attributes.get('n')?.values).toEqual([
      { type: 'int', value: 3n },
    ]);
  });

  test('lists facts where they are wanted', async () => {
    await using server = await served(new MemoryHost());
    await create(server);
    const response = await fetch(`${server.url}/v1/main/transactions?facts=true`, {
      method: 'POST',
      headers: NDJSON,
      body: '{"ops":[{"entity":"a","n":1}]}\n',
    });
    expect(parsed(await response.text())[0]?.['facts']).toHaveLength(5);
  });

  test('is answered while it goes on', async () => {
    await using server = await served(new MemoryHost());
    await create(server);
    const { request, answers } = upload(server);
    for (let n = 0; n < 3; n++) {
      request.write(`{"ops":[{"entity":"a","n":${n}}]}\n`);
      expect((await answers.next()).value).toMatchObject({ duplicate: false });
    }
    request.write('{"ops":[');
    request.write('{"entity":"é","n":1}]}');
    request.end();
    expect((await answers.next()).value).toMatchObject({ duplicate: false });
    expect((await answers.next()).done).toBe(true);
  });

  test('has a line beyond the limit refused, and goes on', async () => {
    await using server = await served(new MemoryHost());
    await create(server);
    const { request, answers } = upload(server);
    const chunk = Buffer.alloc(1024 * 1024, 32);
    for (let sent = 0; sent <= 64; sent++) if (!request.write(chunk)) await once(request, 'drain');
    request.end('\n{"ops":[]}\n');
    expect((await answers.next()).value).toMatchObject({ code: 'transaction-too-large', line: 1 });
    expect((await answers.next()).value).toMatchObject({ duplicate: false });
  });

  test('I13 is read no further than its bounds while commits hang, and answers wait for their turn', async () => {
    const gates: (() => void)[] = [];
    const inner = new MemoryDatabase('main');
    const slow: Database = Object.assign(Object.create(inner) as Database, {
      name: 'main',
      transact: async (document: Uint8Array) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        return inner.transact(document);
      },
    });
    await using server = await served(new HostOf(slow), { config: { linesInFlightMax: 4 } });
    const { request, answers } = upload(server);
    for (let n = 0; n < 50; n++) request.write(`{"ops":[{"entity":"a${n}","n":${n}}]}\n`);
    request.end();
    while (gates.length < 4) await new SystemTimers().immediate();
    await fetch(`${server.url}/healthz/alive`);
    expect(gates).toHaveLength(4);
    // The second is done first, and still answered second.
    gates[1]?.();
    await fetch(`${server.url}/healthz/alive`);
    expect(gates).toHaveLength(5);
    gates[0]?.();
    const first = (await answers.next()).value as Line;
    const second = (await answers.next()).value as Line;
    expect(BigInt(second['tx'] as string) < BigInt(first['tx'] as string)).toBe(true);
    let released = 2;
    const release = (async () => {
      for (; released < 50; released++) {
        while (gates[released] === undefined) await new SystemTimers().immediate();
        gates[released]?.();
      }
    })();
    let rest = 0;
    while ((await answers.next()).done !== true) rest++;
    await release;
    expect(rest).toBe(48);
  });

  test('a sender that reads no answers is stopped, and goes on when it reads', async () => {
    const inner = new MemoryDatabase('main');
    let taken = 0;
    const counting: Database = Object.assign(Object.create(inner) as Database, {
      name: 'main',
      transact: async () => {
        taken++;
        throw new PyralogError('condition-failed', 'x'.repeat(10_000));
      },
    });
    await using server = await served(new HostOf(counting), {
      config: { unsentAnswersMax: 100_000 },
    });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    const total = 20_000;
    const body = '{"ops":[]}\n'.repeat(total);
    socket.write(
      `POST /v1/main/transactions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    // What fits into the buffers of both kernels is a few megabytes; 200 MB of answers are not made.
    let before = -1;
    while (taken !== before || taken === 0) {
      before = taken;
      await new SystemTimers().sleep(300);
    }
    expect(taken).toBeLessThan(total / 2);
    let bytes = 0;
    socket.on('data', (data) => (bytes += data.length)).resume();
    await once(socket, 'close');
    expect(taken).toBe(total);
    expect(bytes).toBeGreaterThan(total * 10_000);
  });

  test('an upload that is cut off commits the whole lines, and no half of one', async () => {
    const host = new MemoryHost();
    await using server = await served(host);
    await create(server);
    const { request, answers, response } = upload(server);
    request.write('{"ops":[{"entity":"a","n":1}]}\n{"ops":[{"entity":"b","n":1}]}');
    expect((await answers.next()).value).toMatchObject({ duplicate: false });
    const gone = once(await response, 'close').catch(() => undefined);
    request.on('error', () => undefined);
    request.destroy();
    await gone;
    const database = await host.database('main');
    await write(database, { entity: 'c', n: 1 });
    expect((await database.transactions()).transactions).toHaveLength(2);
    expect((await database.entity('b')).attributes.size).toBe(0);
    expect((await fetch(`${server.url}/healthz/alive`)).status).toBe(200);
  });

  test('a single document that is cut off is not committed', async () => {
    const host = new MemoryHost();
    await using server = await served(host);
    await create(server);
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /v1/main/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"ops":[]}',
    );
    await new SystemTimers().sleep(50);
    socket.destroy();
    await fetch(`${server.url}/healthz/alive`);
    expect((await (await host.database('main')).transactions()).transactions).toEqual([]);
  });
});

describe('a feed up to now', () => {
  test('is lines that end with progress, and names its next offset in the header', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    const { tx } = await commit(database, { meta: { author: 'x' }, ops: [{ entity: 'a', n: 1 }] });
    const response = await fetch(`${server.url}/v1/main/feed`);
    expect(response.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
    const lines = parsed(await response.text());
    expect(lines.map(({ kind }) => kind)).toEqual(['transaction', 'progress']);
    expect(lines[0]).toMatchObject({
      tx: tx.toString(),
      meta: { author: 'x' },
      instant: expect.any(String),
      facts: expect.any(Array),
      offset: expect.any(String),
    });
    expect(response.headers.get('pyralog-next-offset')).toBe(lines[1]?.['offset']);
    const next = await fetch(`${server.url}/v1/main/feed?offset=${String(lines[1]?.['offset'])}`);
    expect(parsed(await next.text()).map(({ kind }) => kind)).toEqual(['progress']);
  });

  test('names its next offset in a trailer where it is long', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    for (let n = 0; n < 20; n++)
      await write(database, { entity: 'a', text: `${n}`.repeat(10_000) });
    const { hostname, port } = new URL(server.url);
    const request = httpRequest({ host: hostname, port, path: '/v1/main/feed' }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    const lines = parsed(text);
    expect(lines).toHaveLength(21);
    expect(response.headers['pyralog-next-offset']).toBeUndefined();
    expect(response.headers['trailer']).toBe('pyralog-next-offset');
    expect(response.trailers['pyralog-next-offset']).toBe(lines.at(-1)?.['offset']);
  });

  test('that fails on the way ends with a problem and no progress', async () => {
    await using server = await served(new HostOf(failingFeed(2)));
    const response = await fetch(`${server.url}/v1/main/feed`);
    const lines = parsed(await response.text());
    expect(lines.map(({ kind, code }) => kind ?? code)).toEqual([
      'transaction',
      'transaction',
      'object-damaged',
    ]);
  });
});

describe('server-sent events', () => {
  test('have the offset as id, so that a browser goes on where it was', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    for (let n = 0; n < 3; n++) await write(database, { entity: 'a', n });
    const stream = await events(server, '?live=sse&offset=-1');
    const seen = [
      await stream.next(),
      await stream.next(),
      await stream.next(),
      await stream.next(),
    ];
    expect(seen.map((each) => each?.event)).toEqual([
      'transaction',
      'transaction',
      'transaction',
      'progress',
    ]);
    for (const each of seen) expect(each?.id).toBe(each?.data['offset']);
    const { tx } = await write(database, { entity: 'a', n: 9 });
    expect((await stream.next())?.data).toMatchObject({ kind: 'transaction', tx: tx.toString() });
    stream.close();

    const again = await events(server, '?live=sse&offset=-1', {
      'last-event-id': seen[1]?.id ?? '',
    });
    expect((await again.next())?.id).toBe(seen[2]?.id);
    again.close();
  });

  test('are begun with a refusal where the offset is none, and ended by a problem on the way', async () => {
    await using server = await served(new MemoryHost());
    await create(server);
    const refused = await fetch(`${server.url}/v1/main/feed?live=sse&offset=abc`);
    expect([refused.status, refused.headers.get('content-type')]).toEqual([
      400,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
    const foreign = await fetch(`${server.url}/v1/main/feed?live=sse`, {
      headers: { 'last-event-id': 'abc' },
    });
    expect(foreign.status).toBe(400);

    await using failing = await served(new HostOf(failingFeed(1)));
    const stream = await events(failing, '?live=sse');
    expect((await stream.next())?.event).toBe('transaction');
    const problem = await stream.next();
    expect([problem?.event, problem?.id, problem?.data['code']]).toEqual([
      'problem',
      undefined,
      'object-damaged',
    ]);
    expect(await stream.next()).toBeUndefined();
  });

  test('beat when nothing happens, so that a dead connection is noticed', async () => {
    await using server = await served(new MemoryHost(), { config: { heartbeatMillis: 10 } });
    await create(server);
    const stream = await events(server, '?live=sse&offset=now');
    await stream.next();
    await stream.until(': heartbeat\n\n: heartbeat\n\n');
    stream.close();
  });

  test('a reader that goes away ends the feed it read', async () => {
    const watched = new WatchedFeed();
    await using server = await served(new HostOf(watched));
    const stream = await events(server, '?live=sse');
    await stream.next();
    expect(await metric(server, 'pyralog_feed_readers{database="main"}')).toBe(1);
    stream.close();
    await watched.ended;
    while ((await metric(server, 'pyralog_feed_readers{database="main"}')) !== 0)
      await new SystemTimers().sleep(5);
  });

  test('I13 a reader that is slow costs what fits into the buffers, and no more is taken from the feed', async () => {
    const watched = new WatchedFeed('x'.repeat(100_000));
    await using server = await served(new HostOf(watched), { config: { heartbeatMillis: 20 } });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write('GET /v1/main/feed?live=sse HTTP/1.1\r\nhost: localhost\r\n\r\n');
    let before = -1;
    while (watched.given !== before || watched.given === 0) {
      before = watched.given;
      await new SystemTimers().sleep(300);
    }
    // Kernels buffer a few megabytes on loopback; the feed never ends.
    expect(watched.given).toBeLessThan(200);
    const held = watched.given;
    let bytes = 0;
    socket.on('data', (data) => (bytes += data.length)).resume();
    while (watched.given < held + 300) await new SystemTimers().sleep(5);
    expect(bytes).toBeGreaterThan(held * 100_000);
    socket.destroy();
    await watched.ended;
  });

  test('readers are bounded', async () => {
    await using server = await served(new MemoryHost(), { config: { feedReadersMax: 2 } });
    await create(server);
    const first = await events(server, '?live=sse');
    const second = await events(server, '?live=sse');
    const third = await fetch(`${server.url}/v1/main/feed?live=sse`);
    expect([third.status, third.headers.get('retry-after')]).toEqual([503, '1']);
    first.close();
    while ((await metric(server, 'pyralog_feed_readers{database="main"}')) !== 1)
      await new SystemTimers().sleep(5);
    (await events(server, '?live=sse')).close();
    second.close();
  });
});

describe('a long poll', () => {
  test('waits for what comes, and answers at once with what is there', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    await write(database, { entity: 'a', n: 1 });
    const first = await fetch(`${server.url}/v1/main/feed?live=long-poll`);
    expect(parsed(await first.text()).map(({ kind }) => kind)).toEqual(['transaction', 'progress']);
    const next = first.headers.get('pyralog-next-offset') ?? '';
    const waiting = fetch(`${server.url}/v1/main/feed?live=long-poll&offset=${next}&timeout=30s`);
    const { tx } = await write(database, { entity: 'a', n: 2 });
    const second = await waiting;
    expect(parsed(await second.text())[0]).toMatchObject({
      kind: 'transaction',
      tx: tx.toString(),
    });
    expect(second.headers.get('pyralog-next-offset')).not.toBe(next);
  });

  test('answers 204 with the offset to go on from when nothing came', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    await write(database, { entity: 'a', n: 1 });
    const response = await fetch(`${server.url}/v1/main/feed?live=long-poll&offset=now&timeout=20`);
    expect([response.status, await response.text()]).toEqual([204, '']);
    const { tx } = await write(database, { entity: 'a', n: 2 });
    const next = await fetch(
      `${server.url}/v1/main/feed?offset=${response.headers.get('pyralog-next-offset') ?? ''}`,
    );
    expect(parsed(await next.text())[0]).toMatchObject({ tx: tx.toString() });
  });

  test('takes at most about a megabyte at a time, and loses nothing', async () => {
    await using server = await served(new MemoryHost());
    const database = await create(server);
    const txs: string[] = [];
    for (let n = 0; n < 8; n++)
      txs.push(
        (await write(database, { entity: 'a', text: `${n}`.repeat(400_000) })).tx.toString(),
      );
    const seen: unknown[] = [];
    let offset = '-1';
    let polls = 0;
    while (seen.length < 8) {
      const response = await fetch(`${server.url}/v1/main/feed?live=long-poll&offset=${offset}`);
      seen.push(
        ...parsed(await response.text())
          .filter(({ kind }) => kind === 'transaction')
          .map(({ tx }) => tx),
      );
      offset = response.headers.get('pyralog-next-offset') ?? '';
      polls++;
    }
    expect(seen).toEqual(txs);
    expect(polls).toBeGreaterThan(2);
  });

  test('a wrong offset is refused', async () => {
    await using server = await served(new MemoryHost());
    await create(server);
    expect((await fetch(`${server.url}/v1/main/feed?live=long-poll&offset=x`)).status).toBe(400);
  });
});

describe('a server that stops', () => {
  test('ends feeds, polls and streams cleanly, answers what is on its way, and takes nothing new', async () => {
    let commitNow: () => void = () => undefined;
    const inner = new MemoryDatabase('main');
    let begun = 0;
    const slow: Database = Object.assign(Object.create(inner) as Database, {
      name: 'main',
      transact: async (document: Uint8Array) => {
        begun++;
        await new Promise<void>((resolve) => (commitNow = resolve));
        return inner.transact(document);
      },
      feed: inner.feed.bind(inner),
    });
    const server = await served(new HostOf(slow));
    const stream = await events(server, '?live=sse');
    await stream.next();
    const poll = fetch(`${server.url}/v1/main/feed?live=long-poll&offset=now`);
    const uploading = upload(server);
    uploading.request.write('{"ops":[{"entity":"a","n":1}]}\n');
    while (begun < 1) await new SystemTimers().immediate();
    await fetch(`${server.url}/healthz/alive`);

    const closed = server.api.close();
    expect(await stream.next()).toBeUndefined();
    expect((await poll).status).toBe(204);
    await expect(fetch(`${server.url}/v1`)).rejects.toThrow();
    commitNow();
    expect((await uploading.answers.next()).value).toMatchObject({ duplicate: false });
    expect((await uploading.answers.next()).value).toMatchObject({ code: 'stopping', line: 2 });
    expect((await uploading.answers.next()).done).toBe(true);
    uploading.request.destroy();
    await closed;
    expect((await inner.entity('a')).attributes.size).toBe(1);
  });

  test('does not wait for connections that say nothing', async () => {
    const server = await served(new MemoryHost());
    const { hostname, port } = new URL(server.url);
    const silent = connect(Number(port), hostname);
    const kept = connect(Number(port), hostname);
    kept.write('GET /v1 HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await Promise.all([once(silent, 'connect'), once(kept, 'data')]);
    await fetch(`${server.url}/healthz/alive`);
    const ends = Promise.all([once(silent, 'close'), once(kept, 'close')]);
    silent.resume();
    kept.resume();
    const begun = performance.now();
    await server.api.close();
    await ends;
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  test('does not wait for ever for what hangs', async () => {
    const inner = new MemoryDatabase('main');
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const transact = (): Promise<never> => {
      begin();
      return new Promise(() => undefined);
    };
    const hanging: Database = Object.assign(Object.create(inner) as Database, {
      name: 'main',
      transact,
    });
    const server = await served(new HostOf(hanging), { config: { drainMillis: 30 } });
    const lost = fetch(`${server.url}/v1/main/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"ops":[]}',
    });
    const outcome = expect(lost).rejects.toThrow();
    await begun;
    await server.api.close();
    await outcome;
  });
});

/** A feed that never ends, of transactions with a text, and tells how many were taken. */
class WatchedFeed extends MemoryDatabase {
  given = 0;
  readonly ended: Promise<void>;
  readonly #text: string;
  #end: () => void = () => undefined;

  constructor(text = 'x') {
    super('main');
    this.#text = text;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  override async *feed({ signal }: FeedQuery): AsyncGenerator<FeedEvent> {
    try {
      while (signal?.aborted !== true) {
        this.given++;
        const tx = asTx(BigInt(this.given));
        yield {
          kind: 'transaction',
          offset: `o${this.given}`,
          tx,
          meta: new Map(),
          facts: [
            {
              entity: 'a',
              attribute: 'b',
              value: { type: 'string', value: this.#text },
              tx,
              operation: 'assert',
            },
          ],
        };
        if (this.#text === 'x')
          await new Promise<void>((resolve) =>
            signal?.addEventListener('abort', () => resolve(), { once: true }),
          );
      }
    } finally {
      this.#end();
    }
  }
}

/** A database whose feed breaks after some transactions. */
function failingFeed(after: number): Database {
  const database = new MemoryDatabase('main');
  async function* feed(): AsyncGenerator<FeedEvent> {
    for (let n = 1; n <= after; n++)
      yield {
        kind: 'transaction',
        offset: `o${n}`,
        tx: asTx(BigInt(n)),
        meta: new Map(),
        facts: [],
      };
    throw new PyralogError('object-damaged', 'The segment is damaged.');
  }
  return Object.assign(Object.create(database) as Database, { name: 'main', feed });
}

async function metric(server: Served, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.slice(name.length),
  );
}

interface Sse {
  next(): Promise<
    { readonly event: string; readonly id: string | undefined; readonly data: Line } | undefined
  >;
  /** Reads until a text has come. */
  until(text: string): Promise<void>;
  close(): void;
}

/** A reader of server-sent events of its own, so that the client's parser is not its own witness. */
async function events(
  server: Served,
  query: string,
  headers: Record<string, string> = {},
): Promise<Sse> {
  const stop = new AbortController();
  const response = await fetch(`${server.url}/v1/main/feed${query}`, {
    headers,
    signal: stop.signal,
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream',
  ]);
  const chunks = (response.body as ReadableStream<Uint8Array>)
    .pipeThrough(new TextDecoderStream())
    [Symbol.asyncIterator]();
  let text = '';
  return {
    async next() {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end >= 0) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          const field = (name: string): string | undefined =>
            block
              .split('\n')
              .find((line) => line.startsWith(`${name}: `))
              ?.slice(name.length + 2);
          const event = field('event');
          if (event !== undefined)
            return { event, id: field('id'), data: JSON.parse(field('data') ?? 'null') as Line };
          continue;
        }
        const { done, value } = await chunks.next();
        if (done === true) return undefined;
        text += value;
      }
    },
    async until(wanted) {
      while (!text.includes(wanted)) text += (await chunks.next()).value ?? '';
    },
    close: () => stop.abort(),
  };
}
