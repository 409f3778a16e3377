import type { FactBatch, RunFooter, RunInfo } from '@pyralog/format';
import type { LivePart } from './live-index.ts';

/** A run whose footer was read. */
export interface RunHandle {
  readonly info: RunInfo;
  readonly footer: RunFooter;
}

/** The facts there are at a moment: runs of the bucket, and behind them parts of the live index, in log order. */
export interface IndexView {
  readonly runs: readonly RunHandle[];
  readonly parts: readonly LivePart[];
}

/** A block of a run that a read must have to go on. */
export interface BlockNeed {
  readonly run: RunHandle;
  readonly block: number;
}

/** A read that does no I/O: it yields the blocks it needs and is handed them. */
export type Read<T> = Generator<BlockNeed, T, FactBatch>;
