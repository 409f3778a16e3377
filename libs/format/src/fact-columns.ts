import type { Fact, Operation, Tx, Value, ValueType } from '@pyralog/model';

/**
 * Facts in columns, whoever decoded them: a batch of a commit record, a block of a run, a part of the
 * live index. Rows are numbered from 0; strings and values are made when asked for, never before.
 */
export interface FactColumns {
  readonly length: number;
  entityAt(row: number): string;
  /** UTF-8 of the entity; a view that must not be written or kept beyond the columns. */
  entityBytesAt(row: number): Uint8Array;
  attributeAt(row: number): string;
  typeAt(row: number): ValueType;
  valueAt(row: number): Value;
  txAt(row: number): Tx;
  operationAt(row: number): Operation;
  factAt(row: number): Fact;
}
