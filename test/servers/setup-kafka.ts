import type { TestProject } from 'vitest/node';
import { KafkaServer } from './kafka.ts';
import { provide } from './setup.ts';

export function setup(project: TestProject): Promise<() => Promise<void>> {
  return provide(
    project,
    'kafka',
    () => KafkaServer.start(),
    ({ address }) => address,
  );
}
