import { basename } from 'node:path';
import { PyralogError } from '@pyralog/model';
import { runGit } from './command.ts';
import type { Sha } from './objects.ts';

/** A repository on this machine, bare or with a work tree. */
export interface Repository {
  /** Where git is run. */
  readonly dir: string;
  /** Name of its folder, without `.git`. */
  readonly name: string;
  /** Its oldest commits have parents that are not here (`git clone --depth`). */
  readonly shallow: boolean;
  /** Id of the tree without files; depends on the repository's hash. */
  readonly emptyTree: Sha;
}

/** @throws PyralogError `parameter-invalid` where there is no repository, with git's own words */
export async function openRepository(path: string): Promise<Repository> {
  const facts = await runGit(path, [
    'rev-parse',
    '--absolute-git-dir',
    '--is-shallow-repository',
    '--is-bare-repository',
  ]);
  if (facts.status !== 0) {
    throw new PyralogError(
      'parameter-invalid',
      `${path} is no git repository: ${firstLine(facts.complaint)}`,
      {
        hint: 'Give the folder of a repository, with or without a work tree.',
      },
    );
  }
  const [gitDir = '', shallow] = facts.output.split('\n');
  const top = await runGit(path, ['rev-parse', '--show-toplevel']);
  const folder =
    top.status === 0 && top.output.trim() !== '' ? top.output.replace(/\n$/, '') : gitDir;
  const empty = await runGit(path, ['hash-object', '-t', 'tree', '--stdin']);
  return {
    dir: path,
    name: basename(folder).replace(/\.git$/, ''),
    shallow: shallow === 'true',
    emptyTree: empty.output.trim(),
  };
}

/** The commit that a ref, tag or abbreviated id means now. */
export async function resolveCommit(repository: Repository, ref: string): Promise<Sha> {
  // A ref cannot begin with a dash, and git would take it for an option.
  const found = ref.startsWith('-')
    ? undefined
    : await runGit(repository.dir, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]);
  if (found?.status === 0) return found.output.trim();
  throw new PyralogError('parameter-invalid', `${repository.name} has no commit ${ref}.`, {
    hint:
      ref === 'HEAD'
        ? 'The branch has no commit yet; choose another with --ref.'
        : 'See `git branch --all` and `git tag` for what there is.',
  });
}

/** Tree of a commit, or undefined where the repository does not have the commit. */
export async function treeOf(repository: Repository, commit: Sha): Promise<Sha | undefined> {
  const found = await runGit(repository.dir, [
    'rev-parse',
    '--verify',
    '--quiet',
    `${commit}^{tree}`,
  ]);
  return found.status === 0 ? found.output.trim() : undefined;
}

/** A database name made from a repository's: `[a-z][a-z0-9-]{0,47}`. */
export function databaseNameFor(repository: Repository): string {
  const plain = repository.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const name = /^[a-z]/.test(plain) ? plain : `git-${plain}`;
  return name.slice(0, 48).replace(/-+$/, '');
}

function firstLine(text: string): string {
  return (text.trim().split('\n', 1)[0] ?? '').replace(/^fatal: /, '');
}
