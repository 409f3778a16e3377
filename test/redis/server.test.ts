import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { RedisServer } from '../servers/redis.ts';
import type { TestServer } from '../servers/server.ts';
import { ownerOfRedis, serversIn, serverSuite } from '../servers/suite.ts';

async function using<T>({ address }: TestServer, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(address, { lazyConnect: true, retryStrategy: () => null });
  await redis.connect();
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

serverSuite(() => RedisServer.start(), {
  write: (server, value) => using(server, async (redis) => void (await redis.set('key', value))),
  read: (server) => using(server, async (redis) => (await redis.get('key')) ?? undefined),
});

test.each(['has come up', 'is coming up'])(
  'a process that is killed when its server %s leaves none of it',
  async (when) => {
    const folder = mkdtempSync(join(tmpdir(), 'pyralog-owner-'));
    const left = (): string[] => readdirSync(folder).filter((name) => name.startsWith('pyralog-'));
    const owner = ownerOfRedis(folder);
    try {
      const lines: string[] = [];
      for await (const line of createInterface(owner.stdout)) {
        lines.push(line);
        if (when === 'is coming up' || lines.length === 2) break;
      }
      const [data, ...more] = left();
      expect(data).toBeDefined();
      expect(more).toEqual([]);
      const watcher = watch(folder);
      owner.kill('SIGKILL');
      while (left().length > 0) await once(watcher, 'change');
      watcher.close();
      expect(serversIn(`${folder}/${data}`)).toEqual([]);
    } finally {
      owner.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  },
);
