import {
  isTemporaryId,
  PyralogError,
  type Tx,
  TEMPORARY_PREFIX,
  OWN_TX_ENTITY,
} from '@pyralog/model';
import type {
  AttributeInputs,
  AttributeName,
  InputOf,
  SchemaDefinition,
} from './attribute-types.ts';
import {
  describe,
  type InputValue,
  Instant,
  isInputObject,
  millisOf,
  printInput,
  Ref,
} from './values.ts';

/** One value, or several of a many-attribute. */
export type InputValues = InputValue | readonly InputValue[];

/** One row of `ops`, in the forms of transaction documents; values may be JavaScript's. */
export type OperationInput = Readonly<Record<string, unknown>>;

/** One row of `if`. */
export interface ConditionInput {
  readonly entity: string;
  readonly attribute?: string | undefined;
  readonly is?: InputValues | null | undefined;
  readonly absent?: true | undefined;
  readonly unchangedSince?: Tx | string | undefined;
}

/** A transaction document as JavaScript data. */
export interface TransactionInput {
  /** Idempotency key: sent again, the same transaction answers with its first result. */
  readonly id?: string | undefined;
  readonly meta?: Readonly<Record<string, InputValues | undefined>> | undefined;
  readonly if?: readonly ConditionInput[] | undefined;
  readonly ops: readonly OperationInput[];
  /** Commit time, for databases in import mode. */
  readonly at?: Date | Instant | string | undefined;
}

/**
 * Collects the operations of one transaction. All see the state before it; their order has no meaning.
 * Entities are ids, or what {@link newEntity} returned.
 */
export class TransactionBuilder<S extends SchemaDefinition = SchemaDefinition> {
  readonly #ops: OperationInput[] = [];
  readonly #conditions: ConditionInput[] = [];
  readonly #meta: Record<string, InputValues | undefined> = Object.create(null) as Record<
    string,
    InputValues | undefined
  >;
  #key: string | undefined;
  #at: Date | Instant | string | undefined;
  #entities = 0;

  /** The transaction itself, as an entity to assert about or a value to refer to. */
  get transaction(): Ref {
    return new Ref(OWN_TX_ENTITY);
  }

  /** A new entity whose id will begin with the prefix; its id is in the result's `ids` when the callback returns it. */
  newEntity(prefix: string): Ref {
    return new Ref(`${TEMPORARY_PREFIX}${prefix}:${++this.#entities}`);
  }

  /** Attributes of an entity: an array is many values, null retracts what is there. */
  assert(entity: string | Ref, attributes: AttributeInputs<S>): this;
  assert<A extends AttributeName<S>>(
    entity: string | Ref,
    attribute: A,
    value: InputOf<S, A>,
  ): this;
  assert(entity: string | Ref, given: AttributeInputs<S> | string, value?: InputValue): this {
    if (typeof given === 'string')
      return this.#add({
        op: 'assert',
        entity: idOf(entity),
        attribute: given,
        value: present(value),
      });
    const named = Object.entries(given).map(
      ([name, values]) => [FIELD_NAMES.has(name) ? `:${name}` : name, values] as const,
    );
    return this.#add({ entity: idOf(entity), ...Object.fromEntries(named) });
  }

  /** One value, or without it every value of the attribute. */
  retract<A extends AttributeName<S>>(
    entity: string | Ref,
    attribute: A,
    value?: InputOf<S, A>,
  ): this {
    return this.#add({ op: 'retract', entity: idOf(entity), attribute, value });
  }

  /** Every fact of the entity. References to it stay. */
  retractEntity(entity: string | Ref): this {
    return this.#add({ op: 'retractEntity', entity: idOf(entity) });
  }

  /** Compare and set: the transaction is refused (`cas-failed`) unless `old` is in force. Null is absence. */
  cas<A extends AttributeName<S>>(
    entity: string | Ref,
    attribute: A,
    old: InputOf<S, A> | null,
    next: InputOf<S, A> | null,
  ): this {
    return this.#add({ op: 'cas', entity: idOf(entity), attribute, old, new: next });
  }

  /** The attribute must have exactly these values; null: none. Else the transaction is refused (`condition-failed`). */
  require<A extends AttributeName<S>>(
    entity: string | Ref,
    attribute: A,
    is: InputOf<S, A> | readonly InputOf<S, A>[] | null,
  ): this {
    return this.#when({ entity: idOf(entity), attribute, is: is as InputValues | null });
  }

  /** The entity must have no fact in force. */
  requireAbsent(entity: string | Ref): this {
    return this.#when({ entity: idOf(entity), absent: true });
  }

  /** Nothing of the entity, or of one attribute, may have changed after `since`: the basis or tx of what was read. */
  requireUnchanged(entity: string | Ref, since: Tx, attribute?: AttributeName<S>): this {
    return this.#when({ entity: idOf(entity), attribute, unchangedSince: since });
  }

  /** Provenance: `{ author: 'user:alice' }` becomes the fact `tx/author` on the transaction. */
  meta(facts: Readonly<Record<string, InputValues | undefined>>): this {
    for (const [name, value] of Object.entries(facts)) this.#meta[name] = value;
    return this;
  }

  /** Idempotency key: sent again with the same content, the transaction is done once. */
  key(id: string): this {
    this.#key = id;
    return this;
  }

  /** Commit time, for databases in import mode. */
  at(time: Date | Instant | string): this {
    this.#at = time;
    return this;
  }

  /** The document of what was collected. */
  build(): TransactionInput {
    return { id: this.#key, meta: this.#meta, if: this.#conditions, ops: this.#ops, at: this.#at };
  }

  #add(operation: OperationInput): this {
    this.#ops.push(operation);
    return this;
  }

  #when(condition: ConditionInput): this {
    this.#conditions.push(condition);
    return this;
  }
}

/** Fields of operations; attributes of these names are written with their colon. */
const FIELD_NAMES: ReadonlySet<string> = new Set([
  'op',
  'entity',
  'attribute',
  'value',
  'old',
  'new',
]);

/** Nesting of JSON in a document (libs/model). */
const DEPTH_MAX = 64;

/**
 * JSON text of a document. Values become what they stand for; what is undefined is left out.
 * @throws PyralogError `value-invalid` for what is no value
 */
export function printTransaction(input: TransactionInput): string {
  const { at, if: conditions, meta, ...others } = input;
  return printData(
    {
      ...others,
      meta: meta !== undefined && Object.keys(meta).length > 0 ? meta : undefined,
      if: conditions?.map((row) =>
        typeof row.unchangedSince === 'bigint'
          ? { ...row, unchangedSince: row.unchangedSince.toString() }
          : row,
      ),
      at:
        at instanceof Date
          ? new Instant(BigInt(millisOf(at)) * 1000n).toString()
          : at instanceof Instant
            ? at.toString()
            : at,
    },
    DEPTH_MAX,
  );
}

function printData(data: unknown, depth: number): string {
  if (data === null) return 'null';
  if (typeof data !== 'object' || isInputObject(data)) return printInput(data);
  if (depth === 0)
    throw new PyralogError('value-invalid', 'The document is nested too deeply, or in a circle.');
  if (Array.isArray(data)) return `[${data.map((each) => printData(each, depth - 1)).join(',')}]`;
  const prototype: unknown = Object.getPrototypeOf(data);
  if (prototype !== Object.prototype && prototype !== null) return printInput(data);
  const members = Object.entries(data).filter(([, value]) => value !== undefined);
  return `{${members.map(([name, value]) => `${printInput(name)}:${printData(value, depth - 1)}`).join(',')}}`;
}

function idOf(entity: string | Ref): string {
  if (typeof entity === 'string') return entity;
  if (entity instanceof Ref) return entity.entity;
  throw new PyralogError('entity-invalid', `${describe(entity)} is not an entity.`, {
    hint: 'Give an id such as "person:1", ref(…) or what newEntity() returned.',
  });
}

function present(value: unknown): unknown {
  if (value === undefined)
    throw new PyralogError('value-invalid', 'The value to assert is undefined.', {
      hint: 'To retract use retract().',
    });
  return value;
}

/** What a callback may return: the entities whose ids are wanted, by name. */
export type ReturnedEntities = Readonly<Record<string, Ref | string>> | void;

/** The ids of what a callback returned. */
export type ReturnedIds<R> =
  R extends Readonly<Record<string, Ref | string>>
    ? { readonly [K in keyof R]: string }
    : Readonly<Record<string, never>>;

/** The ids of returned entities. Asking for one that nothing was said about is an error, reading the others is not. */
export function resolveIds<R extends ReturnedEntities>(
  returned: R,
  ids: ReadonlyMap<string, string>,
): ReturnedIds<R> {
  const resolved = {};
  for (const [name, entity] of Object.entries<Ref | string>(returned ?? {})) {
    const given = idOf(entity);
    const id = isTemporaryId(given) ? ids.get(given) : given;
    if (id !== undefined) Object.defineProperty(resolved, name, { value: id, enumerable: true });
    else Object.defineProperty(resolved, name, { get: () => unknownId(name) });
  }
  return resolved as ReturnedIds<R>;
}

function unknownId(name: string): never {
  throw new PyralogError(
    'entity-not-found',
    `${JSON.stringify(name)} is a new entity about which the transaction says nothing, so it was not made.`,
    { hint: 'Assert something about it in the same transaction.' },
  );
}
