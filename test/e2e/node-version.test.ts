/** Whoever comes with a Node that is too old is told so in one sentence, at every door. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeComplaint } from '../../services/pyralog/src/node-version.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOO_OLD = ['0.12.18', '18.20.8', '20.0.0', '20.9.0', '20.18.3'];
const GOOD = ['20.19.0', '20.20.2', '21.0.0', '22.0.0', '30.1.0', '100.0.0'];
const sentence = (version: string): string =>
  `Pyralog needs Node 20.19 or later. This is Node ${version}.`;

function run(
  command: string,
  args: readonly string[],
  path: string,
): Pick<SpawnSyncReturns<string>, 'status' | 'stdout' | 'stderr'> {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  });
  return { status, stdout, stderr };
}

test('the check of the command line is the one of the package', () => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  expect(engines.node).toBe('>=20.19');
  for (const version of TOO_OLD) expect(nodeComplaint(version)).toBe(sentence(version));
  for (const version of GOOD) expect(nodeComplaint(version)).toBeUndefined();
});

describe('the scripts of a clone', () => {
  // A program of this name on the PATH that says which Node it is, and is asked for nothing else.
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'pyralog-node-'))));
  afterAll(() => rmSync(folder, { recursive: true }));
  const as = (version: string): ReturnType<typeof run> => {
    writeFileSync(join(folder, 'node'), `#!/bin/sh\necho v${version}\n`);
    chmodSync(join(folder, 'node'), 0o755);
    return run('/bin/sh', ['infra/scripts/install.sh'], `${folder}:${process.env['PATH']}`);
  };

  test.each(TOO_OLD)('refuse Node %s', (version) => {
    expect(as(version)).toEqual({ status: 1, stdout: '', stderr: `${sentence(version)}\n` });
  });
  test.each(GOOD)('take Node %s', (version) => {
    expect(as(version)).toEqual({ status: 0, stdout: '', stderr: '' });
  });
  test('miss a Node', () => {
    // The tools of the shell, and no node.
    const path = join(folder, 'tools');
    spawnSync('/bin/sh', ['-c', `mkdir "${path}" && ln -s "$(command -v dirname)" "${path}"`]);
    expect(run('/bin/sh', ['infra/scripts/install.sh'], path)).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Pyralog needs Node 20.19 or later. There is no node on the PATH.\n',
    });
  });
});

const old = spawnSync('sh', ['infra/scripts/node.sh', '18'], { cwd: ROOT, encoding: 'utf8' });
const reason =
  old.status === 0 ? '' : `there is no Node 18: ${old.stderr.trim().split('\n').at(-1)}`;

describe.skipIf(reason !== '' && process.env['CI'] !== 'true')(`a real Node 18 ${reason}`, () => {
  const path = `${old.stdout.trim()}:${process.env['PATH']}`;
  const refused = { status: 1, stdout: '', stderr: `${sentence('18.20.8')}\n` };

  test('is refused by the command of a clone', () => {
    expect(reason).toBe('');
    expect(run(join(ROOT, 'pyralog'), ['--version'], path)).toEqual(refused);
  });
  test('is refused by the command as it is built', () => {
    expect(run('node', [join(ROOT, 'services/pyralog/dist/bin.js'), '--version'], path)).toEqual(
      refused,
    );
  });
});
