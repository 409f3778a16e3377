/** The scripts of servers by hand: what they refuse, and that they end nothing that is not theirs. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serversIn } from '../servers/suite.ts';

const INFRA = fileURLToPath(new URL('../../infra', import.meta.url));

const SCRIPT = join(INFRA, 'scripts/redis.sh');

let folder: string;
let dir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pyralog-scripts-'));
  // Scripts quote it, or they do not.
  dir = join(folder, 'data of redis');
});
afterEach(() => {
  redis('stop', dir);
  rmSync(folder, { recursive: true });
});

function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [script, ...args], {
    encoding: 'utf8',
    env,
  });
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

const redis = (...args: readonly string[]): ReturnType<typeof run> => run(SCRIPT, args);
const written = (path: string): boolean => existsSync(path) && statSync(path).size > 0;
const pidIn = (of: string): string => readFileSync(join(of, 'pid'), 'utf8').trim();

test.each([
  [[]],
  [['run']],
  [['start']],
  [['start', 'a', 'b']],
  [['start', 'a', '1', '2']],
  [['install', 'a']],
  [['stop']],
  [['main']],
])('wrong use %j is told', (args) => {
  const { status, stderr } = redis(...args);
  expect(stderr).toBe('redis.sh: usage: redis.sh install | start DIR [PORT] | stop DIR');
  expect(status).toBe(2);
});

test('a folder keeps its port, and another can be given', () => {
  const first = redis('start', dir);
  expect(first.stdout).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/);
  const pid = pidIn(dir);
  expect(redis('start', dir)).toEqual(first);
  expect(pidIn(dir)).toBe(pid);
  expect(redis('stop', dir).status).toBe(0);
  expect(existsSync(join(dir, 'pid'))).toBe(false);
  expect(redis('stop', dir).status).toBe(0);
  expect(redis('start', dir)).toEqual(first);
  redis('stop', dir);
  const port = Number(first.stdout.split(':').at(-1)) + 1;
  expect(redis('start', dir, `${port}`).stdout).toBe(`redis://127.0.0.1:${port}`);
});

test('a port that another has is told, and nothing is left running', async () => {
  await using other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { status, stderr } = redis('start', dir, `${(other.address() as AddressInfo).port}`);
  expect(stderr).toMatch(
    /^It has ended\.\nredis\.sh: Redis does not start: .*Address already in use/s,
  );
  expect(status).toBe(4);
  expect(serversIn(dir)).toEqual([]);
  expect(existsSync(join(dir, 'pid'))).toBe(false);
});

test('one that is paused is told to end as well, and need not be killed', () => {
  redis('start', dir);
  process.kill(Number(pidIn(dir)), 'SIGSTOP');
  expect(redis('stop', dir).status).toBe(0);
  expect(readFileSync(join(dir, 'server.log'), 'utf8')).toContain('ready to exit');
});

test('a process that has taken the number of a server is left alone', async () => {
  const other = spawn('cat');
  try {
    mkdirSync(dir);
    writeFileSync(join(dir, 'pid'), `${other.pid}\n`);
    expect(redis('stop', dir).status).toBe(0);
    const ended = once(other, 'exit');
    other.stdin.end();
    // By its own end, not by a signal.
    expect(await ended).toEqual([0, null]);
  } finally {
    other.kill();
  }
});

test('one that is stopped while it comes up is not left behind', async () => {
  const starting = spawn('sh', [SCRIPT, 'start', dir], { stdio: 'ignore' });
  const ended = once(starting, 'exit');
  // From here on it has begun, and its process is mostly still to come.
  while (!written(join(dir, 'port'))) await new Promise(setImmediate);
  expect(redis('stop', dir).status).toBe(0);
  expect(await ended).toEqual([0, null]);
  expect(serversIn(dir)).toEqual([]);
});

test('who is told to end while a server comes up ends that too', async () => {
  const starting = spawn('sh', [SCRIPT, 'start', dir], { stdio: 'ignore' });
  const ended = once(starting, 'exit');
  while (!written(join(dir, 'pid'))) await new Promise(setImmediate);
  starting.kill('SIGTERM');
  expect(await ended).toEqual([4, null]);
  expect(serversIn(dir)).toEqual([]);
});

describe('without the tools that get a server', () => {
  // What every system has; the rest of the PATH is gone.
  const BASIC = [
    'sh',
    'dirname',
    'basename',
    'mkdir',
    'flock',
    'cat',
    'rm',
    'mv',
    'tr',
    'grep',
    'sed',
    'head',
  ];

  test.each([
    [
      'kafka',
      'Kafka needs java, which is not on the PATH. Install it (Debian: openjdk-17-jre-headless).',
    ],
    [
      's3proxy',
      'S3Proxy needs java, which is not on the PATH. Install it (Debian: openjdk-17-jre-headless).',
    ],
    ['minio', 'MinIO needs go, which is not on the PATH. Install it (Debian: golang-go).'],
    ['redis', 'Redis needs apt-get, which is not on the PATH. Install it (Debian: apt).'],
  ])('%s says which', (name, sentence) => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    for (const tool of BASIC)
      symlinkSync(
        spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(),
        join(bin, tool),
      );
    // A tree of its own, in which nothing has been got.
    cpSync(INFRA, join(folder, 'infra'), { recursive: true });
    const script = join(folder, 'infra/scripts', `${name}.sh`);
    for (const args of [['install'], ['start', dir]]) {
      const { status, stderr } = run(script, args, { PATH: bin });
      expect(stderr.split('\n').at(-1)).toBe(`${name}.sh: ${sentence}`);
      expect(status).toBe(3);
    }
    expect(
      readdirSync(join(folder, '.cache/servers')).filter((left) => !left.endsWith('.lock')),
    ).toEqual([]);
  });
});
