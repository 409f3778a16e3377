import { compareUtf8 } from '@pyralog/base';
import type { Tx } from './tx.ts';
import { compareValues, type StoredValue, type Value } from './value.ts';

/** What a fact says of its value: from its tx on in force, or no longer. */
export type Operation = 'assert' | 'retract';

/** One entry of the log as it is stored: never changed, only followed by others. */
export interface StoredFact {
  readonly entity: string;
  readonly attribute: string;
  readonly value: StoredValue;
  readonly tx: Tx;
  readonly operation: Operation;
}

/** The same as doors answer it, with its value whole. */
export interface Fact extends StoredFact {
  readonly value: Value;
}

/** The four index orders. Each lists the same facts (avet and vaet a part of them) by another key. */
export type IndexOrder = 'eavt' | 'aevt' | 'avet' | 'vaet';
/** All orders. */
export const INDEX_ORDERS: readonly IndexOrder[] = ['eavt', 'aevt', 'avet', 'vaet'];

/**
 * Order of facts in an index: the letters name the components, texts in UTF-8 order, tx rising, and
 * of one (entity, attribute, value, tx) there is at most one fact.
 */
export function compareFacts(order: IndexOrder, a: StoredFact, b: StoredFact): number {
  switch (order) {
    case 'eavt':
      return (
        compareUtf8(a.entity, b.entity) ||
        compareUtf8(a.attribute, b.attribute) ||
        compareValues(a.value, b.value) ||
        compareTx(a.tx, b.tx)
      );
    case 'aevt':
      return (
        compareUtf8(a.attribute, b.attribute) ||
        compareUtf8(a.entity, b.entity) ||
        compareValues(a.value, b.value) ||
        compareTx(a.tx, b.tx)
      );
    case 'avet':
      return (
        compareUtf8(a.attribute, b.attribute) ||
        compareValues(a.value, b.value) ||
        compareUtf8(a.entity, b.entity) ||
        compareTx(a.tx, b.tx)
      );
    case 'vaet':
      return (
        compareValues(a.value, b.value) ||
        compareUtf8(a.attribute, b.attribute) ||
        compareUtf8(a.entity, b.entity) ||
        compareTx(a.tx, b.tx)
      );
  }
}

/**
 * Order of the facts of one transaction: by entity and attribute, retracts before asserts, by value. The log and every
 * answer have them so.
 */
export function compareCanonical(a: StoredFact, b: StoredFact): number {
  return (
    compareUtf8(a.entity, b.entity) ||
    compareUtf8(a.attribute, b.attribute) ||
    (a.operation === b.operation
      ? compareValues(a.value, b.value)
      : a.operation === 'retract'
        ? -1
        : 1)
  );
}

function compareTx(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
