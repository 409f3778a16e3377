/** A named piece of background work with JSON data. Jobs are idempotent: any may run twice. */
export interface Job {
  /** Same id while queued or running: the second `add` is dropped. */
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
}

export type JobHandler = (job: Job, signal: AbortSignal) => Promise<void>;

/**
 * Work that may wait, at least once. Contract suite: test/contract/jobs.ts.
 *
 * - `add` resolves when the job will be run even after a restart, where the adapter is durable;
 *   the local one keeps jobs in memory, since every job can be derived again from a manifest.
 * - A handler that rejects is tried again after a pause that doubles, `attemptsMax` times; then the
 *   job is failed and shows in `counts`.
 * - `work` runs at most `concurrency` jobs of a name at once, until its disposal, which aborts the
 *   signal of running jobs and waits for them.
 */
export interface JobQueue extends AsyncDisposable {
  add(job: Job): Promise<'added' | 'present'>;
  work(name: string, handler: JobHandler, options?: { readonly concurrency?: number | undefined; readonly attemptsMax?: number | undefined }): AsyncDisposable;
  counts(name: string): Promise<{ readonly waiting: number; readonly running: number; readonly failed: number }>;
  /** Resolves when nothing of this name waits or runs. */
  idle(name: string): Promise<void>;
}
