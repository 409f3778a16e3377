import type { PartitionNo, Schema, Tx } from '@pyralog/model';
import type { CurrentState } from './current-state.ts';
import type { LongValues } from './long-values.ts';

/** What one transaction is resolved against. */
export interface ResolveContext {
  readonly state: CurrentState;
  /** Before the transaction. */
  readonly schema: Schema;
  readonly tx: Tx;
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly longValues: LongValues;
}
