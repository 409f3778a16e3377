import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  dependencyRule,
  type Finding,
  layerRule,
  leftoverRule,
  linkRule,
  lockRule,
  purityRule,
  type SourceFile,
} from './rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const tracked = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: ROOT, encoding: 'utf8' },
)
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(ROOT, path)));

const read = (wanted: RegExp): SourceFile[] =>
  tracked
    .filter((path) => wanted.test(path))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
const sources = read(/\.ts$/);
const packages = read(/^(libs|services)\/[^/]+\/package\.json$/);
const show = (findings: readonly Finding[]): string[] =>
  findings.map(({ path, what }) => `${path} ${what}`);

test('the checks see the tree', () => {
  expect(sources.length).toBeGreaterThan(100);
  expect(packages.length).toBeGreaterThan(10);
});

test('imports keep to the layers', () => expect(show(layerRule(sources))).toEqual([]));
test('pure packages call nothing impure', () => expect(show(purityRule(sources))).toEqual([]));
test('dependencies are declared, allowed, used and exact', () =>
  expect(show(dependencyRule(packages, sources))).toEqual([]));
test('nothing is left half done', () => expect(show(leftoverRule(sources))).toEqual([]));
test('the lock file holds for everybody', () =>
  expect(show(lockRule(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')))).toEqual([]));
test('links lead somewhere', () =>
  expect(show(linkRule(read(/\.md$/), (path) => existsSync(join(ROOT, path))))).toEqual([]));
test('no tracked file is large without need', () => {
  expect(
    tracked.filter(
      (path) => path !== 'package-lock.json' && statSync(join(ROOT, path)).size > 1024 * 1024,
    ),
  ).toEqual([]);
});
