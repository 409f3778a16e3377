import type { Tx } from './tx.ts';
import type { Value } from './value.ts';

/**
 * A value as a writer gave it. `plain` values (a bare string, number or boolean of JSON) take the type
 * of their attribute: a string becomes a ref or an instant, an int a double. Others keep their own.
 * A ref may name a temporary id.
 */
export interface InputValue {
  readonly value: Value;
  readonly plain: boolean;
}

/** One operation after the map form was taken apart. Entities may be temporary ids, `_:x`. */
export type InputOperation =
  | {
      readonly op: 'assert';
      readonly entity: string;
      readonly attribute: string;
      readonly value: InputValue;
      /** Written in an array: first use declares cardinality many. */ readonly many: boolean;
    }
  | {
      readonly op: 'retract';
      readonly entity: string;
      readonly attribute: string;
      /** Absent: every value. */ readonly value: InputValue | undefined;
    }
  | { readonly op: 'retractEntity'; readonly entity: string }
  | {
      readonly op: 'cas';
      readonly entity: string;
      readonly attribute: string;
      /** null: absent. */ readonly old: InputValue | null;
      readonly new: InputValue | null;
    };

/** One row of `if`. All must hold on the state before the transaction. */
export type InputCondition =
  | {
      readonly kind: 'is';
      readonly entity: string;
      readonly attribute: string;
      /** The exact set of values in force; empty: absent. */ readonly values: readonly InputValue[];
    }
  | { readonly kind: 'entityAbsent'; readonly entity: string }
  | {
      readonly kind: 'unchangedSince';
      readonly entity: string;
      readonly attribute: string | undefined;
      readonly since: Tx;
    };

/** A validated transaction document, whatever it arrived as. Order of operations has no meaning. */
export interface TransactionDocument {
  /** Idempotency key. */
  readonly id: string | undefined;
  /** Attribute (`tx/author`) and value, facts on the transaction entity. */
  readonly meta: readonly {
    readonly attribute: string;
    readonly value: InputValue;
    readonly many: boolean;
  }[];
  readonly conditions: readonly InputCondition[];
  readonly operations: readonly InputOperation[];
  /** Operations as written: a map form is one. */
  readonly operationsWritten: number;
  /** Commit time asked for, in nanoseconds; import mode only. */
  readonly at: bigint | undefined;
  /**
   * SHA-256 (hexadecimal) of the canonical text of the document without its `id`: `tx/keyHash` of a keyed document. Empty
   * where there is no id, since nothing compares it.
   */
  readonly contentHash: string;
}
