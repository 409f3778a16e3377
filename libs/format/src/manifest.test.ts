import { epoch, logOffset, ownerId, partitionNo, tx, TX_LAST } from '@pyralog/model';
import { expect, test } from 'vitest';
import { decodeDatabaseInfo, encodeDatabaseInfo, type DatabaseInfo } from './database-info.ts';
import { emptyLogState } from './log-state.ts';
import { checkManifest, sortRuns } from './manifest-check.ts';
import { decodeManifest, encodeManifest } from './manifest-codec.ts';
import type { Manifest, RunInfo, SegmentInfo } from './manifest.ts';
import { runName, segmentName } from './object-names.ts';
import { expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';

const hash = (digit: string): string => digit.repeat(64);

function segment(from: number, to: number, rows: number): SegmentInfo {
  return {
    name: segmentName(0, logOffset(from)),
    from: logOffset(from),
    to: logOffset(to),
    rows,
    bytes: 1000,
    hash: hash('a'),
    minTx: tx(1024n),
    maxTx: tx(2n ** 60n),
    transactions: rows,
  };
}

function run(
  order: RunInfo['order'],
  part: RunInfo['part'],
  from: number,
  to: number,
  rows: number,
): RunInfo {
  const digest = hash((from % 10).toString());
  return {
    name: runName(order, 0, digest),
    order,
    part,
    level: 0,
    rows,
    facts: rows,
    bytes: 1000,
    hash: digest,
    minTx: tx(1024n),
    maxTx: tx(2n ** 60n),
    heldTo: TX_LAST,
    from: logOffset(from),
    to: logOffset(to),
  };
}

const first: Manifest = {
  formatVersion: 0,
  database: 'main',
  partition: partitionNo(0),
  number: 1,
  state: {
    ...emptyLogState(),
    next: logOffset(10),
    admission: { epoch: epoch(2), owner: ownerId('0123456789abcdef0123456789abcdef'), seq: 9 },
    clock: tx(2n ** 60n + 5n),
    closed: tx(2n ** 60n + 4n),
    lowWater: logOffset(7),
    done: [
      [logOffset(8), logOffset(9)],
      [logOffset(11), logOffset(15)],
    ],
    marks: [{ peer: partitionNo(3), epoch: epoch(1), counter: 4 }],
  },
  segments: [segment(0, 10, 100)],
  runs: sortRuns([
    run('aevt', 'current', 0, 10, 60),
    run('eavt', 'history', 0, 10, 40),
    run('eavt', 'current', 0, 10, 60),
  ]),
};

const second: Manifest = {
  ...first,
  number: 2,
  state: { ...first.state, next: logOffset(25), lowWater: logOffset(20), done: [] },
  segments: [...first.segments, segment(10, 25, 7)],
  runs: sortRuns([...first.runs, run('eavt', 'current', 10, 25, 7)]),
};

test('a manifest comes back as it was written, and equal manifests have equal bytes', () => {
  expect(decodeManifest(encodeManifest(first))).toEqual(first);
  expect(decodeManifest(encodeManifest(second, first))).toEqual(second);
  const shuffled = Object.fromEntries(Object.entries(first).toReversed()) as unknown as Manifest;
  expect(encodeManifest(shuffled)).toEqual(encodeManifest(first));
});

test('a manifest is readable by people: one line of JSON', () => {
  const text = new TextDecoder().decode(encodeManifest(first));
  expect(JSON.parse(text)).toMatchObject({ number: 1, state: { clock: String(2n ** 60n + 5n) } });
  expect(text.endsWith('}\n')).toBe(true);
});

test('I11 a flipped bit anywhere in a manifest is noticed, and so is a cut', () => {
  expectFlipsDetected(encodeManifest(first), (bytes) => decodeManifest(bytes));
  expectTruncationDetected(encodeManifest(first), (bytes) => decodeManifest(bytes));
});

const changed = (manifest: Manifest, change: Partial<Manifest>): Manifest => ({
  ...manifest,
  ...change,
});

test.each<[string, Manifest, Manifest | undefined, RegExp]>([
  ['skips a number', changed(second, { number: 3 }), first, /number/],
  ['repeats a number', changed(second, { number: 1 }), first, /number/],
  ['is of another database', changed(second, { database: 'other' }), first, /another partition/],
  [
    'goes back in the log',
    changed(first, { number: 2 }),
    second.number === 2 ? { ...second, number: 1 } : undefined,
    /goes back/,
  ],
  [
    'loses a segment',
    changed(second, { segments: [segment(0, 25, 107)] }),
    { ...first, segments: [segment(0, 5, 1), segment(5, 10, 99)] },
    /gone/,
  ],
  [
    'has a gap between segments',
    changed(second, { segments: [segment(0, 10, 100), segment(11, 25, 7)] }),
    undefined,
    /join/,
  ],
  [
    'has segments that overlap',
    changed(second, { segments: [segment(0, 10, 100), segment(9, 25, 7)] }),
    undefined,
    /join/,
  ],
  [
    'ends before its state',
    changed(second, { segments: first.segments, runs: first.runs }),
    undefined,
    /end where/,
  ],
  [
    'has a segment of another name',
    changed(first, { segments: [{ ...segment(0, 10, 100), name: segmentName(0, logOffset(1)) }] }),
    undefined,
    /name/,
  ],
  [
    'has a run of another name',
    changed(first, { runs: first.runs.map((each) => ({ ...each, level: 1 })) }),
    undefined,
    /name/,
  ],
  ['has runs out of order', changed(first, { runs: first.runs.toReversed() }), undefined, /place/],
  [
    'has runs that overlap',
    changed(second, { runs: sortRuns([...first.runs, run('eavt', 'current', 9, 25, 7)]) }),
    undefined,
    /overlaps/,
  ],
  ['lacks facts in eavt', changed(first, { runs: first.runs.slice(1) }), undefined, /of 100 facts/],
  [
    'names a run beyond the state',
    changed(first, { runs: sortRuns([...first.runs, run('avet', 'current', 3, 26, 1)]) }),
    undefined,
    /range/,
  ],
  [
    'has transactions above the clock',
    changed(first, { state: { ...first.state, clock: tx(2n ** 59n), closed: tx(0n) } }),
    undefined,
    /above the clock/,
  ],
])('a manifest that %s is neither written nor believed', (_, manifest, previous, reason) => {
  expect(checkManifest(previous, manifest)).toMatch(reason);
  expect(() => encodeManifest(manifest, previous)).toThrow(reason);
});

const info: DatabaseInfo = {
  formatVersion: 0,
  name: 'main',
  id: '00112233445566778899aabbccddeeff',
  partitions: 8,
  strict: true,
  mode: 'import',
  created: '2026-11-24T10:00:00.000Z',
};

test('the settings of a database come back as they were written; damage is noticed', () => {
  expect(decodeDatabaseInfo(encodeDatabaseInfo(info))).toEqual(info);
  expectFlipsDetected(encodeDatabaseInfo(info), (bytes) => decodeDatabaseInfo(bytes));
  expectTruncationDetected(encodeDatabaseInfo(info), (bytes) => decodeDatabaseInfo(bytes));
});
