import { concatBytes } from '@pyralog/base';
import { readUtf8 } from './utf8-text.ts';

/** Texts in the layout of an Arrow utf8 array, made into JS strings when asked for. */
export class TextList {
  readonly length: number;
  /** length + 1 positions in `bytes`. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
  /** Made at the first text asked for: most lists are only compared. */
  #texts: (string | undefined)[] | undefined;

  constructor(length: number, offsets: Int32Array, bytes: Uint8Array) {
    this.length = length;
    this.offsets = offsets;
    this.bytes = bytes;
  }

  get byteLength(): number {
    return this.offsets.byteLength + this.bytes.byteLength;
  }

  /** UTF-8 of a text: a view that must not be written. */
  bytesAt(index: number): Uint8Array {
    return this.bytes.subarray(this.offsets[index], this.offsets[index + 1]);
  }

  textAt(index: number): string {
    this.#texts ??= [];
    return (this.#texts[index] ??= readUtf8(
      this.bytes,
      this.offsets[index] as number,
      this.offsets[index + 1] as number,
    ));
  }
}

/** A list of texts that are given as UTF-8. */
export function textListOf(texts: readonly Uint8Array[]): TextList {
  const offsets = new Int32Array(texts.length + 1);
  for (const [i, { length }] of texts.entries()) offsets[i + 1] = (offsets[i] as number) + length;
  return new TextList(texts.length, offsets, concatBytes(texts));
}
