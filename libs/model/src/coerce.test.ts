import fc from 'fast-check';
import { expect, test } from 'vitest';
import { coerceValue } from './coerce.ts';
import { parseJson } from './json.ts';
import { inferredDefinition } from './schema.ts';
import { int64, refusal, value } from './testing/index.ts';
import { VALUE_TYPES, type Value, type ValueType } from './value.ts';
import { inputValue } from './value-json.ts';
import { formatValue } from './value-text.ts';

const SAMPLES: Readonly<Record<ValueType, Value>> = {
  bool: { type: 'bool', value: true },
  int: { type: 'int', value: 5n },
  double: { type: 'double', value: 5 },
  instant: { type: 'instant', value: 0n },
  string: { type: 'string', value: 'x' },
  ref: { type: 'ref', value: 'paper:1' },
  bytes: { type: 'bytes', value: Uint8Array.of(1) },
  json: { type: 'json', value: '{"a":1}' },
};

const definition = (type: ValueType) => inferredDefinition('weight', SAMPLES[type], false);

/** What a request writes, by the type that it has alone. */
type Written = 'true' | '5' | '5.0' | '5.5' | '"x"' | '{"a":1}';

/** The canonical text of what an attribute of a type makes of it; a pattern of the hint where it is refused. */
const PLAIN: Readonly<Record<ValueType, Readonly<Record<Written, string | RegExp>>>> = {
  bool: {
    true: 'true',
    '5': /Write true or false/,
    '5.0': /Write true or false/,
    '5.5': /Write true or false/,
    '"x"': /Write true or false/,
    '{"a":1}': /Write true or false/,
  },
  int: {
    true: /^$/,
    '5': '5',
    '5.0': /neither fraction nor exponent/,
    '5.5': /neither fraction nor exponent/,
    '"x"': /without quotes/,
    '{"a":1}': /^$/,
  },
  double: {
    true: /^$/,
    '5': '5',
    '5.0': '5',
    '5.5': '5.5',
    '"x"': /without quotes/,
    '{"a":1}': /^$/,
  },
  instant: {
    true: /RFC 3339/,
    '5': /RFC 3339/,
    '5.0': /RFC 3339/,
    '5.5': /RFC 3339/,
    '"x"': /RFC 3339/,
    '{"a":1}': /RFC 3339/,
  },
  string: {
    true: /in quotes/,
    '5': /in quotes/,
    '5.0': /in quotes/,
    '5.5': /in quotes/,
    '"x"': 'x',
    '{"a":1}': /^$/,
  },
  ref: {
    true: /in quotes/,
    '5': /in quotes/,
    '5.0': /in quotes/,
    '5.5': /in quotes/,
    '"x"': 'x',
    '{"a":1}': /in quotes/,
  },
  bytes: {
    true: /base64/,
    '5': /base64/,
    '5.0': /base64/,
    '5.5': /base64/,
    '"x"': /base64/,
    '{"a":1}': /base64/,
  },
  json: {
    true: 'true',
    '5': '5',
    '5.0': '5',
    '5.5': '5.5',
    '"x"': '"x"',
    '{"a":1}': '{"a":1}',
  },
};

const CELLS = Object.entries(PLAIN).flatMap(([type, row]) =>
  Object.entries(row).map(([written, expected]) => ({
    type: type as ValueType,
    written,
    expected,
  })),
);

test.each(CELLS)(
  'a bare $written for an attribute of type $type',
  ({ type, written, expected }) => {
    const input = inputValue(parseJson(written));
    expect(input.plain).toBe(true);
    if (typeof expected === 'string') {
      const found = coerceValue(input, definition(type));
      expect(found.type).toBe(type);
      expect(formatValue(found)).toBe(expected);
      return;
    }
    const error = refusal(() => coerceValue(input, definition(type)));
    expect(error?.code).toBe('type-mismatch');
    const a = (each: string): string => (/^[aeiou]/.test(each) ? `an ${each}` : `a ${each}`);
    expect(error?.message).toContain(`"weight" takes ${a(type)} value`);
    expect(error?.message).toContain(`is ${a(input.value.type)} value`);
    expect(error?.extra).toEqual({ attribute: 'weight', expected: type, given: input.value.type });
    expect(error?.hint ?? '').toMatch(expected);
  },
);

test('a typed value has the type of its attribute, or is refused', () => {
  for (const given of VALUE_TYPES)
    for (const type of VALUE_TYPES) {
      const input = { value: SAMPLES[given], plain: false };
      const coerced = (): Value => coerceValue(input, definition(type));
      if (given === type) expect(coerced()).toBe(input.value);
      else expect(refusal(coerced)?.code, `${given} for ${type}`).toBe('type-mismatch');
    }
});

test('a value of the right type stays as it is', () => {
  fc.assert(
    fc.property(value, fc.boolean(), (each, plain) => {
      expect(coerceValue({ value: each, plain }, definition(each.type))).toBe(each);
    }),
  );
});

test('an int becomes the equal double, and is refused where there is none', () => {
  fc.assert(
    fc.property(
      fc.oneof(int64, fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }), fc.bigInt(-9n, 9n)),
      fc.nat({ max: 20 }),
      (int, zeros) => {
        // Integers with many zeros at their end are doubles far beyond 2^53.
        const given = BigInt.asIntN(64, (int >> BigInt(zeros)) << BigInt(zeros));
        // A double holds 53 bits without the zeros at the end.
        let odd = given < 0n ? -given : given;
        while (odd !== 0n && odd % 2n === 0n) odd /= 2n;
        const input = { value: { type: 'int', value: given }, plain: true } as const;
        const coerced = (): Value => coerceValue(input, definition('double'));
        if (odd < 2n ** 53n) {
          expect(coerced()).toEqual({ type: 'double', value: Number(given) });
          expect(BigInt(coerced().value as number)).toBe(given);
        } else {
          expect(refusal(coerced)?.code).toBe('type-mismatch');
          expect(refusal(coerced)?.hint).toContain(`${given}.0`);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test.each<[ValueType, string, unknown]>([
  ['ref', '_:x', '_:x'],
  ['ref', '', undefined],
  ['ref', 'tx:x', undefined],
  ['ref', 'x'.repeat(1025), undefined],
  ['instant', '2020-01-01T00:00:00Z', 1577836800000000n],
  ['instant', '2020-01-01', undefined],
  ['instant', '2020-01-01T00:00:00.1234567Z', undefined],
  ['bytes', 'AQ==', Uint8Array.of(1)],
  ['bytes', 'AQ', undefined],
])('a bare string for a %s: %j', (type, written, expected) => {
  const input = { value: { type: 'string', value: written }, plain: true } as const;
  if (expected !== undefined)
    return expect(coerceValue(input, definition(type))).toEqual({ type, value: expected });
  const error = refusal(() => coerceValue(input, definition(type)));
  expect(error?.code).toBe('type-mismatch');
  // Says what is wrong with the text itself.
  expect(error?.hint).toMatch(/entity|instant|base64/);
});

test('what has no text in JSON does not become a json value', () => {
  for (const each of [
    SAMPLES.ref,
    SAMPLES.instant,
    // Its base64 reads as a number.
    { type: 'bytes', value: Buffer.from('1234', 'base64') },
    { type: 'double', value: Infinity },
  ] as const)
    expect(refusal(() => coerceValue({ value: each, plain: true }, definition('json')))?.code).toBe(
      'type-mismatch',
    );
  const coerced = coerceValue(
    { value: { type: 'string', value: 'a"\0' }, plain: true },
    definition('json'),
  );
  expect(coerced.value).toBe('"a\\"\\u0000"');
});

test('the hint of a typed value says how it would be written', () => {
  const hint = (given: ValueType, type: ValueType): string | undefined =>
    refusal(() => coerceValue({ value: SAMPLES[given], plain: false }, definition(type)))?.hint;
  expect(hint('int', 'double')).toContain('{"double":5.0}');
  expect(hint('ref', 'json')).toContain('{"json":{"ref":"paper:1"}}');
});

test('a message names a long attribute and a long value in short', () => {
  const input = { value: { type: 'string', value: 'x'.repeat(1_000_000) }, plain: true } as const;
  const long = inferredDefinition('a'.repeat(1000), SAMPLES.int, false);
  expect(refusal(() => coerceValue(input, long))?.message.length).toBeLessThan(300);
});
