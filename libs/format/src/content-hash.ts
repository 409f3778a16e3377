import type { Hash } from 'node:crypto';
import type { Zeros } from './arrow-file.ts';
import type { TextList } from './text-list.ts';

/**
 * Adds a block to the identity of a file: its rows and the lengths of its buffers as float64, then the
 * bytes of each buffer. A buffer of zeros counts by its length alone, so that columns that a block does
 * not use need not be made.
 */
export function hashBlock(
  content: Hash,
  rows: number,
  buffers: readonly (Uint8Array | Zeros)[],
): void {
  const lengths = new Float64Array(buffers.length + 1);
  lengths[0] = rows;
  buffers.forEach((buffer, i) => (lengths[i + 1] = buffer.length));
  content.update(bytesOf(lengths));
  for (const buffer of buffers) {
    if (buffer instanceof Uint8Array && !isZero(buffer)) content.update(buffer);
  }
}

/** Adds texts: their bytes, then their offsets. */
export function hashTexts(content: Hash, texts: TextList): void {
  content.update(texts.bytes).update(bytesOf(texts.offsets));
}

/** Cheap: the first bytes of a used column are rarely zeros. */
function isZero(buffer: Uint8Array): boolean {
  return buffer.every((byte) => byte === 0);
}

function bytesOf(column: ArrayBufferView): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
