/**
 * The file system refuses, at every call that a put makes of it. Whatever it refuses: the next put of the
 * same goes through, and what a put has told is durable with every folder above it.
 */
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { isPyralogError } from '@pyralog/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalObjects, type ObjectFiles } from './local.ts';

let dir: string;
beforeEach(async () => {
  dir = await fs.mkdtemp(join(tmpdir(), 'pyralog-objects-faults-'));
});
afterEach(() => fs.rm(dir, { recursive: true }));

/** A file system of which one call fails; knows which names would survive a loss of power. */
class FailingFiles implements ObjectFiles {
  calls = 0;
  failAt: number;
  readonly #code: string;
  /** Names that were made and whose folder was not synced since. */
  readonly volatile = new Set<string>();

  constructor(failAt: number, code: string) {
    this.failAt = failAt;
    this.#code = code;
  }

  async open(path: string, flags: string): Promise<fs.FileHandle> {
    this.#call();
    const handle = await fs.open(path, flags);
    const step =
      <T>(act: () => Promise<T>) =>
      async (): Promise<T> => {
        this.#call();
        return act();
      };
    const sync = step(async () => {
      await handle.sync();
      for (const name of this.volatile) if (dirname(name) === path) this.volatile.delete(name);
    });
    return {
      writeFile: (bytes: Uint8Array) => step(() => handle.writeFile(bytes))(),
      sync,
      close: () => handle.close(),
    } as unknown as fs.FileHandle;
  }

  async link(from: string, to: string): Promise<void> {
    this.#call();
    await fs.link(from, to);
    this.volatile.add(to);
  }

  async mkdir(path: string): Promise<void> {
    this.#call();
    await fs.mkdir(path);
    this.volatile.add(path);
  }

  async unlink(path: string): Promise<void> {
    this.#call();
    await fs.unlink(path);
  }

  #call(): void {
    if (this.calls++ === this.failAt)
      throw Object.assign(new Error(this.#code), { code: this.#code, syscall: 'any' });
  }
}

const KEY = 'main/index/0/a.run';
const bytes = Buffer.from('content '.repeat(500));

async function put(
  store: LocalObjects,
): Promise<'created' | 'exists' | 'storage-full' | 'storage-failed'> {
  try {
    return await store.put(KEY, bytes);
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    expect(error.message).toContain(KEY);
    return error.code as 'storage-full' | 'storage-failed';
  }
}

test.each([
  ['ENOSPC', 'storage-full'],
  ['EIO', 'storage-failed'],
  ['EMFILE', 'storage-failed'],
])('a put that met %s anywhere can be repeated', async (code, told) => {
  const calm = new FailingFiles(-1, code);
  await (await LocalObjects.open({ dir: join(dir, 'calm'), files: calm })).put(KEY, bytes);
  expect(calm.volatile).toEqual(new Set());
  expect(calm.calls).toBeGreaterThan(10);
  let refused = 0;
  for (let failAt = 0; failAt < calm.calls; failAt++) {
    const files = new FailingFiles(failAt, code);
    const folder = join(dir, String(failAt));
    const store = await LocalObjects.open({ dir: folder, files });
    const first = await put(store);
    if (first === 'created') expect(files.volatile).toEqual(new Set());
    else {
      refused++;
      expect(first).toBe(told);
      const there = await store.get(KEY);
      expect(there === undefined || Buffer.from(there).equals(bytes)).toBe(true);
      expect(await put(store)).toBe(there === undefined ? 'created' : 'exists');
      expect([...files.volatile]).toEqual([]);
    }
    expect(Buffer.from((await store.get(KEY)) ?? [])).toEqual(bytes);
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual([KEY]);
    await store[Symbol.asyncDispose]();
  }
  // All but the last: a temporary file that stays is swept later.
  expect(refused).toBe(calm.calls - 1);
});

test('a folder may be named from here', async () => {
  const named = `./${relative(process.cwd(), dir)}/bucket/`;
  const store = await LocalObjects.open({ dir: named });
  expect(await store.put(KEY, bytes)).toBe('created');
  expect(Buffer.from((await store.get(KEY)) ?? [])).toEqual(bytes);
  await store[Symbol.asyncDispose]();
});

test('a folder that cannot be made is an operating error', async () => {
  await fs.writeFile(join(dir, 'file'), '');
  const error: unknown = await LocalObjects.open({ dir: join(dir, 'file', 'bucket') }).catch(
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) && error.code).toBe('storage-failed');
});
