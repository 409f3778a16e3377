import type { Codec } from './codec.ts';

/** Level 1 costs no more than LZ4 here and gives files 1.5 times smaller; higher levels gain little. */
const LEVEL = 1;

/**
 * The ZSTD codec of this machine: native where its binary loads, else WebAssembly, which is about
 * three times slower to compress. Asynchronous only because loading is; the codec itself never waits.
 */
export async function createCodec(): Promise<Codec> {
  return (await loadNative()) ?? loadWasm();
}

/** @returns undefined where there is no binary for this platform. */
export async function loadNative(): Promise<Codec | undefined> {
  let zstd: typeof import('@toondepauw/node-zstd');
  try {
    zstd = await import('@toondepauw/node-zstd');
  } catch {
    return undefined;
  }
  const encoder = new zstd.Encoder(LEVEL);
  const decoder = new zstd.Decoder();
  return {
    name: 'zstd-native',
    compress: (bytes) => encoder.encodeSync(asBuffer(bytes)),
    decompress: (bytes, length) =>
      checked(length, () => decoder.decodeSync(asBuffer(bytes))),
  };
}

export async function loadWasm(): Promise<Codec> {
  const zstd = await import('@bokuweb/zstd-wasm');
  await zstd.init();
  return {
    name: 'zstd-wasm',
    compress: (bytes) => zstd.compress(bytes, LEVEL),
    decompress: (bytes, length) =>
      checked(length, () => zstd.decompress(bytes, { defaultHeapSize: Math.max(1, length) })),
  };
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
