import type { StoredFact, StoredValue } from '@pyralog/model';
import { type ValueKey, valueKey } from './value-set.ts';

/** About what a claim costs in memory besides its texts. */
const CLAIM_BYTES = 140;

/** Memory that several tables take together, in bytes, about. */
export interface Memory {
  bytes: number;
}

interface Claim {
  /** undefined: nobody holds the value. */
  owner: string | undefined;
  /** Offset of the record that changed it last; -1 where the runs say the same. */
  writtenAt: number;
  used: boolean;
}

/** Which entity holds each value of one unique attribute, as far as memory knows. */
export class Owners {
  readonly #claims = new Map<ValueKey, Claim>();
  #sweep: IterableIterator<readonly [ValueKey, Claim]> | undefined;
  /** What is not here is nowhere: every claim since the attribute began is in memory. */
  #complete: boolean;
  readonly #memory: Memory;

  constructor(complete: boolean, memory: Memory) {
    this.#complete = complete;
    this.#memory = memory;
  }

  get size(): number {
    return this.#claims.size;
  }

  knows(value: StoredValue): boolean {
    return this.#complete || this.#claims.has(valueKey(value));
  }

  /** The holder; it must be known. */
  of(value: StoredValue): string | undefined {
    const claim = this.#claims.get(valueKey(value));
    if (claim !== undefined) claim.used = true;
    return claim?.owner;
  }

  /** What the runs say; what the log said since stays. */
  load(value: StoredValue, owner: string | undefined): void {
    if (!this.knows(value)) this.#put(valueKey(value), owner, -1);
  }

  /** Takes one fact of the log. */
  fold({ entity, value, operation }: StoredFact, writtenAt: number): void {
    const key = valueKey(value);
    const known = this.#claims.get(key);
    // In one transaction another entity may take the value before this one gives it up: facts come by entity.
    if (operation === 'retract' && known?.owner !== undefined && known.owner !== entity) return;
    const owner = operation === 'assert' ? entity : undefined;
    if (known === undefined) this.#put(key, owner, writtenAt);
    else {
      known.owner = owner;
      known.writtenAt = writtenAt;
      known.used = true;
    }
  }

  /** The record written at offset `from` turned out to lie at `to`. */
  moved(from: number, to: number): void {
    for (const claim of this.#claims.values()) if (claim.writtenAt === from) claim.writtenAt = to;
  }

  /**
   * Drops claims that the runs know and nobody used since the last sweep; looks at `count` of them.
   * @returns whether it dropped any
   */
  sweep(count: number, indexed: number): boolean {
    let dropped = false;
    for (let left = count; left > 0; left--) {
      this.#sweep ??= this.#claims.entries();
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        break;
      }
      const [key, claim] = next.value;
      if (claim.used || claim.writtenAt >= indexed) {
        claim.used = false;
        continue;
      }
      this.#claims.delete(key);
      this.#memory.bytes -= bytesOf(key);
      this.#complete = false;
      dropped = true;
    }
    return dropped;
  }

  #put(key: ValueKey, owner: string | undefined, writtenAt: number): void {
    this.#claims.set(key, { owner, writtenAt, used: true });
    this.#memory.bytes += bytesOf(key);
  }
}

function bytesOf(key: ValueKey): number {
  return typeof key === 'string' ? CLAIM_BYTES + key.length : CLAIM_BYTES;
}
