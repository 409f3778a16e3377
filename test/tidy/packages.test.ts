/** Each rule finds what is planted for it, and nothing in what is right. */
import { expect, test } from 'vitest';
import { lockRule, versionRule } from './packages.ts';
import type { SourceFile } from './tree.ts';

const NODE = '>=20.19';
const packageJson = (path: string, json: object): SourceFile => ({
  path,
  text: JSON.stringify(json),
});
const root = packageJson('package.json', {
  name: 'root',
  version: '1.0.0',
  engines: { node: NODE },
  devDependencies: { tool: '2.0.0-rc.1' },
});
const published = packageJson('services/pyralog/package.json', {
  name: 'pyralog',
  version: '1.0.0',
  engines: { node: NODE },
  dependencies: { '@pyralog/a': '1.0.0' },
});
const part = (json: object): SourceFile =>
  packageJson('libs/a/package.json', { name: '@pyralog/a', version: '1.0.0', ...json });

test('versions: one for all, and exact ones of others', () => {
  expect(versionRule([root, published, part({})], NODE)).toEqual({ read: 3, findings: [] });
});

test.each([
  ['another version', { version: '1.0.1' }, 'has version 1.0.1, the root 1.0.0'],
  ['no version', { version: undefined }, 'has version undefined, the root 1.0.0'],
  [
    'another version of a neighbour',
    { dependencies: { pyralog: '0.9.0' } },
    'takes pyralog at 0.9.0, not at 1.0.0',
  ],
  ['a range', { dependencies: { x: '^1.0.0' } }, 'takes x at ^1.0.0, which is no exact version'],
  ['an open end', { devDependencies: { x: '1' } }, 'takes x at 1, which is no exact version'],
  ['another Node', { engines: { node: '>=22' } }, 'says that it needs Node >=22, not >=20.19'],
])('versions: %s is found', (_, json, what) => {
  expect(versionRule([root, published, part(json)], NODE).findings).toEqual([
    { path: 'libs/a/package.json', what },
  ]);
});

test('versions: the root and the published package must say their Node', () => {
  const silent = [root, published].map(({ path, text }) => ({
    path,
    text: text.replace('"engines"', '"other"'),
  }));
  expect(versionRule(silent, NODE).findings.map(({ path }) => path)).toEqual([
    'package.json',
    'services/pyralog/package.json',
  ]);
});

test('the lock file: addresses and later Nodes are found', () => {
  const lock = (entry: object): string[] =>
    lockRule(
      packageJson('package-lock.json', { packages: { 'node_modules/a': entry } }),
    ).findings.map(({ what }) => what);
  expect(lock({ version: '1.0.0', engines: { node: '^20.19 || >=22' } })).toEqual([]);
  expect(lock({ resolved: 'https://somewhere/a.tgz' })).toEqual([
    'has a download address of node_modules/a',
  ]);
  expect(lock({ engines: { node: '>=22' } })).toEqual([
    'has node_modules/a, which needs Node >=22',
  ]);
});
