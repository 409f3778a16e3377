import type { Codec } from './codec.ts';

/** Level 1 costs no more than LZ4 here and gives files 1.5 times smaller; higher levels gain little. */
const LEVEL = 1;
const NO_DICTIONARY = new Uint8Array(0);

/**
 * The ZSTD codec of this machine. It compresses natively where the binary loads, else by WebAssembly,
 * which takes two to three times as long, and always decompresses by WebAssembly: the native package
 * gives each result as memory outside of the heap, and a block of a dozen small buffers is decoded
 * sooner, and with less work for the garbage collector, without it.
 *
 * Asynchronous only because loading is; the codec itself never waits.
 */
export async function createCodec(): Promise<Codec> {
  const fallback = await createPortableCodec();
  const compress = await loadNativeCompressor();
  return compress === undefined ? fallback : { ...fallback, name: 'zstd-native', compress };
}

let portable: Promise<Codec> | undefined;

/** The codec without native code: one for the thread, since a second start of the module takes the memory of the first. */
export function createPortableCodec(): Promise<Codec> {
  return (portable ??= loadPortableCodec());
}

async function loadPortableCodec(): Promise<Codec> {
  const zstd = await import('@bokuweb/zstd-wasm');
  await zstd.init();
  // Contexts are kept for good: making one costs as much as a small frame.
  const compression = zstd.createCCtx();
  const decompression = zstd.createDCtx();
  return {
    name: 'zstd-wasm',
    compress: (bytes) => zstd.compressUsingDict(compression, bytes, NO_DICTIONARY, LEVEL),
    decompress: (bytes, length) =>
      checked(length, () =>
        zstd.decompressUsingDict(decompression, bytes, NO_DICTIONARY, {
          // Frames need not say how long their content is; files do.
          defaultHeapSize: Math.max(1, length),
        }),
      ),
  };
}

/** @returns undefined where there is no binary for this platform. */
async function loadNativeCompressor(): Promise<Codec['compress'] | undefined> {
  try {
    const { Encoder } = await import('@toondepauw/node-zstd');
    const encoder = new Encoder(LEVEL);
    return (bytes) => encoder.encodeSync(asBuffer(bytes));
  } catch {
    return undefined;
  }
}

function checked(length: number, decompress: () => Uint8Array): Uint8Array {
  let content: Uint8Array;
  try {
    content = decompress();
  } catch (error) {
    throw new RangeError(`no ZSTD frame: ${String(error)}`, { cause: error });
  }
  if (content.length !== length) {
    throw new RangeError(`a ZSTD frame of ${content.length} bytes instead of ${length}`);
  }
  return content;
}

/** The native package's types ask for a Buffer; this is a view of the same memory. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
