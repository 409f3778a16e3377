import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LocalLog } from '@pyralog/log/local';
import { isPyralogError } from '@pyralog/model';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const RACE_MILLIS = 2_000;
const FROM_SOURCE = ['--conditions=source', '--import', 'tsx'];
const RACER = fileURLToPath(new URL('./log-lock-racer.ts', import.meta.url));
const HOLDER = fileURLToPath(new URL('./log-lock-holder.ts', import.meta.url));

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-lock-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** The refusal that opening the folder meets, if any. */
async function refusal(): Promise<string | undefined> {
  try {
    await (await LocalLog.open({ dir }))[Symbol.asyncDispose]();
    return undefined;
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

/** Starts a program that opens the log and says its pid. */
async function holder(command: string, args: readonly string[]): Promise<[ChildProcess, number]> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return [child, Number(line)];
}

test('another process is refused by name while the holder lives, and not after its SIGKILL', async () => {
  const [child, pid] = await holder(process.execPath, [...FROM_SOURCE, HOLDER, dir]);
  expect(pid).toBe(child.pid);
  expect(await refusal()).toBe(`data-locked: ${dir} is in use by process ${pid}.`);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  expect(await readFile(join(dir, 'lock'), 'utf8')).toContain(String(pid));
  expect(await refusal()).toBeUndefined();
  expect(await readdir(dir)).not.toContain('lock');
});

test('a holder that is dead and not buried holds nothing', async () => {
  // `sleep` takes the place of the shell and never asks how its child has ended, so that it stays a zombie.
  const [parent, pid] = await holder('sh', [
    '-c',
    '"$@" & exec sleep 60',
    'sh',
    process.execPath,
    ...FROM_SOURCE,
    HOLDER,
    dir,
  ]);
  expect(await refusal()).toContain(`process ${pid}`);
  process.kill(pid, 'SIGKILL');
  await zombie(pid);
  expect(await refusal()).toBeUndefined();
  const exited = once(parent, 'exit');
  parent.kill('SIGKILL');
  await exited;
});

test('a lock that cannot be read is told, not waited for', async () => {
  await mkdir(join(dir, 'lock'));
  expect(await refusal()).toContain('storage-failed');
});

test(
  'of many processes one has the folder, however the ones before it ended',
  { timeout: 60_000 },
  async () => {
    const run = promisify(execFile);
    const racers = [1, 2, 3, 4].map((id) =>
      run(process.execPath, [
        ...FROM_SOURCE,
        RACER,
        dir,
        `${id}`,
        `${SEED + id}`,
        `${RACE_MILLIS}`,
      ]),
    );
    const outputs = (await Promise.all(racers)).map(({ stdout }) => stdout);
    const held = outputs.map((output) => Number(/^held ([0-9]+)$/m.exec(output)?.[1]));
    process.stdout.write(`lock race: seed ${SEED}, held ${held.join(', ')} times\n`);
    expect(outputs.join('').match(/not alone.*/g)).toBeNull();
    expect(held.reduce((sum, times) => sum + times, 0)).toBeGreaterThan(20);
  },
);

/** Resolves when a process has ended that nobody asks for its status. */
async function zombie(pid: number): Promise<void> {
  while (!/\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')))
    await new Promise((resolve) => setImmediate(resolve));
}
