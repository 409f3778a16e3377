import type { Rand } from '@pyralog/runtime';
import { describe, expect, test } from 'vitest';

const DRAWS = 64_000;
/** Even chances stay within six standard deviations of their mean; once in a million runs they do not. */
const DEVIATIONS = 6;

/** What every adapter of Rand promises (libs/runtime/src/ports.ts). */
export function randContract(name: string, make: () => Rand): void {
  describe(`Rand: ${name}`, () => {
    test.each([0, 1, 7, 16, 70_000])('%d bytes are that many', (length) => {
      const bytes = make().bytes(length);
      // No Buffer, whose slices are no copies.
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      expect(bytes).toHaveLength(length);
    });

    test('bytes are the own of whoever asked', () => {
      const rand = make();
      const [one, two] = [rand.bytes(16), rand.bytes(16)];
      // They may be transferred to another thread, with nothing else on their buffer.
      expect(one.buffer.byteLength).toBe(16);
      const kept = two.slice();
      one.fill(0);
      expect(two).toEqual(kept);
    });

    test('a draw does not tell the next', () => {
      const rand = make();
      const draws = Array.from({ length: 1_000 }, () => rand.bytes(16).toString());
      expect(new Set(draws).size).toBe(draws.length);
      expect(new Set(Array.from({ length: 1_000 }, () => rand.fraction())).size).toBeGreaterThan(
        990,
      );
    });

    test('every byte is as likely as any other', () => {
      const counts = Array.from({ length: 256 }, () => 0);
      for (const byte of make().bytes(DRAWS)) counts[byte] = (counts[byte] as number) + 1;
      expectEven(counts);
    });

    test('fractions are in [0, 1), everywhere alike', () => {
      const rand = make();
      const counts = Array.from({ length: 64 }, () => 0);
      for (let i = 0; i < DRAWS; i++) {
        const fraction = rand.fraction();
        if (!(fraction >= 0 && fraction < 1)) expect(fraction).toBe('in [0, 1)');
        const part = Math.floor(fraction * counts.length);
        counts[part] = (counts[part] as number) + 1;
      }
      expectEven(counts);
    });

    test('fractions are fine: not of a few steps', () => {
      const rand = make();
      const low = Array.from({ length: 1_000 }, () => (rand.fraction() * 2 ** 20) % 1);
      expect(new Set(low).size).toBeGreaterThan(700);
    });
  });
}

function expectEven(counts: readonly number[]): void {
  const share = 1 / counts.length;
  const deviation = Math.sqrt(DRAWS * share * (1 - share));
  for (const count of counts)
    expect(Math.abs(count - DRAWS * share)).toBeLessThan(DEVIATIONS * deviation);
}
