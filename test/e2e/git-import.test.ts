import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '@pyralog/base';
import type { Database } from '@pyralog/client';
import { PyralogError, type Tx } from '@pyralog/model';
import { SystemClock, SystemTimers } from '@pyralog/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedHost, openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { openRepository } from '../../services/pyralog/src/git/repository.ts';
import {
  type GitImportOptions,
  type GitImportSummary,
  importGit,
} from '../../services/pyralog/src/import-git.ts';
import { makeOddHistory } from './git-import-history.ts';
import { git, GitRepository, type TreeEdit } from './git-import-repository.ts';
import { expectSameTrees, txOf } from './git-import-trees.ts';

const OPTIONS: GitImportOptions = {
  inFlightMax: 256,
  clock: new SystemClock(),
  timers: new SystemTimers(),
};

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pyralog-git-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

let made = 0;
const makeRepository = (): GitRepository =>
  new GitRepository(join(root, `repository-${++made}.git`));

async function load(
  target: Database,
  dir: string,
  options: Partial<GitImportOptions> = {},
): Promise<GitImportSummary> {
  return importGit(target, await openRepository(dir), { ...OPTIONS, ...options });
}

const hosts = new Map<string, Promise<EmbeddedHost>>();
afterAll(async () => {
  for (const host of hosts.values()) await (await host)[Symbol.asyncDispose]();
});

/** A new database in import mode in this process, on one host a door. */
async function openDatabase(door: string): Promise<Database> {
  let host = hosts.get(door);
  if (host === undefined)
    hosts.set(
      door,
      (host = openEmbedded({
        dir: door === 'in memory' ? undefined : await mkdtemp(join(root, 'data-')),
      })),
    );
  const name = `history-${++made}`;
  await (await host).create(name, { mode: 'import' });
  return (await host).database(name);
}

describe.each(['in memory', 'in a folder'])('%s', (door) => {
  const open = (): Promise<Database> => openDatabase(door);

  test('every commit of an odd history has the tree that git lists', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    const summary = await load(target, repository.dir);
    expect(summary).toMatchObject({
      complete: true,
      transactions: 16,
      commits: 23,
      datedAhead: 1,
      resumedAfter: undefined,
    });
    await expectSameTrees(target, repository.dir);
  });

  test("commits have their committers' times where time allows, and rise where it does not", async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    await load(target, repository.dir);
    const transactions = await expectSameTrees(target, repository.dir);
    const times = git(repository.dir, 'log', '--first-parent', '--reverse', '--format=%ct')
      .trim()
      .split('\n')
      .map(BigInt);
    let clock = 0n;
    transactions.forEach((tx, i) => {
      const wanted = must(times[i], 'one time a commit') * 1_000_000_000n;
      const taken = wanted > clock && wanted < OPTIONS.clock.nowNanos();
      clock = taken ? wanted : clock + 1024n;
      expect(tx >> 10n, `commit ${i}`).toBe(clock >> 10n);
    });
  });

  test('commits of side branches arrive with the merge that brings them in, in readable words', async () => {
    const { repository, shas } = makeOddHistory(makeRepository());
    await using target = await open();
    await load(target, repository.dir);
    const sha = (subject: string): string =>
      git(repository.dir, 'log', '--format=%H', `--grep=${subject}`, '-1').trim();
    const side = must(
      [...shas.values()].find(
        (s) => git(repository.dir, 'log', '-1', '--format=%an', s).trim() === 'René',
      ),
      'René wrote one',
    );
    const merge = must(await txOf(target, sha('^Merge side')), 'the merge is a transaction');
    const now = await target.entity(`commit:${side}`);
    expect(now.attributes.get('commit/author')?.values).toEqual([
      { type: 'string', value: 'René <rene@example.com>' },
    ]);
    expect(now.attributes.get('commit/subject')?.values).toEqual([
      { type: 'string', value: 'Grüße' },
    ]);
    expect(now.attributes.has('commit/tx')).toBe(false);
    expect(
      (await target.entity(`commit:${side}`, { asOf: merge })).attributes.size,
    ).toBeGreaterThan(0);
    expect(
      (await target.entity(`commit:${side}`, { asOf: (merge - 1024n) as Tx })).attributes.size,
    ).toBe(0);
    const all = git(repository.dir, 'rev-list', '--parents', 'HEAD').trim().split('\n');
    for (const line of all) {
      const [commit, ...parents] = line.split(' ');
      const values =
        (await target.entity(`commit:${commit}`)).attributes.get('commit/parent')?.values ?? [];
      expect(values.map((v) => v.value).sort()).toEqual(
        parents.map((parent) => `commit:${parent}`).sort(),
      );
    }
  });

  test('a second run loads only what is new, and nothing when nothing is', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    const first = await load(target, repository.dir, { ref: 'HEAD~9' });
    const second = await load(target, repository.dir);
    expect(first.transactions + second.transactions).toBe(16);
    expect(second.resumedAfter).toBe(git(repository.dir, 'rev-parse', 'HEAD~9').trim());
    expect(await load(target, repository.dir)).toMatchObject({
      complete: true,
      transactions: 0,
      facts: 0,
      head: second.head,
    });
    await expectSameTrees(target, repository.dir);
  });

  test('an import stopped at any commit goes on where it was', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    for (let run = 1; ; run++) {
      const stop = new AbortController();
      const summary = await load(target, repository.dir, {
        inFlightMax: 1,
        signal: stop.signal,
        onProgress: () => stop.abort(),
      });
      if (summary.complete) break;
      // One was answered when it was asked to stop; another may have been on its way.
      expect([1, 2]).toContain(summary.transactions);
      expect(run).toBeLessThan(16);
    }
    await expectSameTrees(target, repository.dir);
  });

  test('nothing gets past a commit that the database refuses', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    const refused = git(repository.dir, 'rev-parse', 'HEAD~6').trim();
    const failing = withTransact(target, (document) =>
      isCommit(document, refused)
        ? Promise.reject(new PyralogError('value-too-large', 'too large'))
        : target.transact(document),
    );
    await expect(load(failing, repository.dir)).rejects.toThrow('too large');
    await expectSameTrees(target, repository.dir, 'HEAD~7');
    expect(await txOf(target, git(repository.dir, 'rev-parse', 'HEAD~5').trim())).toBeUndefined();
    await load(target, repository.dir);
    await expectSameTrees(target, repository.dir);
  });

  test('an answer that was lost on its way neither doubles a commit nor stops the import', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    let calls = 0;
    const shaky = withTransact(target, async (document) => {
      calls++;
      const result = await target.transact(document);
      if (calls % 5 === 0) throw new PyralogError('outcome-unknown', 'the connection was lost');
      return result;
    });
    expect(await load(oneAtATime(shaky), repository.dir)).toMatchObject({ complete: true });
    await expectSameTrees(target, repository.dir);
  });

  test('a rewritten history, another repository and an older ref are refused', async () => {
    const repository = makeRepository();
    const first = repository.commit({
      parents: [],
      seconds: 1_100_000_000,
      edits: [{ write: 'a', content: '1' }],
    });
    const second = repository.commit({
      parents: [first],
      seconds: 1_100_000_001,
      edits: [{ write: 'a', content: '2' }],
    });
    const marks = repository.write();
    await using target = await open();
    await load(target, repository.dir);
    await expect(
      load(target, repository.dir, { ref: must(marks.get(first), 'written') }),
    ).rejects.toMatchObject({ code: 'import-diverged' });
    await expect(
      load(target, makeOddHistory(makeRepository()).repository.dir),
    ).rejects.toMatchObject({
      code: 'import-diverged',
    });
    const rewritten = repository.commit({
      parents: [first],
      seconds: 1_100_000_002,
      edits: [{ write: 'a', content: '3' }],
    });
    repository.write();
    await expect(load(target, repository.dir)).rejects.toMatchObject({ code: 'import-diverged' });
    // The imported commit is an ancestor, but no longer by first parents.
    repository.commit({ parents: [rewritten, second], seconds: 1_100_000_003, edits: [] });
    repository.write();
    await expect(load(target, repository.dir)).rejects.toMatchObject({ code: 'import-diverged' });
  });

  test('a live database takes the commits at its own time', async () => {
    const { repository } = makeOddHistory(makeRepository());
    await using target = await open();
    await target.goLive();
    await load(target, repository.dir);
    const transactions = await expectSameTrees(target, repository.dir);
    expect(transactions.every((tx) => tx > OPTIONS.clock.nowNanos() - 600_000_000_000n)).toBe(true);
  });
});

test(
  'a commit at the limit of a transaction is loaded, and one above is refused by name',
  { timeout: 60_000 },
  async () => {
    const repository = makeRepository();
    const edits = (count: number): TreeEdit[] =>
      Array.from({ length: count }, (_, i) => ({ write: `d${i % 100}/f${i}`, content: '' }));
    // Two operations are the commit's own.
    repository.commit({ parents: [], seconds: 1_100_000_000, edits: edits(99_998) });
    repository.write();
    await using target = await openDatabase('in a folder');
    expect(await load(target, repository.dir)).toMatchObject({ transactions: 1, changes: 99_998 });
    const larger = makeRepository();
    larger.commit({ parents: [], seconds: 1_100_000_000, edits: edits(99_999) });
    const sha = must(larger.write().get(1), 'written');
    await using other = await openDatabase('in a folder');
    await expect(load(other, larger.dir)).rejects.toMatchObject({
      code: 'transaction-too-large',
      message: expect.stringContaining(sha) as string,
    });
  },
);

test(
  'any history of edits and merges has the trees that git lists',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(scriptedCommit, { minLength: 1, maxLength: 12 }),
        async (commits) => {
          const repository = makeRepository();
          commits.forEach(({ edits, seconds, parent, merged }, i) => {
            const parents = [
              ...new Set([i - (parent % 3), i - merged].filter((mark) => mark >= 1 && mark <= i)),
            ];
            repository.commit({ parents, seconds, edits });
          });
          repository.write();
          await using target = await openDatabase('in memory');
          await load(target, repository.dir);
          await expectSameTrees(target, repository.dir);
          await rm(repository.dir, { recursive: true });
        },
      ),
      { numRuns: 15 },
    );
  },
);

const HERE = fileURLToPath(new URL('../..', import.meta.url));
const isRepository =
  spawnSync('git', ['-C', HERE, 'rev-parse', '--verify', '--quiet', 'HEAD']).status === 0;

test.skipIf(!isRepository)(
  'the history of this repository has the trees that git lists',
  { timeout: 600_000 },
  async () => {
    await using target = await openDatabase('in a folder');
    await load(target, HERE);
    await expectSameTrees(target, HERE);
  },
);

const anyPath = fc.constantFrom('a', 'b', 'a/a', 'a/b', 'b/a/c', 'ä\n"', 'c d').map((path) => path);
const anyEdit: fc.Arbitrary<TreeEdit> = fc.oneof(
  fc.record({
    write: anyPath,
    content: fc.constantFrom('', 'x', 'y'),
    mode: fc.constantFrom('100644', '100755', '120000'),
  }),
  fc.record({ remove: anyPath }),
  fc.record({ submodule: anyPath, commit: fc.constantFrom('1'.repeat(40), '2'.repeat(40)) }),
);
const scriptedCommit = fc.record({
  edits: fc.array(anyEdit, { maxLength: 4 }),
  seconds: fc.integer({ min: 100, max: 130 }),
  parent: fc.nat(5),
  merged: fc.nat(6),
});

/** Answers one transaction before it takes the next. */
function oneAtATime(target: Database): Database {
  let last: Promise<unknown> = Promise.resolve();
  return withTransact(target, (document) => {
    const next = last.catch(() => {}).then(() => target.transact(document));
    last = next;
    return next;
  });
}

function withTransact(target: Database, transact: Database['transact']): Database {
  return new Proxy(target, {
    get(of, name) {
      if (name === 'transact') return transact;
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
}

const isCommit = (document: Uint8Array, sha: string): boolean =>
  Buffer.from(document).includes(`"id":"git:${sha}"`);
