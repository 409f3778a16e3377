import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareUtf8, hasLoneSurrogate, utf8Decode, utf8Encode, utf8Length } from './utf8.ts';

const character = fc
  .nat({ max: 0x10ffff - 0x800 })
  .map((each) => String.fromCodePoint(each < 0xd800 ? each : each + 0x800));
const text = fc.oneof(
  fc.string({ unit: character, maxLength: 20 }),
  // Few units, so that texts share beginnings: the ends of each length in UTF-8.
  fc.string({
    unit: fc.constantFrom(
      '\0',
      'a',
      '\u007f',
      '\u0080',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{103ff}',
      '\u{10400}',
      '\u{10ffff}',
    ),
    maxLength: 6,
  }),
);

test('texts compare as their bytes do', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareUtf8(a, b))).toBe(bytes);
    }),
    { numRuns: 2000 },
  );
});

test('a character of four bytes comes after U+FFFF, where JavaScript puts it before', () => {
  const rising = ['', '\0', 'a', 'a\0', 'ab', '\u007f', '\u0080', '\u07ff', '\u0800', '\ud7ff'];
  rising.push('\ue000', '\uffff', '\uffff\uffff', '\u{10000}', '\u{10000}a', '\u{10ffff}');
  for (const [i, a] of rising.entries())
    for (const [j, b] of rising.entries())
      expect(Math.sign(compareUtf8(a, b)), `${i} ${j}`).toBe(Math.sign(i - j));
  expect(['\uffff', '\u{10000}'].sort()).toEqual(['\u{10000}', '\uffff']);
});

test('bytes are those of everybody else, and come back', () => {
  fc.assert(
    fc.property(text, (a) => {
      const bytes = utf8Encode(a);
      expect(Buffer.from(bytes)).toEqual(Buffer.from(a));
      expect(utf8Length(a)).toBe(Buffer.byteLength(a));
      expect(utf8Decode(bytes)).toBe(a);
    }),
  );
});

test('a byte order mark is a character like any other', () => {
  expect(utf8Decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
});

test.each([
  ['a lone continuation byte', [0x80]],
  ['a sequence that ends too early', [0x61, 0xe2, 0x82]],
  ['a longer form than needed', [0xc0, 0x80]],
  ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ['more than U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['a byte that stands nowhere', [0xff]],
])('%s is not UTF-8', (_, bytes) => {
  expect(() => utf8Decode(Uint8Array.from(bytes))).toThrow(TypeError);
});

test('a surrogate without its partner is found wherever it stands', () => {
  const units = fc.array(
    fc.constantFrom(0x61, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(units, (codes) => {
      const string = String.fromCharCode(...codes);
      // By code points, a surrogate that is left over is one of its own.
      const lone = Array.from(string, (char) => char.codePointAt(0) ?? 0).some(
        (code) => code >= 0xd800 && code <= 0xdfff,
      );
      expect(hasLoneSurrogate(string)).toBe(lone);
    }),
    { numRuns: 500 },
  );
});
