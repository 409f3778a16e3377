import { errorCode } from '@pyralog/model/testing';
import { expect } from 'vitest';

export { errorCode };

/**
 * I11: with any one bit of `bytes` flipped, `read` fails with a code of damage or gives what it gave
 * before.
 */
export function expectFlipsDetected(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): void {
  const right = read(bytes.slice());
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      let result: unknown;
      const code = errorCode(() => (result = read(flipped)));
      if (code === undefined) expect(result, `bit ${bit} of byte ${at}`).toEqual(right);
      else expect(['object-damaged', 'format-unknown'], `bit ${bit} of byte ${at}`).toContain(code);
    }
  }
}

/** Every shorter piece of `bytes` is refused. */
export function expectTruncationDetected(
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => unknown,
): void {
  for (let length = 0; length < bytes.length; length++) {
    expect(
      errorCode(() => read(bytes.slice(0, length))),
      `cut to ${length} bytes`,
    ).toBe('object-damaged');
  }
}
