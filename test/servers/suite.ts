import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { TestServer } from './server.ts';

/** What a server is for, by a client of its kind; each call is a connection of its own. */
export interface Use<Server extends TestServer> {
  /** Resolves when it is acknowledged. */
  write(server: Server, value: string): Promise<void>;
  /** What was written last. */
  read(server: Server): Promise<string | undefined>;
}

/** What tests may rely on in a server that they kill. */
export function serverSuite<Server extends TestServer>(
  start: () => Promise<Server>,
  use: Use<Server>,
): void {
  test('it is ready when it says so, and again after it was killed, on its address and data', async () => {
    await using server = await start();
    const { address, pid } = server;
    await use.write(server, 'before');
    await server.kill();
    expect(runs(pid)).toBe(false);
    await expect(reach(address)).rejects.toThrow('ECONNREFUSED');
    await server.start();
    expect(server.address).toBe(address);
    expect(server.pid).not.toBe(pid);
    expect(await use.read(server)).toBe('before');
    await use.write(server, 'after');
    expect(await use.read(server)).toBe('after');
  });

  test('it goes on after a pause, ends in one, and starts again', async () => {
    await using server = await start();
    const { pid } = server;
    await use.write(server, 'kept');
    server.pause();
    expect(stateOf(pid)).toBe('T');
    server.resume();
    expect(await use.read(server)).toBe('kept');
    server.pause();
    await server.stop();
    expect(runs(pid)).toBe(false);
    await server.start();
    expect(await use.read(server)).toBe('kept');
    // One that runs is left alone.
    const again = server.pid;
    await server.start();
    expect(server.pid).toBe(again);
  });

  test('two know nothing of each other, and nothing is left of either', async () => {
    const one = await start();
    const other = await start();
    expect(other.address).not.toBe(one.address);
    await use.write(one, 'one');
    await use.write(other, 'other');
    expect(await use.read(one)).toBe('one');
    const pids = [one.pid, other.pid];
    const folders = pids.map(folderOf);
    await Promise.all([one, other].map((server) => server[Symbol.asyncDispose]()));
    // The second time it has nothing to do.
    await one[Symbol.asyncDispose]();
    expect(pids.filter(runs)).toEqual([]);
    expect(folders.filter(existsSync)).toEqual([]);
    expect(folders.flatMap(serversIn)).toEqual([]);
  });
}

/** Letter of the state of a process; undefined where there is none. */
function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** One that has ended stays in the table until its parent has asked. */
const runs = (pid: number): boolean => !['Z', 'X', undefined].includes(stateOf(pid));

/** Where what it says goes, which is the folder of its data too. */
function folderOf(pid: number): string {
  const log = readlinkSync(`/proc/${pid}/fd/2`);
  expect(log).toMatch(/\/pyralog-\w+-[^/]+\/server\.log$/);
  return log.slice(0, log.lastIndexOf('/'));
}

/** Servers that have their data below a folder, which all of them name in their command lines. */
export function serversIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function reach(address: string): Promise<void> {
  const { hostname, port } = new URL(address.includes('//') ? address : `tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

/** A program that starts a Redis, says so, says when it has come up, and waits. Its folder lies in `temporary`. */
export function ownerOfRedis(temporary: string): ChildProcessByStdio<null, Readable, null> {
  const program = `
    import { RedisServer } from '${new URL('redis.ts', import.meta.url).href}';
    const server = RedisServer.start();
    console.log('coming up');
    console.log((await server).address);
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary, TSX_DISABLE_CACHE: '1' },
  });
}
