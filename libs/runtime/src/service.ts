import { Backoff, type PauseRule } from './backoff.ts';
import type { Health } from './health.ts';
import type { Clock, Rand, Timers } from './ports.ts';

/** What runs until it is told to stop. */
export interface Service {
  /**
   * Works until the signal aborts, and resolves then. Rejects to be run again after a pause; resolving
   * untold is a failure too.
   * @param working to be called when it has done what it is for: an earlier failure is over
   */
  run(signal: AbortSignal, working: () => void): Promise<void>;
}

/** What a {@link Supervisor} keeps its service alive with. */
export interface SupervisorOptions {
  readonly health: Health;
  readonly pauses: PauseRule;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rand: Rand;
}

/**
 * The one lifecycle of everything that runs beside the requests: a service is run, and run again with
 * growing pauses when it fails, until it is disposed. State lives in what the service reads when it
 * starts, never in the supervisor: starting is recovering.
 */
export class Supervisor implements AsyncDisposable {
  readonly #service: Service;
  readonly #options: SupervisorOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  private constructor(service: Service, options: SupervisorOptions) {
    this.#service = service;
    this.#options = options;
    this.#ended = this.#keepRunning();
  }

  static start(service: Service, options: SupervisorOptions): Supervisor {
    return new Supervisor(service, options);
  }

  /** Tells the service to stop, or ends the pause that it is in, and resolves when it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #keepRunning(): Promise<void> {
    const { health, pauses, clock, timers, rand } = this.#options;
    const { signal } = this.#stop;
    const backoff = new Backoff(pauses, rand);
    while (!signal.aborted) {
      const started = clock.monotonicMillis();
      let worked = false;
      const error = await this.#attempt(() => {
        worked = true;
        health.working();
      });
      if (signal.aborted) return;
      // One that fails soon after each start is not begun anew at full speed.
      if (worked && clock.monotonicMillis() - started >= pauses.maxMillis) backoff.reset();
      health.failed(error);
      // As the service itself would: those who wait for it do not find the process gone.
      await timers.sleep(backoff.next(), signal, true);
    }
  }

  /** @returns what ended it */
  async #attempt(working: () => void): Promise<unknown> {
    try {
      await this.#service.run(this.#stop.signal, working);
      return new Error('ended without being told');
    } catch (error) {
      return error;
    }
  }
}
