import type { TestProject } from 'vitest/node';
import { RedisServer } from './redis.ts';
import { provide } from './setup.ts';

export function setup(project: TestProject): Promise<() => Promise<void>> {
  return provide(
    project,
    'redis',
    () => RedisServer.start(),
    ({ address }) => address,
  );
}
