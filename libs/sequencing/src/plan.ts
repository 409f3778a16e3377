import { assert } from '@pyralog/base';
import {
  type AttributeDefinition,
  checkSchemaFacts,
  coerceValue,
  type Fact,
  foldSchema,
  identOfEntity,
  inferredDefinition,
  type InputOperation,
  type InputValue,
  isTemporaryId,
  mintEntity,
  nearestName,
  OWN_TX_ENTITY,
  type PartitionNo,
  PyralogError,
  type Schema,
  SETTINGS_ENTITY,
  type Tx,
  txEntity,
} from '@pyralog/model';
import type { CurrentState } from './current-state.ts';

/** What one transaction is resolved against. */
export interface ResolveContext {
  readonly state: CurrentState;
  /** Before the transaction. */
  readonly schema: Schema;
  readonly tx: Tx;
  readonly partition: PartitionNo;
  readonly partitions: number;
}

/** Which attributes are new: nothing can be in force for them, whatever the state has loaded. */
export class Definitions {
  readonly #schema: Schema;
  readonly #inferred = new Map<string, AttributeDefinition>();

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** Declared by this transaction's first use. */
  get inferred(): Iterable<AttributeDefinition> {
    return this.#inferred.values();
  }

  known(ident: string): AttributeDefinition | undefined {
    return this.#schema.attribute(ident) ?? this.#inferred.get(ident);
  }

  /**
   * The definition of an attribute that a value is written to; the first use declares it.
   * @throws attribute-unknown in a strict database
   */
  forUse(ident: string, input: InputValue, many: boolean): AttributeDefinition {
    const known = this.#schema.attribute(ident);
    if (known !== undefined) return known;
    const inferred = this.#inferred.get(ident);
    if (inferred === undefined) {
      if (this.#schema.strict && !ident.startsWith('tx/')) throw this.#unknown(ident);
      const definition = inferredDefinition(ident, input.value, many);
      this.#inferred.set(ident, definition);
      return definition;
    }
    // Written once alone and once in an array: many, whichever came first.
    if (many && inferred.cardinality === 'one') {
      const definition: AttributeDefinition = { ...inferred, cardinality: 'many' };
      this.#inferred.set(ident, definition);
      return definition;
    }
    return inferred;
  }

  #unknown(ident: string): PyralogError {
    const names = [...this.#schema.attributes()].map((definition) => definition.ident);
    const nearest = nearestName(ident, names);
    return new PyralogError(
      'attribute-unknown',
      `The attribute ${JSON.stringify(ident)} is not defined, and the database is strict.`,
      {
        hint:
          nearest === undefined
            ? 'Define the attribute first.'
            : `Define the attribute first, or did you mean ${JSON.stringify(nearest)}?`,
        extra: { attribute: ident },
      },
    );
  }
}

/** Ids for temporary ids: the transaction entity, the entity of an identity value, or a new one. */
export class TemporaryIds {
  readonly #group = new Map<string, string>();
  readonly #entity = new Map<string, string>();
  readonly #minted = new Set<string>();

  /**
   * @throws unique-conflict where the identity values of one temporary id belong to two entities
   */
  constructor(operations: readonly InputOperation[], definitions: Schema, context: ResolveContext) {
    const order: string[] = [];
    const note = (entity: string): void => {
      if (!isTemporaryId(entity) || entity === OWN_TX_ENTITY || this.#group.has(entity)) return;
      this.#group.set(entity, entity);
      order.push(entity);
    };
    for (const operation of operations) {
      note(operation.entity);
      for (const input of inputsOf(operation))
        if (input.value.type === 'ref') note(input.value.value);
    }
    if (order.length === 0) return;
    this.#findByIdentity(operations, definitions, context);
    for (const [ordinal, temporary] of order.entries()) {
      const root = this.#root(temporary);
      if (this.#entity.has(root)) continue;
      const { tx, partition, partitions } = context;
      const minted = mintEntity(root, tx, ordinal, partition, partitions);
      this.#entity.set(root, minted);
      this.#minted.add(minted);
    }
  }

  /** The entity that an entity of the document stands for. */
  resolve(entity: string, tx: Tx): string {
    if (!isTemporaryId(entity)) return entity;
    if (entity === OWN_TX_ENTITY) return txEntity(tx);
    const found = this.#entity.get(this.#root(entity));
    assert(found !== undefined, 'every temporary id of a document was noted');
    return found;
  }

  /** Whether an entity was made by this transaction, so that nothing of it is in force. */
  isNew(entity: string): boolean {
    return this.#minted.has(entity);
  }

  /** By temporary id, for the answer. */
  all(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#group.keys()].map((id) => [id, this.#entity.get(this.#root(id)) as string]),
    );
  }

  /** Two temporary ids with one identity value are one entity; one that exists already is that one. */
  #findByIdentity(
    operations: readonly InputOperation[],
    schema: Schema,
    { state }: ResolveContext,
  ): void {
    const first = new Map<string, Map<unknown, string>>();
    for (const operation of operations) {
      if (
        operation.op !== 'assert' ||
        !isTemporaryId(operation.entity) ||
        operation.entity === OWN_TX_ENTITY
      )
        continue;
      const definition = schema.attribute(operation.attribute);
      if (definition?.unique !== 'identity') continue;
      const value = coerceValue(operation.value, definition);
      if (value.type === 'ref' && isTemporaryId(value.value)) continue;
      const key = value.type === 'bytes' ? String(value.value) : value.value;
      let seen = first.get(operation.attribute);
      if (seen === undefined) first.set(operation.attribute, (seen = new Map()));
      const other = seen.get(key);
      if (other === undefined) seen.set(key, operation.entity);
      else this.#join(other, operation.entity);
      const owner = state.ownerOf(operation.attribute, value);
      if (owner !== undefined) this.#settle(operation.entity, owner);
    }
  }

  #join(a: string, b: string): void {
    const [to, from] = [this.#root(a), this.#root(b)];
    if (to === from) return;
    this.#group.set(from, to);
    const owner = this.#entity.get(from);
    if (owner !== undefined) this.#settle(to, owner);
  }

  #settle(temporary: string, owner: string): void {
    const root = this.#root(temporary);
    const known = this.#entity.get(root);
    if (known !== undefined && known !== owner) {
      throw new PyralogError(
        'unique-conflict',
        `The identity values of ${temporary} belong to two entities, ${known} and ${owner}.`,
        {
          extra: { entity: temporary, entities: [known, owner] },
        },
      );
    }
    this.#entity.set(root, owner);
  }

  #root(temporary: string): string {
    let at = temporary;
    for (;;) {
      const next = this.#group.get(at) ?? at;
      if (next === at) return at;
      at = next;
    }
  }
}

/** The values that an operation names. */
export function inputsOf(operation: InputOperation): readonly InputValue[] {
  switch (operation.op) {
    case 'assert':
      return [operation.value];
    case 'retract':
      return operation.value === undefined ? [] : [operation.value];
    case 'cas':
      return [operation.old, operation.new].filter((input) => input !== null);
    case 'retractEntity':
      return [];
  }
}

/**
 * Completes what a writer says of attributes: a definition has its name and cardinality as facts, and
 * defining what was declared by first use makes it no longer inferred.
 */
export function completeDefinitions(
  operations: readonly InputOperation[],
  schema: Schema,
): readonly InputOperation[] {
  const defined = new Set<string>();
  for (const { op, entity } of operations) {
    if (op === 'assert' && entity !== SETTINGS_ENTITY && identOfEntity(entity) !== undefined)
      defined.add(entity);
  }
  if (defined.size === 0) return operations;
  const more: InputOperation[] = [];
  const say = (entity: string, attribute: string, value: string): void => {
    more.push({
      op: 'assert',
      entity,
      attribute,
      value: { value: { type: 'string', value }, plain: false },
      many: false,
    });
  };
  for (const entity of defined) {
    const ident = identOfEntity(entity) as string;
    const own = operations.filter((operation) => operation.entity === entity);
    const says = (attribute: string): boolean =>
      own.some((operation) => operation.op === 'assert' && operation.attribute === attribute);
    const before = schema.attribute(ident);
    say(entity, 'db/ident', ident);
    if (before === undefined && !says('db/cardinality')) say(entity, 'db/cardinality', 'one');
    if (before?.inferred === true && says('db/valueType')) {
      more.push({ op: 'retract', entity, attribute: 'db/inferred', value: undefined });
    }
  }
  return [...operations, ...more];
}

/** The schema after the definitions of a transaction. @throws schema-invalid, schema-change-refused */
export function schemaAfter(before: Schema, facts: readonly Fact[]): Schema {
  const about = facts.filter(({ entity }) => identOfEntity(entity) !== undefined);
  if (about.length === 0) return before;
  const after = foldSchema(before, about);
  for (const refusal of checkSchemaFacts(before, after, about).values()) throw refusal;
  return after;
}

/** Whether an operation says something of an attribute or of the settings. */
export function isDefinitionOperation({ entity }: InputOperation): boolean {
  return identOfEntity(entity) !== undefined;
}
