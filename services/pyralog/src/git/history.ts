import { must } from '@pyralog/base';
import { askGit, GitCommand, type Protocol, wanted } from './command.ts';
import {
  type FileChange,
  type GitCommit,
  parseChange,
  parseCommit,
  type Sha,
  SUBMODULE_MODE,
} from './objects.ts';
import type { Repository } from './repository.ts';

const NUL = 0x00;
const NEWLINE = 0x0a;

/** A commit of the first-parent chain, and what reaches the ref only through it. */
interface PlannedCommit {
  readonly sha: Sha;
  /** Commits of side branches that this merge brings in, parents first. */
  readonly brings: readonly Sha[];
}

export interface Plan {
  /** From old to new. */
  readonly chain: readonly PlannedCommit[];
  /** First parent of the oldest commit of the chain; undefined for a root. */
  readonly base: Sha | undefined;
}

/** One step of a history: what became of the tree, and the commits that say so. */
export interface HistoryStep {
  readonly commit: GitCommit;
  readonly brings: readonly GitCommit[];
  /** Against the step before, in git's order of paths. */
  readonly changes: readonly FileChange[];
  /** Bytes of the blobs of `changes`; a submodule has none, nor has a blob that the repository lacks. */
  readonly sizes: ReadonlyMap<Sha, number>;
}

/**
 * The commits to load: the first-parent chain of `head`, without what `after` reaches. Holds the ids of
 * all of them (about 200 bytes each), since which merge brings a commit in shows only at the end.
 */
export async function planHistory(
  repository: Repository,
  head: Sha,
  after: Sha | undefined,
): Promise<Plan> {
  const exclude = after === undefined ? [] : [`^${after}`];
  await using command = new GitCommand(repository.dir, [
    'rev-list',
    '--topo-order',
    '--reverse',
    '--parents',
    head,
    ...exclude,
    '--',
  ]);
  command.endInput();
  const parentsOf = new Map<Sha, readonly Sha[]>();
  for (;;) {
    const line = await command.output.until(NEWLINE);
    if (line === undefined) break;
    const [sha = '', ...parents] = line.toString('latin1').split(' ');
    parentsOf.set(sha, parents);
  }
  await command.finish();
  return planFrom(head, parentsOf);
}

/**
 * @param parentsOf parents by commit, listed parents first; parents that are not listed lie outside the plan
 * @internal
 */
export function planFrom(head: Sha, parentsOf: ReadonlyMap<Sha, readonly Sha[]>): Plan {
  const chain: Sha[] = [];
  let next: Sha | undefined = head;
  while (next !== undefined && parentsOf.has(next)) {
    chain.push(next);
    next = parentsOf.get(next)?.[0];
  }
  chain.reverse();
  const age = new Map<Sha, number>();
  for (const sha of parentsOf.keys()) age.set(sha, age.size);
  const placed = new Set<Sha>(chain);
  return {
    base: next,
    chain: chain.map((sha) => ({ sha, brings: bringsOf(sha, parentsOf, placed, age) })),
  };
}

function bringsOf(
  merge: Sha,
  parentsOf: ReadonlyMap<Sha, readonly Sha[]>,
  placed: Set<Sha>,
  age: ReadonlyMap<Sha, number>,
): readonly Sha[] {
  const found: Sha[] = [];
  const pending = parentsOf.get(merge)?.slice(1) ?? [];
  for (let sha = pending.pop(); sha !== undefined; sha = pending.pop()) {
    const parents = parentsOf.get(sha);
    if (parents === undefined || placed.has(sha)) continue;
    placed.add(sha);
    found.push(sha);
    pending.push(...parents);
  }
  const ageOf = (sha: Sha): number => must(age.get(sha), 'a planned commit is listed');
  return found.sort((a, b) => ageOf(a) - ageOf(b));
}

/**
 * Reads the commits of a plan with what each changed: three git processes for the whole history, which
 * work at once. `baseTree` is the tree of the plan's base, the empty tree for a root.
 */
export async function* readHistory(
  repository: Repository,
  plan: Plan,
  baseTree: Sha,
): AsyncGenerator<HistoryStep> {
  const git =
    (...args: string[]) =>
    () =>
      new GitCommand(repository.dir, args);
  const commits = askGit(git('cat-file', '--batch'), idsOf(plan), commitProtocol);
  const changed = askGit(
    git(...DIFF),
    pairTrees(groupByStep(plan, commits), baseTree),
    diffProtocol,
  );
  yield* askGit(
    git('cat-file', '--batch-check=%(objectname) %(objectsize)'),
    changed,
    sizeProtocol,
  );
}

/**
 * Plumbing is deaf to most settings of a user; the rest are turned off. Renames are a delete and an add.
 * Two trees a line; a line that is no id is echoed and flushes the output, which marks the end of an answer.
 */
const DIFF = [
  'diff-tree',
  '--stdin',
  '-r',
  '-z',
  '--raw',
  '--no-abbrev',
  '--no-renames',
  '--no-relative',
  '--ignore-submodules=none',
];
const MARK = '.';

type Step = Pick<HistoryStep, 'commit' | 'brings'>;
type ChangedStep = Pick<HistoryStep, 'commit' | 'brings' | 'changes'>;

const commitProtocol: Protocol<Sha, GitCommit> = {
  question: (sha) => `${sha}\n`,
  async answer(sha, output) {
    const [, , length] = wanted(await output.until(NEWLINE))
      .toString('latin1')
      .split(' ');
    const object = wanted(await output.take(Number(wanted(length))));
    wanted(await output.take(1));
    return parseCommit(sha, object);
  },
};

const diffProtocol: Protocol<Step & { readonly before: Sha }, ChangedStep> = {
  question: ({ before, commit }) => `${before} ${commit.tree}\n${MARK}\n`,
  async answer({ commit, brings }, output) {
    const changes: FileChange[] = [];
    wanted(await output.until(NEWLINE));
    for (;;) {
      const first = wanted(await output.take(1));
      if (first.toString('latin1') === MARK) break;
      const meta = Buffer.concat([first, wanted(await output.until(NUL))]);
      changes.push(parseChange(meta, wanted(await output.until(NUL))));
    }
    wanted(await output.until(NEWLINE));
    return { commit, brings, changes };
  },
};

const sizeProtocol: Protocol<ChangedStep, HistoryStep> = {
  question: ({ changes }) =>
    blobsOf(changes)
      .map((blob) => `${blob}\n`)
      .join(''),
  async answer(step, output) {
    const sizes = new Map<Sha, number>();
    for (const blob of blobsOf(step.changes)) {
      const [, size] = wanted(await output.until(NEWLINE))
        .toString('latin1')
        .split(' ');
      if (size !== undefined && size !== 'missing') sizes.set(blob, Number(size));
    }
    return { ...step, sizes };
  },
};

function blobsOf(changes: readonly FileChange[]): Sha[] {
  const blobs = changes.flatMap(({ after }) =>
    after === undefined || after.mode === SUBMODULE_MODE ? [] : [after.blob],
  );
  return [...new Set(blobs)];
}

function* idsOf(plan: Plan): Iterable<Sha> {
  for (const { sha, brings } of plan.chain) {
    yield* brings;
    yield sha;
  }
}

async function* groupByStep(plan: Plan, commits: AsyncIterable<GitCommit>): AsyncGenerator<Step> {
  let at = 0;
  let brings: GitCommit[] = [];
  for await (const commit of commits) {
    if (commit.sha !== plan.chain[at]?.sha) {
      brings.push(commit);
      continue;
    }
    yield { commit, brings };
    at++;
    brings = [];
  }
}

async function* pairTrees(
  steps: AsyncIterable<Step>,
  baseTree: Sha,
): AsyncGenerator<Step & { readonly before: Sha }> {
  let before = baseTree;
  for await (const step of steps) {
    yield { ...step, before };
    before = step.commit.tree;
  }
}
