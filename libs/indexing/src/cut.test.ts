import { expect, test } from 'vitest';
import { DEFAULT_CUT, partitionCut } from './cut.ts';

test.each([
  { partitions: 1, rule: DEFAULT_CUT, cut: DEFAULT_CUT },
  { partitions: 3, rule: DEFAULT_CUT, cut: { factsMax: 87_382, bytesMax: 22_369_622 } },
  { partitions: 8, rule: DEFAULT_CUT, cut: { factsMax: 32_768, bytesMax: 8_388_608 } },
  // No smaller: there would be many files.
  { partitions: 64, rule: DEFAULT_CUT, cut: { factsMax: 32_768, bytesMax: 8_388_608 } },
  // Smaller where that is asked for.
  { partitions: 8, rule: { factsMax: 3, bytesMax: 1e9 }, cut: { factsMax: 3, bytesMax: 125e6 } },
])('the parts of $partitions partitions are about as large as one', ({ partitions, rule, cut }) => {
  expect(partitionCut({ partitions }, rule)).toEqual(cut);
});
