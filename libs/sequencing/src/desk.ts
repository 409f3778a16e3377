import type {
  CoordinationMessage,
  DecisionMessage,
  DraftItem,
  PrepareMessage,
} from '@pyralog/format';
import type { LogOffset, PartitionNo, Schema, StoredFact, Tx } from '@pyralog/model';
import type { CurrentState } from './current-state.ts';
import type { Contents, LongValues } from './long-values.ts';
import type { Outcome } from './outcome.ts';

/** A message as it is made: whoever sends it numbers it. */
export type DraftMessage =
  | Exclude<CoordinationMessage, PrepareMessage | DecisionMessage>
  | Omit<PrepareMessage, 'mark'>
  | Omit<DecisionMessage, 'mark'>;

/** What the coordinator and the participant of a partition share: its state, its clock, and the record that they write. */
export interface Desk {
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly state: CurrentState;
  readonly schema: Schema;
  /** The wall clock, in nanoseconds. */
  readonly now: bigint;
  /** The same without its steps back, from an origin of its own: what waits goes by it. */
  readonly elapsed: bigint;
  /** Time part of the greatest timestamp so far. */
  readonly last: bigint;
  /** The same as a timestamp: nothing here is younger. */
  readonly clock: Tx;
  readonly longValues: LongValues;
  /** The contents of blobs that facts assert; they are put before the record. */
  contentsOf(facts: readonly StoredFact[]): Contents;
  /** A fresh timestamp. @param at the time asked for, in import mode, where the clock follows the data */
  tick(at: bigint | undefined): Tx;
  /** Later timestamps lie above this one. */
  raise(seen: Tx): void;
  /** Adds an item to the record, and folds it. */
  emit(item: DraftItem): void;
  /** Sends a message when the record, and all before it, are durable. */
  send(to: PartitionNo, message: DraftMessage): void;
  /** Tells an outcome when the record is durable. */
  tell(offset: LogOffset, outcome: Outcome): void;
}
