import { describe, expect, test } from 'vitest';
import { parseChange, parseCommit, subjectOf } from './objects.ts';

const SHA = 'a'.repeat(40);
const TREE = 'b'.repeat(40);
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const commit = (...lines: string[]): Buffer => latin1(lines.join('\n'));

describe('a commit object', () => {
  test('is read with its parents, people and message', () => {
    const object = commit(
      `tree ${TREE}`,
      `parent ${'1'.repeat(40)}`,
      `parent ${'2'.repeat(40)}`,
      'author A U Thor <a@x> 1600000000 +0200',
      'committer C <c@x> 1600000060 -0500',
      '',
      'Subject',
      '',
      'Body',
      '',
    );
    expect(parseCommit(SHA, object)).toEqual({
      sha: SHA,
      tree: TREE,
      parents: ['1'.repeat(40), '2'.repeat(40)],
      author: 'A U Thor <a@x>',
      authored: 1_600_000_000n,
      committed: 1_600_000_060n,
      message: 'Subject\n\nBody',
    });
  });

  test('with a signature over many lines keeps its message', () => {
    const object = commit(
      `tree ${TREE}`,
      'author A <a> 1 +0000',
      'committer A <a> 1 +0000',
      'gpgsig -----BEGIN',
      ' ',
      ' author evil <e> 9 +0000',
      ' -----END',
      '',
      'Signed',
    );
    expect(parseCommit(SHA, object)).toMatchObject({
      author: 'A <a>',
      message: 'Signed',
      parents: [],
    });
  });

  test('in another encoding is decoded by its header', () => {
    const object = commit(
      `tree ${TREE}`,
      'author Ren\xe9 <r> 1 +0000',
      'committer C <c> 1 +0000',
      'encoding ISO-8859-1',
      '',
      'Gr\xfc\xdfe\n',
    );
    expect(parseCommit(SHA, object)).toMatchObject({ author: 'René <r>', message: 'Grüße' });
  });

  test('with bytes that fit no encoding, or an unknown one, is readable all the same', () => {
    const head = [`tree ${TREE}`, 'author \xff <r> 1 +0000', 'committer C <c> 1 +0000'];
    expect(parseCommit(SHA, commit(...head, '', '\xfe'))).toMatchObject({
      author: '\ufffd <r>',
      message: '\ufffd',
    });
    expect(parseCommit(SHA, commit(...head, 'encoding x-klingon', '', 'ok'))).toMatchObject({
      author: '\ufffd <r>',
      message: 'ok',
    });
  });

  test.each([
    ['author A <a> nonsense', 'A <a>', 0n],
    ['author A <a> -1000 +0000', 'A <a>', -1000n],
    ['author A <a>', 'A <a>', 0n],
    ['author nobody at all', 'nobody at all', 0n],
    ['author <> 5 +0000', '<>', 5n],
    ['author A <b> c> 7 +0000', 'A <b> c>', 7n],
    ['author A <a> 99999999999999999999 +0000', 'A <a>', 0n],
  ])('with %j is taken as far as it can be', (line, author, authored) => {
    expect(parseCommit(SHA, commit(`tree ${TREE}`, line, '', ''))).toMatchObject({
      author,
      authored,
      committed: 0n,
      message: '',
    });
  });
});

test.each([
  ['one line', 'one line'],
  ['two\nlines  \n\nbody', 'two lines'],
  ['', ''],
  ['\n\nlate subject\n', 'late subject'],
  ['windows\r\nends\r\n\r\nbody', 'windows ends'],
])('the subject of %j is %j', (message, subject) => {
  expect(subjectOf(message)).toBe(subject);
});

describe('a line of diff-tree', () => {
  const zero = '0'.repeat(40);
  test.each([
    ['an added path', `:000000 100644 ${zero} ${SHA} A`, undefined, { mode: '100644', blob: SHA }],
    ['a deleted one', `:100755 000000 ${SHA} ${zero} D`, { mode: '100755', blob: SHA }, undefined],
    [
      'a change of type',
      `:100644 120000 ${SHA} ${TREE} T`,
      { mode: '100644', blob: SHA },
      { mode: '120000', blob: TREE },
    ],
  ])('tells %s, whatever the path', (_name, meta, before, after) => {
    for (const path of ['a', '-dash', 'tab\tnew\nline "quote" \\', '\xff\xfe']) {
      expect(parseChange(latin1(meta), latin1(path))).toEqual({
        path: new Uint8Array(latin1(path)),
        before,
        after,
      });
    }
  });

  test('of SHA-256 repositories has longer ids', () => {
    const id = 'c'.repeat(64);
    expect(
      parseChange(latin1(`:000000 100644 ${'0'.repeat(64)} ${id} A`), latin1('x')).after?.blob,
    ).toBe(id);
  });

  test.each([`:000000 100644 ${zero} ${SHA} R100`, 'garbage', `100644 100644 ${SHA} ${SHA} M`])(
    'that is none (%j) stops the import',
    (meta) => {
      expect(() => parseChange(latin1(meta), latin1('x'))).toThrow('unknown');
    },
  );
});
