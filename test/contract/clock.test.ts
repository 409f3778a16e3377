import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { clockContract } from './clock.ts';

clockContract('system', () => ({ clock: new SystemClock(), timers: new SystemTimers() }));

afterEach(() => {
  vi.restoreAllMocks();
});

test('system: finer than the millisecond of the wall clock, and within a few of it', () => {
  const clock = new SystemClock();
  const within: bigint[] = [];
  for (let i = 0; i < 1_000; i++) {
    const before = BigInt(Date.now());
    const nanos = clock.nowNanos();
    const after = BigInt(Date.now());
    expect(nanos).toBeGreaterThanOrEqual(before * 1_000_000n - 1_000_000n);
    expect(nanos).toBeLessThanOrEqual((after + 3n) * 1_000_000n);
    within.push(nanos % 1_000_000n);
  }
  expect(new Set(within).size).toBeGreaterThan(100);
});

test.each([3_600_000, -3_600_000, 5, -5])(
  'system: follows the wall clock when that is set by %d ms',
  (jump) => {
    const real = Date.now.bind(Date);
    const clock = new SystemClock();
    clock.nowNanos();
    vi.spyOn(Date, 'now').mockImplementation(() => real() + jump);
    const monotonic = clock.monotonicMillis();
    const nanos = clock.nowNanos();
    expect(Math.abs(Number(nanos / 1_000_000n) - (real() + jump))).toBeLessThanOrEqual(3);
    expect(clock.monotonicMillis() - monotonic).toBeLessThan(1_000);
  },
);
