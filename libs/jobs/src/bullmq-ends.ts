import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorCode, PyralogError, type ErrorCode } from '@pyralog/model';
import type { JobJson } from './jobs.ts';
import { type RedisAddress, RedisCalls } from '@pyralog/redis';
import { jsonValue, queueClosed } from './rules.ts';

/** Somebody waits for the end of a job. */
interface Waiting {
  readonly ended: Promise<JobJson>;
  readonly resolve: (result: JobJson) => void;
  readonly reject: (error: PyralogError) => void;
  /** How often it was looked for and not found; undefined while it may not have been added yet. */
  missed: number | undefined;
}

/** Where ends are heard. */
interface JobEndsOptions {
  readonly prefix: string;
  readonly address: RedisAddress;
  readonly silenceMillisMax: number;
}

/** How often jobs are looked for whose end may have been said while nobody could hear it. */
const LOOK_MILLIS = 30_000;
/** Jobs that are looked for in one call. */
const LOOK_JOBS = 500;
/** Pause before the next reading where one has failed. */
const PAUSE_MILLIS = 100;
/** A look at a job may be older than what was said of it and not heard yet. The second one is not. */
const MISSED_MAX = 2;

/**
 * Tells how jobs of a name ended, whichever process they ended in.
 *
 * Ends are heard on the queue's stream of events. It is bounded, and a server may lose it, so jobs are
 * looked for as well: when a connection has come back, and from time to time.
 */
export class JobEnds {
  readonly #name: string;
  readonly #keyOf: (id: string) => string;
  readonly #address: RedisAddress;
  readonly #calls: RedisCalls;
  readonly #silenceMillisMax: number;
  readonly #waiting = new Map<string, Waiting>();
  readonly #look = (): void => void this.look().catch(() => undefined);
  #hearing: Promise<Hearing> | undefined;
  #closed = false;

  constructor(
    name: string,
    { prefix, address, silenceMillisMax }: JobEndsOptions,
    calls: RedisCalls,
  ) {
    this.#name = name;
    this.#keyOf = (id) => `${prefix}:${name}:${id}`;
    this.#address = address;
    this.#silenceMillisMax = silenceMillisMax;
    this.#calls = calls;
  }

  /** Resolves when ends of jobs that are added from now on are heard. */
  async hear(): Promise<void> {
    if (this.#closed) throw queueClosed();
    const hearing = (this.#hearing ??= this.#begin());
    try {
      await hearing;
    } catch (error) {
      if (this.#hearing === hearing) this.#hearing = undefined;
      throw error;
    }
  }

  /** @param added whether it is certain that the job is in the queue, or was */
  expect(id: string, added: boolean): Promise<JobJson> {
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      waiting = newWaiting(added);
      this.#waiting.set(id, waiting);
      if (this.#closed) this.#settle(id, queueClosed());
    }
    return waiting.ended;
  }

  added(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) waiting.missed ??= 0;
  }

  /** It was not added after all. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  /** Looks how those jobs stand that are waited for. */
  async look(ids: readonly string[] = [...this.#waiting.keys()]): Promise<void> {
    for (let first = 0; first < ids.length; first += LOOK_JOBS) {
      const some = ids.slice(first, first + LOOK_JOBS);
      const pipeline = this.#calls.client.pipeline();
      for (const id of some)
        pipeline.hmget(this.#keyOf(id), 'timestamp', 'finishedOn', 'returnvalue', 'failedReason');
      const answers = (await pipeline.exec()) ?? [];
      for (const [i, [error, values]] of answers.entries()) {
        if (error !== null) throw error;
        this.#seen(some[i] as string, values as Found);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.look().catch(() => undefined);
    for (const id of this.#waiting.keys()) this.#settle(id, queueClosed());
    const hearing = await this.#hearing?.catch(() => undefined);
    this.#calls.client.off('ready', this.#look);
    await hearing?.[Symbol.asyncDispose]();
  }

  async #begin(): Promise<Hearing> {
    const key = this.#keyOf('events');
    const newest = await this.#calls.client.xrevrange(key, '+', '-', 'COUNT', 1);
    this.#calls.client.on('ready', this.#look);
    return new Hearing({
      address: this.#address,
      silenceMillisMax: this.#silenceMillisMax,
      key,
      after: newest[0]?.[0] ?? '0-0',
      event: (fields) => this.#said(fields),
      look: this.#look,
    });
  }

  #said(fields: ReadonlyMap<string, string>): void {
    const id = fields.get('jobId') ?? '';
    const [result, reason] = [fields.get('returnvalue'), fields.get('failedReason')];
    const event = fields.get('event');
    if (event === 'completed') this.#settle(id, { result: jsonValue(result ?? 'null') });
    if (event === 'failed') this.#settle(id, errorOf(reason ?? ''));
  }

  #seen(id: string, [timestamp, finishedOn, result, reason]: Found): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.missed === undefined) return;
    if (timestamp === null) {
      waiting.missed++;
      if (waiting.missed >= MISSED_MAX) this.#settle(id, lost(this.#name));
      return;
    }
    waiting.missed = 0;
    if (finishedOn === null) return;
    this.#settle(id, result === null ? errorOf(reason ?? '') : { result: jsonValue(result) });
  }

  #settle(id: string, end: { readonly result: JobJson } | PyralogError): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if ('result' in end) waiting.resolve(end.result);
    else waiting.reject(end);
  }
}

/** Fields of a job: when it was added, when it ended, its result and why it failed; null where not set. */
type Found = readonly [string | null, string | null, string | null, string | null];

interface HearingOptions {
  readonly address: RedisAddress;
  readonly silenceMillisMax: number;
  /** Key of the stream, and the id of the newest event that is known. */
  readonly key: string;
  readonly after: string;
  /** Is given the fields of an event, by name. */
  readonly event: (fields: ReadonlyMap<string, string>) => void;
  readonly look: () => void;
}

/**
 * Reads a queue's stream of events, on a connection of its own. BullMQ's reader is not taken: where a server
 * was silent for a while it never went on.
 */
class Hearing implements AsyncDisposable {
  readonly #options: HearingOptions;
  readonly #calls: RedisCalls;
  readonly #looks: NodeJS.Timeout;
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.#calls = new RedisCalls(options.address, options.silenceMillisMax);
    this.#looks = setInterval(options.look, LOOK_MILLIS);
    this.#looks.unref();
    this.#reading = this.#read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#looks);
    this.#calls.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { key, after, event, silenceMillisMax } = this.#options;
    // Something must come on the connection before it is taken for lost.
    const block = Math.ceil(silenceMillisMax / 3);
    const { signal } = this.#stop;
    let last = after;
    while (!signal.aborted) {
      try {
        const streams = await this.#calls.run('Ends of jobs are not heard', () =>
          this.#calls.client.xread('COUNT', 100, 'BLOCK', block, 'STREAMS', key, last),
        );
        for (const [id, fields] of streams?.[0]?.[1] ?? []) {
          last = id;
          event(fieldsOf(fields));
        }
      } catch {
        // A connection comes back by itself, and then all is heard that was said since the last one.
        await sleep(PAUSE_MILLIS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

/** Of names and values in turn. */
function fieldsOf(list: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i < list.length; i += 2) fields.set(list[i] ?? '', list[i + 1] ?? '');
  return fields;
}

function newWaiting(added: boolean): Waiting {
  let resolve: (result: JobJson) => void = () => undefined;
  let reject: (error: PyralogError) => void = () => undefined;
  const ended = new Promise<JobJson>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  // Whoever added it need not look at its end.
  ended.catch(() => undefined);
  return { ended, resolve, reject, missed: added ? 0 : undefined };
}

/** What BullMQ keeps of a failure is one text. */
export function failureText(failure: Failure): string {
  return JSON.stringify([failure.code, failure.reason]);
}

export interface Failure {
  readonly code: ErrorCode;
  readonly reason: string;
}

/** What BullMQ says of a job whose workers have died too often. */
const STALLED = 'job stalled more than allowable limit';

/** What {@link failureText} wrote, or a sentence of BullMQ's own. */
export function failureFrom(text: string): Failure {
  if (text === STALLED) {
    return {
      code: 'internal',
      reason: 'Its workers ended in the middle of it, one after another.',
    };
  }
  if (text.startsWith('["')) {
    const [code, reason] = jsonValue(text) as readonly [string, string];
    if (isErrorCode(code)) return { code, reason };
  }
  return { code: 'internal', reason: text };
}

function errorOf(text: string): PyralogError {
  const { code, reason } = failureFrom(text);
  return new PyralogError(code, reason);
}

function lost(name: string): PyralogError {
  return new PyralogError('storage-failed', `The queue no longer knows of this job of ${name}.`, {
    hint: 'Its Redis was emptied or lost it, or it ended while this process could not reach it. Add it again.',
  });
}
