/** The rule finds what is planted for it, and nothing in what is right. */
import { expect, test } from 'vitest';
import { banRule } from './bans.ts';
import { BANS, LAYERS } from './layers.ts';

const whats = (path: string, text: string): string[] =>
  banRule([{ path, text }], []).findings.map(({ what }) => what);
const names = (path: string, text: string): string[] =>
  whats(path, text).map((what) => /^says (.+): use /.exec(what)?.[1] ?? what);

/** Every banned name as somebody might write it first. */
function written(name: string): string {
  const [root = '', ...rest] = name.split('.');
  const module =
    /^(zlib|fs|http|https|http2|dgram|tls|dns|net|child_process|worker_threads|cluster|timers|perf_hooks)(\/promises)?$/;
  if (module.test(root))
    return rest.length === 0
      ? `import * as it from 'node:${name}'; it.something();`
      : `import { ${rest.join('.')} } from 'node:${root}';`;
  if (name.startsWith('new ')) return name.endsWith('()') ? `a(${name});` : `a(${name}(0));`;
  return name.endsWith('()') ? `a(${name});` : `a(${name}.call());`;
}

test.each(BANS.flatMap(({ names, bannedIn }) => names.map((name) => [name, bannedIn] as const)))(
  '%s is found exactly where it is banned',
  (name, bannedIn) => {
    for (const layer of Object.values(LAYERS)) {
      const found = names(`${layer.dir}/src/a.ts`, written(name));
      if (bannedIn(layer)) expect(found, layer.dir).toContain(name);
      else expect(found, layer.dir).not.toContain(name);
    }
    expect(names('libs/model/src/a.test.ts', written(name))).toEqual([]);
    expect(names('libs/model/src/testing/a.ts', written(name))).toEqual([]);
    expect(names('test/a.ts', written(name))).toEqual([]);
  },
);

test.each([
  ['a call', 'const a = Date.now();', 'Date.now'],
  ['a name that is handed on', 'const clock = { now: Date.now };', 'Date.now'],
  ['a default', 'function f(now = Date.now) {}', 'Date.now'],
  ['an optional call', 'Date?.now?.();', 'Date.now'],
  ['a name in brackets', `Date['now']();`, 'Date.now'],
  ['a way round', 'globalThis.setTimeout(f, 1);', 'setTimeout'],
  ['a short property', 'const io = { fetch };', 'fetch'],
  ['an expression with a type', '(fetch as unknown);', 'fetch'],
  ['inside a template', '`${Math.random()}`;', 'Math.random'],
  ['in a class', 'class A { #at = Date.now(); }', 'Date.now'],
  [
    'another local name',
    `import { randomBytes as draw } from 'node:crypto';`,
    'crypto.randomBytes',
  ],
  ['a whole module', `import * as c from 'node:crypto'; c.randomUUID();`, 'crypto.randomUUID'],
  ['its default', `import c from 'node:crypto'; c.webcrypto.subtle;`, 'crypto.webcrypto'],
  ['a re-export', `export { randomUUID } from 'node:crypto';`, 'crypto.randomUUID'],
  ['a global module', 'crypto.randomUUID();', 'crypto.randomUUID'],
  ['below a name', 'crypto.subtle.digest();', 'crypto.subtle'],
])('%s', (_, text, name) => {
  expect(names('libs/model/src/a.ts', text)).toEqual([name]);
});

test('a dynamic import is an import', () => {
  expect(names('libs/reading/src/a.ts', `await import('node:fs');`)).toEqual(['fs']);
});

test.each([
  ['a type', `import type { Server } from 'node:http'; let a: typeof fetch; let b: Date;`],
  ['a key', 'const a = { console: 1, fetch() {} }; a.console; class B { setTimeout = 1; }'],
  ['a name of its own', 'const f = (fetch: () => void) => fetch();'],
  ['an import of its own', `import { setTimeout } from './timers.ts'; setTimeout();`],
  ['what a module has besides', `import { createHash } from 'node:crypto'; createHash('sha256');`],
  ['another sort of race', 'const a = { race() {} }; a.race(); Promise.all([]);'],
])('%s is no use of a banned name', (_, text) => {
  expect(whats('libs/model/src/a.ts', text)).toEqual([]);
});

test('an exception holds for its file and its name, as long as it is needed', () => {
  const row = { path: 'libs/model/src/a.ts', name: 'JSON.parse', why: 'planted' };
  const a = { path: row.path, text: 'JSON.parse(x);' };
  const b = { path: 'libs/model/src/b.ts', text: 'JSON.parse(x);' };
  expect(banRule([a], [row]).findings).toEqual([]);
  expect(banRule([a, b], [row]).findings.map(({ path }) => path)).toEqual([b.path]);
  expect(banRule([{ ...a, text: '' }], [row]).findings).toEqual([
    { path: a.path, what: 'is excepted from the ban of JSON.parse, which it does not say' },
  ]);
});
