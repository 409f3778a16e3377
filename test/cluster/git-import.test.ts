/** The history of a repository, imported through a cluster: at every commit its paths are the tree that git has. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpHost } from '@pyralog/client';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { makeOddHistory } from '../e2e/git-import-history.ts';
import { GitRepository, type TreeEdit } from '../e2e/git-import-repository.ts';
import { expectSameTrees } from '../e2e/git-import-trees.ts';
import { Random } from '../e2e/random.ts';
import { statusOf } from './check.ts';
import { Cluster, PART_FACTS } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { tell } from './support.ts';
import { eventually } from './waiting.ts';

const COMMITS = 120;
const EDITS = 10;

let root: string;
let cluster: Cluster;
let api: ClusterProcess;
let sequencers: ClusterProcess[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pyralog-cluster-git-'));
  cluster = await Cluster.start();
  [api, ...sequencers] = await Promise.all([
    cluster.run('api'),
    cluster.run('sequencer'),
    cluster.run('sequencer'),
    cluster.run('indexer'),
  ]);
  sequencers.pop();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

/** `pyralog import git` in a process of its own. @returns what it printed */
function importGit(dir: string, database: string, ...args: readonly string[]): Promise<string> {
  onTestFailed(() => void process.stderr.write(cluster.errors));
  return cluster.command('import', 'git', dir, '--url', api.url, '--db', database, ...args);
}

test('every commit of an odd history has the tree that git lists, in two runs', async () => {
  const { repository } = makeOddHistory(new GitRepository(join(root, 'odd.git')));
  await importGit(repository.dir, 'odd', '--ref', 'HEAD~9');
  const target = await new HttpHost(api.url).database('odd');
  await expectSameTrees(target, repository.dir, 'HEAD~9');
  await importGit(repository.dir, 'odd');
  await expectSameTrees(target, repository.dir);
  expect(await importGit(repository.dir, 'odd')).toMatch(/nothing new/);
});

test('an import goes on when the sequencer that leads is killed', async () => {
  const repository = longHistory();
  const imported = importGit(repository.dir, 'long');
  imported.catch(() => undefined);
  await eventually('the import has begun', async () => {
    expect((await statusOf(api.url, 'long')).logEnd).toBeGreaterThan(2);
  });
  const leads = await Promise.all(sequencers.map((each) => each.worksOn('long')));
  await sequencers.at(leads.indexOf(true))?.kill();
  expect(leads.filter(Boolean)).toHaveLength(1);
  const target = await new HttpHost(api.url).database('long');
  const { transactions } = await target.transactions({ limit: 1_000 });
  tell(
    `import: the sequencer was killed when ${transactions.length} of ${COMMITS} commits were in`,
  );
  expect(await imported).toMatch(`${COMMITS} transactions`);
  await expectSameTrees(target, repository.dir);
  await eventually('the index reaches the end', async () => {
    expect((await statusOf(api.url, 'long')).liveFacts).toBeLessThan(PART_FACTS);
  });
});

/** A line of commits, each of which writes, changes and removes some paths. */
function longHistory(): GitRepository {
  const random = new Random(1);
  const repository = new GitRepository(join(root, 'long.git'));
  const paths = new Set<string>();
  let parent: number | undefined;
  for (let commit = 0; commit < COMMITS; commit++) {
    const edits: TreeEdit[] = [];
    for (let i = 0; i < EDITS; i++) {
      const path = `folder-${random.below(5)}/file-${random.below(40)}`;
      if (!edits.some((edit) => 'remove' in edit && edit.remove === path)) {
        if (paths.delete(path) && random.below(3) === 0) edits.push({ remove: path });
        else {
          paths.add(path);
          edits.push({ write: path, content: `${commit} ${i}\n` });
        }
      }
    }
    parent = repository.commit({
      parents: parent === undefined ? [] : [parent],
      seconds: 1_000_000_000 + 3_600 * commit,
      edits,
    });
  }
  repository.write();
  return repository;
}
