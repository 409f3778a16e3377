import { type FileHandle, link, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PyralogError, storageError, systemCode } from '@pyralog/model';
import { assertKey, clampRange } from './key.ts';
import type { ObjectInfo, ObjectStore } from './objects.ts';

/** What the store asks of a file system. A test puts one that fails in its place. */
export interface ObjectFiles {
  open(path: string, flags: string): Promise<FileHandle>;
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string): Promise<unknown>;
}

/** The file system of the machine. */
export const SYSTEM_FILES: ObjectFiles = { open, link, unlink, mkdir: (path) => mkdir(path) };

/** Files that stay open for reading: a range read is then one call of the system. */
const OPEN_FILES_MAX = 64;
/** Begins the name of a file that is being written; no key begins so. */
const TEMPORARY = '.put-';
/** A temporary file this old was left by a crash, in milliseconds. */
const TEMPORARY_AGE_MAX = 60 * 60 * 1000;

/** Where a store in a local folder lies. */
export interface LocalObjectsOptions {
  readonly dir: string;
  readonly files?: ObjectFiles | undefined;
}

/**
 * A bucket in a folder. An object is written to a temporary file, synced, and linked to its name: link(2)
 * fails where the name is taken, so exactly one of several processes creates it, and no reader sees a
 * part. The folder is synced before `put` resolves.
 */
export class LocalObjects implements ObjectStore, AsyncDisposable {
  readonly #dir: string;
  readonly #files: ObjectFiles;
  readonly #open = new Map<string, Promise<OpenFile>>();
  /** Folders that are known to be durable, the root among them: it is its maker's. */
  readonly #folders: Set<string>;
  #temporary = 0;
  #closed = false;

  private constructor({ dir, files = SYSTEM_FILES }: LocalObjectsOptions) {
    this.#dir = resolve(dir);
    this.#files = files;
    this.#folders = new Set([this.#dir]);
  }

  /** Opens a folder, made where it is not there, and sweeps what a crash left. */
  static async open(options: LocalObjectsOptions): Promise<LocalObjects> {
    const store = new LocalObjects(options);
    try {
      await mkdir(options.dir, { recursive: true });
      await store.#sweep();
    } catch (error) {
      throw storageError(error, `The folder ${options.dir} cannot be opened`);
    }
    return store;
  }

  async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const path = this.#path(key);
    const folder = dirname(path);
    const temporary = join(
      folder,
      `${TEMPORARY}${process.pid}-${process.hrtime.bigint()}-${this.#temporary++}`,
    );
    try {
      await this.#makeFolder(folder);
      const file = await this.#files.open(temporary, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      try {
        await this.#files.link(temporary, path);
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error;
        // It may be from a put of which this last step failed.
        await this.#syncFolder(folder);
        return 'exists';
      }
      await this.#syncFolder(folder);
      return 'created';
    } catch (error) {
      throw storageError(error, `The object ${key} cannot be written`);
    } finally {
      await this.#files.unlink(temporary).catch(() => undefined);
    }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(key, (file) => file.read(0, file.bytes));
  }

  async getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return this.#read(key, (file) => {
      const [from, to] = clampRange(file.bytes, start, length);
      return file.read(from, to);
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const path = this.#path(key);
    try {
      const found = await stat(path);
      return found.isFile() ? { key, bytes: found.size } : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw storageError(error, `The object ${key} cannot be read`);
    }
  }

  async *list(
    prefix: string,
    { after = '' }: { readonly after?: string | undefined } = {},
  ): AsyncIterable<ObjectInfo> {
    for await (const key of this.#walk('', prefix, after)) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    this.#close(key);
    try {
      await this.#files.unlink(path);
      await this.#syncFolder(dirname(path));
    } catch (error) {
      if (!isAbsent(error)) throw storageError(error, `The object ${key} cannot be deleted`);
    }
  }

  /** Closes the files that are open for reading, behind the reads that are on their way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const open = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const file of open) if (file.status === 'fulfilled') await file.value.closeWhenIdle();
  }

  #path(key: string): string {
    assertKey(key);
    return join(this.#dir, ...key.split('/'));
  }

  async #read(
    key: string,
    read: (file: OpenFile) => Promise<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    // What is opened now would never be closed.
    if (this.#closed) throw new PyralogError('stopping', 'The bucket is closed.');
    try {
      return await read(await this.#openFile(key));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw storageError(error, `The object ${key} cannot be read`);
    }
  }

  #openFile(key: string): Promise<OpenFile> {
    const path = this.#path(key);
    const known = this.#open.get(key);
    this.#open.delete(key);
    const opening = known ?? OpenFile.open(path);
    // Behind the others: the first in the map is the one used longest ago.
    this.#open.set(key, opening);
    if (known === undefined) {
      opening.catch(() => this.#open.delete(key));
      for (const oldest of this.#open.keys()) {
        if (this.#open.size <= OPEN_FILES_MAX) break;
        this.#close(oldest);
      }
    }
    return opening;
  }

  #close(key: string): void {
    const file = this.#open.get(key);
    this.#open.delete(key);
    file?.then(
      (opened) => opened.closeWhenIdle(),
      () => undefined,
    );
  }

  /** Makes a folder and the ones above it, each durably in its parent. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await this.#makeFolder(dirname(folder));
    try {
      await this.#files.mkdir(folder);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    // Where it was there before: the one who made it may not have come so far.
    await this.#syncFolder(dirname(folder));
    this.#folders.add(folder);
  }

  async #syncFolder(folder: string): Promise<void> {
    const handle = await this.#files.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Keys in byte order: a folder's entries are ordered as if its name ended with the slash it stands for. */
  async *#walk(folder: string, prefix: string, after: string): AsyncIterable<string> {
    const entries = await readdir(join(this.#dir, folder), { withFileTypes: true }).catch(
      (error: unknown) => {
        if (isAbsent(error)) return [];
        throw storageError(error, `The folder ${folder} cannot be listed`);
      },
    );
    const keys = entries
      .filter(({ name }) => !name.startsWith(TEMPORARY))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    for (const key of keys) {
      if (!key.endsWith('/')) {
        if (key.startsWith(prefix) && key > after) yield key;
        continue;
      }
      const mayHold = key.startsWith(prefix) || prefix.startsWith(key);
      // Everything below a folder begins with its key; skip it where `after` lies behind all of that.
      if (mayHold && (after < key || after.startsWith(key))) yield* this.#walk(key, prefix, after);
    }
  }

  async #sweep(): Promise<void> {
    const old = Date.now() - TEMPORARY_AGE_MAX;
    for (const entry of await readdir(this.#dir, { recursive: true, withFileTypes: true })) {
      if (!entry.name.startsWith(TEMPORARY)) continue;
      const path = join(entry.parentPath, entry.name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < old) await unlink(path).catch(() => undefined);
    }
  }
}

/** A file that stays open. Objects never change, so its size is known once. */
class OpenFile {
  readonly #handle: FileHandle;
  readonly bytes: number;
  #reads = 0;
  #closing = false;

  private constructor(handle: FileHandle, bytes: number) {
    this.#handle = handle;
    this.bytes = bytes;
  }

  static async open(path: string): Promise<OpenFile> {
    const handle = await open(path, 'r');
    try {
      const found = await handle.stat();
      if (found.isFile()) return new OpenFile(handle, found.size);
      throw Object.assign(new Error(`${path} is a folder`), { code: 'ENOENT' });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async read(from: number, to: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(to - from);
    this.#reads++;
    try {
      let read = 0;
      while (read < bytes.length) {
        const { bytesRead } = await this.#handle.read(
          bytes,
          read,
          bytes.length - read,
          from + read,
        );
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return bytes.subarray(0, read);
    } finally {
      this.#reads--;
      if (this.#closing) await this.closeWhenIdle();
    }
  }

  /** Closes now, or behind the last read that is on its way. */
  async closeWhenIdle(): Promise<void> {
    this.#closing = true;
    if (this.#reads === 0) await this.#handle.close().catch(() => undefined);
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
