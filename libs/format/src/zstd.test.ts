import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { Codec } from './codec.ts';
import { createCodec, createPortableCodec } from './zstd.ts';

let codecs: readonly Codec[];
beforeAll(async () => {
  codecs = [await createCodec(), await createPortableCodec()];
});

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.nat({ max: 3_000_000 }).map((length) => new Uint8Array(length).fill(7)),
);

test('what one codec compresses any other gives back', () => {
  fc.assert(
    fc.property(bytes, (content) => {
      for (const from of codecs) {
        const frame = from.compress(content);
        for (const to of codecs) {
          expect(Buffer.compare(to.decompress(frame, content.length), content)).toBe(0);
        }
      }
    }),
  );
});

test('no frame, a cut frame and a frame of another length are refused, and harm nothing after', () => {
  for (const codec of codecs) {
    const content = new Uint8Array(5000).map((_, i) => i * i);
    const frame = codec.compress(content);
    expect(() => codec.decompress(Uint8Array.of(1, 2, 3), 3)).toThrow(RangeError);
    expect(() => codec.decompress(frame.subarray(0, frame.length >> 1), 5000)).toThrow(RangeError);
    expect(() => codec.decompress(frame, 4999)).toThrow(RangeError);
    expect(() => codec.decompress(frame, 5001)).toThrow(RangeError);
    expect(codec.decompress(frame, 5000)).toEqual(content);
  }
});
