import { type ErrorCode, isPyralogError, type PyralogError } from '../errors.ts';

/** The operating error that `run` throws; undefined where it throws none. Defects go on. */
export function refusal(run: () => unknown): PyralogError | undefined {
  try {
    run();
  } catch (error) {
    if (isPyralogError(error)) return error;
    throw error;
  }
  return undefined;
}

/** Its code. */
export function errorCode(run: () => unknown): ErrorCode | undefined {
  return refusal(run)?.code;
}
