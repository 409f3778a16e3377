import type { Clock } from './ports.ts';

/** Something does not work, since when, and what was met the last time that it was tried. */
export interface Failure {
  readonly error: unknown;
  /** Nanoseconds since 1970. */
  readonly sinceNanos: bigint;
}

/** Clock and listeners of a {@link Health}. */
export interface HealthOptions {
  readonly clock: Clock;
  /** Told when it stops working, and again where it fails in another way; not of every attempt. */
  readonly onFailure: (error: unknown) => void;
  /** Told when it works again. */
  readonly onRecovery: () => void;
}

/** Whether something works. Those who try tell of every attempt; the operator hears of the turns only. */
export class Health {
  readonly #options: HealthOptions;
  #failure: Failure | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** What is wrong; undefined while all is well. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  failed(error: unknown): void {
    const before = this.#failure;
    const { clock, onFailure } = this.#options;
    this.#failure = { error, sinceNanos: before?.sinceNanos ?? clock.nowNanos() };
    if (before === undefined || kindOf(before.error) !== kindOf(error)) onFailure(error);
  }

  working(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.onRecovery();
  }
}

/** By code, of ours or of the system: texts may hold offsets, so that every attempt fails in other words. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return 'code' in error ? String(error.code) : error.name;
}
