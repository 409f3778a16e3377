import * as fs from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { LogFiles } from '@pyralog/log/local';
import type { SeededRand } from '@pyralog/runtime';

/** A disk writes whole sectors, in whatever order it likes until it is told to sync. */
const SECTOR_BYTES = 512;

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

interface File {
  /** Content at its last sync. */
  durable: Buffer<ArrayBuffer>;
  /** What was done to it since. */
  pending: Change[];
}

/** The power is gone, or the process is: nothing reaches the disk any more. */
export class Crash extends Error {}

/**
 * A folder on a disk with a volatile cache. What was written and not synced survives a kill of the process,
 * and not, or in parts, a loss of power: any sectors of it; names of files and folders when their folder
 * was synced, or by luck.
 */
export class Disk {
  readonly dir: string;
  calls = 0;
  /** The process stops at this call, or at the first sync from there on. */
  crashAt: number = Number.POSITIVE_INFINITY;
  crashAtSync = false;
  /** At this call the disk is full, once. */
  fullAt: number = Number.POSITIVE_INFINITY;
  readonly #files = new Map<string, File>();
  /** Names that were made, or moved here from another, since their folder was synced. */
  readonly #names = new Map<string, { readonly from: string | undefined }>();
  readonly #opened = new Map<number, string>();

  constructor(dir: string) {
    this.dir = dir;
  }

  /** The system's calls that the log makes, on this disk. */
  get files(): LogFiles {
    const calls = {
      openSync: (path: string, flags: string) => this.#open(path, flags),
      closeSync: (fd: number) => {
        this.#opened.delete(fd);
        fs.closeSync(fd);
      },
      writeSync: (fd: number, bytes: Uint8Array, from: number, count: number, at: number) => {
        this.#step();
        return this.#write(fd, [bytes.subarray(from, from + count)], at);
      },
      writevSync: (fd: number, parts: readonly Uint8Array[], at: number) => {
        this.#step();
        return this.#write(fd, parts, at);
      },
      ftruncateSync: (fd: number, size: number) => {
        this.#step();
        fs.ftruncateSync(fd, size);
        this.#fileOf(fd).pending.push({ kind: 'truncate', size });
      },
      fsyncSync: (fd: number) => this.#sync(fd),
      fdatasyncSync: (fd: number) => this.#sync(fd),
      mkdirSync: (path: string, options: fs.MakeDirectoryOptions) =>
        this.#makeFolder(path, options),
      renameSync: (from: string, to: string) => this.#rename(from, to),
      rmSync: (path: string, options: fs.RmOptions) => {
        this.#step();
        fs.rmSync(path, options);
        for (const known of [...this.#names.keys()])
          if (known === path || known.startsWith(`${path}/`)) this.#names.delete(known);
      },
    };
    return { ...fs, ...calls } as unknown as LogFiles;
  }

  /** The process is gone; what it wrote is in the cache. */
  kill(): void {
    for (const fd of this.#opened.keys()) fs.closeSync(fd);
    this.#opened.clear();
    this.calls = 0;
    this.crashAt = Number.POSITIVE_INFINITY;
    this.crashAtSync = false;
    this.fullAt = Number.POSITIVE_INFINITY;
  }

  /** The cache is gone too, but for this part of it, which chance had written to the disk. */
  losePower(rand: SeededRand, kept: number): void {
    this.kill();
    for (const [path, { from }] of [...this.#names].toReversed()) {
      if (rand.fraction() < kept || !fs.existsSync(path)) continue;
      if (from === undefined) this.#forget(path);
      else fs.renameSync(path, from);
    }
    for (const [path, file] of this.#files) {
      if (fs.existsSync(path)) fs.writeFileSync(path, survivor(file, kept, rand));
      else this.#files.delete(path);
    }
    this.#names.clear();
    for (const path of [...this.#files.keys()])
      this.#files.set(path, { durable: fs.readFileSync(path), pending: [] });
  }

  #step(call: 'sync' | 'other' = 'other'): void {
    if (this.calls === this.fullAt) {
      this.calls++;
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: call });
    }
    if (this.calls++ < this.crashAt) return;
    if (this.crashAtSync && call !== 'sync') return;
    // From now on every call.
    this.crashAtSync = false;
    throw new Crash();
  }

  #open(path: string, flags: string): number {
    if (flags !== 'r') this.#step();
    const before = fs.existsSync(path);
    const fd = fs.openSync(path, flags);
    this.#opened.set(fd, path);
    if (fs.fstatSync(fd).isDirectory()) return fd;
    const known = this.#files.get(path);
    if (before && known !== undefined) {
      if (flags.startsWith('w')) known.pending.push({ kind: 'truncate', size: 0 });
      return fd;
    }
    this.#files.set(path, { durable: Buffer.alloc(0), pending: [] });
    this.#names.set(path, { from: undefined });
    return fd;
  }

  #write(fd: number, parts: readonly Uint8Array[], at: number): number {
    const bytes = Buffer.concat(parts);
    fs.writeSync(fd, bytes, 0, bytes.length, at);
    this.#fileOf(fd).pending.push({ kind: 'write', at, bytes });
    return bytes.length;
  }

  #sync(fd: number): void {
    this.#step('sync');
    const path = this.#opened.get(fd) as string;
    if (fs.fstatSync(fd).isDirectory()) {
      for (const name of [...this.#names.keys()])
        if (dirname(name) === path) this.#names.delete(name);
      return;
    }
    const file = this.#fileOf(fd);
    for (const change of file.pending) file.durable = applied(file.durable, change);
    file.pending = [];
  }

  #makeFolder(path: string, options: fs.MakeDirectoryOptions): string | undefined {
    this.#step();
    const made: string[] = [];
    for (let each = path; each.startsWith(this.dir) && !fs.existsSync(each); each = dirname(each))
      made.push(each);
    const first = fs.mkdirSync(path, options);
    for (const each of made.toReversed()) this.#names.set(each, { from: undefined });
    return first;
  }

  #rename(from: string, to: string): void {
    this.#step();
    fs.renameSync(from, to);
    const moved = (path: string): string => join(to, relative(from, path));
    const below = (path: string): boolean => path.startsWith(`${from}/`);
    for (const [path, file] of [...this.#files])
      if (below(path)) {
        this.#files.delete(path);
        this.#files.set(moved(path), file);
      }
    for (const [path, name] of [...this.#names])
      if (below(path) || path === from) {
        this.#names.delete(path);
        if (path !== from) this.#names.set(moved(path), name);
      }
    this.#names.set(to, { from });
  }

  #forget(path: string): void {
    fs.rmSync(path, { recursive: true });
    for (const name of [...this.#names.keys()])
      if (name.startsWith(`${path}/`)) this.#names.delete(name);
  }

  #fileOf(fd: number): File {
    return this.#files.get(this.#opened.get(fd) as string) as File;
  }
}

function applied(content: Buffer<ArrayBuffer>, change: Change): Buffer<ArrayBuffer> {
  if (change.kind === 'truncate') {
    const cut = Buffer.alloc(change.size);
    content.copy(cut);
    return cut;
  }
  const { at, bytes } = change;
  const grown =
    at + bytes.length <= content.length
      ? content
      : Buffer.concat([content, Buffer.alloc(at + bytes.length - content.length)]);
  bytes.copy(grown, at);
  return grown;
}

/** The content at the last sync, with each sector that was written since or not. */
function survivor({ durable, pending }: File, kept: number, rand: SeededRand): Buffer {
  let content: Buffer<ArrayBuffer> = Buffer.from(durable);
  for (const change of pending) {
    if (change.kind === 'truncate') {
      if (rand.fraction() < kept) content = applied(content, change);
      continue;
    }
    const { at, bytes } = change;
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + SECTOR_BYTES - ((at + from) % SECTOR_BYTES));
      if (rand.fraction() < kept)
        content = applied(content, {
          kind: 'write',
          at: at + from,
          bytes: bytes.subarray(from, to),
        });
      from = to;
    }
  }
  return content;
}
