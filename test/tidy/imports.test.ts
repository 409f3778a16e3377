/** Each rule finds what is planted for it, and nothing in what is right. */
import { describe, expect, test } from 'vitest';
import { deadFileRule, dependencyRule, layerRule } from './imports.ts';
import type { Report, SourceFile } from './tree.ts';

const file = (path: string, text = ''): SourceFile => ({ path, text });
const whats = ({ findings }: Report): string[] => findings.map(({ what }) => what);
const paths = ({ findings }: Report): string[] => findings.map(({ path }) => path);

describe('layers', () => {
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
      'libs/model/src/a.ts',
      `import type { x } from '@pyralog/format';`,
      'imports @pyralog/format, which the table does not allow',
    ],
    [
      'libs/log/src/a.ts',
      `const k = await import('pg');`,
      'imports pg, which is not a third-party package of @pyralog/log',
    ],
    ['libs/base/src/a.ts', `import fs from 'node:fs';`, 'imports node:fs in a pure package'],
    ['libs/base/src/a.ts', `import { b } from './b';`, 'imports ./b without its ending'],
    [
      'libs/base/src/a.ts',
      `import { b } from './index.ts';`,
      'imports ./index.ts, the barrel of its own package',
    ],
    [
      'libs/base/src/a.ts',
      `import { b } from './testing/b.ts';`,
      'imports ./testing/b.ts outside of tests',
    ],
    [
      'libs/format/src/a.ts',
      `import { b } from '@pyralog/model/testing';`,
      'imports @pyralog/model/testing outside of tests',
    ],
    [
      'libs/model/src/a.ts',
      `import { b } from '@pyralog/model';`,
      'imports its own package by name',
    ],
    ['libs/unknown/src/a.ts', ``, 'lies in no package of the table'],
  ])('%s with %s', (path, text, what) => {
    expect(whats(layerRule([file(path, text)]))).toEqual([what]);
  });

  test('what is allowed passes', () => {
    const text = `import { a } from '@pyralog/base'; import { b } from './b.ts'; import { createHash } from 'node:crypto';`;
    const testing = `import fc from 'fast-check'; import { b } from './testing/b.ts'; import { c } from '@pyralog/base/testing';`;
    expect(
      layerRule([
        file('libs/model/src/a.ts', text),
        file('libs/model/src/a.test.ts', testing),
        file('test/x.ts', `import 'anything';`),
      ]),
    ).toEqual({ read: 2, findings: [] });
  });
});

test('dependencies: undeclared, unused, forbidden and ranges are found', () => {
  const sources = [file('libs/log/src/a.ts', `import { a } from '@pyralog/base';`)];
  const manifest = (dependencies: object): SourceFile =>
    file('libs/log/package.json', JSON.stringify({ name: '@pyralog/log', dependencies }));
  const found = (dependencies: object): string[] =>
    whats(dependencyRule([manifest(dependencies)], sources));
  expect(found({ '@pyralog/base': '0.1.0' })).toEqual([]);
  expect(found({})).toEqual(['imports @pyralog/base without depending on it']);
  expect(found({ '@pyralog/base': '^0.1.0', '@pyralog/format': '0.1.0' })).toEqual([
    'takes @pyralog/base ^0.1.0: give an exact version',
    'depends on @pyralog/format, which the table does not allow',
    'depends on @pyralog/format, which nothing imports',
  ]);
  expect(whats(dependencyRule([file('libs/x/package.json', '{"name":"x"}')], []))).toEqual([
    'x has no line in the table',
  ]);
});

describe('dead files', () => {
  const root = file('package.json', '{"name":"root","scripts":{"a":"node test/tool.ts"}}');
  const packages = [
    root,
    file(
      'libs/a/package.json',
      JSON.stringify({
        name: '@pyralog/a',
        exports: { '.': { source: './src/index.ts' }, './more': { source: './src/more.ts' } },
        bin: { a: './dist/bin.js' },
      }),
    ),
  ];

  test('a file that no entry reaches is found, and so are two that only reach each other', () => {
    const files = [
      file('libs/a/src/index.ts', `export * from './used.ts';`),
      file('libs/a/src/used.ts'),
      file('libs/a/src/one.ts', `import './two.ts';`),
      file('libs/a/src/two.ts', `import './one.ts';`),
      file('test/helper.ts'),
    ];
    const report = deadFileRule(files, packages, [file('infra/lost.sh')]);
    expect(paths(report)).toEqual([
      'libs/a/src/one.ts',
      'libs/a/src/two.ts',
      'test/helper.ts',
      'infra/lost.sh',
    ]);
    expect(report.read).toBe(6);
  });

  test('whatever an entry is, what it reaches is alive', () => {
    const files = [
      file('libs/a/src/index.ts', `new URL('./thread.ts', import.meta.url);`),
      file('libs/a/src/thread.ts', 'new URL(`./boot${x}.mjs`, import.meta.url);'),
      file('libs/a/src/boot.mjs'),
      file('libs/a/src/boot-built.mjs', `await import('./deep.ts');`),
      file('libs/a/src/deep.ts', `import type { T } from './types.ts';`),
      file('libs/a/src/types.ts'),
      file('libs/a/src/more.ts'),
      file('libs/a/src/bin.ts'),
      file('libs/a/src/a.test.ts', `import { x } from './testing/x.ts';`),
      file('libs/a/src/testing/x.ts'),
      file('test/a.test.ts', `import { y } from '@pyralog/a/more'; import '../test/y.ts';`),
      file('test/y.ts'),
      file('test/tool.ts'),
      file('test/bench/program.ts'),
      file('infra/named.ts'),
      file('vitest.config.ts'),
    ];
    const scripts = [file('infra/run.sh', 'node ./named.ts'), file('.ci/run', 'sh infra/run.sh')];
    expect(paths(deadFileRule(files, packages, scripts))).toEqual([]);
  });
});
