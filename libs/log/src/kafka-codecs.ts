import { gunzipSync } from 'node:zlib';

/**
 * The codecs that producers may choose. Each is loaded when the first batch of it comes, which is never in
 * a commit log: Pyralog's own records are not compressed by Kafka.
 *
 * A batch of one MiB can announce gigabytes. What it would take is known, or bounded, before memory is
 * taken for it.
 */
const DECODED_BYTES_MAX = 128 * 1024 * 1024;

type Decompress = (bytes: Uint8Array) => Uint8Array;

const loaders: readonly (() => Decompress | Promise<Decompress>)[] = [
  () => (bytes) => bytes,
  () => gunzip,
  loadSnappy,
  loadLz4,
  loadZstd,
];
const loaded = new Map<number, Decompress>();

/**
 * The records of a batch as they were before compression. @param codec number in the batch's attributes
 *
 * @throws RangeError where the bytes are not of that codec, or would be more than 128 MiB
 */
export async function decompress(codec: number, bytes: Uint8Array): Promise<Uint8Array> {
  let decoder = loaded.get(codec);
  if (decoder === undefined) {
    const load = loaders[codec];
    if (load === undefined) throw new RangeError(`there is no codec ${codec}`);
    decoder = await load();
    loaded.set(codec, decoder);
  }
  try {
    const { buffer, byteOffset, byteLength } = decoder(bytes);
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new RangeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function gunzip(bytes: Uint8Array): Uint8Array {
  return gunzipSync(bytes, { maxOutputLength: DECODED_BYTES_MAX });
}

/** Producers of Java and librdkafka write blocks behind this mark, others one bare block. */
const SNAPPY_JAVA = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00);
const SNAPPY_JAVA_HEADER_BYTES = 16;

async function loadSnappy(): Promise<Decompress> {
  const { uncompressSync } = await import('snappy');
  const block = (bytes: Uint8Array): Uint8Array => {
    checkLength(snappyLength(bytes));
    return uncompressSync(bytes) as Buffer;
  };
  return (bytes) => {
    if (!SNAPPY_JAVA.every((byte, i) => bytes[i] === byte)) return block(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const blocks: Uint8Array[] = [];
    let total = 0;
    for (let at = SNAPPY_JAVA_HEADER_BYTES; at < bytes.length;) {
      const length = view.getInt32(at);
      if (length < 0 || at + 4 + length > bytes.length) throw new RangeError('a cut block');
      const content = block(bytes.subarray(at + 4, at + 4 + length));
      total += content.length;
      checkLength(total);
      blocks.push(content);
      at += 4 + length;
    }
    return blocks.length === 1 ? (blocks[0] as Uint8Array) : Buffer.concat(blocks);
  };
}

/** The length that a block announces in front, as a plain varint. */
function snappyLength(bytes: Uint8Array): number {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return length;
  }
  return Infinity;
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_CONTENT_SIZE = 0x08;
const LZ4_BLOCK_CHECKSUM = 0x10;

async function loadLz4(): Promise<Decompress> {
  const { decompressFrameSync } = await import('lz4-napi');
  return (bytes) => {
    checkLength(lz4LengthMax(bytes));
    return decompressFrameSync(asBuffer(bytes));
  };
}

/** As many bytes as the blocks of a frame can hold: a frame need not say how long its content is. */
function lz4LengthMax(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 11 || view.getUint32(0, true) !== LZ4_MAGIC)
    throw new RangeError('no LZ4 frame');
  const flags = view.getUint8(4);
  const blockMax = 2 ** (8 + 2 * ((view.getUint8(5) >> 4) & 0x07));
  let at = (flags & LZ4_CONTENT_SIZE) === 0 ? 7 : 15;
  let blocks = 0;
  for (;;) {
    const size = view.getUint32(at, true);
    if (size === 0) return blocks * blockMax;
    blocks++;
    at += 4 + (size & 0x7fff_ffff) + ((flags & LZ4_BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
}

const ZSTD_MAGIC = 0xfd2fb528;
/** The decoder moves its window once a block: a large one and many blocks would keep it busy for minutes. */
const ZSTD_MOVED_BYTES_MAX = 8 * 1024 * 1024 * 1024;

/** In JavaScript: the WebAssembly of the codec for files can be started once in a thread, and not from here. */
async function loadZstd(): Promise<Decompress> {
  const { Decompress } = await import('fzstd');
  return (bytes) => {
    const window = zstdWindow(bytes);
    checkLength(window);
    const parts: Uint8Array[] = [];
    let total = 0;
    let whole = false;
    const stream = new Decompress((part, last) => {
      total += part.length;
      checkLength(total);
      if (parts.length * window > ZSTD_MOVED_BYTES_MAX)
        throw new RangeError(`a window of ${window} bytes for ${parts.length} blocks`);
      parts.push(part);
      whole ||= last === true;
    });
    stream.push(bytes, true);
    if (!whole) throw new RangeError('a cut ZSTD frame');
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, total);
  };
}

/** The memory that the header of a frame asks for (RFC 8878, 3.1.1.1): its window, or all of its content. */
function zstdWindow(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== ZSTD_MAGIC) throw new RangeError('no ZSTD frame');
  const descriptor = view.getUint8(4);
  if ((descriptor & 0x20) === 0) {
    const window = view.getUint8(5);
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 0x07);
  }
  const at = 5 + ([0, 1, 2, 4][descriptor & 0x03] as number);
  switch (descriptor >> 6) {
    case 0:
      return view.getUint8(at);
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

function checkLength(length: number): void {
  if (length > DECODED_BYTES_MAX)
    throw new RangeError(`a batch of ${length} bytes, of which ${DECODED_BYTES_MAX} are read`);
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
