/**
 * The simulated ports, without faults, by the suites that hold for the real ones: what a simulation shows is
 * worth no more than its ports.
 */
import { Scheduler, SimBrokers, SimBucket, SimProcess, SimRand, Swarm } from '@pyralog/sim';
import { seededChoices, SimClock, SimTimers } from '@pyralog/sim';
import { afterAll } from 'vitest';
import { clockContract } from './clock.ts';
import { logContract } from './log.ts';
import { objectsContract } from './objects.ts';
import { randContract } from './rand.ts';
import { timersContract } from './timers.ts';

const stop = new AbortController();
afterAll(() => stop.abort());

/** A process of a world that runs beside the test; delays and order are by chance. */
function process(name: string, seed: number): SimProcess {
  const choices = seededChoices(seed);
  const scheduler = new Scheduler({ choice: choices.stream('scheduler') });
  void scheduler.pump(stop.signal);
  return new SimProcess(name, scheduler, choices.stream(name));
}

for (const seed of [1, 2, 3]) {
  logContract(`simulated, seed ${seed}`, async () => {
    const log = new SimBrokers().connect(process('log', seed), Swarm.calm());
    return { log, close: () => log[Symbol.asyncDispose]() };
  });

  objectsContract(`simulated, seed ${seed}`, async () => ({
    store: new SimBucket().connect(process('store', seed), Swarm.calm()),
    close: async () => undefined,
  }));
}

const timed = (): { readonly clock: SimClock; readonly timers: SimTimers } => {
  const one = process('clock', 1);
  return { clock: new SimClock(one), timers: new SimTimers(one) };
};
clockContract('simulated', timed);
timersContract('simulated', timed);
randContract('simulated', () => new SimRand(process('rand', 1)));
