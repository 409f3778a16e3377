import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PyralogError, systemCode } from '@pyralog/model';

interface Holder {
  readonly pid: number;
  /** When the process began, as the system tells it: a pid may be given again. */
  readonly began: string;
}

/**
 * One process for a folder that is there. The lock is a file that names its holder, made by link(2), which
 * exactly one process can win; one whose holder is dead is taken over.
 *
 * @throws PyralogError `data-locked` while another process lives that holds it
 */
export function lockFolder(folder: string): Disposable {
  const path = join(folder, 'lock');
  const mine = JSON.stringify({
    pid: process.pid,
    began: beganAt(process.pid) ?? '',
  } satisfies Holder);
  const draft = join(folder, `lock.${process.pid}.${process.hrtime.bigint()}`);
  try {
    writeFileSync(draft, mine);
    acquire(path, draft, folder);
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    [Symbol.dispose]() {
      if (read(path)?.text === mine) rmSync(path, { force: true });
    },
  };
}

/**
 * Makes `path` a link to the draft, which names this process. What a dead holder left is removed only by
 * whoever holds a second lock, named after that holder: of two who found it dead at the same time, the
 * slower one could remove the lock of the faster one otherwise. No other process has ever been that
 * holder, and none will, so what it left is there once. The second lock may itself be left by the dead.
 */
function acquire(path: string, draft: string, folder: string): void {
  for (;;) {
    try {
      linkSync(draft, path);
      return;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const found = read(path);
    if (found === undefined) continue;
    const { text, holder } = found;
    if (holder !== undefined && isAlive(holder)) {
      throw new PyralogError('data-locked', `${folder} is in use by process ${holder.pid}.`, {
        hint: 'Stop that process, or talk to it with --url instead of --data.',
      });
    }
    const second = `${path}.of-${holder === undefined ? 'nobody' : `${holder.pid}-${holder.began}`}`;
    acquire(second, draft, folder);
    try {
      if (read(path)?.text === text) rmSync(path, { force: true });
    } finally {
      rmSync(second, { force: true });
    }
  }
}

/** @returns undefined where it is gone */
function read(
  path: string,
): { readonly text: string; readonly holder: Holder | undefined } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const match = /^\{"pid":([0-9]+),"began":"([0-9]*)"\}$/.exec(text);
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
    return systemCode(error) === 'EPERM';
  }
  return beganAt(pid) === began;
}

/**
 * Start of a process in clock ticks since boot (Linux), undefined of one that has ended and that nobody
 * has asked for its status yet; elsewhere nothing, and the pid alone counts.
 */
function beganAt(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
  // The name, in parentheses, may hold spaces; behind it come the state and, 19 fields on, the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : (fields[19] ?? '');
}
