import type { Tape } from '@pyralog/sim';

/** A run that is kept, `test/sim/seeds/*.json`: what it once showed is looked at first. */
export interface SeedFile {
  /** What was found, and where it was mended. */
  readonly note: string;
  readonly scenario: string;
  readonly steps: number;
  readonly tape: Tape;
}
