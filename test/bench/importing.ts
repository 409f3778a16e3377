import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database, DatabaseHost } from 'pyralog';
import { git, GitRepository } from '../e2e/git-import-repository.ts';
import { Random } from '../e2e/random.ts';
import { timed } from './measure.ts';
import { COMMANDS } from './server.ts';

const PATHS = 2_000;
const FOLDERS = 80;
/** Of every so many commits two are on a side branch, and one merges it. */
const BRANCH_EVERY = 25;

/** A repository of `commits` commits, the same for ever, unless it is in `cache` already. @returns its folder */
export function makeRepository(cache: string, commits: number): string {
  const dir = resolve(cache, `repository-${commits}.git`);
  if (existsSync(resolve(dir, 'marks'))) return dir;
  const random = new Random(commits);
  const repository = new GitRepository(dir);
  let tip = 0;
  for (let made = 0; made < commits;) {
    const commit = (parents: readonly number[]): number => {
      const seconds = 1_500_000_000 + made * 600;
      return repository.commit({ parents, seconds, edits: edits(random), message: text(made++) });
    };
    if (made > 0 && made % BRANCH_EVERY === 0 && made + 3 <= commits) {
      const side = commit([commit([tip])]);
      tip = commit([tip, side]);
    } else tip = commit(tip === 0 ? [] : [tip]);
  }
  repository.write();
  return dir;

  function text(number: number): string {
    return `Change ${number} of the history\n\nThe reason for it, in a sentence of some length.\n`;
  }
}

type Edits = Parameters<GitRepository['commit']>[0]['edits'];

/** One to five files, now and then one of them deleted. */
function edits(random: Random): Edits {
  const paths = new Set<number>();
  const count = 1 + random.below(5);
  while (paths.size < count) paths.add(random.below(PATHS));
  return [...paths].map((number) => {
    const path = `src/part-${number % FOLDERS}/file-${number}.ts`;
    return random.below(50) === 0
      ? { remove: path }
      : { write: path, content: `export const value = ${random.below(1e9)};\n`.repeat(8) };
  });
}

/** Database that imports go to. */
const IMPORTED = 'repository';

/**
 * Imports a repository by the command line, and compares with what git says.
 * @param to `--data DIR`, or `--url URL` of a server
 * @param open the databases afterwards
 * @returns milliseconds of the whole command
 */
export async function importRepository(
  dir: string,
  to: readonly [string, string],
  open: () => Promise<DatabaseHost>,
): Promise<number> {
  const [program, ...args] = COMMANDS.built;
  const millis = await timed(async () => {
    const child = spawn(program, [...args, 'import', 'git', dir, '--db', IMPORTED, ...to], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [status] = (await once(child, 'exit')) as [number | null];
    if (status !== 0) throw new Error(`pyralog import git ended with status ${status}`);
  });
  await using host = await open();
  const database = await host.database(IMPORTED);
  const commits = await count(database, 'commit/tree');
  const paths = await count(database, 'git/blob');
  const expected = [
    Number(git(dir, 'rev-list', '--count', 'HEAD')),
    git(dir, 'ls-tree', '-r', '--name-only', 'HEAD').trimEnd().split('\n').length,
  ];
  if (commits !== expected[0] || paths !== expected[1])
    throw new Error(`${commits} commits and ${paths} paths instead of ${expected.join(' and ')}`);
  return millis;
}

/** Entities that have an attribute. */
async function count(database: Database, attribute: string): Promise<number> {
  let found = 0;
  let cursor: string | undefined;
  do {
    const page = await database.state({ index: 'aevt', attribute, limit: 10_000, cursor });
    found += page.facts.length;
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}
