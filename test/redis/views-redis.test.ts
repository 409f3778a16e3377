import { RedisViews } from '@pyralog/views/redis';
import { Redis } from 'ioredis';
import { afterAll, inject } from 'vitest';
import { viewsContract } from '../contract/views.ts';
import { freshName, keysOf } from './support.ts';

const url = inject('redis');
const outsider = new Redis(url);
afterAll(() => outsider.quit());

for (const [stepRecordsMax, runs] of [
  [1, 200],
  [100, 50],
] as const) {
  viewsContract(
    `redis, ${stepRecordsMax} records in a step`,
    {
      open: () => new RedisViews({ url, stepRecordsMax }),
      records: async (database) => {
        const prefix = `${database}:e:`;
        return (await keysOf(outsider, `${prefix}*`)).map((key) => key.slice(prefix.length));
      },
      remembered: async (database) => {
        const keys = await keysOf(outsider, `${database}:v:*:gone`);
        const lengths = await Promise.all(keys.map((key) => outsider.hlen(key)));
        return lengths.reduce((sum, length) => sum + length, 0);
      },
      freshDatabase: freshName,
    },
    { runs },
  );
}
