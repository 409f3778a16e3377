import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a commit does to its tree. Paths are bytes: git knows no encoding. */
export type TreeEdit =
  | {
      readonly write: Buffer | string;
      readonly content: string;
      readonly mode?: '100644' | '100755' | '120000' | undefined;
    }
  | { readonly submodule: string; readonly commit: string }
  | { readonly remove: Buffer | string };

export interface CommitScript {
  /** Marks of the parents; the first is the one whose tree is edited. None: a root. */
  readonly parents: readonly number[];
  readonly seconds: number;
  readonly edits: readonly TreeEdit[];
  readonly author?: Buffer | string | undefined;
  readonly message?: Buffer | string | undefined;
  readonly encoding?: string | undefined;
}

/** A repository made without a work tree, so that names no file system takes are possible too. */
export class GitRepository {
  readonly dir: string;
  readonly #stream: Buffer[] = [];
  #marks = 0;

  constructor(dir: string) {
    this.dir = dir;
    execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', dir]);
  }

  /** @returns the mark of the commit. Its branch is `main`; the last commit made is its tip. */
  commit({
    parents,
    seconds,
    edits,
    author = 'Ada <ada@example.com>',
    message = 'A commit\n',
    encoding,
  }: CommitScript): number {
    const mark = ++this.#marks;
    const put = (...parts: (Buffer | string)[]): void =>
      void this.#stream.push(...parts.map((part) => Buffer.from(part as string)));
    if (parents.length === 0) put('reset refs/heads/main\n\n');
    put('commit refs/heads/main\n', `mark :${mark}\n`);
    put(
      'author ',
      author,
      ` ${seconds - 60} +0100\n`,
      `committer Grace <grace@example.com> ${seconds} -0500\n`,
    );
    if (encoding !== undefined) put(`encoding ${encoding}\n`);
    put(...data(message));
    const [first, ...others] = parents;
    if (first !== undefined) put(`from :${first}\n`);
    for (const other of others) put(`merge :${other}\n`);
    for (const edit of edits) {
      if ('remove' in edit) put(`D ${quoted(edit.remove)}\n`);
      else if ('submodule' in edit) put(`M 160000 ${edit.commit} ${quoted(edit.submodule)}\n`);
      else put(`M ${edit.mode ?? '100644'} inline ${quoted(edit.write)}\n`, ...data(edit.content));
    }
    put('\n');
    return mark;
  }

  /** Writes what was scripted since the last call. @returns the id of every mark written in it */
  write(): ReadonlyMap<number, string> {
    const marksFile = `${this.dir}/marks`;
    const run = spawnSync(
      'git',
      [
        '-C',
        this.dir,
        '-c',
        'core.ignorecase=false',
        'fast-import',
        '--quiet',
        '--force',
        `--import-marks-if-exists=${marksFile}`,
        `--export-marks=${marksFile}`,
      ],
      { input: Buffer.concat(this.#stream), maxBuffer: 1 << 26 },
    );
    if (run.status !== 0) throw new Error(`git fast-import failed: ${run.stderr.toString()}`);
    this.#stream.length = 0;
    return new Map(
      readFileSync(marksFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => {
          const [mark = '', sha = ''] = line.slice(1).split(' ');
          return [Number(mark), sha] as const;
        }),
    );
  }

  git(...args: string[]): string {
    return git(this.dir, ...args);
  }
}

export function git(dir: string, ...args: string[]): string {
  return execFileSync('git', ['-C', dir, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
}

/** A path of `git ls-tree -r -l -z`. */
export interface TreeEntry {
  readonly path: Buffer;
  readonly mode: string;
  readonly blob: string;
  /** Undefined for submodules. */
  readonly size: number | undefined;
}

export function listTree(dir: string, commit: string): TreeEntry[] {
  const output = execFileSync('git', ['-C', dir, 'ls-tree', '-r', '-l', '-z', commit], {
    maxBuffer: 1 << 28,
  });
  const entries: TreeEntry[] = [];
  for (let at = 0; at < output.length;) {
    const end = output.indexOf(0, at);
    const tab = output.indexOf(9, at);
    const [mode = '', , blob = '', size = ''] = output.toString('latin1', at, tab).split(/ +/);
    entries.push({
      path: output.subarray(tab + 1, end),
      mode,
      blob,
      size: size === '-' ? undefined : Number(size),
    });
    at = end + 1;
  }
  return entries;
}

function data(content: Buffer | string): (Buffer | string)[] {
  const bytes = Buffer.from(content as string);
  return [`data ${bytes.length}\n`, bytes, '\n'];
}

/** C-style quoting, every byte that is not plain as octal. */
function quoted(path: Buffer | string): string {
  const bytes = Buffer.from(path as string);
  const text = [...bytes].map((byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  return `"${text.join('')}"`;
}
