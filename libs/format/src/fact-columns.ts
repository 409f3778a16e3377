import type { Operation, StoredFact, StoredValue, Tx, ValueType } from '@pyralog/model';

/** Texts by number: UTF-8 one behind the other, and where each begins and the one before ends. */
export interface Texts {
  readonly offsets: Int32Array | Uint32Array;
  readonly bytes: Uint8Array;
}

/**
 * Facts in columns, whoever decoded them: a batch of a commit record, a block of a run, a part of the
 * live index. Rows are numbered from 0; strings and values are made when asked for, never before.
 *
 * The arrays are for searches, sorts and merges: whoever reads them must not write to them, and fetches
 * them anew when rows may have come.
 */
export interface FactColumns {
  readonly length: number;
  readonly entities: Texts;
  /** Number in `entities`, by row. */
  readonly entity: Uint32Array;
  readonly attributes: Texts;
  /** Number in `attributes`, by row. */
  readonly attribute: Uint16Array;
  /** Position in VALUE_TYPES, by row; with BLOB_FLAG where the value is a reference to a blob. */
  readonly type: Uint8Array;
  /**
   * By row: int, instant, bool as 0 or 1, the IEEE bits of a double, the length of a blob, 0 for the others.
   */
  readonly bits: BigInt64Array;
  /** The same memory as `bits`. */
  readonly doubles: Float64Array;
  readonly texts: Uint8Array;
  readonly tx: BigInt64Array;
  /** 1 assert, 0 retract, by row. */
  readonly operation: Uint8Array;
  /**
   * By row: tx of the retract that took the fact back, where that has no row of its own: such a row is two facts. 0 for
   * the others; undefined where there are only others.
   */
  readonly retracted: BigInt64Array | undefined;
  /** Where a string, ref, bytes, json or reference begins in `texts`; others are empty. */
  textFrom(row: number): number;
  /** Where it ends. */
  textTo(row: number): number;
  /** The same as a view, that must not be written or kept beyond the columns. */
  textBytesAt(row: number): Uint8Array;
  entityAt(row: number): string;
  /** UTF-8 of the entity; a view as above. */
  entityBytesAt(row: number): Uint8Array;
  attributeAt(row: number): string;
  typeAt(row: number): ValueType;
  valueAt(row: number): StoredValue;
  txAt(row: number): Tx;
  operationAt(row: number): Operation;
  factAt(row: number): StoredFact;
}

/** tx of the retract that took the fact of a row back; 0 where that has a row of its own, or there is none. */
export function retractedAt({ retracted }: Pick<FactColumns, 'retracted'>, row: number): bigint {
  return retracted === undefined ? 0n : (retracted[row] as bigint);
}
