import { expect, test } from 'vitest';
import { pauseMillis } from './rules.ts';

test('pauses double from the first to the bound, however often a job fails', () => {
  const pauses = { firstMillis: 100, maxMillis: 1_000 };
  expect([1, 2, 3, 4, 5, 6].map((failures) => pauseMillis(failures, pauses))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
  expect(pauseMillis(5_000, pauses)).toBe(1_000);
  expect(pauseMillis(5_000, { firstMillis: 0, maxMillis: 0 })).toBe(0);
});
