import { assert, type Brand } from '@pyralog/base';

/**
 * Commit timestamp and identity of a transaction: int64 nanoseconds since 1970 whose low 10 bits are
 * the coordinating partition. Unique over the database.
 */
export type Tx = Brand<bigint, 'Tx'>;

/** Number of a partition, 0 to {@link PARTITIONS_MAX} - 1. */
export type PartitionNo = Brand<number, 'PartitionNo'>;

/** Partitions that a tx can tell apart in its low 10 bits. */
export const PARTITIONS_MAX = 1024;
const LOW_MASK = 1023n;
const TX_MAX = 2n ** 63n - 1n;

/** Smallest step of a partition's clock, in nanoseconds: the low bits belong to the partition. */
export const CLOCK_STEP: bigint = 1024n;

/** How far a clock may run ahead of others, or a read ahead of the clock, in nanoseconds. */
export const CLOCK_SKEW_MAX = 500_000_000n;

/** Brands an int64 that is not negative; anything else is a defect. */
export function tx(value: bigint): Tx {
  assert(value >= 0n && value <= TX_MAX, `tx out of range: ${value}`);
  return value as Tx;
}

/** Before every transaction. */
export const TX_NONE: Tx = 0n as Tx;
/** At or after every transaction. */
export const TX_LAST: Tx = TX_MAX as Tx;

/** Brands a whole number below {@link PARTITIONS_MAX}; anything else is a defect. */
export function partitionNo(value: number): PartitionNo {
  assert(
    Number.isInteger(value) && value >= 0 && value < PARTITIONS_MAX,
    `partition out of range: ${value}`,
  );
  return value as PartitionNo;
}

/** The partition that coordinated a transaction. */
export function partitionOfTx(t: Tx): PartitionNo {
  return partitionNo(Number(t & LOW_MASK));
}

/** The tx with all low bits set: the end of its clock step, over all partitions. */
export function endOfStep(t: bigint): Tx {
  return tx(t | LOW_MASK);
}

/** Parses `"1795000000000000000"`. @returns undefined where the text is not a tx in canonical form. */
export function parseTx(text: string): Tx | undefined {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value <= TX_MAX ? (value as Tx) : undefined;
}

/**
 * Hybrid logical clock of one partition (Kulkarni et al., "Logical Physical Clocks", 2014), in steps
 * of 1,024 ns: follows the wall clock and never repeats or goes back, whatever the wall clock does.
 * Pure: the wall clock comes in as data.
 */
export class HybridClock {
  /** Greatest time ever given or seen, low bits cleared. */
  #last: bigint;
  readonly #partition: bigint;

  constructor(partition: PartitionNo, floor: bigint = 0n) {
    this.#partition = BigInt(partition);
    this.#last = floor & ~LOW_MASK;
  }

  /** Time part of the greatest timestamp so far. */
  get last(): bigint {
    return this.#last;
  }

  /** A fresh timestamp above all given and seen. `wall` is nanoseconds since 1970. */
  tick(wall: bigint): Tx {
    const next = this.#last + CLOCK_STEP;
    const now = wall & ~LOW_MASK;
    this.#last = now > next ? now : next;
    return tx(this.#last | this.#partition);
  }

  /** Moves the clock on to the wall clock without giving a timestamp; for CLOSED of an idle owner. */
  advance(wall: bigint): void {
    this.raise(wall - CLOCK_STEP);
  }

  /** Takes notice of a timestamp given elsewhere: later ticks lie above it. */
  raise(seen: bigint): void {
    const time = seen & ~LOW_MASK;
    if (time > this.#last) this.#last = time;
  }
}
