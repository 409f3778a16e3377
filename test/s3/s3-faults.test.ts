/**
 * A real store, and between it and the adapter a proxy that does what networks and overloaded servers do.
 * Whatever happens: a put says what is so, a get gives what was put, and what cannot be done in time is
 * refused with a code and a name.
 */
import { inspect } from 'node:util';
import { isPyralogError, type PyralogError } from '@pyralog/model';
import { probeObjectStore } from '@pyralog/objects';
import { S3Objects, type S3Options } from '@pyralog/objects/s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FaultyHttp, type HttpFault } from '../servers/faulty-http.ts';
import { S3ProxyServer } from '../servers/s3proxy.ts';
import { bytes, emptyAndClose, keysOf, ownPart, text } from './support.ts';

const SLOW_DOWN: HttpFault = {
  kind: 'refuse',
  status: 503,
  body: '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>',
};
const refusedAs = (status: number, code: string): HttpFault => ({
  kind: 'refuse',
  status,
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
});

/** Where a test waits until the adapter gives something up. */
const SHORT_MILLIS = 2_000;

let part: ReturnType<typeof ownPart>;
let proxy: FaultyHttp;
/** Through the proxy. */
let store: S3Objects;
/** Past it. */
let witness: S3Objects;
/** Given when a test is over: ends what a fault holds. */
let held: ReturnType<typeof signal>;
let until: Promise<void>;

beforeEach(async () => {
  held = signal();
  until = held.given;
  part = ownPart();
  proxy = await FaultyHttp.start(part.endpoint);
  witness = await S3Objects.open(part);
  store = await through();
  // The first put of a store looks whether metadata are kept.
  await store.put('first', bytes(''));
  proxy.seen.length = 0;
});
afterEach(async () => {
  held.give();
  await store[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await emptyAndClose(witness);
});

function through(options: Partial<S3Options> = {}): Promise<S3Objects> {
  return S3Objects.open({ ...part, endpoint: proxy.url, ...options });
}

async function failureOf(promise: Promise<unknown>): Promise<PyralogError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (isPyralogError(error)) return error;
  throw new Error(`Not an operating error: ${inspect(error)}`);
}

/** Something that happens once and is waited for. */
function signal(): { readonly given: Promise<void>; give(): void } {
  let give = (): void => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give: () => give() };
}

const methods = (): string[] => proxy.seen.map(({ method }) => method);

describe('a put', () => {
  test('whose answer was lost was done by this call, and says so', async () => {
    proxy.meet('PUT', { kind: 'reset-after' });
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(methods()).toEqual(['PUT', 'HEAD']);
    expect(text(await witness.get('k'))).toBe('mine');
  });

  test('whose answers were lost time and again was still done once, by this call', async () => {
    proxy.meet('PUT', { kind: 'reset-after' });
    // The reading back fails at first, too.
    proxy.meet('HEAD', { kind: 'reset-before' });
    proxy.meet('HEAD', SLOW_DOWN);
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(methods()).toEqual(['PUT', 'HEAD', 'HEAD', 'HEAD']);
  });

  test('that broke before the store heard of it is sent again', async () => {
    proxy.meet('PUT', { kind: 'reset-before' }, { times: 2 });
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(methods()).toEqual(['PUT', 'HEAD', 'PUT', 'HEAD', 'PUT']);
    expect(text(await witness.get('k'))).toBe('mine');
  });

  test('whose answer was lost is not taken for another’s of the same bytes', async () => {
    await witness.put('k', bytes('same'));
    proxy.meet('PUT', { kind: 'reset-after' });
    expect(await store.put('k', bytes('same'))).toBe('exists');
  });

  test('that was refused because of its own first copy says created', async () => {
    // Not by this adapter: by a box in between that tries again by itself.
    proxy.meet('PUT', {
      kind: 'replace',
      async by(_, forward) {
        const { status } = await forward();
        expect(status).toBe(200);
        return forward();
      },
    });
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(methods()).toEqual(['PUT', 'HEAD']);
  });

  test('that comes to its end while it is sent again is one put', async () => {
    const [second, first] = [signal(), signal()];
    // The first is under way for longer than is waited for it.
    proxy.meet('PUT', {
      kind: 'replace',
      async by(_, forward) {
        await second.given;
        const answer = await forward();
        first.give();
        return answer;
      },
    });
    proxy.meet('PUT', {
      kind: 'replace',
      async by(_, forward) {
        second.give();
        await first.given;
        return forward();
      },
    });
    await using hasty = await through({ silenceMillisMax: SHORT_MILLIS });
    expect(await hasty.put('k', bytes('mine'))).toBe('created');
    expect(proxy.count('PUT')).toBe(2);
    expect(text(await witness.get('k'))).toBe('mine');
  });

  test('waits out an overloaded store', async () => {
    proxy.meet('PUT', SLOW_DOWN, { times: 4 });
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(proxy.count('PUT')).toBe(5);
  });

  test.each(['ConditionalRequestConflict', 'OperationAborted'])(
    'that met another one under way (409 %s) looks, and is sent again',
    async (code) => {
      proxy.meet('PUT', refusedAs(409, code));
      expect(await store.put('k', bytes('mine'))).toBe('created');
      expect(methods()).toEqual(['PUT', 'HEAD', 'PUT']);
      await witness.put('taken', bytes('its'));
      proxy.meet('PUT', refusedAs(409, code));
      expect(await store.put('taken', bytes('mine'))).toBe('exists');
    },
  );

  test('that got no answer in time was done, and says so', async () => {
    await using hasty = await through({ silenceMillisMax: SHORT_MILLIS });
    proxy.meet('PUT', { kind: 'hold-answer', until });
    expect(await hasty.put('k', bytes('mine'))).toBe('created');
    expect(proxy.count('PUT')).toBe(1);
  });

  test('whose bytes were changed on the way is refused by the store, and sent again', async () => {
    proxy.meet('PUT', { kind: 'flip-request' });
    expect(await store.put('k', bytes('mine'))).toBe('created');
    expect(text(await witness.get('k'))).toBe('mine');
  });

  test('tells the store the checksum of its bytes', async () => {
    let headers: readonly string[] = [];
    proxy.meet('PUT', {
      kind: 'replace',
      async by(request, forward) {
        headers = request.headers.map((text) => text.toLowerCase());
        return forward();
      },
    });
    // The check value of CRC-32 is cbf43926.
    await store.put('k', bytes('123456789'));
    expect(headers[headers.indexOf('x-amz-checksum-crc32') + 1]).toBe('y/Q5Jg=='.toLowerCase());
    expect(headers[headers.indexOf('x-amz-meta-pyralog-crc32') + 1]).toBe('cbf43926');
  });

  test('of which nothing is known in the end rejects, and was done', async () => {
    await using hasty = await through({ patienceMillis: 300 });
    proxy.meet('PUT', { kind: 'reset-after' });
    proxy.meet('HEAD', { kind: 'reset-before' }, { times: 1_000 });
    expect(await failureOf(hasty.put('k', bytes('mine')))).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`${proxy.url} cannot be reached (ECONNRESET)`),
    });
    expect(text(await witness.get('k'))).toBe('mine');
  });

  test('into a full store is refused at once', async () => {
    proxy.meet('PUT', refusedAs(507, 'XMinioStorageFull'));
    expect(await failureOf(store.put('k', bytes('mine')))).toMatchObject({ code: 'storage-full' });
    expect(methods()).toEqual(['PUT']);
  });

  test('into a store that forgets metadata is refused: its outcome could not be known', async () => {
    await using fresh = await through();
    proxy.meet('HEAD', {
      kind: 'replace',
      async by(_, forward) {
        const answer = await forward();
        const headers = answer.headers.filter((_, i) => {
          return !/^x-amz-meta-/i.test(answer.headers[i - (i % 2)] ?? '');
        });
        return { ...answer, headers };
      },
    });
    expect(await failureOf(fresh.put('k', bytes('mine')))).toMatchObject({
      code: 'store-unfit',
      message: expect.stringMatching(/^The bucket .* does not keep metadata/),
    });
  });
});

describe('a get', () => {
  const content = Buffer.from('0123456789'.repeat(10_000));
  beforeEach(() => witness.put('k', content));

  test.each<[string, HttpFault]>([
    ['is cut', { kind: 'cut-body' }],
    ['has another byte', { kind: 'flip-answer' }],
    ['never comes', { kind: 'reset-before' }],
    ['is a refusal that passes', SLOW_DOWN],
    ['is no XML', { kind: 'refuse', status: 500, body: '<html>' }],
  ])('whose answer %s reads again', async (_, fault) => {
    proxy.meet('GET', fault);
    expect(Buffer.from((await store.get('k')) ?? []).equals(content)).toBe(true);
    expect(methods()).toEqual(['GET', 'GET']);
  });

  test.each<[string, (until: Promise<void>) => HttpFault]>([
    ['the answer', (end) => ({ kind: 'hold-answer', until: end })],
    ['the middle of the body', (end) => ({ kind: 'hold-body', until: end })],
  ])('that hears nothing from %s on reads again', async (_, fault) => {
    await using hasty = await through({ silenceMillisMax: SHORT_MILLIS });
    proxy.meet('GET', fault(until));
    expect(Buffer.from((await hasty.get('k')) ?? []).equals(content)).toBe(true);
  });

  test('waits for a slow body as long as it goes on', async () => {
    await using hasty = await through({ silenceMillisMax: SHORT_MILLIS });
    proxy.seen.length = 0;
    // In all longer than silence is waited for.
    proxy.meet('GET', { kind: 'slow-body', pieces: 12, pauseMillis: SHORT_MILLIS / 8 });
    expect(Buffer.from((await hasty.get('k')) ?? []).equals(content)).toBe(true);
    expect(methods()).toEqual(['GET']);
  });

  test('of what is damaged is refused, by name', async () => {
    proxy.meet('GET', { kind: 'flip-answer' }, { times: 2 });
    expect(await failureOf(store.get('k'))).toMatchObject({
      code: 'object-damaged',
      message: expect.stringContaining('The bytes of k '),
    });
  });

  test('of a range carries no more than the range', async () => {
    proxy.answeredBytes = 0;
    expect(text(await store.getRange('k', 50_000, 10))).toBe('0123456789');
    expect(text(await store.getRange('k', -100, 10))).toBe('0123456789');
    expect(text(await store.getRange('k', -10, 10))).toBe('0123456789');
    expect(proxy.answeredBytes).toBe(30);
  });

  test('of a range that is cut, too short, or another one reads again', async () => {
    const changed = (change: (text: string) => string, bytesLess = 0): HttpFault => ({
      kind: 'replace',
      async by(_, forward) {
        const { status, headers, body } = await forward();
        return { status, headers: headers.map(change), body: body.subarray(bytesLess) };
      },
    });
    proxy.meet('GET', { kind: 'cut-body' });
    proxy.meet(
      'GET',
      changed((header) => (header === '10' ? '9' : header), 1),
    );
    proxy.meet(
      'GET',
      changed((header) => header.replace('bytes 11-20/', 'bytes 12-21/')),
    );
    expect(text(await store.getRange('k', 11, 10))).toBe('1234567890');
    expect(proxy.count('GET')).toBe(4);
  });

  test('of a range from a store that knows no ranges is refused, and holds no connection', async () => {
    await using one = await through({ connectionsMax: 1 });
    proxy.meet('GET', {
      kind: 'replace',
      async by() {
        const body = new Uint8Array(10_000_000);
        return { status: 200, headers: ['Content-Length', String(body.length)], body };
      },
    });
    expect(await failureOf(one.getRange('k', 11, 10))).toMatchObject({
      code: 'store-unfit',
      message: expect.stringMatching(/does not know ranges\.$/),
    });
    expect(text(await one.getRange('k', 11, 10))).toBe('1234567890');
  });
});

describe('a listing', () => {
  test('goes on where an answer was lost, or was none', async () => {
    for (const key of ['l/a', 'l/b', 'l/c']) await witness.put(key, bytes(key));
    proxy.meet('GET', { kind: 'reset-after' });
    proxy.meet('GET', { kind: 'cut-body' });
    proxy.meet('GET', SLOW_DOWN);
    // As a box in between may answer for a store that it cannot reach.
    proxy.meet('GET', { kind: 'refuse', status: 200, body: '<html><body>Later.</body></html>' });
    expect(await keysOf(store, 'l/')).toEqual(['l/a', 'l/b', 'l/c']);
    expect(proxy.count('GET')).toBe(5);
  });

  test('that is not in byte order is refused', async () => {
    const contents = ['b', 'a'].map((key) => {
      return `<Contents><Key>${part.prefix}/${key}</Key><Size>1</Size></Contents>`;
    });
    proxy.meet('GET', {
      kind: 'replace',
      async by() {
        const body = Buffer.from(
          `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`,
        );
        return { status: 200, headers: ['Content-Type', 'application/xml'], body };
      },
    });
    expect(await failureOf(keysOf(store))).toMatchObject({ code: 'store-unfit' });
  });
});

test('a deletion whose answer was lost is done, and one that was not heard is sent again', async () => {
  for (const fault of [{ kind: 'reset-after' }, { kind: 'reset-before' }, SLOW_DOWN] as const) {
    await witness.put('gone', bytes('x'));
    proxy.meet('DELETE', fault);
    await store.delete('gone');
    expect(await witness.head('gone')).toBeUndefined();
  }
});

describe('connections', () => {
  test('are bounded, and used again', async () => {
    await using few = await through({ connectionsMax: 3 });
    const before = proxy.openConnections;
    [proxy.connections, proxy.connectionsMax] = [0, 0];
    await Promise.all(Array.from({ length: 60 }, (_, i) => few.put(`c/${i}`, bytes('x'))));
    // One is there from opening.
    expect(proxy.connections).toBe(2);
    expect(proxy.connectionsMax).toBe(before + 2);
  });

  test('a long line is no silence', async () => {
    await using one = await through({ connectionsMax: 1, silenceMillisMax: SHORT_MILLIS });
    const pauseMillis = SHORT_MILLIS / 10;
    proxy.meet('HEAD', { kind: 'slow-body', pieces: 1, pauseMillis }, { times: 20 });
    await Promise.all(Array.from({ length: 20 }, () => one.head('first')));
    expect(proxy.count('HEAD')).toBe(20);
  });

  test('closing closes them, and ends what is under way', async () => {
    const closing = await through();
    const heard = signal();
    proxy.meet('GET', {
      kind: 'replace',
      async by(_, forward) {
        heard.give();
        await until;
        return forward();
      },
    });
    const get = failureOf(closing.get('first'));
    await heard.given;
    await closing[Symbol.asyncDispose]();
    expect(await get).toMatchObject({ code: 'stopping' });
    await store[Symbol.asyncDispose]();
    await proxy.allClosed();
  });
});

describe('what cannot work', () => {
  test('a server that is not there is unreachable, by name', async () => {
    await proxy[Symbol.asyncDispose]();
    expect(await failureOf(through({ patienceMillis: 100 }))).toMatchObject({
      code: 'unreachable',
      message: `The object store cannot be opened: the bucket ${part.bucket} at ${proxy.url} cannot be reached (ECONNREFUSED).`,
    });
    proxy = await FaultyHttp.start(part.endpoint);
  });

  test('a bucket that is not there is refused at the opening', async () => {
    expect(await failureOf(through({ bucket: 'no-such-bucket' }))).toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining('answers 404 NoSuchBucket'),
      hint: expect.stringContaining('Make the bucket'),
    });
  });

  test('wrong credentials are refused at once, and are in no text', async () => {
    const wrong = { accessKeyId: part.credentials.accessKeyId, secretAccessKey: 'wrong-secret' };
    const refusal = await failureOf(through({ credentials: wrong }));
    expect(refusal).toMatchObject({
      code: 'storage-failed',
      hint: expect.stringContaining('AWS_SECRET_ACCESS_KEY'),
    });
    const unknown = { accessKeyId: 'nobody-of-that-name', secretAccessKey: 'wrong-secret' };
    const stranger = await failureOf(through({ credentials: unknown }));
    for (const error of [refusal, stranger]) {
      const told = inspect(error, { depth: 20, showHidden: true });
      for (const secret of ['wrong-secret', 'nobody-of-that-name', wrong.accessKeyId, 'Signature='])
        expect(told).not.toContain(secret);
    }
  });

  test('an overload that does not end is told, with what the store says', async () => {
    await using hasty = await through({ patienceMillis: 300 });
    proxy.meet('GET', SLOW_DOWN, { times: 1_000 });
    expect(await failureOf(hasty.get('k'))).toMatchObject({
      code: 'storage-failed',
      message: `The object k cannot be read: the bucket ${part.bucket} at ${proxy.url} answers 503 SlowDown.`,
    });
    expect(proxy.count('GET')).toBeGreaterThan(2);
  });

  test('a store that ignores If-None-Match does not pass the probe', async () => {
    proxy.meet(
      'PUT',
      {
        kind: 'replace',
        async by({ path }, forward) {
          const { pathname } = new URL(path, proxy.url);
          await witness.delete(pathname.slice(`/${part.bucket}/${part.prefix}/`.length));
          return forward();
        },
      },
      { times: 1_000 },
    );
    expect(await failureOf(probeObjectStore(store, store.name))).toMatchObject({
      code: 'store-unfit',
      message: `The bucket ${part.bucket} at ${proxy.url} lets a name be written twice (created, then created).`,
    });
    expect(await keysOf(witness, '_probe/')).toEqual([]);
  });
});

test(
  'puts outlive the death and the return of the server, each done once',
  { timeout: 180_000 },
  async () => {
    await using server = await S3ProxyServer.start();
    const { accessKey, secretKey, bucket } = server;
    await using mortal = await S3Objects.open({
      endpoint: server.address,
      region: 'us-east-1',
      bucket,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
      patienceMillis: 120_000,
      silenceMillisMax: 5_000,
    });
    const content = (key: string): string => `content of ${key} `.repeat(2_000);
    let done = 0;
    let killed = Promise.resolve();
    const writer = async (w: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const key = `w${w}/${String(i).padStart(2, '0')}`;
        expect(await mortal.put(key, bytes(content(key))), key).toBe('created');
        // In the midst of the puts of the others.
        if (++done === 100 || done === 200)
          killed = killed.then(() => server.kill()).then(() => server.start());
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(writer));
    await killed;
    // S3Proxy lists what it was killed over: under the key and a UUID, as nothing of ours is named.
    const keys = (await keysOf(mortal)).filter((key) => /^w\d\/\d\d$/.test(key));
    expect(keys).toHaveLength(320);
    for (const key of keys) expect(text(await mortal.get(key))).toBe(content(key));
  },
);
