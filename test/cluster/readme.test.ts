/** The cluster of the README, which one command starts, in a folder of its own and on a port that is free. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serversIn } from '../servers/suite.ts';
import { blocksOf } from '../tidy/documents.ts';
import { ROOT } from '../tidy/files.ts';

const START = 'sh infra/scripts/cluster.sh start';

/** Ends it with these tests, however they end: nobody holds the pipe to this shell then. */
const GUARD = 'cat >/dev/null; sh infra/scripts/cluster.sh stop "$1"; rm -rf "$1"';

let dir: string;
let guard: ChildProcessByStdio<Writable, null, null>;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pyralog-readme-cluster-'));
  guard = spawn('sh', ['-c', GUARD, 'sh', dir], {
    cwd: ROOT,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
});
afterAll(async () => {
  const ended = once(guard, 'exit');
  guard.stdin.end();
  await ended;
});

/** Runs lines of a shell in the clone. */
async function shell(lines: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn('sh', ['-euc', lines], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const [out, err, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { status: status as number | null, out, err };
}

/** One that nobody listens on at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const isRepository =
  spawnSync('git', ['-C', ROOT, 'rev-parse', '--verify', '--quiet', 'HEAD']).status === 0;

test.skipIf(!isRepository)('it starts, takes the history of this clone, and stops', async () => {
  const blocks = blocksOf(readFileSync(join(ROOT, 'README.md'), 'utf8'), 'sh');
  const [start, ...others] = (blocks.find((block) => block.includes(START)) ?? '').split('\n');
  expect(start).toBe(START);
  const port = await freePort();
  const cluster = await shell(`${START} '${dir}' ${port}`);
  expect({ status: cluster.status, out: cluster.out }).toEqual({
    status: 0,
    out: expect.stringContaining(`http://127.0.0.1:${port}/v1`),
  });
  expect(serversIn(dir).length).toBeGreaterThan(0);
  const { status, out, err } = await shell(others.join('\n'), {
    PYRALOG_URL: `http://127.0.0.1:${port}`,
  });
  expect({ status, err: /^error/m.exec(err) }).toEqual({ status: 0, err: null });
  expect(out).toMatch(/: [0-9]+ transactions? \(/);
  expect(out).toMatch(/\+ git\/blob/);
  const stopped = await shell(`sh infra/scripts/cluster.sh stop '${dir}'`);
  expect(stopped).toEqual({ status: 0, out: '', err: '' });
  expect(serversIn(dir)).toEqual([]);
});
