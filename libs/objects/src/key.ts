import { assert } from '@pyralog/base';

/** Longest key, in bytes. */
const KEY_BYTES_MAX = 512;

/** A bad key is a defect of the caller: every key is made by our own code. */
export function assertKey(key: string): void {
  assert(isKey(key), `not an object key: ${JSON.stringify(key)}`);
}

/** Whether an object of this name may be ours. */
export function isKey(key: string): boolean {
  return (
    key.length <= KEY_BYTES_MAX &&
    key.split('/').every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part))
  );
}

/** Bytes of a range in an object of `size` bytes: a negative start counts from the end. */
export function clampRange(
  size: number,
  start: number,
  length: number,
): readonly [from: number, to: number] {
  const from = Math.min(size, start < 0 ? Math.max(0, size + start) : start);
  return [from, Math.min(size, from + length)];
}
