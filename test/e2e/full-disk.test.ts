/**
 * A disk that is really full, under the real server: a small file system in memory, which takes the
 * rights to mount one. Where there are none the tests say so; the same on an injected fault is in
 * faults.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { documentOf } from './documents.ts';
import { Random } from './random.ts';
import { type Server, startServer } from './server.ts';
import { type Committed, Witness } from './witness.ts';

const MIB = 1024 * 1024;
const root = mkdtempSync(join(tmpdir(), 'pyralog-full-disk-'));
const refusal = mount();

function mount(): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${8 * MIB}`, 'tmpfs', root], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}

afterAll(() => {
  if (refusal === undefined) execFileSync('umount', [root]);
  rmSync(root, { recursive: true, force: true });
});

if (refusal !== undefined)
  process.stdout.write(`full disk: not tested, no file system can be mounted here: ${refusal}\n`);

const FILLER = join(root, 'filler');

/** Leaves no room at all. */
async function fill(): Promise<void> {
  const { bavail, bsize } = await statfs(root);
  await writeFile(FILLER, Buffer.alloc(bavail * bsize), { flag: 'a' });
}

async function write({ url }: Server, witness: Witness, random: Random): Promise<string> {
  const key = witness.nextKey();
  const response = await fetch(`${url}/v1/main/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: documentOf(key, random),
  });
  const answer = (await response.json()) as Committed & { readonly code?: string };
  if (response.status === 200) witness.acknowledge(key, answer);
  else if (answer.code === 'storage-full') witness.refuse(key);
  return answer.code ?? 'committed';
}

/** Writes until there is an answer of this kind. @returns all answers on the way, each kind once */
async function writeUntil(
  wanted: string,
  server: Server,
  witness: Witness,
  random: Random,
): Promise<ReadonlySet<string>> {
  const answers = new Set<string>();
  while (!answers.has(wanted)) answers.add(await write(server, witness, random));
  return answers;
}

describe.skipIf(refusal !== undefined)('a disk that is really full', () => {
  // Small parts fill the disk by the index; one that is never flushed, by the log.
  test.each([
    ['SIGTERM', 'index', 200],
    ['SIGINT', 'log', 262_144],
  ] as const)(
    'refuses writes, reads on, is left cleanly by %s and started on, and goes on when there is room for the %s',
    { timeout: 120_000 },
    async (signal, part, partFacts) => {
      const data = ['--data', join(root, part)];
      const env = { PYRALOG_PART_FACTS: String(partFacts) };
      const random = new Random(1);
      const witness = new Witness();
      {
        await using server = await startServer(data, env);
        for (let i = 0; i < 40; i++) expect(await write(server, witness, random)).toBe('committed');
        await fill();
        const answers = await writeUntil('storage-full', server, witness, random);
        expect([...answers].filter((code) => code !== 'committed')).toEqual(['storage-full']);
        await witness.checkAll(server.url);
        await witness.checkPast(server.url, random);
        const ready = await fetch(`${server.url}/healthz/ready`);
        expect([ready.status, await ready.text()]).toEqual([
          503,
          expect.stringMatching(new RegExp(`${part} cannot be written.*disk is full`)),
        ]);
        const waiting = Promise.allSettled(
          Array.from({ length: 20 }, () => write(server, witness, random)),
        );
        const started = Date.now();
        expect(await server.stop(signal)).toBe(0);
        expect(Date.now() - started).toBeLessThan(15_000);
        await waiting;
        // A line or two of each part that fails, whatever the number of writers.
        expect(server.errors().split('\n').length).toBeLessThan(12);
      }
      await using server = await startServer(data, env);
      expect(await write(server, witness, random)).toBe('storage-full');
      await witness.checkAll(server.url);
      await rm(FILLER);
      await writeUntil('committed', server, witness, random);
      for (let i = 0; i < 60; i++) expect(await write(server, witness, random)).toBe('committed');
      for (;;) {
        const response = await fetch(`${server.url}/healthz/ready`);
        if (response.status === 200) break;
      }
      await witness.checkAll(server.url);
      await witness.checkPast(server.url, random);
      expect(await server.stop(signal)).toBe(0);
    },
  );
});
