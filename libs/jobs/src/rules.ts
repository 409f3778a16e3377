import { assert, AssertionError, utf8Length } from '@pyralog/base';
import { type ErrorCode, isPyralogError, PyralogError } from '@pyralog/model';
import type { Job, JobJson, JobPauses } from './jobs.ts';

/** Bytes of the JSON of data or of a result. */
const JOB_BYTES_MAX = 256 * 1024;
export const ATTEMPTS_MAX_DEFAULT = 5;
export const PAUSES_DEFAULT: JobPauses = { firstMillis: 1_000, maxMillis: 60_000 };
const REASON_CHARACTERS_MAX = 1_000;

/** A bad job is a defect of the caller: our own code makes them all. */
export function assertJob({ name, id, attemptsMax = 1, pauses = PAUSES_DEFAULT }: Job): void {
  assertName(name);
  assert(/^[A-Za-z0-9._/-]{1,200}$/.test(id), `not a job id: ${JSON.stringify(id)}`);
  assert(Number.isSafeInteger(attemptsMax) && attemptsMax > 0, 'a job has attempts');
  const { firstMillis, maxMillis } = pauses;
  assert(firstMillis >= 0 && maxMillis >= firstMillis && maxMillis < Infinity, 'pauses grow');
}

export function assertName(name: string): void {
  assert(/^[a-z][a-z0-9-]{0,47}$/.test(name), `not a name of jobs: ${JSON.stringify(name)}`);
}

/** The text of plain JSON. @throws AssertionError on anything that JSON would drop, bend or not end with */
export function jsonText(value: JobJson, what: string): string {
  assertPlain(value, what, []);
  const text = JSON.stringify(value);
  const bytes = utf8Length(text);
  assert(bytes <= JOB_BYTES_MAX, `${what} has ${bytes} bytes: ${JOB_BYTES_MAX} are the limit`);
  return text;
}

/** What {@link jsonText} wrote. */
export function jsonValue(text: string): JobJson {
  return JSON.parse(text) as JobJson;
}

function assertPlain(value: unknown, what: string, above: readonly unknown[]): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number') {
    assert(Number.isFinite(value), `${what} holds ${value}, which JSON has not`);
    return;
  }
  assert(typeof value === 'object', `${what} holds a ${typeof value}, which JSON has not`);
  assert(!above.includes(value), `${what} holds itself`);
  const inner = [...above, value];
  if (Array.isArray(value)) {
    for (const element of value as readonly unknown[]) assertPlain(element, what, inner);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  assert(
    prototype === Object.prototype || prototype === null,
    `${what} holds an object of a class, which JSON has not`,
  );
  for (const member of Object.values(value)) assertPlain(member, what, inner);
}

/** The pause after this many failures, 1 or more, in milliseconds. */
export function pauseMillis(failures: number, { firstMillis, maxMillis }: JobPauses): number {
  assert(failures >= 1, 'a pause follows a failure');
  return Math.min(maxMillis, firstMillis * 2 ** Math.min(failures - 1, 50));
}

/** Whether an attempt that ended so is worth another: not what will never work, and not a defect. */
export function mayRetry(error: unknown): boolean {
  if (isPyralogError(error)) return error.row.retry !== 'never';
  return !(error instanceof AssertionError);
}

/** What is kept and told of a failure. */
export function failureOf(error: unknown): { readonly code: ErrorCode; readonly reason: string } {
  const code = isPyralogError(error) ? error.code : 'internal';
  const reason = error instanceof Error ? error.message : String(error);
  return { code, reason: reason.slice(0, REASON_CHARACTERS_MAX) };
}

export function queueClosed(): PyralogError {
  return new PyralogError('stopping', 'The job queue is closed.');
}

export function tooManyJobs(name: string, jobsMax: number): PyralogError {
  return new PyralogError('busy', `${jobsMax} jobs of ${name} have not ended yet.`, {
    hint: 'Add it again when some have.',
  });
}
