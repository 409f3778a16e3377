import type { AttributeDefinition, Cardinality, Uniqueness, ValueType } from '@pyralog/model';
import type { InputValue, ReadTypes, ReadValue, WriteTypes } from './values.ts';

/** What an attribute is defined as. */
export interface AttributeOptions {
  readonly valueType: ValueType;
  /** Default `one`. */
  readonly cardinality?: Cardinality | undefined;
  /** `value`: no two entities share a value; `identity`: and a new entity with such a value is that entity. */
  readonly unique?: Uniqueness | undefined;
  /** Lists the values in order, for look-ups by value; a unique attribute always does. */
  readonly index?: boolean | undefined;
  readonly doc?: string | undefined;
}

/** Attributes by name. As a type it gives entities their types, as a value it is checked against the database. */
export type SchemaDefinition = Readonly<Record<string, AttributeOptions>>;

/** Keeps the literal types: `defineSchema({ 'person/name': { valueType: 'string' } })`. */
export function defineSchema<const S extends SchemaDefinition>(schema: S): S {
  return schema;
}

/** Values of an attribute when read: many are an array in value order, even one of them. */
export type AttributeValue<D extends AttributeOptions> = Multiplied<D, ReadTypes[D['valueType']]>;

type Multiplied<D, T> = D extends { readonly cardinality: 'many' }
  ? readonly T[]
  : D extends { readonly valueType: ValueType; readonly cardinality?: 'one' | undefined }
    ? T
    : T | readonly T[];

/** What is in force of an entity; every attribute may be absent. */
export type EntityAttributes<S extends SchemaDefinition> = string extends keyof S
  ? { readonly [name: string]: ReadValue | readonly ReadValue[] | undefined }
  : { readonly [A in keyof S]?: AttributeValue<S[A]> };

/** Names that a transaction may use: those of the schema, or any where none was given. */
export type AttributeName<S extends SchemaDefinition> = keyof S & string;

/** One value to write. */
export type InputOf<S extends SchemaDefinition, A extends keyof S> = string extends keyof S
  ? InputValue
  : WriteTypes[S[A]['valueType']];

/** What an assertion may give an attribute: a value, for `many` also several; null retracts all. */
export type AttributeInputs<S extends SchemaDefinition> = string extends keyof S
  ? { readonly [name: string]: InputValue | readonly InputValue[] | null | undefined }
  : {
      readonly [A in keyof S]?:
        | InputOf<S, A>
        | null
        | undefined
        | (S[A] extends { readonly cardinality: 'many' } ? readonly InputOf<S, A>[] : never);
    };

/** Map form of a definition; only what was said. */
export function definitionOperation(
  ident: string,
  options: AttributeOptions,
): Readonly<Record<string, InputValue>> {
  return {
    entity: `attribute:${ident}`,
    'db/ident': ident,
    'db/valueType': options.valueType,
    'db/cardinality': options.cardinality ?? 'one',
    ...(options.unique === undefined ? {} : { 'db/unique': options.unique }),
    ...(options.index === undefined ? {} : { 'db/index': options.index }),
    ...(options.doc === undefined ? {} : { 'db/doc': options.doc }),
  };
}

/** Whether the database has the attribute as it was asked for, so that nothing need be written. */
export function isDefined(
  options: AttributeOptions,
  existing: AttributeDefinition | undefined,
): boolean {
  return (
    existing !== undefined &&
    !existing.inferred &&
    existing.valueType === options.valueType &&
    existing.cardinality === (options.cardinality ?? 'one') &&
    existing.unique === options.unique &&
    (options.index === undefined ||
      existing.index === (options.index || options.unique !== undefined)) &&
    (options.doc === undefined || existing.doc === options.doc)
  );
}
