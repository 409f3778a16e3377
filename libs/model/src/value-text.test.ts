import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64, toBase64 } from './base64.ts';
import { parseInstant } from './instant.ts';
import { entity, errorCode, int64, refusal, text, value } from './testing/index.ts';
import { shortestDigits } from './testing/reference.ts';
import { equalValues, VALUE_TYPES, type Value, type ValueType } from './value.ts';
import {
  bytesValue,
  doubleValue,
  instantValue,
  INT64_MAX,
  INT64_MIN,
  intValue,
  jsonValue,
  refValue,
  stringValue,
} from './value-constructors.ts';
import { formatValue, parseValue } from './value-text.ts';

test('every value comes back from its text and type', () => {
  fc.assert(
    fc.property(value, (each) => {
      const again = parseValue(each.type, formatValue(each));
      expect(equalValues(again, each)).toBe(true);
      expect(formatValue(again)).toBe(formatValue(each));
    }),
    { numRuns: 2000 },
  );
});

test('different values of one type have different texts', () => {
  const pair = fc
    .constantFrom(...VALUE_TYPES)
    .chain((type) => fc.tuple(...[1, 2].map(() => value.filter((each) => each.type === type))));
  fc.assert(
    fc.property(pair, ([a, b]) => {
      if (a === undefined || b === undefined) return;
      expect(formatValue(a) === formatValue(b)).toBe(equalValues(a, b));
    }),
    { numRuns: 1000 },
  );
});

test('texts are the plainest that others would write', () => {
  fc.assert(
    fc.property(text, entity, int64, fc.uint8Array(), (string, id, int, bytes) => {
      expect(formatValue({ type: 'string', value: string })).toBe(string);
      expect(formatValue({ type: 'ref', value: id })).toBe(id);
      expect(formatValue({ type: 'int', value: int })).toBe(int.toString());
      expect(formatValue({ type: 'bytes', value: bytes })).toBe(
        Buffer.from(bytes).toString('base64'),
      );
    }),
  );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      expect(formatValue(doubleValue(double))).toBe(shortestDigits(double));
    }),
    { numRuns: 1000 },
  );
  expect(formatValue({ type: 'bool', value: true })).toBe('true');
  expect(formatValue(doubleValue(-Infinity))).toBe('-Infinity');
});

// Other texts of the same value.
test.each<[ValueType, string, string]>([
  ['int', '-0', '0'],
  ['int', '9223372036854775807', '9223372036854775807'],
  ['int', '-9223372036854775808', '-9223372036854775808'],
  ['double', '5.0', '5'],
  ['double', '-0', '0'],
  ['double', '-0.0e-3', '0'],
  ['double', '1e-400', '0'],
  ['double', '1E2', '100'],
  ['double', '9007199254740993', '9007199254740992'],
  ['double', 'Infinity', 'Infinity'],
  ['instant', '2020-01-01t02:00:00.5+02:00', '2020-01-01T00:00:00.500Z'],
  ['json', ' { "b" : 1.0, "a" : [ ] } ', '{"a":[],"b":1}'],
  ['json', '"\\u0041"', '"A"'],
  ['string', '\0', '\0'],
  ['ref', '__proto__', '__proto__'],
  ['ref', '_:x', '_:x'],
  ['bytes', '', ''],
])('the %s %j is written %j', (type, written, canonical) => {
  expect(formatValue(parseValue(type, written))).toBe(canonical);
});

test.each<[ValueType, string, string]>([
  ['int', '', 'value-invalid'],
  ['int', '5.0', 'value-invalid'],
  ['int', '1e2', 'value-invalid'],
  ['int', '+5', 'value-invalid'],
  ['int', '05', 'value-invalid'],
  ['int', ' 5', 'value-invalid'],
  ['int', '0x5', 'value-invalid'],
  ['int', '٥', 'value-invalid'],
  ['int', '9223372036854775808', 'value-invalid'],
  ['int', '-9223372036854775809', 'value-invalid'],
  ['double', '', 'value-invalid'],
  ['double', 'NaN', 'value-invalid'],
  ['double', '+Infinity', 'value-invalid'],
  ['double', 'infinity', 'value-invalid'],
  ['double', '1e309', 'value-invalid'],
  ['double', '.5', 'value-invalid'],
  ['double', '5.', 'value-invalid'],
  ['double', '1_000', 'value-invalid'],
  ['double', '0x1', 'value-invalid'],
  ['bool', '', 'value-invalid'],
  ['bool', 'True', 'value-invalid'],
  ['bool', '1', 'value-invalid'],
  ['instant', '2020-01-01', 'value-invalid'],
  ['instant', '2020-01-01T00:00:00.0000001Z', 'value-invalid'],
  ['bytes', 'AA=', 'value-invalid'],
  ['bytes', 'AB==', 'value-invalid'],
  ['bytes', 'AA', 'value-invalid'],
  ['bytes', 'A-_=', 'value-invalid'],
  ['bytes', 'AAAA\n', 'value-invalid'],
  ['string', '\ud800', 'value-invalid'],
  ['ref', '', 'entity-invalid'],
  ['ref', '\udc00', 'entity-invalid'],
  ['ref', 'tx:abc', 'entity-invalid'],
  ['json', '', 'json-malformed'],
  ['json', '{"a":1,"a":1}', 'json-malformed'],
  ['json', '1e400', 'value-invalid'],
])('no %s is %j', (type, written, code) => {
  expect(errorCode(() => parseValue(type, written))).toBe(code);
});

test('a text of any length is refused in few words', () => {
  for (const type of VALUE_TYPES.filter((each) => each !== 'string')) {
    const error = refusal(() => parseValue(type, '1'.repeat(100_001)));
    if (type !== 'json') expect(error?.message.length, type).toBeLessThan(300);
  }
});

test('what is neither true nor false is said to be so', () => {
  const error = refusal(() => parseValue('bool', 'yes'));
  expect(error?.message).toBe('"yes" is neither true nor false.');
});

test('of doubles there is one zero, both infinities, and no NaN', () => {
  expect(Object.is(doubleValue(-0).value, 0)).toBe(true);
  expect(Object.is((parseValue('double', '-0') as { value: number }).value, 0)).toBe(true);
  expect(doubleValue(Infinity).value).toBe(Infinity);
  expect(errorCode(() => doubleValue(Number.NaN))).toBe('value-invalid');
});

test('an int is a whole number of 64 bits, and a JS number only where it is exact', () => {
  for (const [given, expected] of [
    [INT64_MIN, INT64_MIN],
    [INT64_MAX, INT64_MAX],
    [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    [-0, 0n],
  ] as const)
    expect(intValue(given)).toEqual({ type: 'int', value: expected });
  for (const given of [INT64_MIN - 1n, INT64_MAX + 1n, 2 ** 53, 1.5, Number.NaN, Infinity])
    expect(errorCode(() => intValue(given))).toBe('value-invalid');
});

test('an instant is an int64 of microseconds', () => {
  expect(instantValue(INT64_MIN).value).toBe(INT64_MIN);
  for (const given of [INT64_MIN - 1n, INT64_MAX + 1n])
    expect(errorCode(() => instantValue(given))).toBe('value-invalid');
  expect(parseValue('instant', '1969-12-31T23:59:59.999999Z').value).toBe(-1n);
  expect(parseInstant('1970-01-01T00:00:00Z')).toBe(0n);
});

const MAX = 16 * 1024 * 1024;
const AT_LIMIT: readonly (readonly [string, (over: number) => Value])[] = [
  ['a string of one-byte characters', (over) => stringValue('x'.repeat(MAX + over))],
  [
    'a string of three-byte characters',
    (over) => stringValue('€'.repeat(MAX / 3) + 'x'.repeat(1 + over)),
  ],
  [
    'a string of four-byte characters',
    (over) => stringValue('😀'.repeat(MAX / 4) + 'x'.repeat(over)),
  ],
  ['bytes', (over) => bytesValue(new Uint8Array(MAX + over))],
  ['json, quotes included', (over) => jsonValue('é'.repeat(MAX / 2 - 1) + 'x'.repeat(over))],
];

test.each(AT_LIMIT)('16 MiB are a value, one byte more is not: %s', (_, make) => {
  expect(errorCode(() => make(0))).toBeUndefined();
  const error = refusal(() => make(1));
  expect(error?.code).toBe('value-too-large');
  expect(error?.message).toContain('16777216 bytes');
  expect(error?.extra).toEqual({ limit: MAX, given: MAX + 1 });
});

test('a ref is an entity id or a temporary one', () => {
  expect(refValue('_:person:alice').value).toBe('_:person:alice');
  expect(errorCode(() => refValue('x'.repeat(1025)))).toBe('entity-invalid');
});

test('base64 comes back, and equal bytes have one text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 4 }), (bytes, before) => {
      const view = Buffer.concat([Buffer.alloc(before), bytes]).subarray(before);
      expect(toBase64(view)).toBe(Buffer.from(bytes).toString('base64'));
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
    }),
  );
  const letters = fc.constantFrom(...'ABQgwZ09+/=-_ \n'.split(''));
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 8 }), (written) => {
      const bytes = fromBase64(written);
      const isCanonical = Buffer.from(written, 'base64').toString('base64') === written;
      expect(bytes !== undefined).toBe(isCanonical);
    }),
    { numRuns: 1000 },
  );
});
