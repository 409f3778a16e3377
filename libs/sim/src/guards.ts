import type { Owner, Scheduler } from './scheduler.ts';

/** What happened in a simulated world that must not, or need not be the end of a run. */
export interface GuardListeners {
  /** Code of a process used time, timers or chance that are not its ports'. */
  readonly onForbidden: (what: string) => void;
  /**
   * Nobody handled the failure of a promise: in production the process ends.
   * @param owner whose code ran
   */
  readonly onCrash: (owner: Owner | undefined, error: unknown) => void;
}

const TIMES = ['setTimeout', 'setInterval', 'setImmediate'] as const;

/**
 * Runs a simulation with the clocks, timers and chance of the platform made to throw, so that none gets in by
 * a door that is no port. One at a time in a thread.
 */
export async function guarded<T>(
  scheduler: Scheduler,
  { onForbidden, onCrash }: GuardListeners,
  run: () => Promise<T>,
): Promise<T> {
  const forbid = (name: string) => (): never => {
    onForbidden(`${scheduler.running?.name ?? 'nobody'} used ${name}`);
    throw new Error(`${name} in a simulation: use the port.`);
  };
  const before = {
    now: Date.now,
    random: Math.random,
    timers: TIMES.map((name) => globalThis[name]),
    listeners: process.listeners('unhandledRejection'),
  };
  const crash = (error: unknown): void => onCrash(scheduler.running, error);
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', crash);
  Date.now = forbid('Date.now');
  Math.random = forbid('Math.random');
  for (const name of TIMES) Object.assign(globalThis, { [name]: forbid(name) });
  try {
    return await run();
  } finally {
    Date.now = before.now;
    Math.random = before.random;
    for (const [i, name] of TIMES.entries())
      Object.assign(globalThis, { [name]: before.timers[i] });
    process.off('unhandledRejection', crash);
    for (const listener of before.listeners) process.on('unhandledRejection', listener);
  }
}
