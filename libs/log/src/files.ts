import * as fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  isPyralogError,
  type LogOffset,
  logOffset,
  storageError,
  systemCode,
} from '@pyralog/model';

/** What the local log asks of a file system. A test puts one that fails in its place. */
export type LogFiles = Pick<
  typeof fs,
  | 'openSync'
  | 'closeSync'
  | 'writeSync'
  | 'writevSync'
  | 'readSync'
  | 'fdatasyncSync'
  | 'fsyncSync'
  | 'fstatSync'
  | 'readdirSync'
  | 'mkdirSync'
  | 'renameSync'
  | 'rmSync'
  | 'ftruncateSync'
>;

export const SYSTEM_FILES: LogFiles = fs;

/** As {@link storageError} where the file system refused; a defect, or an error of ours, as it is. */
export function knownError(error: unknown, what: string): unknown {
  const refused = error instanceof Error && 'syscall' in error && !isPyralogError(error);
  return refused ? storageError(error, what) : error;
}

/** Makes a folder, where it is not there, and those above it, each durably in its parent. */
export function makeFolder(files: LogFiles, folder: string): void {
  const path = resolve(folder);
  try {
    files.mkdirSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      makeFolder(files, dirname(path));
      return makeFolder(files, path);
    }
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  try {
    // Where it was there before, the one who made it may not have come so far.
    syncFolder(files, dirname(path));
  } catch (error) {
    // Who may not look into the parent has not made anything in it.
    if (systemCode(error) !== 'EACCES') throw error;
  }
}

/** Makes the entries of a folder durable. */
export function syncFolder(files: LogFiles, folder: string): void {
  const fd = files.openSync(folder, 'r');
  try {
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

/** Reads up to `bytes.length` bytes at a position; fewer at the end of the file. */
export function readFully(
  files: LogFiles,
  fd: number,
  bytes: Uint8Array,
  position: number,
): number {
  let read = 0;
  while (read < bytes.length) {
    const count = files.readSync(fd, bytes, read, bytes.length - read, position + read);
    if (count === 0) break;
    read += count;
  }
  return read;
}

/** First offsets of the files of a partition, rising. */
export function logFilesIn(files: LogFiles, folder: string): readonly LogOffset[] {
  return files
    .readdirSync(folder)
    .flatMap((name) => /^([0-9]{20})\.log$/.exec(name)?.[1] ?? [])
    .map((digits) => logOffset(Number(digits)))
    .toSorted((a, b) => a - b);
}

export function logFileName(first: LogOffset): string {
  return `${String(first).padStart(20, '0')}.log`;
}
