import { Bell } from '@pyralog/base';
import { advance, type CommitRecord, type LogState } from '@pyralog/format';
import { type CutRule, Cutter } from '@pyralog/indexing';
import type { LogOffset } from '@pyralog/model';

/** Cut parts that may wait for the indexer before writers do (I13). */
const WAITING_CUTS_MAX = 3;

/**
 * Cuts of the commit log that no adopted manifest covers: what the owner of a partition must know of the
 * index without a live one of its own.
 */
export class WaitingCuts {
  readonly #cutter: Cutter;
  readonly #cut = new Bell();
  #state: LogState;
  /** Where the parts end, in order. */
  #ends: readonly LogOffset[] = [];

  /**
   * @param state at the newest manifest's cut
   * @param begun as {@link Cutter} has it
   */
  constructor(rule: CutRule, state: LogState, begun: LogOffset | undefined) {
    this.#cutter = new Cutter(rule, begun);
    this.#state = state;
  }

  get state(): LogState {
    return this.#state;
  }

  get hasRoom(): boolean {
    return this.#ends.length < WAITING_CUTS_MAX;
  }

  /** Folds the next record of the commit log; one that was folded before is skipped (I8). */
  add(offset: LogOffset, record: CommitRecord): void {
    if (offset < this.#state.next) return;
    const { state, counts } = advance(this.#state, offset, record);
    this.#state = state;
    if (!counts || record.kind === 'epoch') return;
    if (!this.#cutter.add(offset, record)) return;
    this.#ends = [...this.#ends, state.next];
    this.#cut.ring();
  }

  /** A manifest covers everything before `next`. */
  covered(next: LogOffset): void {
    this.#ends = this.#ends.filter((end) => end > next);
  }

  /** Resolves when there is a cut that no manifest covers, or the signal aborts. */
  async whenCut(signal: AbortSignal): Promise<void> {
    while (this.#ends.length === 0 && !signal.aborted) await this.#cut.wait(signal);
  }
}
