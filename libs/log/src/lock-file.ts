import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PyralogError } from '@pyralog/model';

interface Holder {
  readonly pid: number;
  /** When the process began, as the system tells it: a pid may be given again. */
  readonly began: string;
}

/**
 * One process for a folder. The lock is a file that names its holder, made by link(2), which exactly
 * one process can win; one whose holder is dead is taken over.
 *
 * @throws PyralogError `data-locked` while another process lives that holds it
 */
export function lockFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'lock');
  const mine = JSON.stringify({ pid: process.pid, began: beganAt(process.pid) } satisfies Holder);
  const draft = join(folder, `lock.${process.pid}.${process.hrtime.bigint()}`);
  writeFileSync(draft, mine);
  try {
    for (;;) {
      try {
        linkSync(draft, path);
        break;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
      removeIfDead(path, draft, folder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    [Symbol.dispose]() {
      if (read(path)?.text === mine) rmSync(path, { force: true });
    },
  };
}

function removeIfDead(path: string, draft: string, folder: string): void {
  const found = read(path);
  if (found === undefined) return;
  if (found.holder !== undefined && isAlive(found.holder)) {
    throw new PyralogError('data-locked', `${folder} is in use by process ${found.holder.pid}.`, {
      hint: 'Stop that process, or talk to it with --url instead of --data.',
    });
  }
  // Two may come to the same end: the one whose rename moves the dead lock has removed it; a lock that
  // somebody made meanwhile is put back.
  const moved = `${draft}.dead`;
  try {
    renameSync(path, moved);
  } catch {
    return;
  }
  if (read(moved)?.text !== found.text) {
    try {
      linkSync(moved, path);
    } catch {
      // Somebody else has the lock by now; the next look tells who.
    }
  }
  rmSync(moved, { force: true });
}

function read(
  path: string,
): { readonly text: string; readonly holder: Holder | undefined } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const match = /^\{"pid":([0-9]+),"began":"([^"]*)"\}$/.exec(text);
  return {
    text,
    holder: match === null ? undefined : { pid: Number(match[1]), began: match[2] as string },
  };
}

function isAlive({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Without permission to signal it, it still lives.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return beganAt(pid) === began;
}

/** Start of a process in clock ticks since boot (Linux); elsewhere nothing, and the pid alone counts. */
function beganAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces; the start time is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
