import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './json.ts';
import { errorCode, refusal, value } from './testing/index.ts';
import { equalValues, type Value } from './value.ts';
import { INT64_MAX, INT64_MIN } from './value-constructors.ts';
import { inputValue, printValue, valueFromJson } from './value-json.ts';

const read = (text: string): Value => valueFromJson(parseJson(text));

test('every value comes back from its JSON, with its type', () => {
  fc.assert(
    fc.property(value, (each) => {
      expect(equalValues(read(printValue(each)), each)).toBe(true);
      expect(() => JSON.parse(printValue(each)) as unknown).not.toThrow();
    }),
    { numRuns: 2000 },
  );
});

test.each<[Value, string]>([
  [{ type: 'string', value: 'a"\0😀' }, '"a\\"\\u0000😀"'],
  [{ type: 'bool', value: false }, 'false'],
  [{ type: 'int', value: -5n }, '-5'],
  [{ type: 'int', value: 2n ** 53n - 1n }, '9007199254740991'],
  [{ type: 'int', value: 1n - 2n ** 53n }, '-9007199254740991'],
  [{ type: 'int', value: 2n ** 53n }, '{"int":"9007199254740992"}'],
  [{ type: 'int', value: -(2n ** 53n) }, '{"int":"-9007199254740992"}'],
  [{ type: 'int', value: INT64_MIN }, '{"int":"-9223372036854775808"}'],
  [{ type: 'double', value: 5 }, '5.0'],
  [{ type: 'double', value: -0.1 }, '-0.1'],
  [{ type: 'double', value: 1e300 }, '1e+300'],
  [{ type: 'double', value: 1e20 }, '100000000000000000000.0'],
  [{ type: 'double', value: -Infinity }, '{"double":"-Infinity"}'],
  [{ type: 'instant', value: -1n }, '{"instant":"1969-12-31T23:59:59.999999Z"}'],
  [{ type: 'ref', value: 'paper:"1"' }, '{"ref":"paper:\\"1\\""}'],
  [{ type: 'bytes', value: Uint8Array.of(0, 255) }, '{"bytes":"AP8="}'],
  [{ type: 'json', value: '{"ref":"x"}' }, '{"json":{"ref":"x"}}'],
])('%o is shown as %s', (each, text) => {
  expect(printValue(each)).toBe(text);
  expect(read(text)).toEqual(each);
});

// What a request may write beside what answers show; "plain" takes the type of its attribute.
test.each<[string, Value, boolean]>([
  ['5', { type: 'int', value: 5n }, true],
  ['-0', { type: 'int', value: 0n }, true],
  ['9223372036854775807', { type: 'int', value: INT64_MAX }, true],
  ['-9223372036854775808', { type: 'int', value: INT64_MIN }, true],
  ['5.0', { type: 'double', value: 5 }, true],
  ['5e0', { type: 'double', value: 5 }, true],
  ['-0.0', { type: 'double', value: 0 }, true],
  ['1e-400', { type: 'double', value: 0 }, true],
  ['1e20', { type: 'double', value: 1e20 }, true],
  ['"2020-01-01T00:00:00Z"', { type: 'string', value: '2020-01-01T00:00:00Z' }, true],
  ['""', { type: 'string', value: '' }, true],
  ['true', { type: 'bool', value: true }, true],
  ['{}', { type: 'json', value: '{}' }, true],
  ['{"b":1,"a":2}', { type: 'json', value: '{"a":2,"b":1}' }, true],
  ['{"ref":"a","x":1}', { type: 'json', value: '{"ref":"a","x":1}' }, true],
  ['{"string":"x"}', { type: 'json', value: '{"string":"x"}' }, true],
  ['{"bool":true}', { type: 'json', value: '{"bool":true}' }, true],
  ['{"__proto__":1}', { type: 'json', value: '{"__proto__":1}' }, true],
  ['{"constructor":1}', { type: 'json', value: '{"constructor":1}' }, true],
  ['{"int":5}', { type: 'int', value: 5n }, false],
  ['{"int":"-9223372036854775808"}', { type: 'int', value: INT64_MIN }, false],
  ['{"int":"-0"}', { type: 'int', value: 0n }, false],
  ['{"double":5}', { type: 'double', value: 5 }, false],
  ['{"double":"5"}', { type: 'double', value: 5 }, false],
  ['{"double":"-1.5e3"}', { type: 'double', value: -1500 }, false],
  ['{"double":"Infinity"}', { type: 'double', value: Infinity }, false],
  ['{"instant":"2020-01-01T01:00:00+01:00"}', { type: 'instant', value: 1577836800000000n }, false],
  ['{"ref":"_:x"}', { type: 'ref', value: '_:x' }, false],
  ['{"bytes":""}', { type: 'bytes', value: new Uint8Array() }, false],
  ['{"json":null}', { type: 'json', value: 'null' }, false],
  ['{"json":[1.0,"x"]}', { type: 'json', value: '[1,"x"]' }, false],
  ['{"json":{"json":1}}', { type: 'json', value: '{"json":1}' }, false],
])('%s is read', (text, expected, plain) => {
  expect(inputValue(parseJson(text))).toEqual({ value: expected, plain });
});

test.each([
  ['null', 'value-invalid', /\{"json":null\}/],
  ['[1]', 'value-invalid', /\{"json":\[…\]\}/],
  ['9223372036854775808', 'value-invalid', /-2\^63/],
  ['-9223372036854775809', 'value-invalid', /-2\^63/],
  ['1e309', 'value-invalid', /Infinity/],
  ['{"int":"9223372036854775808"}', 'value-invalid', /-2\^63/],
  ['{"int":5.0}', 'value-invalid', /\{"json":\{"int":…\}\}/],
  ['{"int":"5.0"}', 'value-invalid', /\{"json":/],
  ['{"int":" 5"}', 'value-invalid', /\{"json":/],
  ['{"int":null}', 'value-invalid', /\{"json":/],
  ['{"double":"NaN"}', 'value-invalid', /\{"json":/],
  ['{"double":1e999}', 'value-invalid', /Infinity/],
  ['{"double":"1e999"}', 'value-invalid', /Infinity/],
  ['{"double":""}', 'value-invalid', /\{"json":/],
  ['{"double":true}', 'value-invalid', /\{"json":/],
  ['{"instant":5}', 'value-invalid', /\{"json":/],
  ['{"instant":"yesterday"}', 'value-invalid', /2020-01-31T12:00:00Z/],
  ['{"instant":"+294247-01-10T04:00:54.775808Z"}', 'value-invalid', /RFC 3339/],
  ['{"ref":5}', 'value-invalid', /\{"json":\{"ref":…\}\}/],
  ['{"ref":""}', 'entity-invalid', undefined],
  ['{"ref":"tx:-1"}', 'entity-invalid', /another prefix/],
  ['{"bytes":"A"}', 'value-invalid', /base64/i],
  ['{"bytes":[1]}', 'value-invalid', /\{"json":/],
  ['{"json":1e999}', 'value-invalid', /double/],
])('%s is refused as %s, and the hint says how to write it', (text, code, hint) => {
  const error = refusal(() => inputValue(parseJson(text)));
  expect(error?.code).toBe(code);
  expect(error?.message.length).toBeLessThan(300);
  if (hint !== undefined) expect(error?.hint).toMatch(hint);
});

test('a number of any length is refused in few words', () => {
  for (const text of ['1'.repeat(1_000_000), `{"int":"${'1'.repeat(1_000_000)}"}`]) {
    const error = refusal(() => inputValue(parseJson(text)));
    expect(error?.code).toBe('value-invalid');
    expect(error?.message).toBe('An integer of 1000000 digits does not fit into 64 bits.');
  }
});

test('a value that is half a surrogate pair is refused', () => {
  expect(errorCode(() => valueFromJson('\ud800'))).toBe('value-invalid');
});
