import { BullJobs } from '@pyralog/jobs/bullmq';
import { PyralogError } from '@pyralog/model';

/**
 * A process that works at jobs of `merge`, and says which it has begun: `worker.ts URL PREFIX HOW`. It does
 * them, or (`hold`) has the first one on its hands for as long as it may. A line of input closes its queue.
 */
const [url = '', prefix = '', how = ''] = process.argv.slice(2);
const queue = new BullJobs({ url, prefix, lockMillis: 2_000, deathsMax: 2 });
await queue.work('merge', async ({ id, data, attempt, signal }) => {
  process.stdout.write(`${id} ${attempt}\n`);
  if (how === 'hold')
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  if (data === 'fails') throw new PyralogError('object-missing', `There is no ${id}.`);
  return { by: process.pid };
});
process.stdout.write('ready\n');
// Not to outlive a test that was cut off.
process.stdin.once('end', () => process.exit());
process.stdin.once('data', () => {
  process.stdin.destroy();
  void queue[Symbol.asyncDispose]().then(() => process.stdout.write('closed\n'));
});
