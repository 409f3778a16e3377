import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blobOf, isLongValue, storedValue, valueOfBlob } from './blob.ts';
import { BLOB_PREFIX_BYTES_MAX, INLINE_BYTES_MAX, VALUE_BYTES_MAX } from './limits.ts';
import { character, value } from './testing/index.ts';
import { compareValues, equalValues, isReference, type StoredValue, type Value } from './value.ts';
import { bytesValue, jsonValue, stringValue } from './value-constructors.ts';

const long = fc
  .tuple(
    fc.string({ unit: character, maxLength: 300 }),
    fc.constantFrom('a', 'é', '人', '\u{1f4a1}'),
  )
  .map(([begin, unit]) => begin + unit.repeat(INLINE_BYTES_MAX + 1));

/** Every type that can be long, of a text. */
function valuesOf(text: string): Value[] {
  return [
    { type: 'string', value: text },
    { type: 'json', value: JSON.stringify(text) },
    { type: 'bytes', value: new Uint8Array(Buffer.from(text)) },
  ];
}

function contentOf(each: Value): Buffer {
  return Buffer.from(each.value as string | Uint8Array);
}

test('65,536 bytes stand in their fact, and one more is a blob, whatever the characters are', () => {
  expect(INLINE_BYTES_MAX).toBe(65_536);
  for (const [unit, bytes] of [
    ['a', 1],
    ['é', 2],
    ['人', 3],
    ['\u{1f4a1}', 4],
  ] as const) {
    const most = unit.repeat(Math.floor(65_536 / bytes)) + 'a'.repeat(65_536 % bytes);
    for (const type of ['string', 'json'] as const) {
      expect(isLongValue({ type, value: most })).toBe(false);
      expect(storedValue({ type, value: most })).toEqual({ type, value: most });
      expect(isReference(storedValue({ type, value: `${most}a` }))).toBe(true);
      // The last character begins within the limit and ends behind it.
      const over = most.slice(0, -1) + '\u{1f4a1}';
      expect(isReference(storedValue({ type, value: over }))).toBe(true);
    }
  }
  const bytes = new Uint8Array(65_537);
  expect(blobOf({ type: 'bytes', value: bytes.subarray(1) })).toBeUndefined();
  expect(blobOf({ type: 'bytes', value: bytes })?.reference.bytes).toBe(65_537);
});

test('a reference has the SHA-256, the length and a prefix of whole characters', () => {
  fc.assert(
    fc.property(long, (text) => {
      for (const each of valuesOf(text)) {
        const blob = blobOf(each);
        if (blob === undefined) throw new Error('it is long');
        const { reference, content } = blob;
        const whole = contentOf(each);
        expect(Buffer.compare(whole, content)).toBe(0);
        expect(reference.sha256).toBe(createHash('sha256').update(whole).digest('hex'));
        expect(reference.bytes).toBe(whole.length);
        const prefix = Buffer.from(reference.prefix);
        expect(Buffer.compare(whole.subarray(0, prefix.length), prefix)).toBe(0);
        expect(prefix.length).toBeLessThanOrEqual(BLOB_PREFIX_BYTES_MAX);
        // Nothing that would have had room is left out, and what is there is UTF-8.
        const least = each.type === 'bytes' ? 0 : 3;
        expect(prefix.length).toBeGreaterThanOrEqual(BLOB_PREFIX_BYTES_MAX - least);
        if (typeof reference.prefix === 'string')
          expect(reference.prefix.isWellFormed()).toBe(true);
        expect(equalValues(valueOfBlob(reference, content), each)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test('a character that straddles the 256th byte is not in the prefix', () => {
  for (const [before, unit] of [
    [255, 'é'],
    [254, '人'],
    [255, '人'],
    [253, '\u{1f4a1}'],
  ] as const) {
    const prefix = 'a'.repeat(before);
    const stored = storedValue({ type: 'string', value: prefix + unit.repeat(65_536) });
    expect(stored).toMatchObject({ prefix });
  }
  const fits = 'a'.repeat(252) + '\u{1f4a1}';
  expect(storedValue({ type: 'string', value: fits.padEnd(70_000, 'b') })).toMatchObject({
    prefix: fits,
  });
});

test('stored values are equal where the values are, and ordered as they are but for what the prefix hides', () => {
  const ends = fc.constantFrom('', 'a', 'b', '\0', 'é');
  const begins = fc.constantFrom('', 'x', 'x'.repeat(256), 'x'.repeat(300), 'y');
  const one: fc.Arbitrary<Value> = fc.oneof(
    value,
    fc.tuple(begins, ends).map(([begin, end]): Value => ({
      type: 'string',
      value: begin.padEnd(65_536, 'x') + end,
    })),
    begins.map((text): Value => ({ type: 'string', value: text })),
  );
  fc.assert(
    fc.property(one, one, (a, b) => {
      const [left, right] = [storedValue(a), storedValue(b)];
      expect(equalValues(left, right)).toBe(equalValues(a, b));
      expect(compareValues(left, right) === 0).toBe(compareValues(a, b) === 0);
      if (Math.sign(compareValues(left, right)) === Math.sign(compareValues(a, b))) return;
      // Only values with a common prefix change places.
      expect(isReference(left) || isReference(right)).toBe(true);
      const [x, y] = [beginningOf(left), beginningOf(right)];
      expect(x.startsWith(y) || y.startsWith(x)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

function beginningOf(stored: StoredValue): string {
  return String(isReference(stored) ? stored.prefix : stored.value);
}

test('values of the greatest length are stored, and those above are none', () => {
  const text = 'a'.repeat(VALUE_BYTES_MAX);
  expect(storedValue(stringValue(text))).toMatchObject({ bytes: VALUE_BYTES_MAX });
  expect(() => stringValue(`${text}a`)).toThrow('16');
  expect(storedValue(bytesValue(new Uint8Array(VALUE_BYTES_MAX)))).toMatchObject({
    bytes: VALUE_BYTES_MAX,
  });
  expect(() => bytesValue(new Uint8Array(VALUE_BYTES_MAX + 1))).toThrow('16');
  expect(storedValue(jsonValue(text.slice(2)))).toMatchObject({ bytes: VALUE_BYTES_MAX });
  expect(() => jsonValue(text.slice(1))).toThrow('16');
});
