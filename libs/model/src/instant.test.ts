import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatInstant, formatNanos, parseInstant, readDate, readInstant } from './instant.ts';
import { errorCode, int64, refusal } from './testing/index.ts';
import { dateOfDay, daysInMonth, daysSinceEpoch } from './testing/reference.ts';
import { INT64_MAX, INT64_MIN } from './value-constructors.ts';

const DAY = 86_400n;
const padded = (value: number | bigint, digits: number): string =>
  String(value).padStart(digits, '0');

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return padded(year, 4);
  return (year < 0 ? '-' : '+') + padded(Math.abs(year), 6);
}

/** Date and time of seconds since 1970, by counting. */
function secondsText(seconds: bigint): string {
  const days = (seconds - (((seconds % DAY) + DAY) % DAY)) / DAY;
  const ofDay = Number(seconds - days * DAY);
  const [year, month, day] = dateOfDay(Number(days));
  const clock = [ofDay / 3600, (ofDay / 60) % 60, ofDay % 60].map((n) => padded(Math.floor(n), 2));
  return `${yearText(year)}-${padded(month, 2)}-${padded(day, 2)}T${clock.join(':')}`;
}

function parts(count: bigint, unit: bigint): readonly [seconds: bigint, rest: bigint] {
  const rest = ((count % unit) + unit) % unit;
  return [(count - rest) / unit, rest];
}

/** Now and then near the turn of a day, a year or a century; else anywhere. */
const micros: fc.Arbitrary<bigint> = fc.oneof(
  int64,
  fc.bigInt({ min: -62_167_219_200_000_000n * 2n, max: 253_402_300_800_000_000n * 2n }),
  fc
    .tuple(
      fc.integer({ min: -290_307, max: 294_246 }),
      fc.constantFrom([1, 1], [2, 28], [2, 29], [3, 1], [12, 31], [7, 31]),
      fc.bigInt({ min: -86_400_000_000n, max: 86_400_000_000n }),
      fc.constantFrom(1n, 1000n, 1_000_000n),
    )
    .map(([year, [month = 1, day = 1], near, unit]) => {
      const midnight = BigInt(daysSinceEpoch(year, month, day)) * 86_400_000_000n;
      return midnight + (near / unit) * unit;
    }),
);

test('an instant is written as the calendar says, with 0, 3 or 6 decimals, and comes back', () => {
  fc.assert(
    fc.property(micros, (instant) => {
      const [seconds, rest] = parts(instant, 1_000_000n);
      const decimals = [
        [rest === 0n, ''],
        [rest % 1000n === 0n, `.${padded(rest / 1000n, 3)}`],
        [true, `.${padded(rest, 6)}`],
      ].find(([holds]) => holds);
      const text = formatInstant(instant);
      expect(text).toBe(`${secondsText(seconds)}${decimals?.[1] ?? ''}Z`);
      expect(parseInstant(text)).toBe(instant);
      expect(readInstant(text)).toEqual({ nanos: instant * 1000n });
    }),
    { numRuns: 3000 },
  );
});

test('the time of a tx is written with nine decimals', () => {
  fc.assert(
    fc.property(int64, (nanos) => {
      const [seconds, rest] = parts(nanos, 1_000_000_000n);
      const text = formatNanos(nanos);
      expect(text).toBe(`${secondsText(seconds)}.${padded(rest, 9)}Z`);
      expect(readInstant(text)).toEqual({ nanos });
    }),
    { numRuns: 1000 },
  );
});

test('milliseconds agree with those of JavaScript', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
      (millis) => {
        const date = new Date(millis);
        expect(parseInstant(date.toISOString())).toBe(BigInt(millis) * 1000n);
        const text = formatInstant(BigInt(millis) * 1000n);
        expect(text).toBe(date.toISOString().replace('.000Z', 'Z'));
      },
    ),
    { numRuns: 1000 },
  );
});

test('every day of a month is read, and no other', () => {
  const years = [-290_307, -10_000, -401, -400, -100, -4, -1, 0, 4, 100, 400, 1582, 1900];
  for (const year of [...years, 1969, 1970, 2000, 2023, 2024, 2100, 9999, 10_000, 294_246])
    for (let month = 0; month <= 13; month++)
      for (const day of [0, 1, 28, 29, 30, 31, 32]) {
        const text = `${yearText(year)}-${padded(month, 2)}-${padded(day, 2)}`;
        const exists = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month);
        const reading = readDate(text);
        if (exists) {
          const nanos = BigInt(daysSinceEpoch(year, month, day)) * DAY * 1_000_000_000n;
          expect(reading, text).toEqual({ nanos });
          expect(readInstant(`${text}T00:00:00Z`), text).toEqual({ nanos });
        } else {
          expect(reading?.problem, text).toMatch(/has no day|there is no month/);
          expect(
            errorCode(() => parseInstant(`${text}T00:00:00Z`)),
            text,
          ).toBe('value-invalid');
        }
      }
});

test.each([
  [INT64_MIN, '-290308-12-21T19:59:05.224192Z'],
  [INT64_MAX, '+294247-01-10T04:00:54.775807Z'],
  [0n, '1970-01-01T00:00:00Z'],
  [-1n, '1969-12-31T23:59:59.999999Z'],
  [-1000n, '1969-12-31T23:59:59.999Z'],
  [1000n, '1970-01-01T00:00:00.001Z'],
  [-62_167_219_200_000_000n, '0000-01-01T00:00:00Z'],
  [-62_167_219_200_000_001n, '-000001-12-31T23:59:59.999999Z'],
  [253_402_300_799_999_999n, '9999-12-31T23:59:59.999999Z'],
  [253_402_300_800_000_000n, '+010000-01-01T00:00:00Z'],
  [951_782_400_000_000n, '2000-02-29T00:00:00Z'],
])('%s microseconds are %s', (instant, text) => {
  expect(formatInstant(instant)).toBe(text);
  expect(parseInstant(text)).toBe(instant);
});

// Other texts of an instant, in nanoseconds from 2020-01-01T00:00:00Z.
test.each([
  ['2020-01-01T00:00:00Z', 0n],
  ['2020-01-01t00:00:00z', 0n],
  ['+002020-01-01T00:00:00Z', 0n],
  ['2020-01-01T00:00:00.1Z', 100_000_000n],
  ['2020-01-01T00:00:00.12Z', 120_000_000n],
  ['2020-01-01T00:00:00.123Z', 123_000_000n],
  ['2020-01-01T00:00:00.123456789Z', 123_456_789n],
  ['2020-01-01T00:00:00.000000001Z', 1n],
  ['2020-01-01T02:30:00+02:30', 0n],
  ['2019-12-31T18:30:00-05:30', 0n],
  ['2020-01-01T23:59:00+23:59', 0n],
  ['2020-01-01T00:00:00+00:00', 0n],
  ['2020-01-01T00:00:00-00:00', 0n],
  ['2019-12-31T23:59:59.999-00:00', -1_000_000n],
])('%s is read', (text, nanos) => {
  expect(readInstant(text)).toEqual({ nanos: 1_577_836_800_000_000_000n + nanos });
});

test('six decimals are an instant, finer ones are not, unless they are zeros', () => {
  expect(parseInstant('1969-12-31T23:59:59.999999000Z')).toBe(-1n);
  for (const text of ['1970-01-01T00:00:00.0000001Z', '1969-12-31T23:59:59.999999999Z'])
    expect(refusal(() => parseInstant(text))?.message).toContain('microsecond');
});

test('one microsecond beyond the ends is refused, naming them', () => {
  for (const text of ['-290308-12-21T19:59:05.224191Z', '+294247-01-10T04:00:54.775808Z']) {
    const error = refusal(() => parseInstant(text));
    expect(error?.code).toBe('value-invalid');
    expect(error?.message).toContain(formatInstant(INT64_MIN));
    expect(error?.message).toContain(formatInstant(INT64_MAX));
  }
});

test.each([
  ['', 'RFC 3339'],
  ['2020', 'RFC 3339'],
  ['2020-01-01', 'the time of the day is missing'],
  ['2020-01-01T00:00:00', 'the zone is missing'],
  ['2020-01-01T00:00:00.123', 'the zone is missing'],
  ['2020-01-01 00:00:00Z', 'RFC 3339'],
  ['2020-01-01T00:00Z', 'RFC 3339'],
  ['2020-01-01T00:00:00.Z', 'RFC 3339'],
  ['2020-01-01T00:00:00,5Z', 'RFC 3339'],
  ['2020-01-01T00:00:00.1234567890Z', 'more than nine decimals'],
  ['2020-01-01T00:00:00+02', 'RFC 3339'],
  ['2020-01-01T00:00:00+0200', 'RFC 3339'],
  ['2020-01-01T00:00:00Z ', 'RFC 3339'],
  ['2020-01-01T00:00:00Z\n', 'RFC 3339'],
  ['20200101T000000Z', 'RFC 3339'],
  ['02020-01-01T00:00:00Z', 'RFC 3339'],
  ['+2020-01-01T00:00:00Z', 'RFC 3339'],
  ['-000000-01-01T00:00:00Z', 'the year 0 has no sign'],
  ['2020-00-01T00:00:00Z', 'there is no month 0'],
  ['2020-13-01T00:00:00Z', 'there is no month 13'],
  ['2020-01-00T00:00:00Z', 'has no day 0'],
  ['2021-02-29T00:00:00Z', 'month 2 of the year 2021 has no day 29'],
  ['2020-01-01T24:00:00Z', 'there is no hour 24'],
  ['2020-01-01T00:60:00Z', 'there is no minute 60'],
  ['2016-12-31T23:59:60Z', 'leap seconds are not counted'],
  ['2020-01-01T00:00:61Z', 'there is no second 61'],
  ['2020-01-01T00:00:00+24:00', 'there is no zone +24:00'],
  ['2020-01-01T00:00:00-01:60', 'there is no zone -01:60'],
  ['٢٠٢٠-01-01T00:00:00Z', 'RFC 3339'],
])('%j is no instant: %s', (text, problem) => {
  const error = refusal(() => parseInstant(text));
  expect(error?.code).toBe('value-invalid');
  expect(error?.message).toContain(problem);
  expect(error?.hint).toContain('2020-01-31T12:00:00Z');
});

test('any text is an instant or a sentence, never a crash', () => {
  const letters = fc.constantFrom(...'0123456789-+:.TZtz '.split(''));
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 32 }), (text) => {
      expect(errorCode(() => parseInstant(text))).toBeOneOf([undefined, 'value-invalid']);
      expect(readDate(text)?.problem ?? '').toBeTypeOf('string');
    }),
    { numRuns: 1000 },
  );
});

test('only a date is a date', () => {
  for (const text of ['2020-01-01T00:00:00Z', '2020-1-1', '2020-01', ' 2020-01-01', '2020-01-01\n'])
    expect(readDate(text)).toBeUndefined();
  expect(readDate('-000000-01-01')?.problem).toBe('the year 0 has no sign');
});
