import { defineConfig } from 'vitest/config';

const resolve = { conditions: ['source'] };
const ssr = { resolve: { conditions: ['source'] } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: { name: 'unit', include: ['libs/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts'] },
      },
      { resolve, ssr, test: { name: 'contract', include: ['test/contract/**/*.test.ts'] } },
      {
        resolve,
        ssr,
        test: { name: 'oracle', include: ['test/oracle/**/*.test.ts'], testTimeout: 120_000 },
      },
      { resolve, ssr, test: { name: 'golden', include: ['test/golden/**/*.test.ts'] } },
      {
        resolve,
        ssr,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 300_000 },
      },
      { resolve, ssr, test: { name: 'tidy', include: ['test/tidy/**/*.test.ts'] } },
    ],
  },
});
