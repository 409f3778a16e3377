/**
 * The linter and the search for dead code, as they are configured: each finds what is planted for it in a
 * copy of the tree, and nothing in what is right.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, trackedFiles } from './files.ts';

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'pyralog-tidy-'));
  for (const path of trackedFiles())
    if (/^(libs|services|test)\/|^[^/]+\.(json|ts)$/.test(path))
      cpSync(join(ROOT, path), join(copy, path));
  // The packages of the tree are those of the copy, all others the real ones.
  const modules = join(copy, 'node_modules');
  mkdirSync(join(modules, '@pyralog'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@pyralog' && name !== 'pyralog')
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  for (const name of readdirSync(join(copy, 'libs')))
    symlinkSync(join(copy, 'libs', name), join(modules, '@pyralog', name));
  for (const name of readdirSync(join(copy, 'services')))
    symlinkSync(
      join(copy, 'services', name),
      name === 'pyralog' ? join(modules, name) : join(modules, '@pyralog', `service-${name}`),
    );
});
afterAll(() => rmSync(copy, { recursive: true }));

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  writeFileSync(join(copy, path), text);
}

/** What a tool of the tree prints in the copy, as JSON. */
function run(tool: string, ...args: readonly string[]): unknown {
  const { stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, {
    cwd: copy,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (!stdout.trimStart().startsWith('{'))
    throw new Error(`${tool} ended early: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}

describe('oxlint', () => {
  const planted: readonly (readonly [rule: string, path: string, text: string])[] = [
    ['typescript(no-explicit-any)', 'libs/model/src/p1.ts', 'export const a: any = 1;'],
    [
      'typescript(no-explicit-any)',
      'test/contract/p2.ts',
      'export const a = (b: any): unknown => b;',
    ],
    [
      'typescript(no-non-null-assertion)',
      'libs/log/src/p3.ts',
      'export const a = (b: string | undefined): string => b!;',
    ],
    ['import(no-default-export)', 'services/api/src/p4.ts', 'export default 1;'],
    ['import(no-default-export)', 'test/oracle/p5.ts', 'const a = 1;\nexport { a as default };'],
    [
      'typescript(no-floating-promises)',
      'services/sequencer/src/p6.ts',
      'export function a(b: () => Promise<void>): void { b(); }',
    ],
    [
      'typescript(require-array-sort-compare)',
      'libs/indexing/src/p7.ts',
      'export const a = (b: string[]): string[] => b.toSorted();',
    ],
    ['eslint(no-restricted-globals)', 'libs/base/src/p8.ts', 'export const a = setTimeout;'],
    [
      'eslint(no-restricted-globals)',
      'libs/reading/src/p9.ts',
      'export const a = (): unknown => fetch("");',
    ],
    [
      'eslint(no-restricted-globals)',
      'services/indexer/src/p10.ts',
      'export const a = performance;',
    ],
    ['eslint(no-restricted-imports)', 'libs/model/src/p11.ts', "export * from 'node:fs';"],
    ['eslint(no-restricted-imports)', 'libs/format/src/p12.ts', "export * from '@pyralog/log';"],
    [
      'eslint(no-restricted-imports)',
      'libs/log/src/p13.ts',
      "export * from '@pyralog/service-api';",
    ],
    ['eslint(no-console)', 'services/pyralog/src/p14.ts', 'console.log(1);'],
    ['eslint(eqeqeq)', 'libs/feed/src/p15.ts', 'export const a = (b: unknown): boolean => b == 1;'],
  ];
  const right = 'libs/indexing/src/right.ts';
  const found = new Map<string, string[]>();

  beforeAll(() => {
    for (const [, path, text] of planted) plant(path, `${text}\n`);
    plant(
      right,
      "import { createHash } from 'node:crypto';\nexport const a = new Float64Array(2).sort();\nexport const b = createHash('sha256');\n",
    );
    const { diagnostics } = run(
      'oxlint',
      '--format=json',
      right,
      ...planted.map(([, path]) => path),
    ) as {
      diagnostics: readonly { readonly code: string; readonly filename: string }[];
    };
    for (const { filename, code } of diagnostics)
      found.set(filename, [...(found.get(filename) ?? []), code]);
  });

  test.each(planted)('finds %s in %s', (rule, path) => expect(found.get(path)).toContain(rule));
  test('finds nothing in what is right', () => expect(found.get(right)).toBeUndefined());
});

describe('knip --strict', () => {
  interface Issues {
    readonly issues: readonly {
      readonly file: string;
      readonly files?: readonly unknown[];
      readonly exports?: readonly { readonly name: string }[];
      readonly types?: readonly { readonly name: string }[];
      readonly unlisted?: readonly { readonly name: string }[];
    }[];
  }
  let issues: Issues['issues'];

  beforeAll(() => {
    plant('libs/model/src/dead.ts', 'export const dead = 1;\n');
    plant('libs/model/src/testing/alive.ts', 'export const tests = 1;\n');
    plant(
      'libs/feed/src/half.ts',
      "import { MemoryLog } from '@pyralog/log/memory';\nexport const used: unknown = MemoryLog;\nexport const unused = 1;\nexport interface Unused {}\n",
    );
    plant('libs/feed/src/index.ts', "export { used } from './half.ts';\n");
    issues = (run('knip', '--strict', '--reporter', 'json') as Issues).issues;
  });

  const of = (file: string): Issues['issues'][number] | undefined =>
    issues.find((issue) => issue.file === file);
  const names = (list: readonly { readonly name: string }[] | undefined): string[] =>
    (list ?? []).map(({ name }) => name);

  test('finds a file that nothing uses, unless it is for tests', () => {
    expect(of('libs/model/src/dead.ts')?.files).toHaveLength(1);
    expect(of('libs/model/src/testing/alive.ts')).toBeUndefined();
  });
  test('finds an export and a type that nothing uses', () => {
    expect(names(of('libs/feed/src/half.ts')?.exports)).toEqual(['unused']);
    expect(names(of('libs/feed/src/half.ts')?.types)).toEqual(['Unused']);
  });
  test('finds a package of the tree that is imported and not declared', () => {
    expect(names(of('libs/feed/src/half.ts')?.unlisted)).toEqual(['@pyralog/log']);
  });
});
