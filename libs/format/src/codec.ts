/**
 * ZSTD frames, without waiting. Made by `createCodec` of `@pyralog/format/zstd` and passed in, so that
 * the formats themselves know no implementation. Identities of files do not depend on the compressed
 * bytes, so any encoder of the format will do.
 */
export interface Codec {
  /** Which implementation; for status and benchmarks. */
  readonly name: string;
  /** One frame. The result is the caller's own. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * The content of one frame, which must be `length` bytes.
   * @throws RangeError where it is not, or where the bytes are no frame.
   */
  decompress(bytes: Uint8Array, length: number): Uint8Array;
}
