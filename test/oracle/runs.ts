import type fc from 'fast-check';

const { PYRALOG_RUNS, PYRALOG_SEED, PYRALOG_PATH, PYRALOG_REPLAY } = process.env;

/** Of one property, unless it is told how often to run. */
const LIMIT_MILLIS = 60_000;

/**
 * How often a property is run: `PYRALOG_RUNS` says otherwise, `PYRALOG_SEED` begins with that seed. A failure prints seed
 * and path (`PYRALOG_PATH` runs that one alone), and of commands a replay path (`PYRALOG_REPLAY`).
 */
export function runs(numRuns: number): fc.Parameters<unknown> {
  return {
    // On a machine that is busy with other things fewer will do; of a failure the smallest that was found is shown.
    ...(PYRALOG_RUNS === undefined
      ? { numRuns, interruptAfterTimeLimit: LIMIT_MILLIS }
      : { numRuns: Number(PYRALOG_RUNS) }),
    ...(PYRALOG_SEED === undefined ? {} : { seed: Number(PYRALOG_SEED) }),
    ...(PYRALOG_PATH === undefined ? {} : { path: PYRALOG_PATH }),
  };
}

/** Of a run of commands that failed: which of them were run. */
export const REPLAY_PATH: string | undefined = PYRALOG_REPLAY;
