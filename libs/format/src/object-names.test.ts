import { logOffset, partitionNo } from '@pyralog/model';
import { expect, test } from 'vitest';
import {
  claimKey,
  databaseKey,
  databaseOfKey,
  manifestKey,
  manifestPrefix,
  parseClaimKey,
  parseManifestKey,
  parseRunName,
  parseSegmentName,
  runKey,
  runName,
  segmentKey,
  segmentName,
} from './object-names.ts';

const p = partitionNo(3);
const hash = 'ab'.repeat(32);

test("keys of objects are those of the bucket's layout, and are read back", () => {
  expect(databaseKey('main')).toBe('main/database.json');
  expect(databaseOfKey('main/database.json')).toBe('main');
  expect(databaseOfKey('main/x/database.json')).toBeUndefined();
  const segment = segmentName(2, logOffset(41));
  expect(segmentKey('main', p, segment)).toBe('main/segments/3/0002-0000000000000041.arrow');
  expect(parseSegmentName(segment)).toEqual({ generation: 2, first: 41 });
  const run = runName('avet', 4, hash);
  expect(runKey('main', p, run)).toBe(`main/index/3/avet-4-${hash}.run`);
  expect(parseRunName(run)).toEqual({ order: 'avet', level: 4, hash });
  expect(manifestKey('main', p, 17)).toBe('main/manifest/3/000000000017.json');
  expect(parseManifestKey(manifestKey('main', p, 17))).toBe(17);
  expect(claimKey('main', hash)).toBe(`main/claims/${hash}`);
  expect(parseClaimKey(claimKey('main', hash))).toBe(hash);
});

test('a listing in byte order is in order of numbers', () => {
  const numbers = [1, 2, 9, 10, 99, 100, 12_345, 999_999_999_999];
  const keys = numbers.map((number) => manifestKey('main', p, number));
  expect(keys.toSorted()).toEqual(keys);
  expect(keys.every((key) => key.startsWith(manifestPrefix('main', p)))).toBe(true);
  const segments = numbers.map((number) => segmentName(0, logOffset(number)));
  expect(segments.toSorted()).toEqual(segments);
});

test('names that are none are not taken for one', () => {
  expect(parseSegmentName('0-1.arrow')).toBeUndefined();
  expect(parseRunName('eavt-0-abc.run')).toBeUndefined();
  expect(parseManifestKey('main/manifest/3/latest.json')).toBeUndefined();
  expect(parseClaimKey(`main/claims/${hash}0`)).toBeUndefined();
  expect(() => databaseKey('../x')).toThrow('no name');
});
