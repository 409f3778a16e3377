import type { Tx } from './tx.ts';
import type { ValueType } from './value.ts';

export type Cardinality = 'one' | 'many';
export type Uniqueness = 'value' | 'identity';

/** What is known of an attribute at a moment: facts on the entity `attribute:<ident>`. */
export interface AttributeDefinition {
  readonly ident: string;
  readonly valueType: ValueType;
  readonly cardinality: Cardinality;
  readonly unique: Uniqueness | undefined;
  /** Whether avet lists it; also true of every unique attribute. */
  readonly index: boolean;
  readonly doc: string | undefined;
  /** Declared by first use rather than by a definition. */
  readonly inferred: boolean;
}

export type DatabaseMode = 'import' | 'live';

/** The schema at a moment. Immutable; folding facts gives another. */
export interface Schema {
  /** tx of the newest fact that changed the schema. */
  readonly tx: Tx;
  readonly strict: boolean;
  readonly mode: DatabaseMode;
  attribute(ident: string): AttributeDefinition | undefined;
  /** Built-in and declared, by ident in UTF-8 order. */
  attributes(): Iterable<AttributeDefinition>;
}
