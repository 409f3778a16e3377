/** An object as a listing tells of it. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
}

/**
 * A bucket of immutable objects. Contract suite: test/contract/objects.ts.
 *
 * Keys are `/`-separated segments of `[A-Za-z0-9._-]`, none empty, `.` or `..`, 512 bytes at most;
 * others are a defect of the caller, and so is a key that is a folder of another (`a` and `a/b`).
 *
 * - `put` writes a whole object if and only if the key is free, atomically over processes, and resolves
 *   when it is durable: `created`, or `exists` where the key was taken (whatever its content). When it
 *   rejects, the outcome is unknown: read back to know. No reader ever sees a part.
 * - `get` gives a whole object, or undefined where there is none; `getRange` bytes from `start`, fewer
 *   where the object ends (a negative `start` counts from the end). The result is the caller's own.
 * - `list` yields the objects whose key begins with `prefix`, in byte order of keys, after `after`.
 * - `delete` is quiet where there is nothing.
 * - A full disk is `storage-full`, a store that does not answer `unreachable`, one that can never do what
 *   is asked `store-unfit`, any other failure of it `storage-failed`. `get` may tell that what it read is
 *   not what was put: `object-damaged`. After closing: `stopping`.
 */
export interface ObjectStore {
  put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'>;
  get(key: string): Promise<Uint8Array | undefined>;
  getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  list(
    prefix: string,
    options?: { readonly after?: string | undefined },
  ): AsyncIterable<ObjectInfo>;
  delete(key: string): Promise<void>;
}
