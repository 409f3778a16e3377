import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded } from '../embedded.ts';
import { verifyFolder } from './verify.ts';

/** Facts of a part: small, so that there are several segments and runs. */
const PART_FACTS = 40;

/** Bits that are flipped in each kind of file, spread over its length. */
const FLIPS = 16;

let whole: string;
let paths: readonly string[];
beforeAll(async () => {
  whole = await mkdtemp(join(tmpdir(), 'pyralog-verify-'));
  await using host = await openEmbedded({
    dir: whole,
    cutRule: { factsMax: PART_FACTS, bytesMax: 1e9 },
  });
  for (const name of ['main', 'other']) {
    await host.create(name);
    const database = await host.database(name);
    for (let n = 0; n < 30; n++) {
      const ops = [{ entity: `e:${n % 7}`, n, text: `value ${n}`, of: { ref: `e:${n % 3}` } }];
      await database.transact(Buffer.from(JSON.stringify({ ops })));
    }
    let left: number;
    do {
      const { partitions } = await database.status();
      left = Math.max(...partitions.map(({ liveFacts }) => liveFacts));
      await new Promise((resolve) => setImmediate(resolve));
    } while (left >= PART_FACTS);
  }
}, 60_000);
beforeAll(async () => {
  const entries = await readdir(whole, { recursive: true, withFileTypes: true });
  paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(whole, join(entry.parentPath, entry.name)))
    .toSorted();
});
afterAll(() => rm(whole, { recursive: true, force: true }));

/** A copy of the folder with one file changed, and what is said of it. */
async function problemsOf(
  change: (dir: string) => Promise<void>,
  database?: string,
): Promise<readonly string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-verify-copy-'));
  try {
    await cp(whole, dir, { recursive: true });
    await change(dir);
    return (await verifyFolder(dir, database)).problems.map(({ problem }) => problem);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const ofKind = (pattern: RegExp): string => {
  const found = paths.filter((path) => pattern.test(path) && path.includes('main'));
  return found[Math.floor(found.length / 2)] as string;
};
const nameIn = (path: string): string => path.replace(/^(bucket|log)\//, '');

test('a folder that was closed is whole, one database of it too', async () => {
  const all = await verifyFolder(whole);
  expect(all.problems).toEqual([]);
  expect(all.files).toBe(paths.length);
  const one = await verifyFolder(whole, 'main');
  expect(one.problems).toEqual([]);
  expect(one.files * 2).toBe(all.files);
});

describe.each([
  ['a log file', /\.log$/],
  ['a segment', /\.arrow$/],
  ['an eavt run', /eavt-.*\.run$/],
  ['an aevt run', /aevt-.*\.run$/],
  ['a vaet run', /vaet-.*\.run$/],
  ['a manifest', /manifest\/.*\.json$/],
  ['a database.json', /database\.json$/],
])('%s', (_kind, pattern) => {
  test('I11 with a flipped bit is named, and nothing else is', async () => {
    const path = ofKind(pattern);
    const content = await readFile(join(whole, path));
    for (let at = 0; at < FLIPS; at++) {
      const place = Math.floor((at * content.length) / FLIPS);
      const problems = await problemsOf(async (dir) => {
        const damaged = Buffer.from(content);
        damaged[place] = (damaged[place] as number) ^ (1 << (at % 8));
        await writeFile(join(dir, path), damaged);
      });
      // Zeros written ahead of a log carry nothing, and rot of its last record looks like a torn tail.
      if (path.endsWith('.log') && problems.length === 0) continue;
      expect(problems, `byte ${place} of ${path}`).toHaveLength(1);
      expect(problems[0]).toContain(nameIn(path));
    }
  });

  test('emptied is named', async () => {
    const path = ofKind(pattern);
    if (path.endsWith('.log')) return;
    const problems = await problemsOf((dir) => writeFile(join(dir, path), ''));
    expect(problems.join()).toContain(nameIn(path));
  });
});

test('rot in the middle of a log is named although the log cannot be opened, and the bucket is read all the same', async () => {
  const [log, run] = [ofKind(/\.log$/), ofKind(/eavt-.*\.run$/)];
  const problems = await problemsOf(async (dir) => {
    for (const path of [log, run]) {
      const content = await readFile(join(dir, path));
      content[2000] = (content[2000] as number) ^ 1;
      await writeFile(join(dir, path), content);
    }
  });
  expect(problems).toHaveLength(2);
  expect(problems[0]).toContain(nameIn(log));
  expect(problems[1]).toContain(nameIn(run));
});

test.each([
  ['segment', /\.arrow$/],
  ['run', /avet-.*\.run$|aevt-.*\.run$/],
])('I7 a %s that a manifest names and that is not there is named', async (_kind, pattern) => {
  const path = ofKind(pattern);
  const problems = await problemsOf((dir) => rm(join(dir, path)));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/is not there, and manifest \d+ names it/);
  expect(problems[0]).toContain(nameIn(path));
  expect(await problemsOf((dir) => rm(join(dir, path)), 'other')).toEqual([]);
});

test('what a server left of an upload is named, and is no damage', async () => {
  const run = ofKind(/eavt-.*\.run$/);
  const uuid = '0f8fad5b-d9cb-469f-a165-70867728950e';
  const strange = join('bucket', 'main', 'index', '0', `notes.txt-${uuid}`);
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-verify-copy-'));
  try {
    await cp(whole, dir, { recursive: true });
    await writeFile(join(dir, `${run}-${uuid}`), 'half of it');
    await writeFile(join(dir, strange), 'x');
    const { files, problems, leftOver } = await verifyFolder(dir);
    expect(leftOver).toEqual([`${nameIn(run)}-${uuid}`]);
    expect(problems.map(({ file }) => file)).toEqual([nameIn(strange)]);
    expect(files).toBe(paths.length + 1);
    expect((await verifyFolder(dir, 'other')).leftOver).toEqual([]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('what is no file of a database is named, and a folder without any is refused', async () => {
  const strange = join('bucket', 'main', 'index', '0', 'notes.txt');
  const problems = await problemsOf((dir) => writeFile(join(dir, strange), 'x'));
  expect(problems).toEqual([expect.stringContaining('notes.txt')]);
  await expect(verifyFolder(join(whole, 'nowhere'))).rejects.toMatchObject({ code: 'usage' });
  await expect(verifyFolder(join(whole, 'bucket'))).rejects.toMatchObject({ code: 'usage' });
  await expect(verifyFolder(whole, 'absent')).rejects.toMatchObject({
    code: 'database-not-found',
  });
});
