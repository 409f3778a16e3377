import { BullJobs } from '@pyralog/jobs/bullmq';
import { SystemClock } from '@pyralog/runtime';
import { inject } from 'vitest';
import { jobsContract } from '../contract/jobs.ts';
import { freshName } from './support.ts';

const url = inject('redis');

jobsContract('bullmq', async (limits) => {
  const clock = new SystemClock();
  const queue = new BullJobs({ url, prefix: freshName(), ...limits });
  return {
    queue,
    monotonicMillis: () => clock.monotonicMillis(),
    close: () => queue[Symbol.asyncDispose](),
  };
});
