/** Each rule finds what is planted for it, and nothing in what is right. */
import { expect, test } from 'vitest';
import {
  dependencyRule,
  layerRule,
  leftoverRule,
  linkRule,
  lockRule,
  purityRule,
  type SourceFile,
} from './rules.ts';

const file = (path: string, text: string): SourceFile => ({ path, text });
const whats = (findings: readonly { readonly what: string }[]): string[] =>
  findings.map(({ what }) => what);

test.each([
  [
    'libs/model/src/a.ts',
    `import { x } from '@pyralog/format';`,
    'imports @pyralog/format, which the table does not allow',
  ],
  [
    'libs/model/src/a.ts',
    `export * from '@pyralog/format';`,
    'imports @pyralog/format, which the table does not allow',
  ],
  [
    'libs/log/src/a.ts',
    `const k = await import('kafkajs');`,
    'imports kafkajs, which is not a third-party package of @pyralog/log',
  ],
  ['libs/base/src/a.ts', `import fs from 'node:fs';`, 'imports node:fs in a pure package'],
  ['libs/base/src/a.ts', `import { b } from './b';`, 'imports ./b without its ending'],
  [
    'libs/base/src/a.ts',
    `import { b } from './index.ts';`,
    'imports ./index.ts, the barrel of its own package',
  ],
  ['libs/model/src/a.ts', `import { b } from '@pyralog/model';`, 'imports its own package by name'],
  ['libs/unknown/src/a.ts', ``, 'lies in no package of the table'],
])('layers: %s with %s', (path, text, what) => {
  expect(whats(layerRule([file(path, text)]))).toEqual([what]);
});

test('layers: what is allowed passes', () => {
  const text = `import { a } from '@pyralog/base'; import { b } from './b.ts'; import { createHash } from 'node:crypto';`;
  expect(
    layerRule([file('libs/model/src/a.ts', text), file('test/x.ts', `import 'anything';`)]),
  ).toEqual([]);
});

test.each([
  'Date.now()',
  'new Date()',
  'Math.random()',
  'setTimeout(f, 1)',
  'performance.now()',
  'fetch("x")',
])('purity: %s', (call) => {
  expect(purityRule([file('libs/model/src/a.ts', `export const a = () => ${call};`)])).toHaveLength(
    1,
  );
  expect(purityRule([file('libs/runtime/src/a.ts', `export const a = () => ${call};`)])).toEqual(
    [],
  );
});

test('dependencies: undeclared, unused, forbidden and ranges are found', () => {
  const sources = [file('libs/log/src/a.ts', `import { a } from '@pyralog/base';`)];
  const manifest = (dependencies: object): SourceFile =>
    file('libs/log/package.json', JSON.stringify({ name: '@pyralog/log', dependencies }));
  expect(dependencyRule([manifest({ '@pyralog/base': '0.1.0' })], sources)).toEqual([]);
  expect(whats(dependencyRule([manifest({})], sources))).toEqual([
    'imports @pyralog/base without depending on it',
  ]);
  const found = whats(
    dependencyRule([manifest({ '@pyralog/base': '^0.1.0', '@pyralog/format': '0.1.0' })], sources),
  );
  expect(found).toContain('takes @pyralog/base ^0.1.0: give an exact version');
  expect(found).toContain('depends on @pyralog/format, which the table does not allow');
  expect(found).toContain('depends on @pyralog/format, which nothing imports');
  expect(whats(dependencyRule([file('libs/x/package.json', '{"name":"x"}')], []))).toEqual([
    'x has no line in the table',
  ]);
});

test('leftovers: a lone test and unfinished work are found', () => {
  const lone = `test.${'only'}('x', f)`;
  expect(
    leftoverRule([
      file('a.ts', lone),
      file('b.ts', `// ${'TO'}${'DO'} later`),
      file('c.ts', 'const fine = 1;'),
    ]),
  ).toHaveLength(2);
});

test('the lock file: addresses and later Nodes are found', () => {
  const lock = (entry: object): string => JSON.stringify({ packages: { 'node_modules/a': entry } });
  expect(lockRule(lock({ version: '1.0.0', engines: { node: '^20.19 || >=22' } }))).toEqual([]);
  expect(lockRule(lock({ resolved: 'https://somewhere/a.tgz' }))).toHaveLength(1);
  expect(lockRule(lock({ engines: { node: '>=22' } }))).toHaveLength(1);
});

test('links: dead ones are found', () => {
  const documents = [file('docs/a.md', '[b](../b.md) [c](c.md#part) [web](https://example.org)')];
  expect(whats(linkRule(documents, (path) => path === 'b.md'))).toEqual([
    'links to docs/c.md, which is not there',
  ]);
});
