import { SeededRand, SystemRand } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { randContract } from './rand.ts';

randContract('system', () => new SystemRand());
randContract('seeded', () => new SeededRand(7));

test('seeded: a seed tells everything that is drawn', () => {
  const drawn = (seed: number): unknown[] => {
    const rand = new SeededRand(seed);
    return [rand.fraction(), [...rand.bytes(20)], rand.fraction()];
  };
  const seeds = [0, 1, 2, -1, 2 ** 31 - 1, 123_456_789];
  for (const seed of seeds) expect(drawn(seed)).toEqual(drawn(seed));
  expect(new Set(seeds.map((seed) => JSON.stringify(drawn(seed)))).size).toBe(seeds.length);
});

test('seeded: what was drawn yesterday is drawn today, so that a seed in a report repeats', () => {
  const rand = new SeededRand(42);
  expect([rand.fraction(), ...rand.bytes(4), rand.fraction()]).toMatchInlineSnapshot(`
    [
      0.9187778832856566,
      201,
      26,
      157,
      111,
      0.16730428882874548,
    ]
  `);
});
