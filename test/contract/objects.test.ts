import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LocalObjects } from '@pyralog/objects/local';
import { MemoryObjects } from '@pyralog/objects/memory';
import { RemoteObjects, serveObjects } from '@pyralog/objects/remote';
import { channelPair } from '@pyralog/runtime';
import { expect, test } from 'vitest';
import { objectsContract } from './objects.ts';

objectsContract('memory', async () => ({
  store: new MemoryObjects(),
  close: async () => undefined,
}));

objectsContract('local', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-objects-'));
  const store = await LocalObjects.open({ dir });
  return {
    store,
    async close() {
      await store[Symbol.asyncDispose]();
      await expect(store.get('closed')).rejects.toMatchObject({ code: 'stopping' });
      await rm(dir, { recursive: true });
    },
  };
});

objectsContract('remote', async () => {
  const [mine, its] = channelPair();
  serveObjects(its, new MemoryObjects());
  return { store: new RemoteObjects(mine), close: async () => mine.close() };
});

test('local: of several processes exactly one creates each key', { timeout: 60_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pyralog-race-'));
  const racer = fileURLToPath(new URL('./objects-racer.ts', import.meta.url));
  const run = promisify(execFile);
  const outputs = await Promise.all(
    [1, 2, 3].map((id) =>
      run(process.execPath, ['--conditions=source', '--import', 'tsx', racer, dir, String(id)]),
    ),
  );
  const wins = outputs.flatMap(({ stdout }) => stdout.split('\n').filter((key) => key !== ''));
  expect(wins).toHaveLength(50);
  expect(new Set(wins).size).toBe(50);
  await rm(dir, { recursive: true });
});
