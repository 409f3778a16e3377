import { utf8Decode } from '@pyralog/base';

/** Reads Kafka's fields: big-endian integers, zigzag varints. Every read beyond the end is a RangeError. */
export class KafkaReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.position;
  }

  int8(): number {
    return this.#view.getInt8(this.#skip(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#skip(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  /** An int64 that is an offset, an id or a small code: exact up to 2^53. */
  int64(): number {
    const at = this.#skip(8);
    return this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** Zigzag, at most 32 bits. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#skip(1));
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError('a varint of more than five bytes');
  }

  /** Passes over a varint of up to 64 bits. */
  skipVarlong(): void {
    for (let i = 0; i < 10; i++) if (this.#view.getUint8(this.#skip(1)) < 0x80) return;
    throw new RangeError('a varint of more than ten bytes');
  }

  /** A view of the next bytes. */
  take(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.bytes.subarray(at, at + length);
  }

  /** With a varint for the length, which is -1 for null. */
  nullableBytes(): Uint8Array | null {
    const length = this.varint();
    return length < 0 ? null : this.take(length);
  }

  /** With an int16 for the length. */
  string(): string {
    return utf8Decode(this.take(this.int16()));
  }

  #skip(length: number): number {
    const at = this.position;
    if (length < 0 || at + length > this.bytes.length)
      throw new RangeError(`${length} bytes at ${at} of ${this.bytes.length}`);
    this.position = at + length;
    return at;
  }
}

/** Bytes of a number as a zigzag varint. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let bytes = 1;
  for (let rest = zigzag >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/** Writes a zigzag varint. @returns the position behind it */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let position = at;
  for (; rest >= 0x80; rest >>>= 7) bytes[position++] = (rest & 0x7f) | 0x80;
  bytes[position++] = rest;
  return position;
}
