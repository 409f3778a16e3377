import type { Tx } from '@pyralog/model';

/** Oldest first, or newest first. */
export type Direction = 'up' | 'down';

/** Where something lies in time. */
export interface Range {
  readonly minTx: Tx;
  readonly maxTx: Tx;
}

/** Things with a time, that need not be read before their range is reached. */
export type Source<T> = { readonly range: Range } & (
  | { readonly open: () => Promise<readonly Source<T>[]> }
  /** In any order. */
  | { readonly entries: () => Promise<readonly T[]> }
);

/** What has the next time. */
interface Next<T> {
  readonly tx: Tx;
  /** All that has it. */
  readonly parts: readonly T[];
}

/** Merges sources whose ranges overlap by time. Each is opened when the merge comes to its range, not before. */
export class Merge<T extends { readonly tx: Tx }> {
  readonly #direction: Direction;
  /** Not opened; the next one is the last. */
  readonly #closed: Source<T>[];
  /** Read and not taken; the next entry is the last. */
  #open: T[] = [];

  constructor(direction: Direction, sources: readonly Source<T>[]) {
    this.#direction = direction;
    this.#closed = [...sources];
    this.#sort();
  }

  /** What comes next, until it is taken. */
  async next(): Promise<Next<T> | undefined> {
    for (let source = this.#due(); source !== undefined; source = this.#due()) {
      if ('open' in source) {
        this.#closed.push(...(await source.open()));
        this.#sort();
      } else {
        this.#open.push(...(await source.entries()));
        this.#open.sort((a, b) => this.#compare(b.tx, a.tx));
      }
    }
    const last = this.#open.at(-1);
    if (last === undefined) return undefined;
    const first = this.#open.findLastIndex(({ tx }) => tx !== last.tx) + 1;
    return { tx: last.tx, parts: this.#open.slice(first) };
  }

  /** Goes on behind what comes next. */
  take(): void {
    const last = this.#open.at(-1);
    while (last !== undefined && this.#open.at(-1)?.tx === last.tx) this.#open.pop();
  }

  /** Takes out a source that may have something before, or at, all that is read. */
  #due(): Source<T> | undefined {
    const source = this.#closed.at(-1);
    if (source === undefined) return undefined;
    const known = this.#open.at(-1);
    if (known !== undefined && this.#compare(this.#startOf(source), known.tx) > 0) return undefined;
    return this.#closed.pop();
  }

  #sort(): void {
    this.#closed.sort((a, b) => this.#compare(this.#startOf(b), this.#startOf(a)));
  }

  #startOf({ range }: Source<T>): Tx {
    return this.#direction === 'up' ? range.minTx : range.maxTx;
  }

  #compare(a: Tx, b: Tx): number {
    const difference = a < b ? -1 : a > b ? 1 : 0;
    return this.#direction === 'up' ? difference : -difference;
  }
}

/** Whichever comes first. */
export function nearest(
  direction: Direction,
  a: Tx | undefined,
  b: Tx | undefined,
): Tx | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return (direction === 'up') === a < b ? a : b;
}
