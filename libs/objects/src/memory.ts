import { assertKey, clampRange } from './key.ts';
import type { ObjectInfo, ObjectStore } from './objects.ts';

/** Objects that last as long as the process: for tests and for databases that keep nothing. */
export class MemoryObjects implements ObjectStore {
  readonly #objects = new Map<string, Uint8Array>();

  async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    assertKey(key);
    if (this.#objects.has(key)) return 'exists';
    this.#objects.set(key, bytes.slice());
    return 'created';
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.#objects.get(key)?.slice();
  }

  async getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    assertKey(key);
    const bytes = this.#objects.get(key);
    return bytes?.slice(...clampRange(bytes.length, start, length));
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    assertKey(key);
    const bytes = this.#objects.get(key);
    return bytes === undefined ? undefined : { key, bytes: bytes.length };
  }

  async *list(
    prefix: string,
    { after = '' }: { readonly after?: string | undefined } = {},
  ): AsyncIterable<ObjectInfo> {
    // Keys are ASCII, so the default order of strings is byte order.
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    for (const key of keys.toSorted((a, b) => (a < b ? -1 : 1))) {
      const bytes = this.#objects.get(key);
      if (bytes !== undefined) yield { key, bytes: bytes.length };
    }
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    this.#objects.delete(key);
  }
}
