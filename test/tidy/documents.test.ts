/** Each rule finds what is planted for it, and nothing in what is right. */
import { describe, expect, test } from 'vitest';
import { commandRule, invariantRule, linkRule, referenceRule, scriptRule } from './documents.ts';
import type { Report, SourceFile } from './tree.ts';

const file = (path: string, text: string): SourceFile => ({ path, text });
const show = ({ findings }: Report): string[] =>
  findings.map(({ path, what }) => `${path} ${what}`);

test('links: dead ones are found', () => {
  const documents = [file('docs/a.md', '[b](../b.md) [c](c.md#part) [web](https://example.org)')];
  expect(show(linkRule(documents, (path) => path === 'b.md'))).toEqual([
    'docs/a.md links to docs/c.md, which is not there',
  ]);
});

test('references: comments that point to nothing are found, code is left alone', () => {
  const text = `
    /** See test/contract/a.ts and libs/b/src/c.ts. */
    // as in docs/d.md
    const path = 'test/none.ts';`;
  expect(
    show(referenceRule([file('libs/b/src/c.ts', text)], (path) => path === 'libs/b/src/c.ts')),
  ).toEqual([
    'libs/b/src/c.ts points to test/contract/a.ts, which is not there',
    'libs/b/src/c.ts points to docs/d.md, which is not there',
  ]);
});

describe('invariants', () => {
  const table = (...rows: string[]): SourceFile =>
    file('docs/invariants.md', ['| id | what | tested in |', '|---|---|---|', ...rows].join('\n'));
  const tests = [
    file(
      'test/a.test.ts',
      "describe('I1 whole', () => {}); test('I2 I3 both', f); test.each([1])(`I4 %s ${x}`, f); it.skipIf(a)('I5 x', f);",
    ),
    file(
      'test/b.test.ts',
      "// I6\ntest('nothing', () => { const I6 = 'I6'; expect(a, 'I6 fails'); });",
    ),
  ];

  test('tested ones and later ones pass', () => {
    const rows = [1, 2, 3, 4, 5].map((no) => `| I${no} | holds | [a](../test/a.test.ts) |`);
    const documents = [
      table(...rows, '| I6 | will hold | later |'),
      file('libs/a/SPEC.md', '| I1 | holds | `x.ts` | `a.test.ts` |'),
    ];
    expect(invariantRule(documents, tests)).toEqual({ read: 7, findings: [] });
  });

  test.each([
    ['| I6 | holds | somewhere |', 'docs/invariants.md I6 has no test whose title names it'],
    [
      '| I5 | holds | later |',
      'docs/invariants.md I5 is marked later, but test/a.test.ts tests it',
    ],
    [
      '| I5 | holds | [b](../test/b.test.ts) |',
      'docs/invariants.md I5 is named by no title in test/b.test.ts',
    ],
  ])('%s is found', (row, finding) => {
    const rows = [1, 2, 3, 4].map((no) => `| I${no} | holds | test |`);
    const five = row.includes('I5') ? [] : ['| I5 | holds | test |'];
    expect(show(invariantRule([table(...rows, ...five, row)], tests))).toEqual([finding]);
  });

  test('a number that is left out is found', () => {
    const rows = [1, 3, 2].map((no) => `| I${no} | holds | test |`);
    const test = file('test/a.test.ts', "test('I1 I2 I3', f)");
    expect(show(invariantRule([table(...rows)], [test]))).toEqual([
      'docs/invariants.md has no I2 in its place',
    ]);
  });

  test('those of a letter of its own are in the table of that letter', () => {
    const spec = file(
      'libs/sequencing/SPEC.md',
      ['| T1 | holds | `x.ts` | `a.test.ts` |', '| T3 | holds | `x.ts` | later |'].join('\n'),
    );
    expect(show(invariantRule([spec], [file('test/a.test.ts', "test('T1 T2', f)")]))).toEqual([
      'libs/sequencing/SPEC.md has no T2 in its place',
      'test/a.test.ts has T2 in a title, which is not in libs/sequencing/SPEC.md',
    ]);
  });

  test('an id that the table of the project does not have is found', () => {
    const spec = file('libs/a/SPEC.md', '| I1 | holds | `x.ts` | `a.test.ts` |');
    expect(show(invariantRule([spec], [file('test/a.test.ts', "test('I1', f)")]))).toEqual([
      'libs/a/SPEC.md I1 is not in docs/invariants.md',
      'test/a.test.ts has I1 in a title, which is not in docs/invariants.md',
    ]);
  });
});

describe('commands', () => {
  const readme = (...commands: string[]): SourceFile =>
    file(
      'README.md',
      commands.map((command) => `text\n\n\`\`\`sh\n${command}\n\`\`\`\n`).join('\n'),
    );
  const run = file('.ci/run', '#!/bin/sh\n# Why.\nset -eu\ncd "$(dirname "$0")/.."\nnpm test\n');

  test('the demonstration, then the tests, which continuous integration runs', () => {
    expect(show(commandRule(readme('./pyralog demo', 'npm test', 'other'), run))).toEqual([]);
  });

  test('another order, another command and a second one are found', () => {
    expect(commandRule(readme('npm test', './pyralog demo'), run).findings).toHaveLength(2);
    expect(commandRule(readme('./pyralog demo', 'npm run test'), run).findings).toHaveLength(1);
    const two = file('.ci/run', `${run.text}npm run more\n`);
    expect(commandRule(readme('./pyralog demo', 'npm test'), two).findings).toHaveLength(1);
  });
});

test('scripts: one that is not told of and one that is not there are found', () => {
  const root = file('package.json', '{"scripts":{"test":"a","check":"b","test:full":"c"}}');
  expect(
    show(scriptRule(file('C.md', '`npm test` `npm run check` `npm run old` `npm install`'), root)),
  ).toEqual([
    'C.md does not tell of npm run test:full',
    'C.md tells of npm run old, which is not there',
  ]);
});
