import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { run } from './server.ts';
import { orUnavailable } from './setup.ts';

/** Gets the servers that the tests of whole clusters start for themselves. */
export async function setup(project: TestProject): Promise<void> {
  for (const name of ['kafka', 's3proxy', 'redis']) {
    const script = fileURLToPath(new URL(`../../infra/scripts/${name}.sh`, import.meta.url));
    await orUnavailable(project, () => run(script, 'install'));
  }
}
