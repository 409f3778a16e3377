import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** Tests that are named when they are skipped. */
const NAMED_MAX = 10;

/**
 * Ends a run with one plain line that people and programs can read. Of several runs that belong together,
 * infra/scripts/test.sh prints the sum: each adds its counts to the file `PYRALOG_COUNTS` instead.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    const left: string[] = [];
    for (const module of modules) {
      // A file that cannot be loaded and a group that cannot be set up have failed, their tests are skipped.
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') counts.failed++;
        else {
          counts.skipped++;
          left.push(test.fullName);
        }
      }
    }
    // Few are left out because of what the machine lacks, and say so; many by a filter, and need not.
    if (left.length <= NAMED_MAX)
      for (const name of left) process.stdout.write(`Skipped: ${name}\n`);
    const { passed, failed, skipped } = counts;
    const file = process.env['PYRALOG_COUNTS'];
    if (file !== undefined) appendFileSync(file, `${passed} ${failed} ${skipped}\n`);
    else
      process.on('exit', () => {
        process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
      });
  }
}
