import { parseDocument } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import {
  commitDocument,
  pathEntity,
  schemaDocument,
  GIT_ATTRIBUTES,
  secondsText,
} from './documents.ts';
import type { HistoryStep } from './history.ts';
import { ImportClock } from './import-clock.ts';
import { databaseNameFor } from './repository.ts';

const bytes = (text: string | number[]): Uint8Array => new Uint8Array(Buffer.from(text as string));
const SHA = 'a'.repeat(40);

describe('the entity of a path', () => {
  test.each(['a', 'line\nbreak', 'tab\t"\\', '-dash', '😀/é', '__proto__', '\u0001', ' ', '{tag}'])(
    'is the path itself: %j',
    (path) => {
      expect(pathEntity(bytes(path))).toEqual({ entity: `path:${path}`, hashed: false });
    },
  );

  test('is its hash beyond 1,024 bytes, where it is no UTF-8, and where it looks like a hash', () => {
    expect(pathEntity(bytes('é'.repeat(509) + 'x')).hashed).toBe(false);
    expect(pathEntity(bytes('é'.repeat(510))).hashed).toBe(true);
    expect(pathEntity(bytes([0xff])).entity).toBe(
      'path:sha256:a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89',
    );
    // A surrogate in UTF-8's clothes.
    expect(pathEntity(bytes([0xed, 0xa0, 0x80])).hashed).toBe(true);
    expect(pathEntity(bytes(`sha256:${'0'.repeat(64)}`)).hashed).toBe(true);
  });

  test('keeps a byte order mark', () => {
    expect(pathEntity(bytes([0xef, 0xbb, 0xbf, 0x61])).entity).toBe('path:\ufeffa');
  });
});

test('what an import sends is a valid document, with one operation a path', () => {
  const step: HistoryStep = {
    commit: {
      sha: SHA,
      tree: SHA,
      parents: ['b'.repeat(40)],
      author: 'A <a>',
      authored: 1n,
      committed: 1_600_000_000n,
      message: 'Subject\n\nBody',
    },
    brings: [],
    changes: [
      { path: bytes('x'), before: undefined, after: { mode: '100644', blob: SHA } },
      { path: bytes('gone'), before: { mode: '100644', blob: SHA }, after: undefined },
      {
        path: bytes('sub'),
        before: { mode: '100644', blob: SHA },
        after: { mode: '160000', blob: SHA },
      },
      { path: bytes([0xff]), before: undefined, after: { mode: '100644', blob: SHA } },
    ],
    sizes: new Map([[SHA, 5]]),
  };
  const { document, operations } = commitDocument(
    { ...step, changes: step.changes.slice(0, 2) },
    'b'.repeat(40),
    '2020-09-13T12:26:40Z',
  );
  expect(operations).toBe(4);
  expect(parseDocument(document)).toMatchObject({
    id: `git:${SHA}`,
    operationsWritten: 4,
    at: 1_600_000_000_000_000_000n,
  });
  // A blob whose size is not known, and a submodule.
  const without = parseDocument(
    commitDocument({ ...step, sizes: new Map() }, undefined, undefined).document,
  );
  expect(without.operations).toContainEqual({
    op: 'retract',
    entity: 'path:sub',
    attribute: 'git/size',
    value: undefined,
  });
  expect(
    without.operations.some((each) => each.op === 'assert' && each.attribute === 'git/size'),
  ).toBe(false);
  expect(parseDocument(schemaDocument(GIT_ATTRIBUTES, undefined)).operationsWritten).toBe(
    GIT_ATTRIBUTES.length,
  );
});

test('dates of commits stay within the years that have four digits', () => {
  expect([0n, -1n, 1_600_000_000n, -(10n ** 15n), 10n ** 15n].map(secondsText)).toEqual([
    '1970-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2020-09-13T12:26:40Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ]);
});

test('commits keep their time where time rises, and take the next step where it does not', () => {
  const wall = { nowNanos: () => 2_000_000_000_000_000_000n, monotonicMillis: () => 0 };
  const clock = new ImportClock(0n, wall);
  const given = [
    1_000_000_000n,
    1_000_000_000n,
    999_999_999n,
    1_000_000_001n,
    3_000_000_000n,
    1_000_000_002n,
    -5n,
  ].map((seconds) => clock.at(seconds));
  expect(given).toEqual([
    '2001-09-09T01:46:40Z',
    undefined,
    undefined,
    '2001-09-09T01:46:41Z',
    undefined,
    '2001-09-09T01:46:42Z',
    undefined,
  ]);
  expect(clock.ahead).toBe(1);
  const late = new ImportClock(1_500_000_000_000_000_000n, wall);
  expect(late.at(1_499_999_999n)).toBeUndefined();
  expect(late.at(1_500_000_000n)).toBeUndefined();
  expect(late.at(1_500_000_001n)).toBe('2017-07-14T02:40:01Z');
});

test.each([
  ['pyralog', 'pyralog'],
  ['My Project (old)', 'my-project-old'],
  ['2048', 'git-2048'],
  ['日本', 'git'],
  ['x'.repeat(60), 'x'.repeat(48)],
  [`${'x'.repeat(47)}-y`, 'x'.repeat(47)],
])('the repository %j goes into database %j', (name, database) => {
  expect(databaseNameFor({ dir: '', name, shallow: false, emptyTree: '' })).toBe(database);
});
