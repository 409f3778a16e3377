import { type Choice } from './choice.ts';
import { type Owner, type Pending, QUANTUM_MICROS, type Scheduler } from './scheduler.ts';

/** The world outside of all processes: brokers, disks and the air between them are never killed. */
export const OUTSIDE: Owner = { name: 'world', state: 'running' };

/** A request that has left its process and has not arrived. */
interface InFlight {
  readonly label: string;
  readonly pending: Pending;
  readonly arrive: () => void;
}

/** How a request to something outside of the process goes. */
export interface RequestOptions {
  readonly label: string;
  /** Before it takes effect, in microseconds; by default a short time by choice. */
  readonly thereMicros?: number | undefined;
  /** From its effect to the answer. */
  readonly backMicros?: number | undefined;
}

/** How much longer a slow delay is than a short one. */
const SLOW = 50;
/** Short delays are up to this many quanta. */
const SHORT_QUANTA = 6;
/** What a dead process has sent may arrive this much later, in microseconds. */
const LATE_MICROS = 2_000_000;

/**
 * A process of the simulated world: the owner of all completions that its code waits for. When it is killed
 * they are dropped, so that its code never goes on: its promises stay pending for ever. What it had sent
 * is outside already, and may still arrive. A process that starts again is another one of this class.
 */
export class SimProcess implements Owner {
  readonly name: string;
  readonly scheduler: Scheduler;
  /** Chance of everything that it does. */
  readonly choice: Choice;
  /** How many times slower it and its connections are than others: 1, or more for a straggler. */
  slowness = 1;
  /** Added to its wall clock, in nanoseconds. */
  clockOffsetNanos = 0n;
  readonly #inFlight = new Set<InFlight>();
  #state: Owner['state'] = 'running';

  constructor(name: string, scheduler: Scheduler, choice: Choice) {
    this.name = name;
    this.scheduler = scheduler;
    this.choice = choice;
  }

  /** The name without the `#2` of a second start: faults and advice concern the same one again. */
  get host(): string {
    return this.name.replace(/#.*/, '');
  }

  get state(): Owner['state'] {
    return this.#state;
  }

  /** Ends it at once. Each request on its way arrives, arrives late, or is lost, by choice. */
  kill(): void {
    this.#state = 'dead';
    for (const request of this.#inFlight) {
      const fate = this.choice.pick(3, `${request.label} of the dead`);
      if (fate === 0) continue;
      request.pending.cancel();
      if (fate === 1) continue;
      const delay = LATE_MICROS * (1 + this.choice.pick(4, 'late'));
      this.scheduler.enqueue(OUTSIDE, `${request.label} of ${this.name}, late`, delay, () =>
        request.arrive(),
      );
    }
    this.#inFlight.clear();
  }

  /** Stops it where it is, as SIGSTOP does: time goes on without it. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** It goes on, with everything that was due meanwhile: a zombie, if another took over. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.scheduler.release(this);
  }

  /** A delay within the machine room, in microseconds, by choice. */
  delayMicros(label: string): number {
    const quanta = 1 + this.choice.pick(SHORT_QUANTA, label);
    return quanta * QUANTUM_MICROS * this.slowness;
  }

  /** A delay that others notice, in microseconds: up to seconds, for a straggler too. */
  slowMicros(label: string): number {
    return (this.delayMicros(label) / this.slowness) * SLOW * (1 + this.choice.pick(SLOW, label));
  }

  /**
   * Resolves with what `make` gives when the delay is over, or rejects with what it throws; never where
   * the process dies before.
   */
  complete<T>(label: string, delayMicros: number, make: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.scheduler.enqueue(this, label, delayMicros, () => {
        try {
          resolve(make());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** As {@link complete}, and at once, quietly, when the signal aborts. */
  wait(label: string, delayMicros: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        pending.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const pending = this.scheduler.enqueue(this, label, delayMicros, done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /**
   * A request to something outside: `effect` takes place there at one step, whatever has become of the process,
   * and is answered at a later one, if the process is still there.
   */
  request<T>(options: RequestOptions, effect: () => T): Promise<T> {
    const { label } = options;
    const { thereMicros = this.delayMicros(label), backMicros = this.delayMicros(label) } = options;
    return new Promise((resolve, reject) => {
      this.send(label, thereMicros, () => {
        let answer: () => void;
        try {
          const result = effect();
          answer = () => resolve(result);
        } catch (error) {
          answer = () => reject(error);
        }
        this.scheduler.enqueue(this, `${label} answered`, backMicros, answer);
      });
    });
  }

  /** Something that takes place outside, of which the process hears nothing. */
  send(label: string, delayMicros: number, arrive: () => void): void {
    if (this.#state === 'dead') return;
    const request: InFlight = {
      label,
      arrive,
      pending: this.scheduler.enqueue(OUTSIDE, `${label} of ${this.name}`, delayMicros, () => {
        this.#inFlight.delete(request);
        arrive();
      }),
    };
    this.#inFlight.add(request);
  }
}
