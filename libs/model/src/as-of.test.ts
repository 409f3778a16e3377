import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asOfDate, parseAsOf } from './as-of.ts';
import { isPyralogError } from './errors.ts';

test('an instant means its end, a date its beginning, a tx itself', () => {
  const second = 1_767_225_600_000_000_000n;
  expect(parseAsOf('2026-01-01T00:00:00Z')).toBe(second | 1023n);
  expect(parseAsOf('2026-01-01')).toBe(second | 1023n);
  expect(parseAsOf('2026-01-01T01:00:00+01:00')).toBe(second | 1023n);
  expect(parseAsOf('1767225600000000512')).toBe(1_767_225_600_000_000_512n);
});

test('a date object means its whole millisecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), (millis) => {
      const moment = asOfDate(new Date(millis));
      expect(moment / 1_000_000n).toBe(BigInt(millis));
      expect((moment + 1n) / 1_000_000n).toBe(BigInt(millis) + 1n);
    }),
  );
});

test.each([
  '',
  '1767225600',
  '1767225600000',
  '2026-13-01',
  'yesterday',
  '1969-12-31T23:59:59Z',
  '99999999999999999999',
  '2300-01-01',
])('%j is refused with its code and a hint', (text) => {
  try {
    parseAsOf(text);
  } catch (error) {
    expect(isPyralogError(error) && error.code).toBe('as-of-invalid');
    expect(isPyralogError(error) && error.hint).toContain('2026-01-31');
    return;
  }
  expect.unreachable();
});
