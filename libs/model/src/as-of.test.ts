import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asOfDate, parseAsOf } from './as-of.ts';
import { formatNanos } from './instant.ts';
import { refusal } from './testing/index.ts';
import { dateOfDay, daysSinceEpoch } from './testing/reference.ts';
import { TX_LAST } from './tx.ts';

const moment = fc.bigInt({ min: 0n, max: TX_LAST });

test('an instant means its end, a date its beginning, a tx itself', () => {
  const second = 1_767_225_600_000_000_000n;
  expect(parseAsOf('2026-01-01T00:00:00Z')).toBe(second | 1023n);
  expect(parseAsOf('2026-01-01')).toBe(second | 1023n);
  expect(parseAsOf('2026-01-01T01:00:00+01:00')).toBe(second | 1023n);
  expect(parseAsOf('1767225600000000512')).toBe(1_767_225_600_000_000_512n);
});

test('an instant sees every transaction of its nanosecond, over all partitions, and none later', () => {
  fc.assert(
    fc.property(moment, (nanos) => {
      const step = nanos / 1024n;
      expect(parseAsOf(formatNanos(nanos))).toBe(step * 1024n + 1023n);
      if (nanos >= 10n ** 17n) expect(parseAsOf(nanos.toString())).toBe(nanos);
    }),
    { numRuns: 500 },
  );
});

test('a bare date is the first moment of its day in UTC', () => {
  fc.assert(
    fc.property(fc.nat({ max: Number(TX_LAST / 86_400_000_000_000n) }), (days) => {
      const [year, month, day] = dateOfDay(days);
      const two = (n: number): string => String(n).padStart(2, '0');
      const nanos = BigInt(daysSinceEpoch(year, month, day)) * 86_400_000_000_000n;
      expect(parseAsOf(`${year}-${two(month)}-${two(day)}`)).toBe(nanos | 1023n);
    }),
  );
});

test('a date object means its whole millisecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9_223_372_036_853 }), (millis) => {
      const end = asOfDate(new Date(millis));
      expect(end / 1_000_000n).toBe(BigInt(millis));
      expect((end + 1n) / 1_000_000n).toBe(BigInt(millis) + 1n);
    }),
  );
});

test.each([
  ['1970-01-01', 1023n],
  ['1970-01-01T00:00:00.000000001Z', 1023n],
  ['1970-01-01T00:00:00.000001024Z', 2047n],
  ['100000000000000000', 10n ** 17n],
  ['9223372036854775807', TX_LAST],
  ['2262-04-11T23:47:16.854775807Z', TX_LAST],
])('%s is as of %s', (text, expected) => {
  expect(parseAsOf(text)).toBe(expected);
});

test.each([
  '',
  ' ',
  '0',
  '1767225600',
  '1767225600000',
  '99999999999999999',
  '0100000000000000000',
  '9223372036854775808',
  '99999999999999999999',
  '-1',
  '1e18',
  '1767225600000000512n',
  '2026-13-01',
  '2026-02-29',
  '2026-01-01T00:00:00',
  '2026-01-01T00:00:00.0000000001Z',
  'yesterday',
  '1969-12-31',
  '1969-12-31T23:59:59.999999999Z',
  '2262-04-11T23:47:16.854775808Z',
  '2300-01-01',
  '+294247-01-01',
])('%j is refused with its code and a hint', refused);

test('a text of any length is refused in few words', () => {
  refused('9'.repeat(100_000));
  refused(`2026-01-01T00:00:00.${'0'.repeat(100_000)}Z`);
});

function refused(text: string): void {
  const error = refusal(() => parseAsOf(text));
  expect(error?.code).toBe('as-of-invalid');
  expect(error?.hint).toContain('2026-01-31');
  expect(error?.message.length).toBeLessThan(250);
}

test.each([
  ['invalid', new Date(Number.NaN)],
  ['before 1970', new Date(-1)],
  ['the millisecond in which the last tx lies', new Date(9_223_372_036_854)],
  ['beyond the last tx', new Date('3000-01-01')],
  ['the last of all', new Date(8_640_000_000_000_000)],
])('a date object that is %s is refused', (_, date) => {
  expect(refusal(() => asOfDate(date))?.code).toBe('as-of-invalid');
});
