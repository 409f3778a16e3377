/** The rules of the house, held against the tree. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../../services/pyralog/src/version.ts';
import { banRule } from './bans.ts';
import { docRule, leftoverRule } from './comments.ts';
import { commandRule, invariantRule, linkRule, referenceRule, scriptRule } from './documents.ts';
import { ROOT, trackedFiles } from './files.ts';
import { deadFileRule, dependencyRule, layerRule } from './imports.ts';
import { lockRule, versionRule } from './packages.ts';
import { isTest, type Report, type SourceFile } from './tree.ts';

const NODE = '>=20.19';

const exists = (path: string): boolean => existsSync(join(ROOT, path));
const tracked = trackedFiles();
const one = (path: string): SourceFile => ({ path, text: readFileSync(join(ROOT, path), 'utf8') });
const read = (wanted: RegExp): SourceFile[] => tracked.filter((path) => wanted.test(path)).map(one);
const sources = read(/\.(ts|mjs)$/);
const packages = read(/^(libs|services)\/[^/]+\/package\.json$/);
const scripts = read(/\.(sh|py)$|^pyralog$|^\.ci\/run$/);
const documents = read(/\.md$/);

/** Nothing is found, in at least so many files: a rule that reads less sees another tree than it thinks. */
function expectClean({ read: seen, findings }: Report, atLeast: number): void {
  expect(findings.map(({ path, what }) => `${path} ${what}`)).toEqual([]);
  expect(seen, 'files that the rule read').toBeGreaterThanOrEqual(atLeast);
}

test('imports keep to the layers', () => expectClean(layerRule(sources), 200));
test('dependencies are declared, allowed, used and exact', () =>
  expectClean(dependencyRule(packages, sources), 15));
test('what knows time, chance and the world is said where it may be', () =>
  expectClean(banRule(sources), 150));
test('every file is reached from an entry', () =>
  expectClean(deadFileRule(sources, [one('package.json'), ...packages], scripts), 250));
test('nothing is left half done, and no test runs alone', () =>
  expectClean(leftoverRule([...sources, ...scripts, ...documents]), 250));
test('what libraries give to others has a doc comment', () =>
  expectClean(
    docRule(
      packages.filter(({ path }) => path.startsWith('libs/')),
      sources.filter(({ path }) => !isTest(path)),
    ),
    80,
  ));
test('packages have one version, exact dependencies and one Node', () =>
  expectClean(versionRule([one('package.json'), ...packages], NODE), 16));
test('the product says the version of its packages', () => {
  expect((JSON.parse(one('package.json').text) as { version: string }).version).toBe(VERSION);
});
test('the lock file holds for everybody', () =>
  expectClean(lockRule(one('package-lock.json')), 200));
test('links lead somewhere', () => expectClean(linkRule(documents, exists), 5));
test('comments point to what is there', () => expectClean(referenceRule(sources, exists), 250));
test('every invariant is tested by its name', () =>
  expectClean(
    invariantRule(
      documents.filter(({ path }) => /^docs\/invariants\.md$|\/SPEC\.md$/.test(path)),
      sources.filter(({ path }) => isTest(path) && !path.startsWith('test/tidy/')),
    ),
    14,
  ));
test('the first command of the README is the demonstration, the second the tests', () =>
  expectClean(commandRule(one('README.md'), one('.ci/run')), 3));
test('every command is told', () =>
  expectClean(scriptRule(one('CONTRIBUTING.md'), one('package.json')), 8));
test('no tracked file is large without need', () => {
  expect(
    tracked.filter(
      (path) => path !== 'package-lock.json' && statSync(join(ROOT, path)).size > 1024 * 1024,
    ),
  ).toEqual([]);
  expect(tracked.length).toBeGreaterThan(300);
});
