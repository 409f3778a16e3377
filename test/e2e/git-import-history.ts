import type { GitRepository, TreeEdit } from './git-import-repository.ts';

/** A history with everything in it that git can do to a tree. */
export function makeOddHistory(repository: GitRepository): {
  repository: GitRepository;
  shas: ReadonlyMap<number, string>;
} {
  const write = (
    path: Buffer | string,
    content: string,
    mode?: '100644' | '100755' | '120000',
  ): TreeEdit => ({ write: path, content, mode });
  const DAY = 86_400;
  let day = 1_000_000_000;
  const commit = (
    parents: number[],
    edits: TreeEdit[],
    more: Partial<Parameters<GitRepository['commit']>[0]> = {},
  ): number => repository.commit({ parents, seconds: (day += DAY), edits, ...more });

  const start = commit(
    [],
    [write('README', 'hello\n'), write('src/deep/er/a.txt', 'a\n'), write('run.sh', '#!/bin/sh\n')],
    { message: 'Start\n\nWith a body.\n' },
  );
  const odd = commit(
    [start],
    [
      write('with space', '1'),
      write('tab\there', '2'),
      write('line\nbreak', '3'),
      write('"quoted"', '4'),
      write('-dash', '5'),
      write('back\\slash', '6'),
      write('häßlich/日本語/😀', '7'),
      write(Buffer.from([0xff, 0xfe, 0x2f, 0x80]), '8'),
      write(
        `long/${'x'.repeat(250)}/${'y'.repeat(250)}/${'z'.repeat(250)}/${'é'.repeat(125)}/${'w'.repeat(100)}`,
        '9',
      ),
      write(`sha256:${'0'.repeat(64)}`, '10'),
      write('{tag}', '11'),
      write('__proto__', '12'),
      write('a:b', '13'),
      write(' ', '14'),
      write('\u0001\u007f', '15'),
      write('empty', ''),
    ],
  );
  const modes = commit(
    [odd],
    [
      write('run.sh', '#!/bin/sh\n', '100755'),
      write('link', 'README', '120000'),
      { submodule: 'lib/module', commit: '1234567890'.repeat(4) },
    ],
  );
  const renamed = commit(
    [modes],
    [{ remove: 'README' }, write('READ ME', 'hello\n'), { remove: '-dash' }],
  );
  const empty = commit([renamed], [], { message: '' });
  const directory = commit(
    [empty],
    [{ remove: 'with space' }, write('with space/inside', 'x'), write('with space/deep/er', 'y')],
  );
  const back = commit([directory], [{ remove: 'with space' }, write('with space', '1')]);
  const typed = commit(
    [back],
    [
      { submodule: 'link', commit: 'abcdef0123'.repeat(4) },
      write('lib/module', 'now a file'),
      write('run.sh', 'README', '120000'),
    ],
  );
  // Dates out of order: back in time, the same second twice, and one far ahead.
  const earlier = commit([typed], [write('clock', '1')], { seconds: 900_000_000 });
  const same = commit([earlier], [write('clock', '2')], { seconds: day });
  const future = commit([same], [write('clock', '3')], { seconds: 4_000_000_000 });
  const after = commit([future], [write('clock', '4')]);
  // Side branches, one with a branch of its own, one older than what it is merged into, one without common root.
  const side1 = commit([typed], [write('side/one', '1')], {
    author: Buffer.from('Ren\xe9 <rene@example.com>', 'latin1'),
    encoding: 'ISO-8859-1',
    message: Buffer.from('Gr\xfc\xdfe\n', 'latin1'),
  });
  const side2 = commit([side1], [write('side/two', '2'), { remove: 'empty' }], {
    message: Buffer.from('not UTF-8: \xff\n', 'latin1'),
  });
  const side3 = commit([side1], [write('side/three', '3')]);
  const side4 = commit([side3, side2], [write('side/two', '2')]);
  const merge = commit(
    [after, side4],
    [write('side/one', '1'), write('side/two', '2'), write('side/three', '3'), { remove: 'empty' }],
    { message: 'Merge side\n' },
  );
  const other = commit([], [write('foreign/root', 'r')]);
  const octopusA = commit([merge], [write('octopus/a', 'a')]);
  const octopusB = commit([odd], [write('octopus/b', 'b')]);
  const octopus = commit(
    [merge, octopusA, octopusB, other],
    [write('octopus/a', 'a'), write('octopus/b', 'b'), write('foreign/root', 'r')],
    { message: 'Octopus\n' },
  );
  const gone = commit(
    [octopus],
    [
      ...['side/one', 'side/two', 'side/three', 'octopus/a', 'octopus/b', 'foreign/root'].map(
        (remove) => ({ remove }),
      ),
    ],
  );
  commit([gone], [write('last', 'word')]);
  return { repository, shas: repository.write() };
}
