import { must } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';
import { type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { failureText } from './bullmq-ends.ts';
import type { JobHandler, JobJson, JobPauses, JobWorker } from './jobs.ts';
import { becomes, connectionOptions, endsWithin, type RedisAddress } from '@pyralog/redis';
import { failureOf, jsonText, jsonValue, mayRetry, pauseMillis } from './rules.ts';

/** What lies in a job's data. Our id of a job is its name at BullMQ, whose own ids are never used again. */
export interface StoredJob {
  readonly data: JobJson;
  readonly pauses: JobPauses;
}

/** What a worker is made of. */
export interface BullWorkerOptions {
  readonly name: string;
  readonly handler: JobHandler;
  readonly concurrency: number;
  readonly prefix: string;
  readonly address: RedisAddress;
  /** A worker that has said nothing of a job for so long has lost it. */
  readonly lockMillis: number;
  /** Deaths of workers that a job survives. */
  readonly deathsMax: number;
  readonly silenceMillisMax: number;
}

interface Attempt {
  /** BullMQ's id. */
  readonly id: string;
  readonly stop: AbortController;
  readonly handled: Promise<unknown>;
}

/** Pause of BullMQ's loop after it could not ask for a job. */
const RETRY_MILLIS = 1_000;
/** How long the server may take to be told how the last attempts of a closing worker ended. */
const FAREWELL_MILLIS = 5_000;

/**
 * A worker on connections of its own. While the server is away, ends of attempts wait to be told, and jobs
 * to be asked for.
 */
export class BullWorker implements JobWorker {
  readonly #options: BullWorkerOptions;
  readonly #client: Redis;
  readonly #worker: Worker<StoredJob, JobJson>;
  readonly #attempts = new Set<Attempt>();
  #started = false;
  #closing: Promise<void> | undefined;

  constructor(options: BullWorkerOptions) {
    const { name, concurrency, prefix, address, lockMillis, deathsMax, silenceMillisMax } = options;
    this.#options = options;
    this.#client = new Redis({
      ...connectionOptions(address, silenceMillisMax),
      maxRetriesPerRequest: null,
    });
    // Connections come back by themselves.
    this.#client.on('error', () => undefined);
    this.#worker = new Worker(name, (job, token = '') => this.#attempt(job, token), {
      connection: this.#client,
      prefix,
      concurrency,
      autorun: false,
      lockDuration: lockMillis,
      stalledInterval: lockMillis,
      maxStalledCount: deathsMax,
      runRetryDelay: RETRY_MILLIS,
      // Something must come on the connection before it is taken for lost.
      drainDelay: silenceMillisMax / 3_000,
      settings: {
        backoffStrategy: (failures, _type, _error, job) =>
          Math.ceil(pauseMillis(failures, must(job, 'a job that has failed').data.pauses)),
      },
    });
    this.#worker.on('error', () => undefined);
    this.#worker.on('lockRenewalFailed', (ids) => {
      const taken = new PyralogError('stopping', 'The job was taken from its worker.');
      for (const { id, stop } of this.#attempts) if (ids.includes(id)) stop.abort(taken);
    });
  }

  /** Begins to take jobs. @returns whether the server was there for that */
  async start(): Promise<boolean> {
    const ready = this.#worker.waitUntilReady();
    if (!(await endsWithin(ready, this.#options.silenceMillisMax))) return false;
    try {
      await ready;
    } catch {
      return false;
    }
    this.#started = true;
    void this.#worker.run();
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closing = new PyralogError('stopping', 'The worker is closing.');
    // Not to be waited for: it takes no more jobs from here on.
    void this.#worker.pause(true);
    for (const { stop } of this.#attempts) stop.abort(closing);
    await Promise.all([...this.#attempts].map(({ handled }) => handled));

    // BullMQ waits for the last answers and for its connections to end, for ever where a server is away: it is
    // to wait for one that answers only. What nobody could be told is another's when its lock has run out.
    const closed = this.#worker.close(!(await this.#answers()));
    await endsWithin(closed, FAREWELL_MILLIS);
    this.#client.disconnect();
  }

  /** Whether both connections are there, and the server answers. */
  async #answers(): Promise<boolean> {
    if (!this.#started) return false;
    const blocking = await this.#worker.getBackend().blockingClient;
    if (blocking === undefined) return false;
    const there = Promise.all([
      this.#client.ping(),
      becomes(blocking, ['ready', 'end'], FAREWELL_MILLIS),
    ]);
    return (await endsWithin(there, FAREWELL_MILLIS)) && blocking.status === 'ready';
  }

  async #attempt(job: Job<StoredJob, JobJson>, token: string): Promise<JobJson> {
    const { name, handler } = this.#options;
    const stop = new AbortController();
    // It was on its way when the worker began to close.
    if (this.#closing !== undefined) return putBack(job, token);
    const { signal } = stop;
    const run = { name, id: job.name, data: job.data.data, attempt: job.attemptsMade + 1, signal };
    const handling = (async () => {
      const result = await handler(run);
      return jsonValue(jsonText(result, `The result of job ${name} ${job.name}`));
    })();
    const handled = handling.catch(() => undefined);
    const attempt = { id: job.id ?? '', stop, handled };
    this.#attempts.add(attempt);
    try {
      return await handling;
    } catch (error) {
      if (signal.aborted) return await putBack(job, token);
      const text = failureText(failureOf(error));
      throw mayRetry(error) ? new Error(text) : new UnrecoverableError(text);
    } finally {
      this.#attempts.delete(attempt);
    }
  }
}

/**
 * Lets a job wait again, first of all, as if it had not been begun. Where that fails, it is somebody else's,
 * or will be when its lock has run out: no failure of the attempt either.
 */
async function putBack(job: Job<StoredJob, JobJson>, token: string): Promise<never> {
  await job.moveToWait(token).catch(() => undefined);
  throw new WaitingError();
}
