import type { TestProject } from 'vitest/node';
import { startS3 } from './chosen-s3.ts';
import { provide } from './setup.ts';

export function setup(project: TestProject): Promise<() => Promise<void>> {
  return provide(project, 's3', startS3, ({ access }) => access);
}
