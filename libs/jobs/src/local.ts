import { assert } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';
import type {
  AddedJob,
  FailedJob,
  Job,
  JobCounts,
  JobHandler,
  JobJson,
  JobPauses,
  JobQueue,
  JobWorker,
  JobWorkerOptions,
} from './jobs.ts';
import {
  assertJob,
  assertName,
  ATTEMPTS_MAX_DEFAULT,
  failureOf,
  jsonText,
  jsonValue,
  mayRetry,
  PAUSES_DEFAULT,
  pauseMillis,
  queueClosed,
  tooManyJobs,
} from './rules.ts';

/** What the queue needs of a clock. */
export interface JobClock {
  /** Nanoseconds since 1970. */
  nowNanos(): bigint;
}

/** What the queue needs of timers. */
export interface JobTimers {
  /** Calls once after the delay unless disposed before. */
  after(delayMillis: number, call: () => void): Disposable;
}

/** Time, and how much a queue keeps. */
export interface LocalJobsOptions {
  readonly clock: JobClock;
  readonly timers: JobTimers;
  /** Jobs of one name that have not ended; default 10,000. */
  readonly jobsMax?: number | undefined;
  /** Failed jobs of one name that are listed; default 100. */
  readonly failedMax?: number | undefined;
}

/**
 * A queue in this process, as durable as it: what is queued dies with it. For work that can be read off
 * what is durable, as compaction off a manifest, the next process finds the same jobs again.
 */
export class LocalJobs implements JobQueue {
  readonly #limits: Limits;
  readonly #queues = new Map<string, NamedQueue>();
  #closing: Promise<void> | undefined;

  constructor({ clock, timers, jobsMax = 10_000, failedMax = 100 }: LocalJobsOptions) {
    assert(jobsMax > 0 && failedMax > 0, 'a queue keeps something');
    this.#limits = { clock, timers, jobsMax, failedMax };
  }

  async add(job: Job): Promise<AddedJob> {
    assertJob(job);
    const text = jsonText(job.data, `The data of job ${job.name} ${job.id}`);
    return this.#queue(job.name).add(job, text);
  }

  async work(
    name: string,
    handler: JobHandler,
    { concurrency = 1 }: JobWorkerOptions = {},
  ): Promise<JobWorker> {
    assert(Number.isSafeInteger(concurrency) && concurrency > 0, 'a worker has hands');
    return this.#queue(name).work(handler, concurrency);
  }

  async failed(name: string): Promise<readonly FailedJob[]> {
    return this.#queue(name).failed();
  }

  async counts(name: string): Promise<JobCounts> {
    return this.#queue(name).counts();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.all([...this.#queues.values()].map((queue) => queue.close())).then(
      () => undefined,
    );
    return this.#closing;
  }

  #queue(name: string): NamedQueue {
    assertName(name);
    if (this.#closing !== undefined) throw queueClosed();
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new NamedQueue(name, this.#limits);
      this.#queues.set(name, queue);
    }
    return queue;
  }
}

type Limits = Required<LocalJobsOptions> & { readonly jobsMax: number; readonly failedMax: number };

/** A job that has not ended. */
interface Entry {
  readonly id: string;
  /** JSON. */
  readonly data: string;
  readonly attemptsMax: number;
  readonly pauses: JobPauses;
  readonly ended: Promise<JobJson>;
  readonly resolve: (result: JobJson) => void;
  readonly reject: (error: PyralogError) => void;
  failures: number;
  /** Runs while the job is in a pause. */
  pause: Disposable | undefined;
}

/** Jobs of one name. Each is in `#entries`; beyond that it waits, is in a pause, or is in a worker's hands. */
class NamedQueue {
  readonly #name: string;
  readonly #limits: Limits;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: Entry[] = [];
  readonly #workers = new Set<LocalWorker>();
  /** Oldest first. */
  readonly #failed: (Omit<FailedJob, 'name' | 'data'> & { readonly data: string })[] = [];
  #handing = false;

  constructor(name: string, limits: Limits) {
    this.#name = name;
    this.#limits = limits;
  }

  add({ id, attemptsMax, pauses }: Job, data: string): AddedJob {
    const known = this.#entries.get(id);
    if (known !== undefined) return { outcome: 'exists', ended: known.ended };
    const { jobsMax } = this.#limits;
    if (this.#entries.size >= jobsMax) throw tooManyJobs(this.#name, jobsMax);
    const entry = newEntry(id, data, attemptsMax, pauses);
    this.#entries.set(id, entry);
    this.#waiting.push(entry);
    this.#handOut();
    return { outcome: 'queued', ended: entry.ended };
  }

  work(handler: JobHandler, concurrency: number): JobWorker {
    const worker = new LocalWorker(this.#name, handler, concurrency, (entry, end) =>
      this.#attemptEnded(entry, end),
    );
    this.#workers.add(worker);
    this.#handOut();
    return { [Symbol.asyncDispose]: () => this.#closeWorker(worker) };
  }

  failed(): readonly FailedJob[] {
    return this.#failed
      .map((failed) => ({ ...failed, name: this.#name, data: jsonValue(failed.data) }))
      .toReversed();
  }

  counts(): JobCounts {
    const active = [...this.#workers].reduce((sum, worker) => sum + worker.active, 0);
    const waiting = this.#waiting.length;
    const delayed = this.#entries.size - waiting - active;
    return { waiting, delayed, active, failed: this.#failed.length };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => this.#closeWorker(worker)));
    this.#waiting.length = 0;
    for (const entry of this.#entries.values()) {
      entry.pause?.[Symbol.dispose]();
      entry.reject(queueClosed());
    }
    this.#entries.clear();
  }

  async #closeWorker(worker: LocalWorker): Promise<void> {
    await worker.close();
    this.#workers.delete(worker);
  }

  /** Gives what waits to those who have a hand free, when the caller has ended. */
  #handOut(): void {
    if (this.#handing) return;
    this.#handing = true;
    queueMicrotask(() => {
      this.#handing = false;
      for (const worker of this.#workers) {
        while (worker.hasRoom) {
          const entry = this.#waiting.shift();
          if (entry === undefined) return;
          worker.begin(entry);
        }
      }
    });
  }

  #attemptEnded(entry: Entry, end: AttemptEnd): void {
    switch (end.kind) {
      case 'done':
        this.#entries.delete(entry.id);
        entry.resolve(jsonValue(end.result));
        break;
      case 'stopped':
        this.#waiting.unshift(entry);
        break;
      case 'failed':
        this.#attemptFailed(entry, end.error);
        break;
    }
    this.#handOut();
  }

  #attemptFailed(entry: Entry, error: unknown): void {
    entry.failures++;
    if (entry.failures < entry.attemptsMax && mayRetry(error)) {
      const millis = pauseMillis(entry.failures, entry.pauses);
      entry.pause = this.#limits.timers.after(millis, () => {
        entry.pause = undefined;
        this.#waiting.push(entry);
        this.#handOut();
      });
      return;
    }
    const { id, data, failures } = entry;
    const failure = failureOf(error);
    const failedAtMillis = Number(this.#limits.clock.nowNanos() / 1_000_000n);
    this.#failed.push({ id, data, attempts: failures, ...failure, failedAtMillis });
    if (this.#failed.length > this.#limits.failedMax) this.#failed.shift();
    this.#entries.delete(id);
    entry.reject(new PyralogError(failure.code, failure.reason, { cause: error }));
  }
}

type AttemptEnd =
  | { readonly kind: 'done'; readonly result: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The worker was closed before it was done. */
  | { readonly kind: 'stopped' };

class LocalWorker {
  readonly #name: string;
  readonly #handler: JobHandler;
  readonly #concurrency: number;
  readonly #attemptEnded: (entry: Entry, end: AttemptEnd) => void;
  /** Each with what tells it to stop: listeners that it leaves there go with it. */
  readonly #attempts = new Map<Promise<void>, AbortController>();
  #closing = false;

  constructor(
    name: string,
    handler: JobHandler,
    concurrency: number,
    attemptEnded: (entry: Entry, end: AttemptEnd) => void,
  ) {
    this.#name = name;
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#attemptEnded = attemptEnded;
  }

  get active(): number {
    return this.#attempts.size;
  }

  get hasRoom(): boolean {
    return this.#attempts.size < this.#concurrency && !this.#closing;
  }

  begin(entry: Entry): void {
    const stop = new AbortController();
    const attempt = this.#attempt(entry, stop.signal).then((end) => {
      this.#attempts.delete(attempt);
      this.#attemptEnded(entry, end);
    });
    this.#attempts.set(attempt, stop);
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const stop of this.#attempts.values())
      stop.abort(new PyralogError('stopping', 'The worker is closing.'));
    await Promise.all(this.#attempts.keys());
  }

  async #attempt({ id, data, failures }: Entry, signal: AbortSignal): Promise<AttemptEnd> {
    const name = this.#name;
    try {
      const run = { name, id, data: jsonValue(data), attempt: failures + 1, signal };
      const result = await this.#handler(run);
      return { kind: 'done', result: jsonText(result, `The result of job ${name} ${id}`) };
    } catch (error) {
      return signal.aborted ? { kind: 'stopped' } : { kind: 'failed', error };
    }
  }
}

function newEntry(
  id: string,
  data: string,
  attemptsMax: number = ATTEMPTS_MAX_DEFAULT,
  pauses: JobPauses = PAUSES_DEFAULT,
): Entry {
  let resolve: (result: JobJson) => void = () => undefined;
  let reject: (error: PyralogError) => void = () => undefined;
  const ended = new Promise<JobJson>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // Whoever added it need not look at its end.
  ended.catch(() => undefined);
  return { id, data, attemptsMax, pauses, ended, resolve, reject, failures: 0, pause: undefined };
}
