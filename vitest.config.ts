import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

type TestOptions = TestProjectInlineConfiguration['test'];

/** Tests of a folder, from source. A test that takes as long as this hangs, on a busy machine too. */
function project(
  name: string,
  include: string[],
  testTimeout = 60_000,
  options: TestOptions = {},
): TestProjectInlineConfiguration {
  const resolve = { conditions: ['source'] };
  return {
    resolve,
    ssr: { resolve },
    test: { name, include, testTimeout, hookTimeout: 60_000, ...options },
  };
}

/** Tests on a real server, which is started for the whole project, or on servers of their own. */
function onServer(name: string): TestProjectInlineConfiguration {
  return project(name, [`test/${name}/**/*.test.ts`], 120_000, {
    globalSetup: fileURLToPath(new URL(`./test/servers/setup-${name}.ts`, import.meta.url)),
    runner: fileURLToPath(new URL('./test/servers/runner.ts', import.meta.url)),
    hookTimeout: 120_000,
  });
}

export default defineConfig({
  test: {
    // All cores: the longest tests wait for processes most of their time.
    maxWorkers: '100%',
    projects: [
      project('unit', ['libs/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts']),
      project('contract', ['test/contract/**/*.test.ts']),
      project('oracle', ['test/oracle/**/*.test.ts'], 120_000),
      project('sim', ['test/sim/**/*.test.ts'], 300_000),
      project('golden', ['test/golden/**/*.test.ts']),
      project('e2e', ['test/e2e/**/*.test.ts'], 300_000),
      project('tidy', ['test/tidy/**/*.test.ts', 'test/infra/**/*.test.ts']),
      onServer('kafka'),
      onServer('s3'),
      onServer('redis'),
      onServer('cluster'),
    ],
  },
});
