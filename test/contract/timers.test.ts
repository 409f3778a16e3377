import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { timersContract } from './timers.ts';

timersContract('system', () => ({ timers: new SystemTimers(), clock: new SystemClock() }));

afterEach(() => {
  vi.useRealTimers();
});

test('system: a delay longer than Node can wait at once is waited for whole', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const timers = new SystemTimers();
  const delay = 2 * (2 ** 31 - 1) + 5;
  let calls = 0;
  timers.after(delay, () => calls++);
  const disposed = timers.after(delay, () => calls++);
  vi.advanceTimersByTime(2 ** 31);
  disposed[Symbol.dispose]();
  vi.advanceTimersByTime(delay - 2 ** 31 - 1);
  expect(calls).toBe(0);
  vi.advanceTimersByTime(1);
  expect(calls).toBe(1);
});

test('system: only a sleep that is told to keeps the process alive', async () => {
  const program = `
    import { SystemTimers } from '@pyralog/runtime';
    const timers = new SystemTimers();
    void timers.sleep(3_600_000).then(() => console.log('slept for an hour'));
    timers.after(3_600_000, () => console.log('called after an hour'));
    void timers.sleep(300, undefined, true).then(() => console.log('kept alive'));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', '--input-type=module', '--eval', program],
    { timeout: 30_000 },
  );
  expect(stdout).toBe('kept alive\n');
});
