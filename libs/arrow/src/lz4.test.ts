import { describe, expect, test } from 'vitest';
import { decompressLz4 } from './lz4.ts';

const HEAD = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const END = [0, 0, 0, 0];
const block = (...bytes: number[]): number[] => [bytes.length, 0, 0, 0, ...bytes];
const raw = (...bytes: number[]): number[] => [bytes.length, 0, 0, 0x80, ...bytes];
const frame = (...blocks: number[][]): Uint8Array =>
  Uint8Array.from([...HEAD, ...blocks.flat(), ...END]);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const A = 0x61;
const B = 0x62;

test.each<[string, Uint8Array, string]>([
  ['nothing', frame(), ''],
  ['literals', frame(block(0x20, A, B)), 'ab'],
  ['bytes that are not compressed', frame(raw(A, B)), 'ab'],
  ['a match', frame(block(0x20, A, B, 2, 0, 0x10, B)), 'ababab' + 'b'],
  ['a match that reaches into itself', frame(block(0x14, A, 1, 0, 0x10, B)), 'a'.repeat(9) + 'b'],
  [
    'a long match and long literals',
    frame(block(0xff, 0, ...Array<number>(15).fill(B), 1, 0, 255, 1, 0x10, A)),
    'b'.repeat(15 + 15 + 255 + 1 + 4) + 'a',
  ],
  ['a match in the block before', frame(block(0x20, A, B), block(0x00, 2, 0, 0x10, B)), 'abababb'],
])('%s', (_, bytes, content) => {
  expect(text(decompressLz4(bytes, content.length))).toBe(content);
});

test('a frame with all that it may have beside its blocks', () => {
  const head = [0x04, 0x22, 0x4d, 0x18, 0x7c, 0x40, 2, 0, 0, 0, 0, 0, 0, 0, 0x99];
  const bytes = [...head, ...block(0x20, A, B), 1, 2, 3, 4, ...END, 1, 2, 3, 4];
  expect(text(decompressLz4(Uint8Array.from(bytes), 2))).toBe('ab');
});

describe('refused with a RangeError', () => {
  test.each<[string, Uint8Array, number]>([
    ['less than announced', frame(block(0x20, A, B)), 3],
    ['more than announced', frame(block(0x20, A, B)), 1],
    ['more than announced, not compressed', frame(raw(A, B)), 1],
    ['a match beyond what is announced', frame(block(0x14, A, 1, 0, 0x10, B)), 5],
    ['a match before the start', frame(block(0x14, A, 2, 0, 0x10, B)), 10],
    ['a match at no distance', frame(block(0x14, A, 0, 0, 0x10, B)), 10],
    ['literals that are cut off', frame(block(0x30, A, B)), 3],
    ['a distance that is cut off', frame(block(0x10, A, 1)), 5],
    ['a length that is cut off', frame(block(0xf0, 255)), 5],
    ['a block that is cut off', frame(block(0x20, A, B)).subarray(0, -5), 2],
    ['no end', frame(block(0x20, A, B)).subarray(0, -2), 2],
    ['another magic', Uint8Array.from([1, ...frame().subarray(1)]), 0],
    ['another version', Uint8Array.from([...HEAD.slice(0, 4), 0x20, 0x40, 0x82, ...END]), 0],
    ['a dictionary', Uint8Array.from([...HEAD.slice(0, 4), 0x61, 0x40, 0, 0, 0, 0, 0, ...END]), 0],
    ['nothing at all', Uint8Array.of(), 0],
  ])('%s', (_, bytes, length) => {
    expect(() => decompressLz4(bytes, length)).toThrow(RangeError);
  });
});

test('a match is no longer than the content that is left', () => {
  const long = frame(block(0x1f, A, 1, 0, ...Array<number>(200).fill(255), 0, 0x10, B));
  expect(() => decompressLz4(long, 100)).toThrow('more content than announced');
});
