import { createHash } from 'node:crypto';
import { TextDecoder } from 'node:util';
import { NAME_BYTES_MAX } from '@pyralog/model';
import { type FileChange, type GitCommit, type Sha, SUBMODULE_MODE, subjectOf } from './objects.ts';
import type { HistoryStep } from './history.ts';

const PATH_PREFIX = 'path:';
const HASHED_PREFIX = 'sha256:';

/** The entity whose `git/head` is the newest commit that was loaded. */
export const HEAD_ENTITY = 'git:head';
export const HEAD_ATTRIBUTE = 'git/head';

/** What an import declares before its first commit. */
export const GIT_ATTRIBUTES: readonly Readonly<Record<string, string | boolean>>[] = [
  declare(
    'git/blob',
    'string',
    'one',
    'Id of the content of a path; of a submodule, its commit',
    true,
  ),
  declare('git/mode', 'string', 'one', 'Mode of a path, six octal digits as in git ls-tree'),
  declare('git/size', 'int', 'one', 'Bytes of the content of a path'),
  declare('git/path', 'bytes', 'one', 'A path that cannot be part of an entity id'),
  declare(
    HEAD_ATTRIBUTE,
    'ref',
    'one',
    'The newest commit of the first-parent chain that was imported',
  ),
  declare('commit/parent', 'ref', 'many', 'The commits that a commit follows'),
  declare('commit/author', 'string', 'one', 'Who wrote the change: name <email>'),
  declare(
    'commit/committed',
    'instant',
    'one',
    "When the commit was made, by its committer's clock",
  ),
  declare('commit/subject', 'string', 'one', 'First paragraph of the message'),
  declare('commit/tree', 'string', 'one', 'Id of the tree'),
  declare(
    'commit/tx',
    'ref',
    'one',
    'The transaction that is this commit; absent for commits of side branches',
  ),
];

/**
 * Entity of a path: `path:<path>`, or its hash where the path is no UTF-8, too long, or looks like a hash.
 * @internal
 */
export function pathEntity(path: Uint8Array): {
  readonly entity: string;
  readonly hashed: boolean;
} {
  const text = utf8OrUndefined(path);
  const fits =
    text !== undefined &&
    PATH_PREFIX.length + path.length <= NAME_BYTES_MAX &&
    !text.startsWith(HASHED_PREFIX);
  if (fits) return { entity: PATH_PREFIX + text, hashed: false };
  return {
    entity: `${PATH_PREFIX}${HASHED_PREFIX}${createHash('sha256').update(path).digest('hex')}`,
    hashed: true,
  };
}

export function commitEntity(sha: Sha): string {
  return `commit:${sha}`;
}

/** The idempotency key of a commit's transaction. */
function commitKey(sha: Sha): string {
  return `git:${sha}`;
}

/** The transaction document of one step. */
export interface CommitDocument {
  readonly document: Uint8Array;
  /** As the limit of a transaction counts them: a map form is one. */
  readonly operations: number;
}

/**
 * @param previous the commit before in the chain: the document is refused where another one is the newest
 *   in the database, so that nothing is loaded twice, beside, or past a refused commit
 * @param at RFC 3339, or undefined for the database's own clock
 */
export function commitDocument(
  step: HistoryStep,
  previous: Sha | undefined,
  at: string | undefined,
): CommitDocument {
  const { commit } = step;
  const head = {
    op: 'cas',
    entity: HEAD_ENTITY,
    attribute: HEAD_ATTRIBUTE,
    old: previous === undefined ? null : { ref: commitEntity(previous) },
    new: { ref: commitEntity(commit.sha) },
  };
  const ops = [
    head,
    ...step.changes.map((change) => changeOperation(change, step.sizes)),
    { ...commitOperation(commit), 'commit/tx': { ref: '_:tx' } },
    ...step.brings.map(commitOperation),
  ];
  const meta = { author: commit.author, message: commit.message, commit: commit.sha };
  const text = JSON.stringify({
    id: commitKey(commit.sha),
    meta,
    ops,
    ...(at === undefined ? {} : { at }),
  });
  return { document: new TextEncoder().encode(text), operations: ops.length };
}

/** The transaction that declares attributes. */
export function schemaDocument(
  attributes: readonly Readonly<Record<string, string | boolean>>[],
  at: string | undefined,
): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      meta: { reason: 'git import' },
      ops: attributes,
      ...(at === undefined ? {} : { at }),
    }),
  );
}

/** RFC 3339 of seconds since 1970, cut to the years 0 to 9999. */
export function secondsText(seconds: bigint): string {
  const cut = seconds < SECONDS_MIN ? SECONDS_MIN : seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
  return new Date(Number(cut) * 1000).toISOString().replace('.000Z', 'Z');
}

const SECONDS_MIN = -62_167_219_200n;
const SECONDS_MAX = 253_402_300_799n;

function changeOperation(
  { path, before, after }: FileChange,
  sizes: ReadonlyMap<Sha, number>,
): object {
  const { entity, hashed } = pathEntity(path);
  if (after === undefined) return { op: 'retractEntity', entity };
  const size = sizes.get(after.blob);
  // A file that became a submodule has no size any more.
  const lost = size === undefined && before !== undefined && before.mode !== SUBMODULE_MODE;
  return {
    entity,
    'git/blob': after.blob,
    'git/mode': after.mode,
    ...(size === undefined ? {} : { 'git/size': size }),
    ...(lost ? { 'git/size': null } : {}),
    ...(hashed ? { 'git/path': { bytes: Buffer.from(path).toString('base64') } } : {}),
  };
}

function commitOperation(commit: GitCommit): object {
  return {
    entity: commitEntity(commit.sha),
    ...(commit.parents.length === 0
      ? {}
      : { 'commit/parent': commit.parents.map((parent) => ({ ref: commitEntity(parent) })) }),
    'commit/author': commit.author,
    'commit/committed': { instant: secondsText(commit.committed) },
    'commit/subject': subjectOf(commit.message),
    'commit/tree': commit.tree,
  };
}

function declare(
  ident: string,
  valueType: string,
  cardinality: string,
  doc: string,
  index = false,
): Readonly<Record<string, string | boolean>> {
  return {
    entity: `attribute:${ident}`,
    'db/ident': ident,
    'db/valueType': valueType,
    'db/cardinality': cardinality,
    'db/doc': doc,
    ...(index ? { 'db/index': true } : {}),
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8OrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
