import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { documentOf } from '../e2e/documents.ts';
import type { Random } from '../e2e/random.ts';
import type { Committed, Witness } from '../e2e/witness.ts';
import { type Answer, type Sent, take } from '../e2e/writers.ts';
import { PATIENCE_MILLIS, within } from './waiting.ts';

const WRITERS = 4;
/** Between two transactions of a writer: what a test costs is to depend on what it waits for, not on the machine. */
const PACE_MILLIS = 20;
/** Before what had no outcome is sent again. */
const PAUSE_MILLIS = 100;

/** Where a load is put, and who remembers it. */
export interface LoadOptions {
  /** Of an API node. */
  readonly url: string;
  readonly database: string;
  readonly witness: Witness;
  readonly random: Random;
  /** What is written; default: pairs. */
  readonly documents?: Documents;
}

/** Where the documents of writers come from. */
interface Documents {
  next(): Sent;
  /** Told of what was committed. */
  committed(answer: Committed): void;
  /** Reads again what documents are made of, after one was refused. */
  refresh(url: string): Promise<void>;
}

/** What is answered while a partition has no owner: the outcome is not known, or is not to be had at the moment. */
const FOR_A_TIME = [429, 503, 504];

interface Waiting {
  /** When an acknowledged transaction must have been sent at the earliest. */
  readonly since: number;
  left: number;
  readonly resolve: () => void;
}

/**
 * Writers over HTTP, each of which sends one transaction after the other, and the same again until it has an outcome;
 * without an idempotency key only once. What can be refused for a time only, is; what else fails the test, unless the
 * document says that it may.
 */
export class Load implements AsyncDisposable {
  readonly #options: LoadOptions;
  #url: string;
  readonly #waiting = new Set<Waiting>();
  readonly #writing: Promise<void>;
  readonly #failed: Promise<never>;
  /** How often each code was answered. */
  readonly refusals = new Map<string, number>();
  #stopped = false;
  #over = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#url = options.url;
    const writers = Array.from({ length: WRITERS }, () => this.#write());
    this.#writing = Promise.all(writers).then(() => undefined);
    this.#failed = this.#writing.then(() => new Promise<never>(() => undefined));
    // Who waits for something is told.
    this.#failed.catch(() => undefined);
  }

  /**
   * Resolves when so many transactions were acknowledged that are sent from now on.
   * @returns how long the first of them took from now, in milliseconds
   */
  async acknowledged(count = 1, millis: number = PATIENCE_MILLIS): Promise<number> {
    const since = performance.now();
    const what = `${count} acknowledged of what was sent since`;
    let first = 0;
    const heard = (left: number): Promise<void> =>
      new Promise((resolve) => this.#waiting.add({ since, left, resolve }));
    const all = Promise.all([
      heard(1).then(() => (first = performance.now() - since)),
      heard(count),
    ]);
    await within(what, Promise.race([all, this.#failed]), millis);
    return first;
  }

  /** Writers go elsewhere. What has no answer yet may get none any more, and is sent again. */
  moveTo(url: string): void {
    this.#url = url;
  }

  /** Resolves when all that was sent is acknowledged, and nothing more is sent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await within('everything is acknowledged', this.#writing, PATIENCE_MILLIS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#over = true;
    await this.#writing.catch(() => undefined);
  }

  async #write(): Promise<void> {
    const { documents } = this.#options;
    while (!this.#stopped) {
      const sent = documents?.next() ?? this.#pairs();
      const since = performance.now();
      let outcome = await this.#send(sent);
      while (outcome === 'unknown' && sent.isKeyed && !this.#over) {
        await sleep(PAUSE_MILLIS);
        outcome = await this.#send(sent);
      }
      if (outcome === 'committed') this.#heard(since);
      if (outcome === 'refused') await documents?.refresh(this.#url);
      await sleep(PACE_MILLIS);
    }
  }

  #pairs(): Sent {
    const { witness, random } = this.#options;
    const key = witness.nextKey();
    return { key, body: documentOf(key, random), isKeyed: true };
  }

  async #send(sent: Sent): Promise<'committed' | 'refused' | 'unknown'> {
    const { database, witness, documents } = this.#options;
    const { key, body, refusals } = sent;
    const url = this.#url;
    let response: Response;
    let answer: Answer;
    try {
      response = await fetch(`${url}/v1/${database}/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      answer = (await response.json()) as Answer;
    } catch (error) {
      // The node has died under the request; whether it was committed is for the log to say.
      if (url === this.#url) throw error;
      return 'unknown';
    }
    const { code, detail } = answer;
    if (code !== undefined && refusals?.includes(code) !== true) {
      expect(FOR_A_TIME, `${key}: ${code}: ${detail}`).toContain(response.status);
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
      return 'unknown';
    }
    const committed = (each: Committed): void => documents?.committed(each);
    take({ witness, committed }, sent, answer);
    return code === undefined ? 'committed' : 'refused';
  }

  #heard(sent: number): void {
    for (const waiting of this.#waiting) {
      if (sent < waiting.since) continue;
      waiting.left--;
      if (waiting.left > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }
}
