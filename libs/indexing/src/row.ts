import {
  compareNumbers,
  compareSubjects,
  type FactColumns,
  retractedAt,
  sameSubject,
} from '@pyralog/format';
import { type IndexOrder, type StoredFact, tx as asTx, type Tx } from '@pyralog/model';

/**
 * A fact where it lies: nothing is made of it before it is known to be wanted. A row of columns is one fact, or an assert
 * and the retract that took it back.
 */
export interface Row {
  readonly columns: FactColumns;
  readonly row: number;
  readonly tx: Tx;
  readonly isAssert: boolean;
}

/** The fact of a row; where it is two, the first. */
export function rowAt(columns: FactColumns, row: number): Row {
  return { columns, row, tx: columns.txAt(row), isAssert: columns.operation[row] === 1 };
}

/** The second fact of a row, which comes behind the first in every order; undefined where there is none. */
export function retractOf({ columns, row, isAssert }: Row): Row | undefined {
  const retracted = isAssert ? retractedAt(columns, row) : 0n;
  return retracted === 0n ? undefined : { columns, row, tx: asTx(retracted), isAssert: false };
}

export function factOf({ columns, row, tx, isAssert }: Row): StoredFact {
  const fact = columns.factAt(row);
  return isAssert || fact.tx === tx ? fact : { ...fact, tx, operation: 'retract' };
}

export function compareInOrder(order: IndexOrder, a: Row, b: Row): number {
  return compareSubjects(order, a.columns, a.row, b.columns, b.row) || compareNumbers(a.tx, b.tx);
}

/** Whether two facts are about one (entity, attribute, value). */
export function isSameSubject(a: Row, b: Row): boolean {
  return sameSubject(a.columns, a.row, b.columns, b.row);
}
