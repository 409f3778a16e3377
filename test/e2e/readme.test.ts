/**
 * What the README shows, as somebody does who has just read it: in a folder of his own, with the package as it is
 * built. Its cluster is in test/cluster.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProgram } from '../../services/pyralog/src/cli/program.ts';
import { blocksOf } from '../tidy/documents.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pyralog-readme-'));
  writeFileSync(join(folder, 'pyralog'), `exec '${join(ROOT, 'pyralog')}' "$@"\n`, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The blocks of a language that hold a text, in order. */
const blocksWith = (language: string, text: string): string[] =>
  blocksOf(README, language).filter((block) => block.includes(text));

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs lines of a shell in the folder. */
function shell(lines: string, env: Readonly<Record<string, string>> = {}): Ran {
  const { status, stdout, stderr } = spawnSync('sh', ['-euc', lines], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { status, out: stdout, err: stderr };
}

test('the program in TypeScript compiles, runs to its end, and shows what was written', () => {
  const [program = ''] = blocksWith('ts', "from 'pyralog'");
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'services/pyralog'), join(folder, 'node_modules/pyralog'));
  // As any project on Node has them.
  symlinkSync(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'program.ts'), program);
  const settings = {
    strict: true,
    noUnusedLocals: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['esnext'],
    types: ['node'],
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: settings, files: ['program.ts'] }),
  );
  expect(shell(`'${ROOT}/node_modules/.bin/tsc'`)).toEqual({ status: 0, out: '', err: '' });
  const { status, out, err } = shell('node program.js');
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out.match(/'person\/name': 'Alice'/g)).toHaveLength(2);
  expect(out).toMatch(/author: 'user:import'/);
  expect(shell('./pyralog entity attribute:person/email --data ./people').out).toMatch('identity');
});

/** Starts the server of the README, on a free port. Resolves with its address when it is ready. */
async function started(line: string): Promise<{ readonly server: ChildProcess; url: string }> {
  const server = spawn('sh', ['-euc', `exec ${line}`], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYRALOG_PORT: '0' },
  });
  let url = '';
  for await (const said of createInterface({ input: server.stdout as NodeJS.ReadableStream })) {
    url ||= /http:\/\/[0-9.:]+/.exec(said)?.[0] ?? '';
    if (said.startsWith('Ready')) break;
  }
  return { server, url };
}

test('five minutes: every command does what it says', async () => {
  const [start = ''] = blocksWith('sh', './pyralog dev');
  const [write = ''] = blocksWith('sh', './pyralog transact');
  const [past = ''] = blocksWith('sh', '--as-of');
  const [curl = ''] = blocksWith('sh', 'curl ');
  const { server, url } = await started(start);
  try {
    const env = { PYRALOG_URL: url };
    const written = shell(write, env);
    expect({ status: written.status, err: written.err.match(/error/) }).toEqual({
      status: 0,
      err: null,
    });
    expect(written.out).toMatch(/^title +On the Electrodynamics of Moving Bodies$/m);
    expect(written.out).toMatch(/user:bob {2}full title\n {2}- title +Relativity\n/);
    expect(written.out.match(/user:alice {2}first draft$/gm)).toHaveLength(2);
    // Before it was written.
    const before = shell(past, env);
    expect([before.status, before.err]).toEqual([1, expect.stringMatching(/no fact in force/)]);
    expect(curl).toContain('http://127.0.0.1:4000/v1/main');
    const answer = shell(curl.replace('http://127.0.0.1:4000', url));
    expect(JSON.parse(answer.out)).toMatchObject({
      attributes: { title: 'On the Electrodynamics of Moving Bodies', author: ['Einstein'] },
    });
  } finally {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
  }
});

const isRepository =
  spawnSync('git', ['-C', ROOT, 'rev-parse', '--verify', '--quiet', 'HEAD']).status === 0;

test.skipIf(!isRepository)('the demonstration shows the history of this clone', () => {
  const [demonstration = ''] = blocksWith('sh', './pyralog demo');
  const { status, out } = shell(demonstration);
  expect(status).toBe(0);
  expect(out).toMatch(/: [0-9]+ transactions? \(/);
  expect(out).toMatch(/^2\. The tree as it was at/m);
});

/** A part of each block of a shell, and where that is run. */
const BLOCKS: readonly (readonly [part: string, where: string])[] = [
  ['./pyralog demo', 'here'],
  ['npm test', 'these tests'],
  ['./pyralog dev', 'here'],
  ['./pyralog transact', 'here'],
  ['--as-of', 'here'],
  ['curl ', 'here'],
  ['cluster.sh start', 'test/cluster/readme.test.ts'],
  // Of addresses that are nowhere: their options are looked at here, and test/cluster runs every role.
  ['pyralog sequencer', 'here, without addresses'],
];

test('every block of a shell is run somewhere', () => {
  const parts = blocksOf(README, 'sh').map((block) =>
    BLOCKS.filter(([part]) => block.includes(part)).map(([part]) => part),
  );
  expect(parts).toEqual(BLOCKS.map(([part]) => [part]));
});

test('every command and option that it names is one', () => {
  const program = createProgram(() => undefined);
  const lines = blocksOf(README, 'sh').flatMap((block) =>
    block.split('\n').flatMap((line) => /(?:^|\| *)(?:\.\/)?pyralog (.*)$/.exec(line)?.[1] ?? []),
  );
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    const words = line.replace(/ *#.*/, '').split(/ +/);
    let command: ReturnType<typeof createProgram> = program;
    for (const word of words) {
      const next = command.commands.find((each) => each.name() === word);
      if (next === undefined) break;
      command = next;
    }
    expect(command.name(), line).not.toBe('pyralog');
    const known = command.options.map(({ long }) => long);
    for (const option of words.filter((word) => word.startsWith('--')))
      expect(known, line).toContain(option);
  }
});
