import { getEventListeners } from 'node:events';
import type { Clock, Timers } from '@pyralog/runtime';
import { describe, expect, test } from 'vitest';

/** Timers under test, and the clock that they wait by. */
export interface TimersUnderTest {
  readonly timers: Timers;
  readonly clock: Clock;
}

/** Timers that count whole milliseconds fire up to one before its end. */
const TICK_MILLIS = 1;
/** Longer than any test. */
const LONG_MILLIS = 3_600_000;

/** What every adapter of Timers promises (libs/runtime/src/ports.ts). */
export function timersContract(name: string, make: () => TimersUnderTest): void {
  describe(`Timers: ${name}`, () => {
    const { timers, clock } = make();

    test('a sleep is not shorter than was asked for', async () => {
      for (const delay of [0, 1, 5, 30]) {
        const began = clock.monotonicMillis();
        await timers.sleep(delay);
        expect(clock.monotonicMillis() - began).toBeGreaterThanOrEqual(delay - TICK_MILLIS);
      }
    });

    test('the shorter of two sleeps ends first', async () => {
      const ended: string[] = [];
      await Promise.all([
        timers.sleep(60).then(() => ended.push('long')),
        timers.sleep(10).then(() => ended.push('short')),
      ]);
      expect(ended).toEqual(['short', 'long']);
    });

    test('a signal ends a sleep at once, quietly, and keeps no listener', async () => {
      const stop = new AbortController();
      const began = clock.monotonicMillis();
      const sleeping = timers.sleep(LONG_MILLIS, stop.signal);
      expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
      stop.abort(new Error('enough'));
      expect(await sleeping).toBeUndefined();
      expect(clock.monotonicMillis() - began).toBeLessThan(LONG_MILLIS);
      expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
    });

    test('a signal that has aborted before lets nobody sleep', async () => {
      const signal = AbortSignal.abort();
      const began = clock.monotonicMillis();
      expect(await timers.sleep(LONG_MILLIS, signal)).toBeUndefined();
      expect(clock.monotonicMillis() - began).toBeLessThan(LONG_MILLIS);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    test('a sleep that ends by itself leaves its signal alone', async () => {
      const stop = new AbortController();
      await timers.sleep(1, stop.signal);
      expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
      stop.abort();
    });

    test('many sleeps on one signal end together', async () => {
      const stop = new AbortController();
      const sleeps = Array.from({ length: 5 }, () => timers.sleep(LONG_MILLIS, stop.signal));
      stop.abort();
      expect(await Promise.all(sleeps)).toHaveLength(5);
    });

    test('a sleep that is to keep the process alive ends like any other', async () => {
      const began = clock.monotonicMillis();
      await timers.sleep(5, undefined, true);
      expect(clock.monotonicMillis() - began).toBeGreaterThanOrEqual(5 - TICK_MILLIS);
      await timers.sleep(LONG_MILLIS, AbortSignal.abort(), true);
    });

    test('what has arrived is handled before an immediate, which waits for no timer', async () => {
      const order: string[] = [];
      const sleeping = timers.sleep(50).then(() => order.push('slept'));
      const arrived = (async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve();
        order.push('arrived');
      })();
      await timers.immediate();
      order.push('immediate');
      await Promise.all([arrived, sleeping]);
      expect(order).toEqual(['arrived', 'immediate', 'slept']);
    });

    test('a call comes once, after the delay and not from within after', async () => {
      const calls: number[] = [];
      const began = clock.monotonicMillis();
      const called = new Promise<void>((resolve) => {
        timers.after(20, () => {
          calls.push(clock.monotonicMillis() - began);
          resolve();
        });
        expect(calls).toEqual([]);
      });
      await called;
      await timers.sleep(50);
      expect(calls).toHaveLength(1);
      expect(calls[0]).toBeGreaterThanOrEqual(20 - TICK_MILLIS);
    });

    test('a call that is disposed of before never comes, and disposing later is quiet', async () => {
      const calls: string[] = [];
      const disposed = timers.after(10, () => calls.push('disposed'));
      const kept = timers.after(10, () => calls.push('kept'));
      disposed[Symbol.dispose]();
      disposed[Symbol.dispose]();
      await timers.sleep(40);
      kept[Symbol.dispose]();
      expect(calls).toEqual(['kept']);
    });

    test('no delay is so long that it is none', async () => {
      // Node counts in 31 bits of milliseconds, 24.8 days.
      const calls: string[] = [];
      const stop = new AbortController();
      const far = [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY];
      const waiting = far.map((delay) => timers.after(delay, () => calls.push(`after ${delay}`)));
      const sleeping = far.map((delay) =>
        timers.sleep(delay, stop.signal).then(() => calls.push(`slept ${delay}`)),
      );
      await timers.sleep(30);
      expect(calls).toEqual([]);
      for (const timer of waiting) timer[Symbol.dispose]();
      stop.abort();
      await Promise.all(sleeping);
    });
  });
}
