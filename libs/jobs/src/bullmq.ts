import { randomBytes } from 'node:crypto';
import { assert } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';
import { Queue } from 'bullmq';
import { failureFrom, JobEnds } from './bullmq-ends.ts';
import { BullWorker, type StoredJob } from './bullmq-worker.ts';
import type {
  AddedJob,
  FailedJob,
  Job,
  JobCounts,
  JobHandler,
  JobJson,
  JobQueue,
  JobWorker,
  JobWorkerOptions,
} from './jobs.ts';
import { type RedisAddress, redisAddress, RedisCalls, SILENCE_MILLIS_MAX } from '@pyralog/redis';
import {
  assertJob,
  assertName,
  ATTEMPTS_MAX_DEFAULT,
  jsonText,
  jsonValue,
  PAUSES_DEFAULT,
  queueClosed,
  tooManyJobs,
} from './rules.ts';

/** Where the queue lies, and how much it keeps. */
export interface BullJobsOptions {
  /** `redis://[name:password@]host[:port][/database]`, or `rediss://`. */
  readonly url: string;
  /** Begins all keys, `[a-z][a-z0-9:-]{0,99}`: queues with the same one share their jobs, others none. */
  readonly prefix: string;
  /** Jobs of one name that have not ended; default 10,000. Those who add at once may go beyond it. */
  readonly jobsMax?: number | undefined;
  /** Failed jobs of one name that are listed; default 100. */
  readonly failedMax?: number | undefined;
  /**
   * After so long without a sign of life from its worker a job is another's, after twice as long at most;
   * default 30,000 ms.
   */
  readonly lockMillis?: number | undefined;
  /** How many workers may die at a job before it fails; default 5. */
  readonly deathsMax?: number | undefined;
  /**
   * A server from which nothing has come for so long is taken for lost; default 15,000 ms. Below 10,000 a
   * worker that waits for the end of a pause connects anew now and then.
   */
  readonly silenceMillisMax?: number | undefined;
}

/** Jobs that are done and kept, so that their results can be found where their end was not heard. */
const DONE_MAX = 100;
/** Events that are kept; a result is in one of them. */
const EVENTS_MAX = 1_000;

/**
 * A queue on BullMQ and a Redis (7 or later, `maxmemory-policy noeviction`), as durable as that: with
 * `appendonly yes` what was added outlives the server, but for the last second before a loss of power.
 *
 * A call that is refused as `unreachable` may have been heard all the same; to add again is no harm.
 */
export class BullJobs implements JobQueue {
  readonly #limits: Limits;
  readonly #calls: RedisCalls;
  readonly #queues = new Map<string, NamedQueue>();
  #closing: Promise<void> | undefined;

  /** @throws PyralogError `parameter-invalid` where the address is none */
  constructor({
    url,
    prefix,
    jobsMax = 10_000,
    failedMax = 100,
    lockMillis = 30_000,
    deathsMax = 5,
    silenceMillisMax = SILENCE_MILLIS_MAX,
  }: BullJobsOptions) {
    assert(/^[a-z][a-z0-9:-]{0,99}$/.test(prefix), `not a prefix of keys: ${prefix}`);
    assert(jobsMax > 0 && failedMax > 0, 'a queue keeps something');
    assert(lockMillis > 0 && deathsMax > 0 && silenceMillisMax > 0, 'there is time for something');
    const address = redisAddress(url);
    this.#limits = { address, prefix, jobsMax, failedMax, lockMillis, deathsMax, silenceMillisMax };
    this.#calls = new RedisCalls(address, silenceMillisMax);
  }

  async add(job: Job): Promise<AddedJob> {
    assertJob(job);
    const text = jsonText(job.data, `The data of job ${job.name} ${job.id}`);
    const queue = this.#queue(job.name);
    return this.#calls.run(`Job ${job.name} ${job.id} was not added`, () => queue.add(job, text));
  }

  async work(
    name: string,
    handler: JobHandler,
    { concurrency = 1 }: JobWorkerOptions = {},
  ): Promise<JobWorker> {
    assert(Number.isSafeInteger(concurrency) && concurrency > 0, 'a worker has hands');
    const queue = this.#queue(name);
    return this.#calls.run(`Nobody works at jobs of ${name}`, () =>
      queue.work(handler, concurrency),
    );
  }

  async failed(name: string): Promise<readonly FailedJob[]> {
    const queue = this.#queue(name);
    return this.#calls.run(`Failed jobs of ${name} are not listed`, () => queue.failed());
  }

  async counts(name: string): Promise<JobCounts> {
    const queue = this.#queue(name);
    return this.#calls.run(`Jobs of ${name} are not counted`, () => queue.counts());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.all([...this.#queues.values()].map((queue) => queue.close())).then(
      () => this.#calls.close(),
    );
    return this.#closing;
  }

  #queue(name: string): NamedQueue {
    assertName(name);
    if (this.#closing !== undefined) throw queueClosed();
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new NamedQueue(name, this.#limits, this.#calls);
      this.#queues.set(name, queue);
    }
    return queue;
  }
}

interface Limits {
  readonly address: RedisAddress;
  readonly prefix: string;
  readonly jobsMax: number;
  readonly failedMax: number;
  readonly lockMillis: number;
  readonly deathsMax: number;
  readonly silenceMillisMax: number;
}

/** Jobs of one name. */
class NamedQueue {
  readonly #name: string;
  readonly #limits: Limits;
  readonly #calls: RedisCalls;
  readonly #ends: JobEnds;
  readonly #workers = new Set<BullWorker>();
  #bull: Queue<StoredJob, JobJson> | undefined;
  #closed = false;

  constructor(name: string, limits: Limits, calls: RedisCalls) {
    this.#name = name;
    this.#limits = limits;
    this.#calls = calls;
    this.#ends = new JobEnds(name, limits, calls);
  }

  async add(
    { id, attemptsMax = ATTEMPTS_MAX_DEFAULT, pauses = PAUSES_DEFAULT }: Job,
    data: string,
  ): Promise<AddedJob> {
    const bull = await this.#queue();
    await this.#ends.hear();
    await this.#assertRoom(bull, id);
    if (this.#closed) throw queueClosed();
    const own = newId();
    const ended = this.#ends.expect(own, false);
    try {
      const { id: queued = own } = await bull.add(
        id,
        { data: jsonValue(data), pauses },
        {
          jobId: own,
          // Until the job has ended, one that is added under this id is the same.
          deduplication: { id },
          attempts: attemptsMax,
          // Reckoned by whoever works: BullMQ's own have no upper bound.
          backoff: { type: 'pauses' },
          removeOnComplete: { count: DONE_MAX },
          removeOnFail: { count: this.#limits.failedMax },
          stackTraceLimit: 0,
        },
      );
      if (queued === own) {
        this.#ends.added(own);
        return { outcome: 'queued', ended };
      }
      this.#ends.forget(own);
      const itsEnd = this.#ends.expect(queued, true);
      // It may have ended before we listened.
      await this.#ends.look([queued]);
      return { outcome: 'exists', ended: itsEnd };
    } catch (error) {
      this.#ends.forget(own);
      throw error;
    }
  }

  async work(handler: JobHandler, concurrency: number): Promise<JobWorker> {
    // Whoever comes first, the queue's own settings are written.
    await this.#queue();
    const worker = new BullWorker({ ...this.#limits, name: this.#name, handler, concurrency });
    this.#workers.add(worker);
    const close = async (): Promise<void> => {
      await worker[Symbol.asyncDispose]();
      this.#workers.delete(worker);
    };
    if (!(await worker.start())) {
      await close();
      throw new PyralogError(
        'unreachable',
        `Nobody works at jobs of ${this.#name}: no connection.`,
      );
    }
    if (this.#closed) {
      await close();
      throw queueClosed();
    }
    return { [Symbol.asyncDispose]: close };
  }

  async failed(): Promise<readonly FailedJob[]> {
    const bull = await this.#queue();
    const jobs = await bull.getFailed(0, this.#limits.failedMax - 1);
    return jobs.map((job) => ({
      name: this.#name,
      id: job.name,
      data: job.data.data,
      attempts: job.attemptsMade,
      ...failureFrom(job.failedReason),
      failedAtMillis: job.finishedOn ?? 0,
    }));
  }

  async counts(): Promise<JobCounts> {
    const bull = await this.#queue();
    const counts = await bull.getJobCounts('waiting', 'delayed', 'active', 'failed');
    const { waiting = 0, delayed = 0, active = 0, failed = 0 } = counts;
    return { waiting, delayed, active, failed };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#workers].map((worker) => worker[Symbol.asyncDispose]()));
    await this.#ends.close();
    await this.#bull?.close().catch(() => undefined);
  }

  async #assertRoom(bull: Queue<StoredJob, JobJson>, id: string): Promise<void> {
    const { jobsMax } = this.#limits;
    const { waiting, delayed, active } = await this.counts();
    if (waiting + delayed + active < jobsMax) return;
    if ((await bull.getDeduplicationJobId(id)) === null) throw tooManyJobs(this.#name, jobsMax);
  }

  /** BullMQ's own queue. One that could not begin will never do, so another one is made. */
  async #queue(): Promise<Queue<StoredJob, JobJson>> {
    const bull = (this.#bull ??= this.#newQueue());
    try {
      await bull.waitUntilReady();
      return bull;
    } catch (error) {
      if (this.#bull === bull) this.#bull = undefined;
      await bull.close().catch(() => undefined);
      throw error;
    }
  }

  #newQueue(): Queue<StoredJob, JobJson> {
    const bull = new Queue<StoredJob, JobJson>(this.#name, {
      connection: this.#calls.client,
      prefix: this.#limits.prefix,
      streams: { events: { maxLen: EVENTS_MAX } },
    });
    // Told by whatever call it makes fail.
    bull.on('error', () => undefined);
    return bull;
  }
}

let idsMade = 0;

/** An id of BullMQ's, never used again. They rise, for failed jobs of one millisecond are listed by them. */
function newId(): string {
  const made = (idsMade++ % 36 ** 4).toString(36).padStart(4, '0');
  return `${Date.now().toString().padStart(14, '0')}-${made}-${randomBytes(6).toString('hex')}`;
}
