/** Long values, where it matters what they are kept in: pages by bytes, faults and damage of blobs, restarts. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database, DatabaseHost } from '@pyralog/client';
import { createCodec } from '@pyralog/format/zstd';
import { DEFAULT_CUT } from '@pyralog/indexing';
import type { LogRecord, TopicPartition } from '@pyralog/log';
import { MemoryLog } from '@pyralog/log/memory';
import { type Fact, type LogOffset, PyralogError, type Value } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache, type ObjectReport, verifyBucket } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers } from '@pyralog/runtime';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyFolder } from '../../services/pyralog/src/cli/verify.ts';
import { EmbeddedHost, openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { served } from '../http/served.ts';
import { allPages, commit, create, data, expectCode, feedOf, write } from './database-support.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));

const MIB = 1024 * 1024;
/** Facts of a part: a few, so that most is read from files. */
const SMALL = { factsMax: 10, bytesMax: 1e9 };

const embedded = (): Promise<DatabaseHost> =>
  embeddedHost(threads, SMALL, (what, error) => troubles.push(what, error));
const overHttp = async (): Promise<DatabaseHost> => served(await embedded());

function long(end: string, bytes = 70_000): string {
  return 'Begin '.repeat(60).padEnd(bytes - Buffer.byteLength(end), '.') + end;
}

function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

describe.each([
  ['in one process', embedded],
  ['over HTTP', overHttp],
])('%s', (_where, make) => {
  test('a value has 16 MiB at most', async () => {
    await using host = await make();
    const database = await create(host);
    const most: readonly Value[] = [
      { type: 'string', value: long('é', 16 * MIB) },
      { type: 'json', value: `"${'x'.repeat(16 * MIB - 2)}"` },
      { type: 'bytes', value: Buffer.alloc(16 * MIB, 7) },
    ];
    const written = (value: Value): unknown => {
      if (value.type === 'bytes') return { bytes: Buffer.from(value.value).toString('base64') };
      return value.type === 'json' ? { json: JSON.parse(value.value) as unknown } : value.value;
    };
    for (const value of most) {
      const { tx } = await write(database, { entity: 'most', [value.type]: written(value) });
      const [found] = (await database.entity('most', { await: tx })).attributes.get(value.type)
        ?.values ?? [undefined];
      // Not by toEqual, which looks at megabytes one by one.
      expect(found?.type).toBe(value.type);
      expect(Buffer.compare(contentOf(found as Value), contentOf(value))).toBe(0);
    }
    const { tx } = await write(database, { entity: 'none', n: 1 });
    const over = {
      string: `${long('', 16 * MIB)}a`,
      json: { json: 'x'.repeat(16 * MIB - 1) },
      bytes: { bytes: Buffer.alloc(16 * MIB + 1).toString('base64') },
    };
    for (const [attribute, value] of Object.entries(over))
      await expectCode(write(database, { entity: 'over', [attribute]: value }), 'value-too-large');
    expect((await database.entity('over', { await: tx })).attributes.size).toBe(0);
  });

  test('a page ends where 16 MiB of long values are on it, and the next goes on behind it', async () => {
    await using host = await make();
    const database = await create(host);
    const five = (end: string): string => long(end, 5 * MIB);
    const ends = ['0', '1', '2', '3', '4', '5', '6'];
    const before = await write(database, { entity: 'before', n: 1 });
    for (const end of ends)
      await commit(database, {
        meta: { reason: five(end) },
        ops: [{ entity: `e:${end}`, text: five(end), n: 1 }],
      });
    const { tx } = await write(database, { entity: 'z', text: long('', 16 * MIB) });
    const options = { asOf: tx };
    /** Bytes of long values on each page. */
    const bytes = (facts: readonly Fact[]): number =>
      facts.reduce((sum, { value }) => sum + contentOf(value).length, 0);

    const query = { index: 'aevt', attribute: 'text' } as const;
    for (const read of ['state', 'facts'] as const) {
      const sizes: number[] = [];
      const { facts } = await allPages(async (each) => {
        const page = await database[read]({ ...query, ...each }, options);
        sizes.push(page.facts.length);
        expect(bytes(page.facts)).toBeLessThanOrEqual(16 * MIB);
        return page;
      }, 1_000);
      expect(sizes).toEqual([3, 3, 1, 1]);
      expect(facts.map(({ entity }) => entity)).toEqual([...ends.map((end) => `e:${end}`), 'z']);
    }

    await write(database, { op: 'retractEntity', entity: 'e:0' });
    await write(database, { entity: 'e:1', text: five('new') });
    const last = await write(database, { entity: 'e:1', text: five('newer') });
    const history = await allPages(async (each) => {
      const page = await database.history('e:1', each, { await: last.tx });
      expect(bytes(page.facts)).toBeLessThanOrEqual(16 * MIB);
      return page;
    }, 1_000);
    expect(history.pages).toBe(2);
    const [first, ...texts] = history.facts;
    expect(first?.attribute).toBe('n');
    // Of one transaction in the order of the values, which is that of their hashes.
    expect(texts.map(({ value }) => hashOf(String(value.value)))).toEqual([
      hashOf(five('1')),
      ...[hashOf(five('1')), hashOf(five('new'))].toSorted(),
      ...[hashOf(five('new')), hashOf(five('newer'))].toSorted(),
    ]);

    const differences: [string, string][] = [];
    let pages = 0;
    for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
      const span = { from: before.tx, to: last.tx, cursor };
      const page = await database.diff(span, { await: last.tx });
      expect(bytes([...page.added, ...page.removed])).toBeLessThanOrEqual(16 * MIB + 1_000);
      for (const [, list] of [
        ['+', page.added],
        ['-', page.removed],
      ] as const)
        for (const { entity, attribute } of data(list)) differences.push([entity, attribute]);
      cursor = page.next;
    }
    expect(pages).toBeGreaterThan(4);
    expect(differences.toSorted().map((each) => each.join())).toEqual(
      [...ends.slice(1).flatMap((end) => [`e:${end},n`, `e:${end},text`]), 'z,text'].toSorted(),
    );

    const txs: bigint[] = [];
    const lengths: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await database.transactions({ cursor }, options);
      txs.push(...page.transactions.map((each) => each.tx));
      lengths.push(page.transactions.length);
      cursor = page.next;
    } while (cursor !== undefined);
    expect(new Set(txs).size).toBe(txs.length);
    expect(txs.length).toBe(ends.length + 2);
    // The newest has no reason; then three fit on a page.
    expect(lengths).toEqual([4, 3, 2]);
  });
});

function contentOf({ value }: Value): Buffer {
  return typeof value === 'string' || value instanceof Uint8Array
    ? Buffer.from(value)
    : Buffer.alloc(0);
}

/** A bucket whose puts of blobs fail as a test says. */
class FaultyObjects extends MemoryObjects {
  fault: 'refused' | 'unheard' | undefined;

  override async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    if (!key.includes('/blobs/') || this.fault === undefined) return super.put(key, bytes);
    if (this.fault === 'unheard') {
      this.fault = undefined;
      await super.put(key, bytes);
    }
    throw new PyralogError('storage-full', 'There is no room in the bucket.');
  }

  async blobs(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.list('main/blobs/'))
      keys.push(key.slice('main/blobs/'.length));
    return keys;
  }

  /** Changes what nobody may change. */
  async replace(key: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Promise<void> {
    const changed = change((await this.get(key)) ?? new Uint8Array(0));
    await this.delete(key);
    if (changed !== undefined) await super.put(key, changed);
  }
}

/** A log that takes no record of commits while a test says so. */
class FaultyLog extends MemoryLog {
  isFull = false;

  override async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    if (this.isFull) throw new PyralogError('storage-full', 'There is no room for the log.');
    return super.append(at, records);
  }
}

/** A database over a bucket and a log that break when told to. */
async function faulty(cacheBytes = 64 * MIB) {
  const [objects, log] = [new FaultyObjects(), new FaultyLog()];
  const tales: string[] = [];
  const host = EmbeddedHost.over({
    log,
    objects,
    bucketDir: undefined,
    codec: await createCodec(),
    cache: new BlockCache(cacheBytes),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    rand: new SystemRand(),
    threads,
    cutRule: DEFAULT_CUT,
    onFailure: (what) => tales.push(what),
    onRecovery: (what) => tales.push(what),
  });
  const database = await create(host);
  return { objects, log, host, database, tales };
}

/** Writes until it is taken: after a failure the log is claimed again behind a pause. */
async function eventually(database: Database, ...ops: object[]): ReturnType<typeof write> {
  let result: Awaited<ReturnType<typeof write>> | undefined;
  await expect
    .poll(async () => (result = await write(database, ...ops).catch(() => undefined)), {
      timeout: 20_000,
    })
    .toBeDefined();
  return result as Awaited<ReturnType<typeof write>>;
}

test('the same value is one object, whatever facts have it', async () => {
  const { objects, host, database } = await faulty();
  await using _host = host;
  await write(database, { entity: 'a', text: long('1') }, { entity: 'b', text: long('1') });
  await write(database, { entity: 'c', other: long('1') });
  await write(database, { entity: 'a', text: long('2') });
  expect(await objects.blobs()).toEqual([hashOf(long('1')), hashOf(long('2'))].toSorted());
});

test('a transaction whose values cannot be kept is refused, nothing of it is there, and the next succeeds', async () => {
  const { objects, host, database, tales } = await faulty();
  await using _host = host;
  const before = await write(database, { entity: 'a', n: 1 });
  objects.fault = 'refused';
  await expectCode(write(database, { entity: 'a', n: 2, text: long('1') }), 'storage-full');
  objects.fault = undefined;
  const { tx } = await eventually(database, { entity: 'b', n: 1 });
  expect(await objects.blobs()).toEqual([]);
  const { attributes } = await database.entity('a', { await: tx });
  expect([...attributes.keys()]).toEqual(['n']);
  const { transactions } = await database.transactions();
  expect(transactions.map((each) => each.tx)).toEqual([tx, before.tx]);
  await write(database, { entity: 'a', text: long('1') });
  expect(await objects.blobs()).toEqual([hashOf(long('1'))]);
  expect(tales).toHaveLength(2);
});

test('a put that came to its end unheard is done again, and the transaction is committed', async () => {
  const { objects, host, database, tales } = await faulty();
  await using _host = host;
  objects.fault = 'unheard';
  const { tx } = await write(database, { entity: 'a', text: long('1') });
  const { attributes } = await database.entity('a', { await: tx });
  expect(attributes.get('text')?.values[0]?.value).toBe(long('1'));
  expect(tales).toEqual([]);
});

test('what was put for a record that was never written is a blob that no fact refers to, and no damage', async () => {
  const { objects, log, host, database } = await faulty();
  await using _host = host;
  log.isFull = true;
  await expectCode(write(database, { entity: 'a', text: long('1') }), 'storage-full');
  expect(await objects.blobs()).toEqual([hashOf(long('1'))]);
  log.isFull = false;
  const { tx } = await eventually(database, { entity: 'b', n: 1 });
  expect((await database.entity('a', { await: tx })).attributes.size).toBe(0);
  const reports: ObjectReport[] = [];
  for await (const report of verifyBucket(objects, await createCodec(), 'main'))
    reports.push(report);
  expect(reports.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(reports.filter(({ unnamed }) => unnamed === true).map(({ key }) => key)).toEqual([
    `main/blobs/${hashOf(long('1'))}`,
  ]);
});

describe('I11 a blob that', () => {
  test.each<[string, string, (bytes: Uint8Array) => Uint8Array | undefined]>([
    [
      'has a flipped bit',
      'object-damaged',
      (bytes) => bytes.with(40_000, (bytes[40_000] ?? 0) ^ 1),
    ],
    ['was cut short', 'object-damaged', (bytes) => bytes.subarray(0, -1)],
    ['is empty', 'object-damaged', () => new Uint8Array(0)],
    ['is missing', 'object-missing', () => undefined],
  ])('%s is an error that names it, never a wrong value', async (_what, code, change) => {
    // No room to remember what was read.
    const { objects, host, database } = await faulty(1);
    await using _host = host;
    const { tx } = await write(database, { entity: 'a', text: long('1') }, { entity: 'b', n: 1 });
    const key = `main/blobs/${hashOf(long('1'))}`;
    await objects.replace(key, change);
    const reads = [
      () => database.entity('a', { await: tx }),
      () => database.state({ index: 'eavt' }, { await: tx }),
      () => database.facts({ index: 'aevt', attribute: 'text' }, { await: tx }),
      () => database.history('a', {}, { await: tx }),
      () => database.transaction(tx),
      () => database.diff({ from: (tx - 1n) as typeof tx, to: tx }),
      () => feedOf(database, { offset: '-1' }),
    ];
    for (const read of reads) {
      await expectCode(read(), code as 'object-damaged');
      await expect(read()).rejects.toThrow(key);
    }
    // Everything else is answered.
    expect((await database.entity('b')).attributes.get('n')?.values).toHaveLength(1);
    expect((await database.transactions()).transactions).toHaveLength(1);
    const page = await database.state({ index: 'eavt', entity: 'b' });
    expect(page.facts).toHaveLength(1);
    // What replaces it is committed; only the answer cannot be given.
    const replacing = write(database, { entity: 'a', text: 'short' });
    await expectCode(replacing, code as 'object-damaged');
    await expect(replacing).rejects.toThrow(/is committed, as \d+/);
    expect((await eventually(database, { entity: 'c', n: 1 })).tx > tx).toBe(true);
    expect(
      (await database.entity('a', { await: (await write(database)).tx })).attributes.get('text')
        ?.values,
    ).toEqual([{ type: 'string', value: 'short' }]);
  });
});

describe('in a folder', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pyralog-long-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const open = (): Promise<EmbeddedHost> => openEmbedded({ dir, cutRule: SMALL });
  const blobs = (): Promise<string[]> => readdir(join(dir, 'bucket', 'main', 'blobs'));

  /** All that is asked before and after something that must not be noticed. */
  async function answers(database: Database, asOf: Fact['tx']): Promise<unknown[]> {
    const options = { asOf };
    return [
      (await allPages((each) => database.facts({ index: 'eavt', ...each }, options), 7)).facts,
      (
        await allPages(
          (each) => database.state({ index: 'avet', attribute: 'mail', ...each }, options),
          7,
        )
      ).facts,
      (await database.entity('e:1', options)).attributes,
      (await feedOf(database, { offset: '-1' })).filter(({ tx }) => tx <= asOf && tx > 0n),
    ];
  }

  /** Several parts of facts, in which every third value is long. @returns the tx of the last */
  async function fill(database: Database): Promise<Fact['tx']> {
    await write(database, {
      entity: 'attribute:mail',
      'db/valueType': 'string',
      'db/unique': 'identity',
    });
    let last: Fact['tx'] | undefined;
    for (let i = 0; i < 40; i++) {
      const text = i % 3 === 0 ? long(String(i)) : `short ${i}`;
      const ops = { entity: `e:${i % 7}`, text, mail: `${text} mail` };
      last = (await write(database, ops)).tx;
    }
    return last as Fact['tx'];
  }

  /** What a bucket says of its blobs without the log. */
  async function bucketAlone(): Promise<{ unnamed: string[]; missing: string[] }> {
    await using objects = await LocalObjects.open({ dir: join(dir, 'bucket') });
    const found = { unnamed: [] as string[], missing: [] as string[] };
    for await (const { key, unnamed, problem } of verifyBucket(objects, await createCodec())) {
      const name = key.slice(key.lastIndexOf('/') + 1);
      if (unnamed === true) found.unnamed.push(name);
      if (problem?.code === 'object-missing') found.missing.push(name);
    }
    return found;
  }

  async function indexed(database: Database): Promise<void> {
    await expect
      .poll(async () => (await database.status()).partitions[0]?.liveFacts, { timeout: 20_000 })
      .toBeLessThan(SMALL.factsMax);
  }

  test('they survive a restart, and an index that is built anew from the log', async () => {
    let before: unknown[];
    let tx: Fact['tx'];
    {
      await using host = await open();
      const database = await create(host);
      tx = await fill(database);
      before = await answers(database, tx);
      await indexed(database);
      expect(await answers(database, tx)).toEqual(before);
    }
    const names = await blobs();
    expect(names.length).toBe(2 * 14);
    {
      await using host = await open();
      const database = await host.database('main');
      expect(await answers(database, tx)).toEqual(before);
      // The owner has read what is in force: by value, too.
      await expectCode(
        write(database, { entity: 'other', mail: `${long('39')} mail` }),
        'unique-conflict',
      );
    }
    for (const kind of ['index', 'manifest', 'segments'])
      await rm(join(dir, 'bucket', 'main', kind), { recursive: true });
    await using host = await open();
    const database = await host.database('main');
    await indexed(database);
    expect(await answers(database, tx)).toEqual(before);
    expect(await blobs()).toEqual(names);
    expect(await verifyFolder(dir)).toMatchObject({ problems: [], unnamed: [] });
  });

  test('verify names each that is damaged or missing, and tells of those that no fact refers to', async () => {
    {
      await using host = await open();
      const database = await create(host);
      await fill(database);
      await indexed(database);
      // In the log alone.
      await write(database, { entity: 'late', text: long('late') });
    }
    expect(await verifyFolder(dir)).toMatchObject({ problems: [], unnamed: [] });
    // By segments and runs alone, those of the live part are not known to be named.
    const { unnamed: live } = await bucketAlone();
    expect(live).toContain(hashOf(long('late')));
    expect(live).not.toContain(hashOf(long('3')));
    await rm(join(dir, 'bucket', 'main', 'blobs', hashOf(long('3'))));
    expect((await bucketAlone()).missing).toEqual([hashOf(long('3'))]);
    await writeFile(join(dir, 'bucket', 'main', 'blobs', hashOf(long('3'))), long('3'));

    const whole = `${dir}-whole`;
    await cp(dir, whole, { recursive: true });
    try {
      // The segments are the log itself: they name what the runs did.
      await rm(join(dir, 'bucket', 'main', 'index'), { recursive: true });
      expect((await bucketAlone()).unnamed).toEqual(live);
      await cp(whole, dir, { recursive: true });

      const names = [hashOf(long('3')), hashOf(long('late'))];
      const changes: readonly ((path: string) => Promise<void>)[] = [
        async (path) => {
          const content = await readFile(path);
          content[300] = (content[300] ?? 0) ^ 4;
          await writeFile(path, content);
        },
        async (path) => writeFile(path, (await readFile(path)).subarray(0, 65_000)),
        (path) => rm(path),
      ];
      for (const name of names)
        for (const change of changes) {
          await change(join(dir, 'bucket', 'main', 'blobs', name));
          const { problems, unnamed } = await verifyFolder(dir);
          expect(problems).toHaveLength(1);
          expect(problems[0]?.problem).toContain(`main/blobs/${name}`);
          expect(unnamed).toEqual([]);
          await rm(dir, { recursive: true });
          await cp(whole, dir, { recursive: true });
        }
      const orphan = join(dir, 'bucket', 'main', 'blobs', hashOf('nobody'));
      await writeFile(orphan, 'nobody');
      expect(await verifyFolder(dir)).toMatchObject({
        problems: [],
        unnamed: [`main/blobs/${hashOf('nobody')}`],
      });
      // One that nobody refers to is damaged all the same where it is not what its name says.
      await writeFile(orphan, 'somebody');
      const { problems } = await verifyFolder(dir);
      expect(problems.map(({ problem }) => problem)).toEqual([
        expect.stringContaining(hashOf('nobody')),
      ]);
    } finally {
      await rm(whole, { recursive: true });
    }
  });
});
