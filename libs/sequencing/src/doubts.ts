import type { PartitionNo } from '@pyralog/model';
import type { Hints } from './plan.ts';

/** Claims of unique values, by the partition where it is decided who holds them. */
export type ClaimsByHome = ReadonlyMap<PartitionNo, readonly string[]>;

/**
 * Refusals of a document that go by who holds values elsewhere: that decides which entities its temporary ids are. What a
 * coordinator was told of it may be old, and before it was told anything it takes them for new. So such a refusal stands
 * only when the same is so before and after it.
 */
export class Doubts {
  readonly #unanswered = new Map<string, PartitionNo>();
  #refusal: { readonly error: unknown; readonly holders: Hints['holders'] } | undefined;

  /** Claims that are asked for, by who has not answered. */
  get unanswered(): ClaimsByHome {
    const claims = new Map<PartitionNo, string[]>();
    for (const [claim, home] of this.#unanswered)
      claims.set(home, [...(claims.get(home) ?? []), claim]);
    return claims;
  }

  get isWaiting(): boolean {
    return this.#unanswered.size > 0;
  }

  answered({ holders }: Hints): void {
    for (const claim of holders.keys()) this.#unanswered.delete(claim);
  }

  /**
   * Notes a refusal, and that all of these are to be asked for.
   * @param hints by which it was refused
   */
  note(error: unknown, claims: ClaimsByHome, hints: Hints): void {
    const holders = new Map<string, string | undefined>();
    let isTold = true;
    for (const [home, each] of claims) {
      for (const claim of each) {
        this.#unanswered.set(claim, home);
        holders.set(claim, hints.holders.get(claim));
        isTold &&= hints.holders.has(claim);
      }
    }
    this.#refusal = isTold ? { error, holders } : undefined;
  }

  /** Takes the refusal that was noted, where all that it went by is still so. */
  takeConfirmed(hints: Hints): { readonly error: unknown } | undefined {
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal === undefined) return undefined;
    for (const [claim, holder] of refusal.holders)
      if (hints.holders.get(claim) !== holder) return undefined;
    return refusal;
  }
}
