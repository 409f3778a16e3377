import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { eventually } from './waiting.ts';

/** A program that starts a server, halts it, says its number, and waits. */
const OWNER = `
  import { Processes } from '${new URL('processes.ts', import.meta.url).href}';
  const server = new Processes().start(['dev', '--port', '0'], {});
  await server.ready();
  server.pause();
  console.log(server.pid);
  setInterval(() => {}, 1000);`;

test('no process outlives the test that started it, also where that is killed', async () => {
  const owner = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', OWNER],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(owner, 'exit');
  try {
    const lines = createInterface({ input: owner.stdout })[Symbol.asyncIterator]();
    const { value: pid } = await lines.next();
    expect(runs(Number(pid))).toBe(true);
    owner.kill('SIGKILL');
    await exited;
    await eventually('the process has ended', async () => {
      expect(runs(Number(pid))).toBe(false);
    });
  } finally {
    owner.kill('SIGKILL');
    await exited;
  }
});

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
