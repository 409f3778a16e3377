import { ByteReader, ByteWriter } from '@pyralog/base';
import { fromBase64Url, toBase64Url } from './base64.ts';
import type { Codec } from './codec.ts';
import { damaged, decodeSafely, unknownFormat } from './damage.ts';

const PLAIN = 0;
const ZSTD = 1;

/**
 * A binary as text, to stand in the metadata of an Arrow file:
 *
 *   text := base64url(version:u8 packing:u8 length:varint body)    packing: 0 plain, 1 ZSTD
 */
export function packIndex(version: number, body: Uint8Array, codec: Codec): string {
  const frame = codec.compress(body);
  const small = frame.length < body.length;
  const into = new ByteWriter(body.length + 16).u8(version).u8(small ? ZSTD : PLAIN);
  into.varint(body.length).raw(small ? frame : body);
  return toBase64Url(into.view());
}

/** @throws object-damaged, format-unknown */
export function unpackIndex(version: number, text: string, codec: Codec, what: string): Uint8Array {
  const bytes = fromBase64Url(text);
  if (bytes === undefined) throw damaged(what, 'its index is not base64');
  return decodeSafely(what, () => {
    const from = new ByteReader(bytes);
    const found = from.u8();
    if (found !== version) throw unknownFormat(what, `format version ${found}`);
    const packing = from.u8();
    if (packing > ZSTD) throw unknownFormat(what, `an index packed in way ${packing}`);
    const length = from.varint();
    const body = from.raw(from.remaining);
    return packing === ZSTD ? codec.decompress(body, length) : body;
  });
}
