/**
 * The file system refuses, at every call that the log makes of it and for one call or several in a row.
 * Whatever it refuses: what was acknowledged stays, what was refused as `storage-full` never appears, and
 * the log goes on by itself when the file system does.
 */
import * as fs from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isPyralogError, logOffset, partitionNo } from '@pyralog/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LogFiles, LocalLog, verifyLocalLog } from './local.ts';

const at = { topic: 't', partition: partitionNo(0) };
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-log-faults-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** A file system of which the calls from `from` on fail, `count` of them. */
interface Fault {
  readonly code: string;
  readonly from: number;
  readonly count: number;
  /** Writes do half of their work before they fail. */
  readonly torn: boolean;
}

const WRITING = [
  'openSync',
  'writeSync',
  'writevSync',
  'fdatasyncSync',
  'fsyncSync',
] as const satisfies readonly (keyof LogFiles)[];

class FailingFiles {
  readonly files: LogFiles;
  calls = 0;
  fault: Fault | undefined;

  constructor(fault?: Fault) {
    this.fault = fault;
    const failing = WRITING.map((name) => [name, (...args: unknown[]) => this.#call(name, args)]);
    this.files = { ...fs, ...Object.fromEntries(failing) } as LogFiles;
  }

  #call(name: (typeof WRITING)[number], args: unknown[]): unknown {
    const real = fs[name] as (...list: unknown[]) => unknown;
    const call = this.calls++;
    const { fault } = this;
    if (fault === undefined || call < fault.from || call >= fault.from + fault.count)
      return real(...args);
    if (fault.torn && name === 'writevSync') {
      const [fd, [first], position] = args as [number, Uint8Array[], number];
      if (first !== undefined) fs.writeSync(fd, first, 0, first.length >> 1, position);
    }
    throw Object.assign(new Error(fault.code), { code: fault.code, syscall: name });
  }
}

const RECORDS = 16;
const value = (i: number): string => `record ${i} ${'x'.repeat((i * 97) % 700)}`;

async function texts(log: LocalLog): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of log.read(at, logOffset(0), { follow: false }))
    for (const record of batch) found.push(Buffer.from(record.value as Uint8Array).toString());
  return found;
}

interface Told {
  readonly acknowledged: string[];
  readonly unknown: string[];
  /** Calls of the file system while the log was written. */
  readonly calls: number;
}

/** Appends to a log of small files, and compares what it holds with what it told. */
async function written(folder: string, fault?: Fault): Promise<Told> {
  const failing = new FailingFiles();
  const options = { dir: folder, files: failing.files, fileBytes: 2048 };
  const log = await LocalLog.open(options);
  await log.createTopic('t', 1);
  failing.calls = 0;
  failing.fault = fault;
  const acknowledged: string[] = [];
  const unknown: string[] = [];
  for (let i = 0; i < RECORDS; i++) {
    try {
      const offset = await log.append(at, [{ value: Buffer.from(value(i)) }]);
      expect(offset).toBe(acknowledged.length);
      acknowledged.push(value(i));
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      expect(error.code).toMatch(/^storage-(full|failed)$/);
      if (error.code !== 'storage-full') unknown.push(value(i));
    }
    expect(await texts(log)).toEqual(acknowledged);
  }
  const calls = failing.calls;
  failing.fault = undefined;
  await log[Symbol.asyncDispose]();
  return { acknowledged, unknown, calls };
}

test('the log goes on after a failure of any call', { timeout: 120_000 }, async () => {
  const { calls } = await written(join(dir, 'calm'));
  expect(calls).toBeGreaterThan(40);
  let failed = 0;
  for (let from = 0; from < calls; from++) {
    for (const [code, count, torn] of [
      ['ENOSPC', 1, true],
      ['ENOSPC', 6, true],
      ['EIO', 1, false],
      ['EIO', 3, true],
      ['EMFILE', 2, false],
    ] as const) {
      const folder = join(dir, `${from}-${code}-${count}`);
      const told = await written(folder, { code, from, count, torn });
      failed += RECORDS - told.acknowledged.length;
      // At most one append for each call that failed: it does not go on failing.
      expect(told.acknowledged.length).toBeGreaterThanOrEqual(RECORDS - count);
      const again = await LocalLog.open({ dir: folder, fileBytes: 2048 });
      const kept = await texts(again);
      // What was refused as unknown may come back, where nothing was written behind it.
      const back = kept.slice(told.acknowledged.length);
      expect(kept.slice(0, told.acknowledged.length)).toEqual(told.acknowledged);
      expect(back.length).toBeLessThanOrEqual(1);
      for (const record of back) expect(told.unknown).toContain(record);
      await again.append(at, [{ value: Buffer.from('last') }]);
      await again[Symbol.asyncDispose]();
      expect([...verifyLocalLog(folder)].flatMap(({ problem }) => problem ?? [])).toEqual([]);
      fs.rmSync(folder, { recursive: true });
    }
  }
  expect(failed).toBeGreaterThan(calls);
});

test('a log whose last file was begun and never finished opens without writing', async () => {
  await written(join(dir, 'log'));
  const folder = join(dir, 'log', 't', '0');
  await writeFile(join(folder, `${String(RECORDS).padStart(20, '0')}.log`), '');
  const full = new FailingFiles({
    code: 'ENOSPC',
    from: 0,
    count: Number.POSITIVE_INFINITY,
    torn: false,
  });
  // Opening files and syncing them needs no room; the rest does.
  const { openSync, fsyncSync, fdatasyncSync } = fs;
  const files: LogFiles = { ...full.files, openSync, fsyncSync, fdatasyncSync };
  const log = await LocalLog.open({ dir: join(dir, 'log'), files, fileBytes: 2048 });
  expect(await texts(log)).toHaveLength(RECORDS);
  const refused: unknown = await log
    .append(at, [{ value: Buffer.from('a') }])
    .catch((e: unknown) => e);
  expect(isPyralogError(refused) && refused.code).toBe('storage-full');
  full.fault = undefined;
  expect(await log.append(at, [{ value: Buffer.from('b') }])).toBe(RECORDS);
  await log[Symbol.asyncDispose]();
});

test('a lock that the loss of power left empty is taken over', async () => {
  await writeFile(join(dir, 'lock'), '');
  await using log = await LocalLog.open({ dir });
  await log.createTopic('t', 1);
  expect((await readFile(join(dir, 'lock'), 'utf8')).includes(`"pid":${process.pid},`)).toBe(true);
});

test('a file that begins where the one before it does not end is damage', async () => {
  await written(join(dir, 'log'));
  const file = join(dir, 'log', 't', '0', `${String(RECORDS + 5).padStart(20, '0')}.log`);
  await writeFile(file, '');
  const error: unknown = await LocalLog.open({ dir: join(dir, 'log') }).catch((e: unknown) => e);
  expect(isPyralogError(error) && [error.code, error.message.includes(file)]).toEqual([
    'log-damaged',
    true,
  ]);
});

test('a read that the file system refuses is an operating error, and the next one reads', async () => {
  await written(join(dir, 'log'));
  let failing = true;
  const readSync = ((...args: Parameters<typeof fs.readSync>) => {
    if (failing) throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
    return fs.readSync(...args);
  }) as LogFiles['readSync'];
  const opened = await LocalLog.open({ dir: join(dir, 'log'), files: { ...fs, readSync } }).catch(
    (error: unknown) => error,
  );
  expect(isPyralogError(opened) && opened.code).toBe('storage-failed');
  failing = false;
  const log = await LocalLog.open({ dir: join(dir, 'log'), files: { ...fs, readSync } });
  failing = true;
  const error: unknown = await texts(log).catch((thrown: unknown) => thrown);
  expect(isPyralogError(error) && error.code).toBe('storage-failed');
  failing = false;
  expect(await texts(log)).toHaveLength(RECORDS);
  await log[Symbol.asyncDispose]();
});
