import { LocalJobs } from '@pyralog/jobs/local';
import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { jobsContract } from './jobs.ts';

jobsContract('local', async (limits) => {
  const clock = new SystemClock();
  const queue = new LocalJobs({ clock, timers: new SystemTimers(), ...limits });
  return {
    queue,
    monotonicMillis: () => clock.monotonicMillis(),
    close: () => queue[Symbol.asyncDispose](),
  };
});
