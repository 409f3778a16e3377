import type { ErrorCode } from '@pyralog/model';

/** Plain JSON, of which data and results of jobs are made; numbers are finite. */
export type JobJson =
  | null
  | boolean
  | number
  | string
  | readonly JobJson[]
  | { readonly [name: string]: JobJson };

/** Pauses between the attempts of a job: doubled after each failure, up to a bound. */
export interface JobPauses {
  /** After the first failure. */
  readonly firstMillis: number;
  readonly maxMillis: number;
}

/** Something to be done. */
export interface Job {
  /** Who does it: the name of a {@link JobQueue.work}. `[a-z][a-z0-9-]{0,47}`. */
  readonly name: string;
  /**
   * What there is to do, among the jobs of this name: `[A-Za-z0-9._/-]{1,200}`. Two jobs of one id must be
   * the same work, for the second is not queued while the first is there; a hash of the inputs is good.
   */
  readonly id: string;
  /** 256 KiB of JSON at most: larger things lie in the bucket, and a job has their keys. */
  readonly data: JobJson;
  /** Attempts that may fail; the last of them fails the job. Default 5. */
  readonly attemptsMax?: number | undefined;
  /** Default 1 s, up to a minute. */
  readonly pauses?: JobPauses | undefined;
}

/** What became of an {@link JobQueue.add}. */
export interface AddedJob {
  /** `exists`: a job of this id has not ended yet; this is that one, with the data it came with. */
  readonly outcome: 'queued' | 'exists';
  /**
   * Resolves with the result. Rejects with a PyralogError of the code and sentence of the last attempt when
   * the job failed, with `stopping` when this queue is closed before it ended. Nobody has to look at it.
   */
  readonly ended: Promise<JobJson>;
}

/** One attempt at a job. */
export interface JobAttempt {
  readonly name: string;
  readonly id: string;
  readonly data: JobJson;
  /** 1 for the first, one more after each failure. */
  readonly attempt: number;
  /** Aborts when the worker closes, or when the job was taken from it. Stop soon, by rejecting. */
  readonly signal: AbortSignal;
}

/** Does a job. The result is as bounded as the data. */
export type JobHandler = (attempt: JobAttempt) => Promise<JobJson>;

/** How a worker works. */
export interface JobWorkerOptions {
  /** Attempts that it has on its hands at once; default 1. */
  readonly concurrency?: number | undefined;
}

/** Takes jobs of one name until it is disposed. Disposal is not for handlers: it waits for them. */
export type JobWorker = AsyncDisposable;

/** A job that failed for good. */
export interface FailedJob {
  readonly name: string;
  readonly id: string;
  readonly data: JobJson;
  /** Attempts that failed. */
  readonly attempts: number;
  /** Of the last attempt; `internal` where it failed with anything but a PyralogError. */
  readonly code: ErrorCode;
  /** Its sentence, 1,000 characters at most. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly failedAtMillis: number;
}

/** Jobs of a name, by where they are. */
export interface JobCounts {
  readonly waiting: number;
  /** In the pause after a failure. */
  readonly delayed: number;
  readonly active: number;
  /** Kept in the list of failed ones. */
  readonly failed: number;
}

/**
 * Work that is done behind the scenes: compaction, snapshots, collection of garbage. Contract suite:
 * test/contract/jobs.ts.
 *
 * - **At least once.** A job that was added is attempted until it is done or has failed, as long as the
 *   queue keeps it: *durable as the adapter declares* (local: this process; BullMQ: as its Redis). So a
 *   job must be such that what is to be done can be found out again, and added again; and it may be killed
 *   at any point and repeated: its attempts give the same files.
 * - **Once at a time, nearly.** A job of an id that is waiting, delayed or active is not queued again. A
 *   worker that was cut off from its queue may still be at a job that another has got meanwhile: two
 *   attempts may overlap, and both may end. What is to happen once is decided by whoever takes the result.
 *   A handler that keeps the event loop busy for many seconds is such a worker.
 * - An id is free again when its job has ended, whichever way: added again, it is done again.
 * - Jobs of a name are begun in the order they were added, by any worker of the name that has fewer than
 *   its `concurrency` on its hands. Jobs wait where no worker is. One that is tried again takes its place
 *   when its pause is over. Handlers are never called from within `add` or `work`.
 * - **Failures.** A handler that rejects has failed the attempt. The next one comes after a pause; after
 *   `attemptsMax` failures the job has failed. An operating error whose row in the table of codes says that
 *   it is never worth a retry, and a broken assertion, fail the job at once. So does a result that is not
 *   plain JSON. A job whose workers die at it again and again fails too. Failed jobs are listed, newest
 *   first, a bounded number of each name; one that failed twice is there twice.
 * - **Closing** a worker aborts the signals of its attempts and waits until they have ended. One that
 *   resolves has done its job. One that rejects has not failed: the job waits again, first of all, and the
 *   attempt is not counted. Closing the queue closes the workers that it has in this process.
 * - Data and results are copies, as JSON keeps them.
 * - `add` is refused with `busy` when too many jobs of the name have not ended (as configured), every call
 *   with `stopping` after the queue was closed, and with `unreachable` where an adapter has lost its
 *   server; workers come back to it by themselves.
 * - Bad names, ids, data and options are a defect of the caller: our own code makes them all.
 */
export interface JobQueue extends AsyncDisposable {
  add(job: Job): Promise<AddedJob>;
  /** Begins to take jobs of this name. Resolves when a job added from now on will be taken. */
  work(name: string, handler: JobHandler, options?: JobWorkerOptions): Promise<JobWorker>;
  /** Jobs of this name that failed, newest first. */
  failed(name: string): Promise<readonly FailedJob[]>;
  counts(name: string): Promise<JobCounts>;
}
