import * as fs from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isPyralogError, logOffset, partitionNo } from '@pyralog/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LogFiles, LocalLog, verifyLocalLog } from './local.ts';

const at = { topic: 't', partition: partitionNo(0) };
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-local-log-'));
});
afterEach(() => rm(dir, { recursive: true }));

const value = (i: number): Uint8Array => Buffer.from(`record ${i} ${'x'.repeat(i * 7)}`);

/** A closed log of some records. @returns its only file and where its frames end */
async function written(count: number): Promise<{ file: string; end: number; content: Buffer }> {
  const log = await LocalLog.open({ dir });
  await log.createTopic('t', 1);
  for (let i = 0; i < count; i++) await log.append(at, [{ value: value(i) }]);
  await log[Symbol.asyncDispose]();
  const folder = join(dir, 't', '0');
  const [name = ''] = await readdir(folder);
  const content = await readFile(join(folder, name));
  let end = content.length;
  while (content[end - 1] === 0) end--;
  return { file: join(folder, name), end, content };
}

async function texts(log: LocalLog): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of log.read(at, logOffset(0), { follow: false })) {
    for (const record of batch) found.push(Buffer.from(record.value as Uint8Array).toString());
  }
  return found;
}

test(
  'a tail torn at any byte is cut off, and what was acknowledged before it stays',
  { timeout: 60_000 },
  async () => {
    const { file, end, content } = await written(4);
    const lastFrame = content.indexOf('record 3') - 24;
    for (let torn = lastFrame; torn < end; torn++) {
      // What a crash leaves: the beginning of the frame, zeros behind it.
      const damaged = Buffer.from(content);
      damaged.fill(0, torn);
      await writeFile(file, damaged);
      const log = await LocalLog.open({ dir });
      expect(await texts(log)).toEqual([0, 1, 2].map((i) => value(i).toString()));
      await log.append(at, [{ value: value(9) }]);
      await log[Symbol.asyncDispose]();
      const again = await LocalLog.open({ dir });
      expect(await texts(again)).toEqual([0, 1, 2, 9].map((i) => value(i).toString()));
      await again[Symbol.asyncDispose]();
    }
  },
);

test(
  'I11 a flipped bit anywhere is reported by file and byte, or changes nothing',
  { timeout: 60_000 },
  async () => {
    const { file, end, content } = await written(3);
    const whole = [0, 1, 2].map((i) => value(i).toString());
    for (let position = 0; position < end; position++) {
      const damaged = Buffer.from(content);
      damaged[position] = (damaged[position] as number) ^ (1 << (position % 8));
      await writeFile(file, damaged);
      try {
        const log = await LocalLog.open({ dir, readOnly: true });
        const found = await texts(log);
        const problems = [...verifyLocalLog(dir)].filter(({ problem }) => problem !== undefined);
        // Rot of the last record looks like a torn tail; padding and unused bytes carry nothing.
        if (problems.length === 0) expect(whole.slice(0, found.length)).toEqual(found);
        expect(found.length).toBeGreaterThanOrEqual(2);
        await log[Symbol.asyncDispose]();
      } catch (error) {
        if (!isPyralogError(error)) throw error;
        expect(['log-damaged', 'format-unknown']).toContain(error.code);
        expect(error.message).toContain(file);
      }
    }
  },
);

test('rot before whole records is refused and nothing is cut', async () => {
  const { file, content } = await written(3);
  const damaged = Buffer.from(content);
  damaged[content.indexOf('record 1')] = 0;
  await writeFile(file, damaged);
  const error: unknown = await LocalLog.open({ dir }).catch((thrown: unknown) => thrown);
  expect(isPyralogError(error) && error.code).toBe('log-damaged');
  expect(isPyralogError(error) && error.message).toMatch(/byte [0-9]+/);
  expect(await readFile(file)).toEqual(damaged);
});

test('a second opener is refused while the first lives, and told which process it is', async () => {
  const log = await LocalLog.open({ dir });
  const error: unknown = await LocalLog.open({ dir }).catch((thrown: unknown) => thrown);
  expect(isPyralogError(error) && error.code).toBe('data-locked');
  expect(isPyralogError(error) && error.message).toContain(String(process.pid));
  await log[Symbol.asyncDispose]();
  await (await LocalLog.open({ dir }))[Symbol.asyncDispose]();
});

test('the lock of a dead process is taken over', async () => {
  await writeFile(join(dir, 'lock'), '{"pid":999999999,"began":"1"}');
  await (await LocalLog.open({ dir }))[Symbol.asyncDispose]();
});

test('on a full disk appends are refused, reads go on, and writing recovers by itself', async () => {
  const fault: { code: string | undefined; in: keyof LogFiles } = {
    code: undefined,
    in: 'writevSync',
  };
  const failing =
    (name: keyof LogFiles) =>
    (...args: unknown[]) => {
      if (fault.code !== undefined && fault.in === name)
        throw Object.assign(new Error(fault.code), { code: fault.code });
      return (fs[name] as (...list: unknown[]) => unknown)(...args);
    };
  const files = {
    ...fs,
    writevSync: failing('writevSync'),
    fdatasyncSync: failing('fdatasyncSync'),
  } as unknown as LogFiles;
  const log = await LocalLog.open({ dir, files });
  await log.createTopic('t', 1);
  await log.append(at, [{ value: value(0) }]);
  for (const step of ['writevSync', 'fdatasyncSync'] as const) {
    const before = await texts(log);
    fault.code = 'ENOSPC';
    fault.in = step;
    const error: unknown = await log
      .append(at, [{ value: value(1) }])
      .catch((thrown: unknown) => thrown);
    expect(isPyralogError(error) && error.code.startsWith('storage-')).toBe(true);
    expect(await texts(log)).toEqual(before);
    fault.code = undefined;
    await log.append(at, [{ value: value(2) }]);
    expect(await texts(log)).toEqual([...before, value(2).toString()]);
  }
  const seen = await texts(log);
  await log[Symbol.asyncDispose]();
  const again = await LocalLog.open({ dir });
  expect(await texts(again)).toEqual(seen);
  await again[Symbol.asyncDispose]();
});
