import type { Codec } from '@pyralog/format';
import { decompressLz4 } from './lz4.ts';
import type { Batch } from './messages.ts';
import { type Budget, notArrow } from './refusals.ts';
import { checkZstdFrame } from './zstd-frame.ts';

/** Bytes in front of a compressed buffer: the length of its content, -1 where it is not compressed after all. */
const LENGTH_BYTES = 8;
const STORED = -1n;

/** What arrays are made of, in the order in which a batch has it. Each part is taken once. */
export class BatchParts {
  readonly #batch: Batch;
  readonly #codec: Codec;
  readonly #budget: Budget;
  #node = 0;
  #buffer = 0;
  #variadic = 0;

  /** @param budget for bytes of buffers: a compressed one may announce any length */
  constructor(batch: Batch, codec: Codec, budget: Budget) {
    this.#batch = batch;
    this.#codec = codec;
    this.#budget = budget;
  }

  get unionsHaveValidity(): boolean {
    return this.#batch.unionsHaveValidity;
  }

  node(): { readonly length: number; readonly nulls: number } {
    const node = this.#batch.nodes[this.#node++];
    if (node === undefined) throw notArrow('a batch lacks an array');
    return node;
  }

  /** How many buffers an array of views has. */
  variadic(): number {
    const count = this.#batch.variadic[this.#variadic++];
    if (count === undefined) throw notArrow('a batch lacks a count of buffers');
    return count;
  }

  /** The next buffer, which must have at least so many bytes. */
  buffer(bytesMin: number, what: string): DataView {
    const place = this.#batch.buffers[this.#buffer++];
    if (place === undefined) throw notArrow('a batch lacks a buffer');
    const stored = this.#batch.body.subarray(place.offset, place.offset + place.length);
    const bytes = this.#decompressed(stored);
    if (bytes.length < bytesMin)
      throw notArrow(`the ${what} have ${bytes.length} bytes instead of ${bytesMin}`);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Everything was taken. */
  finish(): void {
    const { nodes, buffers } = this.#batch;
    if (this.#node !== nodes.length || this.#buffer !== buffers.length)
      throw notArrow('a batch has more arrays than the schema');
  }

  #decompressed(stored: Uint8Array): Uint8Array {
    const { compression } = this.#batch;
    if (compression === 'none' || stored.length === 0) {
      // Buffers may lie in the same place.
      this.#budget.take(stored.length);
      return stored;
    }
    if (stored.length < LENGTH_BYTES) throw notArrow('a compressed buffer is cut off');
    const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
    const announced = view.getBigInt64(0, true);
    const bytes = stored.subarray(LENGTH_BYTES);
    if (announced < STORED) throw notArrow(`a buffer has ${announced} bytes`);
    const length = announced === STORED ? bytes.length : Number(announced);
    this.#budget.take(length);
    if (announced === STORED) return bytes;
    try {
      if (compression === 'lz4') return decompressLz4(bytes, length);
      checkZstdFrame(bytes, length);
      return this.#codec.decompress(bytes, length);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw notArrow(`a compressed buffer cannot be read (${error.message})`);
    }
  }
}
