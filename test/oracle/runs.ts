import type fc from 'fast-check';

const { PYRALOG_RUNS, PYRALOG_SEED, PYRALOG_PATH, PYRALOG_REPLAY } = process.env;

/**
 * How often a property is run: `PYRALOG_RUNS` says otherwise, `PYRALOG_SEED` begins with that seed. A failure prints seed
 * and path (`PYRALOG_PATH` runs that one alone), and of commands a replay path (`PYRALOG_REPLAY`).
 */
export function runs(numRuns: number): fc.Parameters<unknown> {
  return {
    endOnFailure: true,
    numRuns: PYRALOG_RUNS === undefined ? numRuns : Number(PYRALOG_RUNS),
    ...(PYRALOG_SEED === undefined ? {} : { seed: Number(PYRALOG_SEED) }),
    ...(PYRALOG_PATH === undefined ? {} : { path: PYRALOG_PATH }),
  };
}

/** Of a run of commands that failed: which of them were run. */
export const REPLAY_PATH: string | undefined = PYRALOG_REPLAY;
