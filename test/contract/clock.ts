import type { Clock, Timers } from '@pyralog/runtime';
import { describe, expect, test } from 'vitest';

/** A clock under test, and the timers that wait by it. */
export interface ClockUnderTest {
  readonly clock: Clock;
  readonly timers: Timers;
}

const MILLI = 1_000_000n;
const READS = 20_000;

/**
 * What every Clock promises (libs/runtime/src/ports.ts), as long as nobody makes it jump. Assumes nothing
 * of how long anything takes but what the clock itself says.
 */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  describe(`Clock: ${name}`, () => {
    test('the time is nanoseconds since 1970, of this age', () => {
      const now = make().clock.nowNanos();
      expect(typeof now).toBe('bigint');
      expect(now).toBeGreaterThan(Date.UTC(2000, 0, 1) * 1e6);
      // A tx is an int64 with the time in it.
      expect(now).toBeLessThan(2n ** 63n);
    });

    test('the monotonic clock never goes back', () => {
      const { clock } = make();
      let last = clock.monotonicMillis();
      expect(Number.isFinite(last)).toBe(true);
      for (let i = 0; i < READS; i++) {
        const now = clock.monotonicMillis();
        if (now < last) expect(now).toBeGreaterThanOrEqual(last);
        last = now;
      }
    });

    test('both clocks go on by what was waited', async () => {
      const { clock, timers } = make();
      const [wall, monotonic] = [clock.nowNanos(), clock.monotonicMillis()];
      await timers.sleep(100);
      const waited = clock.monotonicMillis() - monotonic;
      const passed = Number((clock.nowNanos() - wall) / MILLI);
      expect(waited).toBeGreaterThanOrEqual(99);
      // Apart by no more than a wall clock that is being set right goes faster or slower.
      expect(Math.abs(passed - waited)).toBeLessThan(10 + waited / 50);
    });

    test('two clocks of one machine agree', () => {
      const [one, two] = [make().clock, make().clock];
      const [before, between, after] = [one.nowNanos(), two.nowNanos(), one.nowNanos()];
      expect(between).toBeGreaterThan(before - 10n * MILLI);
      expect(between).toBeLessThan(after + 10n * MILLI);
    });
  });
}
