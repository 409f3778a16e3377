/**
 * Damage of the files of a log that no crash leaves: it is told by file and byte, or the very end is cut
 * off; it is never read as data. `PYRALOG_SEED` repeats a run.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { isPyralogError, logOffset, partitionNo, type PyralogError } from '@pyralog/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalLog, verifyLocalLog } from './local.ts';

const SEED = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
const FILE_BYTES = 4096;
const at = { topic: 't', partition: partitionNo(0) };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pyralog-log-damage-'));
});
afterEach(() => rm(dir, { recursive: true }));

const value = (i: number): string => `record ${i} ${'abcdefg'.repeat((i * 31) % 60)}`;

/** One file of a closed log. */
interface Written {
  readonly path: string;
  readonly content: Buffer;
  /** Where its frames end and zeros begin. */
  readonly end: number;
}

/** Writes records in groups of three and closes the log. @returns its files */
async function written(records: number): Promise<Written[]> {
  const log = await LocalLog.open({ dir, fileBytes: FILE_BYTES });
  await log.createTopic('t', 1);
  for (let i = 0; i < records; i += 3) {
    const group = [i, i + 1, i + 2].filter((each) => each < records);
    await Promise.all(group.map((each) => log.append(at, [{ value: Buffer.from(value(each)) }])));
  }
  await log[Symbol.asyncDispose]();
  const folder = join(dir, 't', '0');
  return Promise.all(
    (await readdir(folder)).toSorted().map(async (name) => {
      const content = await readFile(join(folder, name));
      let end = content.length;
      while (content[end - 1] === 0) end--;
      return { path: join(folder, name), content, end };
    }),
  );
}

/** Opens the log and reads all of it. @returns what it holds, or how it refuses */
async function opened(): Promise<string[] | PyralogError> {
  let log: LocalLog | undefined;
  try {
    log = await LocalLog.open({ dir, fileBytes: FILE_BYTES });
    const found: string[] = [];
    for await (const batch of log.read(at, logOffset(0), { follow: false }))
      for (const record of batch) found.push(Buffer.from(record.value as Uint8Array).toString());
    return found;
  } catch (error) {
    if (isPyralogError(error)) return error;
    throw error;
  } finally {
    await log?.[Symbol.asyncDispose]();
  }
}

/** The file and byte that a refusal names. */
function placeIn({ code, message }: PyralogError): { file: string; byte: number } {
  expect(code).toBe('log-damaged');
  const [, file = '', byte = ''] = /^(.*), byte ([0-9]+): /.exec(message) ?? [];
  return { file, byte: Number(byte) };
}

test('I11 a bit flipped anywhere in many files is told, or cut off at the very end', async () => {
  const records = 100;
  const whole = Array.from({ length: records }, (_, i) => value(i));
  const files = await written(records);
  expect(files.length).toBeGreaterThan(5);
  let told = 0;
  const flip = fc.record({
    file: fc.nat(files.length - 1),
    // Now and then behind the frames.
    part: fc.double({ min: 0, max: 1.05, noNaN: true }),
    bit: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(flip, async ({ file: i, part, bit }) => {
      const { path, content, end } = files[i] as Written;
      const position = Math.floor(part * end);
      const damaged = Buffer.from(content);
      damaged[position] = (damaged[position] as number) ^ (1 << bit);
      await writeFile(path, damaged);
      try {
        const found = await opened();
        const problems = [...verifyLocalLog(dir)].flatMap(({ problem }) => problem ?? []);
        if (Array.isArray(found)) {
          expect(found).toEqual(whole.slice(0, found.length));
          if (found.length < records) {
            // The last group, of what may be the end of a write that was interrupted.
            expect(i).toBe(files.length - 1);
            expect(found.length).toBeGreaterThanOrEqual(records - 3);
          }
          expect(problems).toEqual([]);
          return;
        }
        told++;
        for (const problem of [found, ...problems]) {
          const place = placeIn(problem);
          expect(place.file).toBe(path);
          expect(place.byte).toBeLessThanOrEqual(position);
          expect(place.byte).toBeGreaterThan(position - 600);
        }
        expect(problems).toHaveLength(1);
      } finally {
        await writeFile(path, content);
      }
    }),
    { numRuns: 300, seed: SEED },
  );
  expect(told).toBeGreaterThan(150);
  expect(await opened()).toEqual(whole);
});

test('rot in the last record is told where no interrupted write can have left it', async () => {
  const [file] = await written(4);
  const { path, content, end } = file as Written;
  // Behind its length: a wrong one may point to where nothing was written.
  const frame = (content.indexOf('record 3') - 17) & ~7;
  for (let position = frame + 4; position < end; position++) {
    const damaged = Buffer.from(content);
    damaged[position] = (damaged[position] as number) ^ 0x80;
    await writeFile(path, damaged);
    const error = await opened();
    expect(isPyralogError(error) && placeIn(error)).toEqual({ file: path, byte: frame });
    expect((await readFile(path)).equals(damaged)).toBe(true);
  }
});

test('a sector that the disk lost in the middle is told, not taken for the end', async () => {
  const [file] = await written(12);
  const { path, content, end } = file as Written;
  for (let sector = 512; sector + 512 < end - 1024; sector += 512) {
    const damaged = Buffer.from(content);
    damaged.fill(0, sector, sector + 512);
    await writeFile(path, damaged);
    const error = await opened();
    expect(isPyralogError(error) && placeIn(error).file).toBe(path);
  }
});

test('of a group that was interrupted nothing comes back behind what is written next', async () => {
  // The first record in a sector of its own that never arrived, the others behind it.
  const log = await LocalLog.open({ dir });
  await log.createTopic('t', 1);
  const fill = (text: string): Buffer => Buffer.from(text.padEnd(1024 - 40, '.'));
  await Promise.all(['1', '2', '3'].map((text) => log.append(at, [{ value: fill(text) }])));
  await log[Symbol.asyncDispose]();
  const path = join(dir, 't', '0', `${'0'.repeat(20)}.log`);
  const content = await readFile(path);
  await writeFile(path, content.fill(0, 32, content.indexOf('2.') - 19));
  expect(await opened()).toEqual([]);
  const again = await LocalLog.open({ dir });
  await again.append(at, [{ value: fill('new') }]);
  await again[Symbol.asyncDispose]();
  expect(await opened()).toEqual([fill('new').toString()]);
});

test('a torn record that holds the bytes of another log is torn, not rot', async () => {
  const [inner] = await written(4);
  const frames = (inner as Written).content.subarray(32, (inner as Written).end);
  const before = Array.from({ length: 10 }, (_, i) => value(i));
  // Aligned as frames are, wherever its own begins.
  for (let shift = 0; shift < 8; shift++) {
    await rm(join(dir, 't'), { recursive: true });
    const log = await LocalLog.open({ dir });
    await log.createTopic('t', 1);
    await log.append(
      at,
      before.map((text) => ({ value: Buffer.from(text) })),
    );
    const holder = Buffer.concat([Buffer.alloc(shift, 'x'), frames, Buffer.alloc(900, 'y')]);
    await log.append(at, [{ value: holder }]);
    await log[Symbol.asyncDispose]();
    const path = join(dir, 't', '0', `${'0'.repeat(20)}.log`);
    const content = await readFile(path);
    await writeFile(path, content.fill(0, content.lastIndexOf('y') - 500));
    expect(await opened()).toEqual(before);
  }
});

test('a topic that a crash left half made is made by the next attempt', async () => {
  await mkdir(join(dir, '.making-t', '0'), { recursive: true });
  await mkdir(join(dir, '.making-t', '7'));
  await mkdir(join(dir, 't'));
  await using log = await LocalLog.open({ dir });
  await log.createTopic('t', 2);
  expect(await log.append({ ...at, partition: partitionNo(1) }, [{ value: null }])).toBe(0);
  expect(await readdir(join(dir, 't'))).toEqual(['0', '1']);
});

test('a partition that is gone is told, not taken for another', async () => {
  const log = await LocalLog.open({ dir });
  await log.createTopic('t', 3);
  await log[Symbol.asyncDispose]();
  await rm(join(dir, 't', '1'), { recursive: true });
  const error = await opened();
  expect(isPyralogError(error) && [error.code, error.message]).toEqual([
    'log-damaged',
    `${join(dir, 't', '1')} is missing.`,
  ]);
});
