/**
 * What the world does to a server: full disks, broken ones, no descriptors, threads that die. Real HTTP,
 * real files, real threads; the file system refuses where a test says so. Writes are refused with a code
 * that says why and nothing half done, reads go on, and everything goes on by itself when the cause is over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PyralogError } from '@pyralog/model';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { documentOf } from './documents.ts';
import { type FaultyServer, startFaulty, type SystemCode } from './faulty-server.ts';
import { Random } from './random.ts';
import { type Committed, Witness } from './witness.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-faults-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
}

/** Writes, and keeps account of what was said about it. */
class Writer {
  readonly #url: string;
  readonly #witness: Witness;
  readonly #random = new Random(1);

  constructor({ url }: FaultyServer, witness: Witness) {
    this.#url = url;
    this.#witness = witness;
  }

  /** @returns the problem where it was refused */
  async write(): Promise<Problem | undefined> {
    const key = this.#witness.nextKey();
    const response = await fetch(`${this.#url}/v1/main/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: documentOf(key, this.#random),
    });
    if (response.status === 200) {
      this.#witness.acknowledge(key, (await response.json()) as Committed);
      return undefined;
    }
    const problem = (await response.json()) as Problem;
    expect(response.status).toBe(503);
    if (problem.code !== 'outcome-unknown') {
      this.#witness.refuse(key);
      expect(response.headers.get('retry-after')).toBe('1');
    }
    return problem;
  }

  /** Writes so many, all of which must be taken. */
  async writeAll(count: number): Promise<void> {
    for (let i = 0; i < count; i++) expect(await this.write()).toBeUndefined();
  }

  /** Writes until it is refused. */
  async writeUntilRefused(most: number): Promise<Problem> {
    for (let i = 0; i < most; i++) {
      const problem = await this.write();
      if (problem !== undefined) return problem;
    }
    throw new Error(`${most} transactions were taken`);
  }
}

interface Status {
  readonly logEnd: number;
  readonly indexed: number;
  readonly liveFacts: number;
  readonly manifest: number;
  readonly troubles: readonly { readonly part: string; readonly code: string }[];
}

async function json<T>(url: string, path: string, status = 200): Promise<T> {
  const response = await fetch(`${url}${path}`);
  expect(response.status, path).toBe(status);
  return (await response.json()) as T;
}

async function statusOf(url: string): Promise<Status> {
  const { partitions } = await json<{ partitions: readonly Status[] }>(url, '/v1/main/status');
  return partitions[0] as Status;
}

/** Waits until so many manifests are there. */
async function indexed({ url }: FaultyServer, manifests: number): Promise<void> {
  while ((await statusOf(url)).manifest < manifests);
}

/** Every kind of read is answered, and as the fold of the feed has it. */
async function readsGoOn({ url }: FaultyServer, witness: Witness): Promise<void> {
  await witness.checkAll(url);
  await witness.checkPast(url, new Random(witness.seen));
  await json(url, `/v1/main/entities/${witness.newestEntity}`);
  await json(url, `/v1/main/entities/${witness.newestEntity}/history`);
  await json(url, '/v1/main/schema');
  await json(url, '/v1/main/transactions?limit=3');
  expect((await fetch(`${url}/healthz/alive`)).status).toBe(200);
}

/** All that tells what is wrong tells it. */
async function troubleIsTold(server: FaultyServer, parts: readonly string[]): Promise<void> {
  const { troubles } = await statusOf(server.url);
  expect(troubles.map(({ part }) => part)).toEqual(parts);
  const { status, reasons } = await json<{ status: string; reasons: readonly string[] }>(
    server.url,
    '/healthz/ready',
    503,
  );
  expect([status, reasons.length]).toEqual(['not-ready', parts.length]);
  for (const [i, part] of parts.entries()) expect(reasons[i]).toContain(part);
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('pyralog_ready 0');
}

async function allIsWell(server: FaultyServer): Promise<void> {
  expect((await statusOf(server.url)).troubles).toEqual([]);
  await json(server.url, '/healthz/ready');
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('pyralog_ready 1');
}

describe('a log that cannot be written', () => {
  test('while the disk is full, writes are refused, reads go on, and it recovers by itself', async () => {
    await using server = await startFaulty({ dir, partFacts: 100 });
    const witness = new Witness();
    const writer = new Writer(server, witness);
    await writer.writeAll(40);
    server.disk.log = 'ENOSPC';
    for (let i = 0; i < 20; i++) {
      const problem = await writer.write();
      expect(problem).toMatchObject({ code: 'storage-full' });
      expect(problem?.detail).toMatch(/disk is full/);
      expect(problem?.hint).toMatch(/by themselves/);
    }
    await Promise.all(Array.from({ length: 50 }, () => writer.write()));
    await readsGoOn(server, witness);
    await troubleIsTold(server, ['log']);
    expect(server.told).toMatchObject([{ kind: 'failure' }]);

    server.disk.log = undefined;
    // Nobody writes: it finds out by itself.
    await server.wellAgain();
    await allIsWell(server);
    await writer.writeAll(40);
    await readsGoOn(server, witness);
    expect(server.told.map(({ kind }) => kind)).toEqual(['failure', 'recovery']);
  });

  test.each<SystemCode>(['EIO', 'EMFILE'])(
    'after %s what was on its way is unknown, what comes later refused, and it recovers by itself',
    async (code) => {
      // Small files: a process without descriptors fails where it begins one.
      await using server = await startFaulty({ dir, partFacts: 100, logFileBytes: 32 * 1024 });
      const witness = new Witness();
      const writer = new Writer(server, witness);
      await writer.writeAll(20);
      server.disk.log = code;
      const problem = await writer.writeUntilRefused(200);
      expect(problem).toMatchObject({ code: 'outcome-unknown' });
      expect(problem.hint).toMatch(/same id/);
      for (let i = 0; i < 20; i++) {
        expect(await writer.write()).toMatchObject({
          code: 'storage-failed',
          detail: expect.stringContaining(code) as string,
        });
      }
      await readsGoOn(server, witness);
      await troubleIsTold(server, ['log']);
      server.disk.log = undefined;
      await server.wellAgain();
      await writer.writeAll(20);
      await allIsWell(server);
      await readsGoOn(server, witness);
      expect(server.told.map(({ kind }) => kind)).toEqual(['failure', 'recovery']);
    },
  );

  test('a server that starts on a full disk reads, and writes as soon as it can', async () => {
    const witness = new Witness();
    {
      await using server = await startFaulty({ dir, partFacts: 100 });
      await new Writer(server, witness).writeAll(40);
    }
    const full = await startFaulty({ dir, partFacts: 100 });
    await full[Symbol.asyncDispose]();
    const { disk } = full;
    disk.log = 'ENOSPC';
    disk.bucket = 'ENOSPC';
    await using server = await startFaulty({ dir, partFacts: 100, disk });
    const writer = new Writer(server, witness);
    expect(await writer.write()).toMatchObject({ code: 'storage-full' });
    await readsGoOn(server, witness);
    disk.log = undefined;
    disk.bucket = undefined;
    await server.wellAgain();
    await writer.writeAll(20);
    await readsGoOn(server, witness);
  });
});

describe('a bucket that cannot be written', () => {
  test.each<SystemCode>(['ENOSPC', 'EIO', 'EMFILE'])(
    'after %s writes go on as far as memory may grow, reads go on, and it recovers by itself',
    { timeout: 60_000 },
    async (code) => {
      const partFacts = 100;
      await using server = await startFaulty({ dir, partFacts });
      const witness = new Witness();
      const writer = new Writer(server, witness);
      await writer.writeAll(20);
      server.disk.bucket = code;
      const started = Date.now();
      const problem = await writer.writeUntilRefused(500);
      // The one who waits for room waits a bounded time; those after it are refused at once.
      expect(Date.now() - started).toBeLessThan(20_000);
      expect(problem.code).toBe(code === 'ENOSPC' ? 'storage-full' : 'busy');
      expect(problem.detail).toMatch(code === 'ENOSPC' ? /disk is full/ : new RegExp(code));
      expect(problem.hint).toMatch(/by themselves/);
      const before = await statusOf(server.url);
      for (let i = 0; i < 50; i++)
        expect(await writer.write()).toMatchObject({ code: problem.code });
      const after = await statusOf(server.url);
      expect(after.liveFacts).toBe(before.liveFacts);
      expect(after.liveFacts).toBeLessThan(5 * partFacts);
      await readsGoOn(server, witness);
      await troubleIsTold(server, ['index']);
      expect(server.told.map(({ kind }) => kind)).toEqual(['failure']);

      server.disk.bucket = undefined;
      await server.wellAgain();
      await writer.writeAll(60);
      await readsGoOn(server, witness);
      await allIsWell(server);
      expect((await statusOf(server.url)).manifest).toBeGreaterThan(before.manifest + 3);
      expect(server.told.map(({ kind }) => kind)).toEqual(['failure', 'recovery']);
    },
  );

  test(
    'with a full log beside it both are told, and both recover',
    { timeout: 60_000 },
    async () => {
      await using server = await startFaulty({ dir, partFacts: 100 });
      const witness = new Witness();
      const writer = new Writer(server, witness);
      await writer.writeAll(5);
      server.disk.bucket = 'ENOSPC';
      await writer.writeAll(20);
      server.disk.log = 'ENOSPC';
      expect(await writer.write()).toMatchObject({ code: 'storage-full' });
      while (server.told.length < 2) await writer.write();
      await readsGoOn(server, witness);
      await troubleIsTold(server, ['log', 'index']);
      server.disk.log = undefined;
      server.disk.bucket = undefined;
      await server.wellAgain();
      await writer.writeAll(20);
      await allIsWell(server);
      await readsGoOn(server, witness);
    },
  );

  test('what cannot be read for lack of descriptors is refused, and read afterwards', async () => {
    await using server = await startFaulty({ dir, partFacts: 60, cacheBytes: 1 });
    const witness = new Witness();
    const writer = new Writer(server, witness);
    await writer.writeAll(30);
    await indexed(server, 3);
    server.disk.bucketReads = 'EMFILE';
    const codes = new Set<string>();
    for (let n = 0; n < 20; n++) {
      const response = await fetch(`${server.url}/v1/main/facts?index=aevt&attribute=tx/author`);
      if (response.status !== 200) codes.add(((await response.json()) as Problem).code);
    }
    for (let i = 0; i < 5; i++) await writer.write();
    server.disk.bucketReads = undefined;
    expect([...codes]).toEqual(['storage-failed']);
    await server.wellAgain();
    await writer.writeAll(30);
    await readsGoOn(server, witness);
  });
});

describe("the indexer's thread", () => {
  test(
    'killed before or after any step of a flush, it goes on where it was',
    { timeout: 120_000 },
    async () => {
      await using server = await startFaulty({ dir, partFacts: 60 });
      const witness = new Witness();
      const writer = new Writer(server, witness);
      const killedAt = new Set<string>();
      server.objects.onPut = async (key, moment) => {
        const at = `${moment} ${/segments|manifest|eavt|aevt|avet|vaet/.exec(key)?.[0]}`;
        if (killedAt.has(at)) return;
        killedAt.add(at);
        await server.threads.kill();
        if (moment === 'before') throw new PyralogError('stopping', 'Nobody waits for this.');
      };
      const steps = ['segments', 'eavt', 'aevt', 'avet', 'manifest'].flatMap((step) => [
        `before ${step}`,
        `after ${step}`,
      ]);
      while (killedAt.size < steps.length) {
        const problem = await writer.write();
        if (problem !== undefined) expect(problem.code).toBe('busy');
      }
      expect([...killedAt].toSorted()).toEqual(steps.toSorted());
      await server.wellAgain();
      expect(server.threads.started).toBeGreaterThan(steps.length);
      const { manifest } = await statusOf(server.url);
      await writer.writeAll(30);
      await indexed(server, manifest + 2);
      await readsGoOn(server, witness);
      await allIsWell(server);
    },
  );

  test.each([
    [60, 200],
    [200, 60],
  ])(
    'a flush of parts of %i facts that was cut is ended by an indexer of parts of %i',
    { timeout: 60_000 },
    async (before, after) => {
      const witness = new Witness();
      {
        await using server = await startFaulty({ dir, partFacts: before });
        server.objects.onPut = async (key, moment) => {
          if (moment === 'before' && !key.includes('segments'))
            throw new PyralogError('storage-failed', 'Only segments are put.');
        };
        const writer = new Writer(server, witness);
        await writer.writeAll(before / 6);
        await server.inTrouble();
      }
      await using server = await startFaulty({ dir, partFacts: after });
      await readsGoOn(server, witness);
      const writer = new Writer(server, witness);
      await writer.writeAll(60);
      await indexed(server, 2);
      await readsGoOn(server, witness);
      await allIsWell(server);
    },
  );
});
