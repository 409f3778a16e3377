import type { PartitionNo, Schema, Tx } from '@pyralog/model';
import type { CurrentState } from './current-state.ts';
import type { LongValues } from './long-values.ts';

/** Current values as they are asked for; all of it must be known. */
export type StateView = Pick<
  CurrentState,
  'entity' | 'mentions' | 'ownerOf' | 'lastTxOf' | 'hasFacts'
>;

/** What one transaction is resolved against. */
export interface ResolveContext {
  readonly state: StateView;
  /** Before the transaction. */
  readonly schema: Schema;
  readonly tx: Tx;
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly longValues: LongValues;
}
