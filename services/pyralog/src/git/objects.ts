import { TextDecoder } from 'node:util';
import { PyralogError } from '@pyralog/model';

/** Object id: 40 or 64 hexadecimal digits. */
export type Sha = string;

export interface GitCommit {
  readonly sha: Sha;
  readonly tree: Sha;
  readonly parents: readonly Sha[];
  /** `name <email>` */
  readonly author: string;
  /** Seconds since 1970. */
  readonly authored: bigint;
  readonly committed: bigint;
  /** Without the line ends at its end. */
  readonly message: string;
}

/** A path in a tree: what `git ls-tree -r -l` says of it. */
interface FileVersion {
  /** Six octal digits. */
  readonly mode: string;
  readonly blob: Sha;
}

/** One path that differs between two trees. */
export interface FileChange {
  readonly path: Uint8Array;
  readonly before: FileVersion | undefined;
  /** Undefined: deleted. */
  readonly after: FileVersion | undefined;
}

/** Mode of a submodule, whose "blob" is a commit of another repository. */
export const SUBMODULE_MODE = '160000';

const NEWLINE = 0x0a;

/**
 * Parses a commit object:
 *
 *   commit  := header* LF message
 *   header  := key SP value (LF SP value)* LF       keys: tree, parent*, author, committer, encoding, …
 *   person  := name SP '<' email '>' SP seconds SP zone
 *
 * Texts are UTF-8 unless header `encoding` names another encoding that this runtime knows; bytes that
 * do not fit become U+FFFD. Commits with a broken date count as made at 1970.
 */
export function parseCommit(sha: Sha, object: Buffer): GitCommit {
  const headers: [string, Buffer][] = [];
  let at = 0;
  while (at < object.length && object[at] !== NEWLINE) {
    const found = object.indexOf(NEWLINE, at);
    const end = found < 0 ? object.length : found;
    const line = object.subarray(at, end);
    const space = line.indexOf(' ');
    // Continuation lines (signatures) begin with a space; nothing here needs them.
    if (space > 0) headers.push([line.toString('latin1', 0, space), line.subarray(space + 1)]);
    at = end + 1;
  }
  const header = (key: string): Buffer | undefined => headers.find(([name]) => name === key)?.[1];
  const decode = decoderOf(header('encoding')?.toString('latin1'));
  const tree = header('tree')?.toString('latin1');
  if (tree === undefined)
    throw new PyralogError('import-source-failed', `Commit ${sha} has no tree.`);
  const author = parsePerson(header('author') ?? Buffer.alloc(0));
  return {
    sha,
    tree,
    parents: headers
      .filter(([name]) => name === 'parent')
      .map(([, value]) => value.toString('latin1')),
    author: decode(author.text),
    authored: author.seconds,
    committed: parsePerson(header('committer') ?? Buffer.alloc(0)).seconds,
    message: decode(object.subarray(at + 1)).replace(/[\r\n]+$/, ''),
  };
}

/** The first paragraph in one line, as `git log --format=%s` shows it. */
export function subjectOf(message: string): string {
  const paragraph = message.replace(/^\s*\n/, '').split(/\n[ \t\r]*\n/, 1)[0] ?? '';
  return paragraph
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();
}

/**
 * Parses what stands before the path in `git diff-tree -z --raw`:
 * `:<mode before> <mode after> <id before> <id after> <status letter>`.
 */
export function parseChange(meta: Buffer, path: Buffer): FileChange {
  const match = /^:(\d{6}) (\d{6}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [AMDT]$/.exec(
    meta.toString('latin1'),
  );
  if (!match)
    throw new PyralogError(
      'import-source-failed',
      `git diff-tree said something unknown: ${meta.toString('latin1')}`,
    );
  const [, modeBefore, modeAfter, before, after] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    path: Uint8Array.from(path),
    before: modeBefore === '000000' ? undefined : { mode: modeBefore, blob: before },
    after: modeAfter === '000000' ? undefined : { mode: modeAfter, blob: after },
  };
}

function parsePerson(line: Buffer): { text: Buffer; seconds: bigint } {
  const close = line.lastIndexOf('>');
  const text = close < 0 ? line : line.subarray(0, close + 1);
  const date = /^ *(-?\d{1,19})(?: |$)/.exec(line.toString('latin1', close + 1));
  return { text, seconds: close < 0 || !date ? 0n : BigInt(date[1] as string) };
}

function decoderOf(encoding: string | undefined): (bytes: Buffer) => string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(encoding?.trim() ?? 'utf-8', { ignoreBOM: true });
  } catch {
    decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
  return (bytes) => decoder.decode(bytes);
}
