import { inject, test, TestRunner } from 'vitest';

/**
 * Runs the tests of a project that needs a server. Where there is none, a file is one test that is skipped and
 * says why, or fails with `CI=true`; the file itself is not loaded, so tests need not ask whether they may run.
 */
export default class ServerTestRunner extends TestRunner {
  override importFile(...[path, source]: Parameters<TestRunner['importFile']>): unknown {
    const reason = source === 'collect' ? inject('unavailable') : undefined;
    if (reason === undefined) return super.importFile(path, source);
    const fails = process.env['CI'] === 'true';
    return test.skipIf(!fails)(`all of it: ${reason}`, () => {
      throw new Error(reason);
    });
  }
}
