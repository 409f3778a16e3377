/** Each rule finds what is planted for it, and nothing in what is right. */
import { expect, test } from 'vitest';
import { docRule, leftoverRule } from './comments.ts';
import type { SourceFile } from './tree.ts';

const file = (path: string, text: string): SourceFile => ({ path, text });

test.each([
  [`test.${'only'}('x', f)`, 'runs a test alone (.only)'],
  [`describe.skip.${'only'}('x', f)`, 'runs a test alone (.only)'],
  [`test.${'only'}.each([1])('x', f)`, 'runs a test alone (.only)'],
  [`// ${'TO'}DO later`, `has ${'TO'}DO: do it, or write down why not`],
])('leftovers: %s is found', (text, what) => {
  expect(leftoverRule([file('a.ts', text)]).findings).toEqual([{ path: 'a.ts', what }]);
});

test('leftovers: what is right passes', () => {
  const text = `const fine = { only: 1 }; fine.only; // in todos\ntest('only', f);`;
  expect(leftoverRule([file('a.ts', text), file('a.sh', 'only')]).findings).toEqual([]);
});

const packages = [
  file(
    'libs/a/package.json',
    '{"exports":{".":{"source":"./src/index.ts"},"./b":{"source":"./src/b.ts"}}}',
  ),
];
const found = (...files: SourceFile[]): string[] =>
  docRule(packages, files).findings.map(({ path, what }) => `${path} ${what}`);
const index = file(
  'libs/a/src/index.ts',
  `export * from './c.ts'; export { d as e } from './d.ts';`,
);

test('doc comments: what others can reach without one is found', () => {
  expect(
    found(
      index,
      file('libs/a/src/b.ts', 'export function f() {}'),
      file(
        'libs/a/src/c.ts',
        '// no doc comment\nexport interface I {}\n/** Far. */\n\nlet x;\nexport class C {}',
      ),
      file('libs/a/src/d.ts', 'export const d = 1;\nexport const hidden = 1;'),
    ),
  ).toEqual([
    'libs/a/src/c.ts gives I to others without a doc comment',
    'libs/a/src/c.ts gives C to others without a doc comment',
    'libs/a/src/d.ts gives d to others without a doc comment',
    'libs/a/src/b.ts gives f to others without a doc comment',
  ]);
});

test('doc comments: one above each, or above constants line by line, is enough', () => {
  const report = docRule(packages, [
    index,
    file('libs/a/src/c.ts', '/** Both. */\nexport const a = 1;\nexport const b = 2;'),
    file('libs/a/src/d.ts', '/** D. */\nexport type d = 1;\nexport type hidden = 2;'),
  ]);
  expect(report).toEqual({ read: 3, findings: [] });
  expect(
    found(index, file('libs/a/src/c.ts', '/** A. */\nexport const a = 1;\n\nexport const b = 2;')),
  ).toEqual(['libs/a/src/c.ts gives b to others without a doc comment']);
});
