import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './json.ts';
import { jsonOf, JsonNumber } from './json-tree.ts';
import { JSON_DEPTH_MAX } from './limits.ts';
import { errorCode, refusal, text } from './testing/index.ts';

// What is wrong, and where a person would point: line and column, from 1.
test.each([
  ['', 'The text ends where a value should stand', 1, 1],
  [' \n ', 'The text ends where a value should stand', 2, 2],
  ['{"a":1,"b":2,"a":3}', 'The name "a" stands twice in one object', 1, 14],
  ['{"a":1,\n "\\u0061":2}', 'The name "a" stands twice in one object', 2, 2],
  ['{"__proto__":1,"__proto__":2}', 'The name "__proto__" stands twice', 1, 16],
  ['{"":1,"":2}', 'The name "" stands twice', 1, 7],
  ['[{"a":{"b":1}},{"a":{"b":1,"b":2}}]', 'The name "b" stands twice', 1, 28],
  ['["\\ud800"]', 'The string has half of a surrogate pair', 1, 2],
  ['["a",\n"\\udc00\\ud800"]', 'The string has half of a surrogate pair', 2, 1],
  ['"\\ud83d\\u0041"', 'The string has half of a surrogate pair', 1, 1],
  ['{"\\ude00":1}', 'The string has half of a surrogate pair', 1, 2],
  ['\ufeff{}', 'The text begins with a byte order mark', 1, 1],
  [' \ufeff{}', '"\ufeff" stands where a value should stand', 1, 2],
  ['{} {}', 'There is more text after the end of the value', 1, 4],
  ['1 2', 'There is more text after the end of the value', 1, 3],
  ['{}\n\u0000', 'There is more text after the end of the value', 2, 1],
  ['[1,2', 'The text ends where a comma or the end of the array should stand', 1, 5],
  ['[1 2]', '"2" stands where a comma or the end of the array should stand', 1, 4],
  ['[1,]', '"]" stands where a value should stand', 1, 4],
  ['[,1]', '"," stands where a value should stand', 1, 2],
  ['{"a":1,}', '"}" stands where a name in quotes should stand', 1, 8],
  ['{a:1}', '"a" stands where a name in quotes should stand', 1, 2],
  ["{'a':1}", `"'" stands where a name in quotes should stand`, 1, 2],
  ['{"a" 1}', '"1" stands where a colon should stand', 1, 6],
  ['{"a":1 "b":2}', '"\\"" stands where a comma or the end of the object should stand', 1, 8],
  ['{"a"', 'The text ends where a colon should stand', 1, 5],
  ['{"a":', 'The text ends where a value should stand', 1, 6],
  ['{', 'The text ends where a name in quotes should stand', 1, 2],
  ['"abc', 'The text ends where the closing quote of a string should stand', 1, 5],
  ['"a\\nb', 'The text ends where the closing quote of a string should stand', 1, 6],
  ['"a\\"', 'The text ends where the closing quote of a string should stand', 1, 5],
  ['"a\tb"', 'A control character stands in a string', 1, 3],
  ['"a\\n\u0000b"', 'A control character stands in a string', 1, 5],
  ['"é\nb"', 'A control character stands in a string', 1, 3],
  ['"\\x41"', 'This is no escape of JSON', 1, 2],
  ['"ab\\u12g4"', 'This is no escape of JSON', 1, 4],
  ['"\\u123"', 'This is no escape of JSON', 1, 2],
  ['"\\', 'This is no escape of JSON', 1, 2],
  ['01', 'A number does not begin with a needless zero', 1, 1],
  ['[-012]', 'A number does not begin with a needless zero', 1, 3],
  ['-', 'The text ends where a digit should stand', 1, 2],
  ['[-]', '"]" stands where a digit should stand', 1, 3],
  ['1.', 'The text ends where a digit should stand', 1, 3],
  ['[1.e5]', '"e" stands where a digit should stand', 1, 4],
  ['1e', 'The text ends where a digit should stand', 1, 3],
  ['[1e+]', '"]" stands where a digit should stand', 1, 5],
  ['1E-', 'The text ends where a digit should stand', 1, 4],
  ['.5', '"." stands where a value should stand', 1, 1],
  ['+5', '"+" stands where a value should stand', 1, 1],
  ['0x10', 'There is more text after the end of the value', 1, 2],
  ['NaN', '"N" stands where a value should stand', 1, 1],
  ['-Infinity', '"I" stands where a digit should stand', 1, 2],
  ['nul', '"n" stands where a value should stand', 1, 1],
  ['[truE]', '"t" stands where a value should stand', 1, 2],
  ['falsey', 'There is more text after the end of the value', 1, 6],
  ['\u00a0{}', '"\u00a0" stands where a value should stand', 1, 1],
  ['{}// end', 'There is more text after the end of the value', 1, 3],
  ['["😀", 😀]', '"😀" stands where a value should stand', 1, 8],
])('%j is refused: %s, line %i, column %i', (source, problem, line, column) => {
  for (const given of [source, Buffer.from(source)]) {
    const error = refusal(() => parseJson(given));
    expect(error?.code).toBe('json-malformed');
    expect(error?.message).toContain(problem);
    expect(error?.message).toContain(`(line ${line}, column ${column}).`);
    expect(error?.extra).toEqual({ line, column });
  }
});

test('half a surrogate pair that is not escaped is refused as well', () => {
  for (const source of ['"\ud800"', '"\udc00\ud800"', '\ud83d'])
    expect(refusal(() => parseJson(source))?.message).toContain('half of a surrogate pair');
});

test('a name as long as a document is cut in the message', () => {
  const name = 'x'.repeat(100_000);
  const error = refusal(() => parseJson(`{"${name}":1,"${name}":2}`));
  expect(error?.message.length).toBeLessThan(200);
});

test(`nesting is read to ${JSON_DEPTH_MAX} levels, and not one deeper`, () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const nested = (levels: number): string => `${open.repeat(levels)}1${close.repeat(levels)}`;
    expect(errorCode(() => parseJson(nested(JSON_DEPTH_MAX)))).toBeUndefined();
    const error = refusal(() => parseJson(nested(JSON_DEPTH_MAX + 1)));
    expect(error?.code).toBe('json-malformed');
    expect(error?.message).toContain(`deeper than ${JSON_DEPTH_MAX} levels`);
    expect(error?.extra['column']).toBe(JSON_DEPTH_MAX * open.length + 1);
    expect(errorCode(() => parseJson(nested(3), 2))).toBe('json-malformed');
  }
  // Levels beside each other do not add up, and a bracket that never closes costs no stack.
  expect(errorCode(() => parseJson(`[${'[[]],'.repeat(200)}1]`))).toBeUndefined();
  expect(errorCode(() => parseJson('['.repeat(1_000_000)))).toBe('json-malformed');
});

test('bytes that are no UTF-8 are refused, naming the first that is none', () => {
  const pieces = fc.oneof(
    fc.constantFrom([0x22], [0x61], [0xc3, 0xa9], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80]),
    // The first and last characters of each length, and what stands just beyond them.
    fc.constantFrom([0xc2, 0x80], [0xdf, 0xbf], [0xe0, 0xa0, 0x80], [0xed, 0x9f, 0xbf]),
    fc.constantFrom([0xee, 0x80, 0x80], [0xf0, 0x90, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf]),
    fc.constantFrom([0xf0, 0x90], [0xe0, 0x9f], [0xed, 0xa0, 0x80], [0xf4, 0x90], [0xc1, 0xbf]),
    fc.constantFrom(
      [0x80],
      [0xbf],
      [0xc2],
      [0xdf],
      [0xe0],
      [0xef, 0xbf],
      [0xf4, 0x8f, 0xbf],
      [0xf5],
    ),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => [...bytes]),
  );
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const isUtf8 = (bytes: Uint8Array): boolean => {
    try {
      decoder.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
      const bytes = Uint8Array.from(parts.flat());
      fc.pre(!isUtf8(bytes));
      // The longest beginning that is text; it may end only where a sequence does.
      let offset = bytes.length;
      while (!isUtf8(bytes.subarray(0, offset))) offset--;
      const error = refusal(() => parseJson(bytes));
      expect(error?.code).toBe('json-malformed');
      expect(error?.extra).toEqual({ offset });
      expect(error?.message).toContain(`(byte ${offset})`);
    }),
    { numRuns: 2000 },
  );
});

test('nothing but a refusal is thrown, whatever comes', () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 60 }), fc.string()), (source) => {
      expect(errorCode(() => parseJson(source))).toBeOneOf([undefined, 'json-malformed']);
    }),
    { numRuns: 1000 },
  );
});

test('JavaScript data become JSON, what has no JSON form is refused', () => {
  expect(
    jsonOf({
      a: [1, 1.5, 2n ** 70n, null, 'x', undefinedIn({ b: true })],
      m: new Map([['k', -0]]),
    }),
  ).toEqual(parseJson('{"a":[1,1.5,1180591620717411303424,null,"x",{"b":true}],"m":{"k":0}}'));
  expect(jsonOf(2 ** 53)).toEqual(new JsonNumber('9007199254740992.0', false));
  expect(jsonOf(JSON.parse('{"__proto__":1}'))).toEqual(parseJson('{"__proto__":1}'));
  const circle: unknown[] = [];
  circle.push(circle);
  for (const data of [
    undefined,
    Number.NaN,
    Infinity,
    Symbol('x'),
    () => 1,
    new Date(0),
    new Uint8Array(1),
    '\ud800',
    { '\udfff': 1 },
    new Map([['\ud800', 1]]),
    circle,
  ])
    expect(errorCode(() => jsonOf(data))).toBe('value-invalid');
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  expect(errorCode(() => jsonOf(nested(JSON_DEPTH_MAX)))).toBeUndefined();
  expect(errorCode(() => jsonOf(nested(JSON_DEPTH_MAX + 1)))).toBe('value-invalid');
});

/** With a member that is left out. */
function undefinedIn(data: object): object {
  return { ...data, absent: undefined };
}
