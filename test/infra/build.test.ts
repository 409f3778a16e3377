/** What the script says that compiles a clone, with a compiler that ends when the test has it end. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../tidy/files.ts';

/** Ends with the status that it is told on its stdin. */
const COMPILER = '#!/bin/sh\nread -r status\necho "compiled: $*"\nexit "$status"\n';

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'pyralog-build-'));
  const scripts = join(clone, 'infra/scripts');
  for (const folder of [scripts, join(clone, 'node_modules/.bin'), join(clone, 'libs/a')])
    mkdirSync(folder, { recursive: true });
  mkdirSync(join(clone, 'services'));
  for (const name of ['build.sh', 'lock.sh'])
    cpSync(join(ROOT, 'infra/scripts', name), join(scripts, name));
  writeFileSync(join(scripts, 'install.sh'), '');
  for (const name of ['tsconfig.json', 'package-lock.json', 'libs/a/a.ts'])
    writeFileSync(join(clone, name), '{}');
  const compiler = join(clone, 'node_modules/.bin/tsc');
  writeFileSync(compiler, COMPILER);
  chmodSync(compiler, 0o755);
});
afterEach(() => rmSync(clone, { recursive: true }));

interface Build {
  readonly compiler: Writable;
  /** Resolves with what it has written to stderr when that ends with a text. */
  says(end: string): Promise<string>;
  /** Exit status, and all that it has written. */
  readonly ended: Promise<readonly [status: number, stdout: string, stderr: string]>;
}

function build(): Build {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    'sh',
    [join(clone, 'infra/scripts/build.sh')],
    { stdio: 'pipe' },
  );
  child.stdin.on('error', () => undefined);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said += part));
  return {
    compiler: child.stdin,
    async says(end) {
      while (!said.endsWith(end)) await once(child.stderr, 'data');
      return said;
    },
    ended: Promise.all([
      once(child, 'close').then(([status]) => status as number),
      text(child.stdout),
    ]).then(([status, stdout]) => [status, stdout, said] as const),
  };
}

const change = (): void => writeFileSync(join(clone, 'libs/a/a.ts'), 'changed');

test('the first time, and when much has changed, it says so while it compiles', async () => {
  const first = build();
  expect(await first.says('…\n')).toBe('Compiling (once) …\n');
  first.compiler.end('0\n');
  expect(await first.ended).toEqual([0, '', 'Compiling (once) …\ncompiled: -b\n']);
  expect(await build().ended).toEqual([0, '', '']);
  change();
  const second = build();
  expect(await second.says('…\n')).toBe('Compiling what has changed …\n');
  second.compiler.end('0\n');
  expect((await second.ended)[0]).toBe(0);
});

test('it says nothing of what is done at once', async () => {
  const quick = build();
  quick.compiler.end('0\n');
  expect(await quick.ended).toEqual([0, '', 'compiled: -b\n']);
});

test('what does not compile is tried again, and leaves nothing behind', async () => {
  const failed = build();
  failed.compiler.end('2\n');
  expect(await failed.ended).toEqual([2, '', 'compiled: -b\n']);
  expect(readdirSync(clone).filter((name) => name.startsWith('.lock'))).toEqual([]);
  expect(existsSync(join(clone, 'node_modules/.compiled'))).toBe(false);
  const again = build();
  again.compiler.end('0\n');
  expect((await again.ended)[0]).toBe(0);
});
