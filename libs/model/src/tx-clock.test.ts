import { AssertionError } from '@pyralog/base';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  endOfStep,
  HybridClock,
  parseTx,
  partitionNo,
  partitionOfTx,
  tx,
  TX_LAST,
  TX_NONE,
} from './tx.ts';
import { txId } from './testing/index.ts';

/** 2026-01-01T00:00:00Z in nanoseconds. */
const NOW = 1_767_225_600_000_000_000n;
const SECOND = 1_000_000_000n;

type Move =
  | { readonly move: 'tick' | 'advance'; readonly by: bigint }
  | { readonly move: 'raise'; readonly by: bigint }
  | { readonly move: 'restart' };

// The wall clock jumps by up to an hour either way, or stands still.
const jump = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 1023n, 1024n, 1025n, -1024n, 3600n * SECOND, -3600n * SECOND),
  fc.bigInt({ min: -10n * SECOND, max: 10n * SECOND }),
  fc.bigInt({ min: 0n, max: 5000n }),
);
const walk: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    fc.record({ move: fc.constantFrom('tick' as const), by: jump }),
    fc.record({ move: fc.constantFrom('advance' as const, 'raise' as const), by: jump }),
    fc.record({ move: fc.constant('restart' as const) }),
  ),
  { maxLength: 40 },
);
const partition = fc.oneof(fc.constantFrom(0, 1, 7, 1023), fc.nat({ max: 1023 })).map(partitionNo);

test('whatever the wall clock does, times rise, follow it, and are never given twice', () => {
  fc.assert(
    fc.property(partition, walk, (p, moves) => {
      let clock = new HybridClock(p);
      let wall = NOW;
      // The model: a set of times given, and the greatest step given, seen or passed, in steps of 1,024 ns.
      const given: bigint[] = [];
      let greatest = 0n;
      for (const each of moves) {
        if (each.move === 'restart') {
          // The log holds at least what was given or promised.
          clock = new HybridClock(p, greatest * 1024n + 1023n);
          continue;
        }
        if (each.move === 'raise') {
          const seen = wall + each.by;
          clock.raise(seen);
          if (seen / 1024n > greatest) greatest = seen / 1024n;
        } else {
          wall += each.by;
          const step = wall / 1024n;
          if (each.move === 'advance') {
            clock.advance(wall);
            if (step - 1n > greatest) greatest = step - 1n;
          } else {
            const found = clock.tick(wall);
            greatest = step > greatest ? step : greatest + 1n;
            expect(found).toBe(greatest * 1024n + BigInt(p));
            expect(given.every((earlier) => earlier < found)).toBe(true);
            given.push(found);
          }
        }
        expect(clock.last).toBe(greatest * 1024n);
      }
      expect(new Set(given).size).toBe(given.length);
    }),
    { numRuns: 1000 },
  );
});

test('a time lies above everything that was seen, in all its bits', () => {
  fc.assert(
    fc.property(partition, fc.bigInt({ min: 0n, max: NOW }), (p, seen) => {
      expect(new HybridClock(p, seen).tick(0n)).toBeGreaterThan(seen);
      const clock = new HybridClock(p);
      clock.raise(seen);
      expect(clock.tick(0n)).toBeGreaterThan(seen);
    }),
  );
});

test('times of two partitions are never equal', () => {
  fc.assert(
    fc.property(partition, partition, walk, (p, q, moves) => {
      fc.pre(p !== q);
      const clocks = [new HybridClock(p), new HybridClock(q)];
      const given = moves.flatMap((each) =>
        'by' in each ? clocks.map((clock) => clock.tick(NOW + each.by)) : [],
      );
      expect(new Set(given).size).toBe(given.length);
    }),
  );
});

test('while history is imported, time follows the data: never before it, at most one step of a crowd', () => {
  // As the sequencer does: `at`, or nothing for the next step.
  const ats = fc.array(fc.option(fc.bigInt({ min: 0n, max: 10_000n }), { nil: undefined }), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(partition, ats, (p, gaps) => {
      const clock = new HybridClock(p);
      let at = NOW;
      let last = 0n;
      for (const gap of gaps) {
        at += gap ?? 0n;
        const found = clock.tick(gap === undefined ? 0n : at);
        if (gap === undefined) expect(found >> 10n).toBe((last >> 10n) + 1n);
        else if (at >> 10n > last >> 10n) expect(found >> 10n).toBe(at >> 10n);
        expect(found).toBeGreaterThan(last);
        last = found;
      }
    }),
  );
});

test('a closed timestamp of an idle owner never forbids the present', () => {
  const clock = new HybridClock(partitionNo(3));
  clock.advance(NOW);
  expect(endOfStep(clock.last)).toBeLessThan(NOW);
  expect(clock.tick(NOW)).toBe((NOW & ~1023n) + 3n);
  clock.advance(NOW - SECOND);
  expect(clock.tick(NOW)).toBe((NOW & ~1023n) + 1024n + 3n);
});

test('the last time of all is no time to go beyond', () => {
  const clock = new HybridClock(partitionNo(1023), TX_LAST - 1024n);
  expect(clock.tick(0n)).toBe(TX_LAST);
  expect(() => clock.tick(0n)).toThrow(AssertionError);
});

test('a tx names its partition and the end of its step', () => {
  fc.assert(
    fc.property(txId, (t) => {
      expect(BigInt(partitionOfTx(t))).toBe(t % 1024n);
      expect(endOfStep(t)).toBe(t - (t % 1024n) + 1023n);
      expect(parseTx(t.toString())).toBe(t);
    }),
  );
  expect(TX_NONE).toBe(0n);
  expect(TX_LAST).toBe(9_223_372_036_854_775_807n);
  expect(endOfStep(TX_LAST)).toBe(TX_LAST);
});

test.each([
  '',
  '-1',
  '00',
  '01',
  '+1',
  '1.0',
  ' 1',
  '1\n',
  '1e3',
  '0x1',
  '١',
  '9223372036854775808',
])('%j is no tx', (text) => {
  expect(parseTx(text)).toBeUndefined();
  expect(parseTx('1'.repeat(1_000_000))).toBeUndefined();
});

test('numbers out of range are defects', () => {
  for (const value of [-1n, TX_LAST + 1n]) expect(() => tx(value)).toThrow(AssertionError);
  for (const value of [-1, 1024, 1.5, Number.NaN])
    expect(() => partitionNo(value)).toThrow(AssertionError);
  expect(partitionNo(1023)).toBe(1023);
});
