import { PyralogError } from './errors.ts';

/** The code of an error of the operating system, as `ENOENT`; undefined of any other. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/**
 * The operating error behind a failure of the file system: `storage-full` or `storage-failed`.
 * @param what what could not be done, as the beginning of a sentence
 */
export function storageError(error: unknown, what: string): PyralogError {
  const code = systemCode(error) ?? 'unknown';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PyralogError('storage-full', `${what}: the disk is full.`, {
      hint: 'Make room: writes go on by themselves, and reads were never stopped.',
      cause: error,
    });
  }
  return new PyralogError('storage-failed', `${what}: ${code}.`, { cause: error });
}
