import {
  attributeChanges,
  attributeEntity,
  checkChange,
  coerceValue,
  definitionFacts,
  equalValues,
  type Fact,
  foldSchema,
  inferredDefinition,
  type InputOperation,
  type InputValue,
  isTemporaryId,
  mintEntity,
  OWN_TX_ENTITY,
  partitionNo,
  PyralogError,
  type Schema,
  type StoredDefinition,
  type TransactionDocument,
  type Tx,
  txEntity,
  type Value,
} from '@pyralog/model';

export interface Before {
  readonly schema: Schema;
  /** Facts in force. */
  readonly current: readonly Fact[];
}

export interface Outcome {
  readonly facts: readonly Fact[];
  readonly ids: ReadonlyMap<string, string>;
  readonly schema: Schema;
}

/**
 * The set semantics of a transaction, as plainly as they can be written: everything is looked up by going through all facts in
 * force. Temporary ids are joined by one identity value each.
 */
export function resolve(before: Before, document: TransactionDocument, tx: Tx): Outcome {
  checkConditions(before, document);
  const ids = new Map<string, string>();
  const entityOf = (id: string): string => {
    if (id === OWN_TX_ENTITY) return txEntity(tx);
    if (!isTemporaryId(id)) return id;
    const known = ids.get(id) ?? byIdentity(before, document, id, ids);
    const entity = known ?? mintEntity(id, tx, ids.size, partitionNo(0), 1);
    ids.set(id, entity);
    return entity;
  };
  const draft = new Draft(before, tx, entityOf);
  for (const { attribute, value, many } of document.meta)
    draft.assert(txEntity(tx), attribute, value, many);
  for (const operation of document.operations) draft.operate(operation);
  if (document.id !== undefined) {
    draft.write('assert', txEntity(tx), 'tx/key', { type: 'string', value: document.id });
    draft.write('assert', txEntity(tx), 'tx/keyHash', {
      type: 'string',
      value: document.contentHash,
    });
  }
  return { ...draft.finish(), ids };
}

/** The entity that has the identity value of a temporary id, before or by another temporary id. */
function byIdentity(
  { schema, current }: Before,
  { operations }: TransactionDocument,
  id: string,
  ids: ReadonlyMap<string, string>,
): string | undefined {
  const claims = operations.flatMap((operation) => {
    if (operation.op !== 'assert' || !isTemporaryId(operation.entity)) return [];
    const { entity, attribute, value } = operation;
    return schema.attribute(attribute)?.unique === 'identity'
      ? [{ entity, attribute, value: typed(schema, attribute, value) }]
      : [];
  });
  const own = claims.find(({ entity }) => entity === id);
  if (own === undefined) return undefined;
  const same = ({ attribute, value }: { readonly attribute: string; readonly value: Value }) =>
    attribute === own.attribute && equalValues(value, own.value);
  const other = claims.find((claim) => same(claim) && ids.has(claim.entity));
  return current.find(same)?.entity ?? (other === undefined ? undefined : ids.get(other.entity));
}

function checkConditions({ schema, current }: Before, { conditions }: TransactionDocument): void {
  for (const condition of conditions) {
    const about = current.filter(
      ({ entity, attribute }) =>
        entity === condition.entity &&
        (!('attribute' in condition) ||
          condition.attribute === undefined ||
          condition.attribute === attribute),
    );
    const holds =
      condition.kind === 'entityAbsent'
        ? about.length === 0
        : condition.kind === 'unchangedSince'
          ? about.every(({ tx }) => tx <= condition.since)
          : about.length === condition.values.length &&
            condition.values.every((each) =>
              about.some(({ attribute, value }) =>
                equalValues(value, typed(schema, attribute, each)),
              ),
            );
    if (!holds)
      throw new PyralogError(
        'condition-failed',
        `A condition on ${JSON.stringify(condition.entity)} does not hold.`,
      );
  }
}

function typed(schema: Schema, attribute: string, value: InputValue): Value {
  const definition = schema.attribute(attribute);
  return definition === undefined ? value.value : coerceValue(value, definition);
}

class Draft {
  readonly #before: Before;
  readonly #tx: Tx;
  readonly #entityOf: (id: string) => string;
  readonly #facts: Fact[] = [];
  /** What operations say, whether it changes anything or not. */
  readonly #said: Omit<Fact, 'tx'>[] = [];
  #schema: Schema;

  constructor(before: Before, tx: Tx, entityOf: (id: string) => string) {
    this.#before = before;
    this.#schema = before.schema;
    this.#tx = tx;
    this.#entityOf = entityOf;
  }

  operate(operation: InputOperation): void {
    const entity = this.#entityOf(operation.entity);
    switch (operation.op) {
      case 'assert':
        this.assert(entity, operation.attribute, operation.value, operation.many);
        break;
      case 'retract':
        this.#retract(entity, operation.attribute, operation.value);
        break;
      case 'retractEntity':
        for (const { attribute, value } of this.#current(entity))
          this.write('retract', entity, attribute, value);
        break;
      case 'cas':
        this.#swap(entity, operation.attribute, operation.old, operation.new);
        break;
    }
  }

  assert(entity: string, attribute: string, input: InputValue, many: boolean): void {
    const definition = this.#definition(attribute, input.value, many);
    const coerced = coerceValue(input, definition);
    const value: Value =
      coerced.type === 'ref' ? { type: 'ref', value: this.#entityOf(coerced.value) } : coerced;
    const current = this.#current(entity, attribute);
    this.#say({ entity, attribute, value, operation: 'assert' }, definition.cardinality === 'one');
    this.#checkUnique(definition, entity, value);
    if (current.some((fact) => equalValues(fact.value, value))) return;
    if (definition.cardinality === 'one')
      for (const fact of current) this.write('retract', entity, attribute, fact.value);
    this.write('assert', entity, attribute, value);
  }

  write(operation: Fact['operation'], entity: string, attribute: string, value: Value): void {
    const same = this.#facts.filter(
      (fact) =>
        fact.entity === entity && fact.attribute === attribute && equalValues(fact.value, value),
    );
    if (same.some((fact) => fact.operation !== operation)) throw conflict(entity, attribute);
    if (same.length === 0) this.#facts.push({ entity, attribute, value, tx: this.#tx, operation });
  }

  finish(): { facts: readonly Fact[]; schema: Schema } {
    const { schema, current } = this.#before;
    const after = foldSchema(schema, this.#facts);
    for (const change of attributeChanges(schema, after, this.#facts)) {
      const refusal = checkChange(change.before, change.after);
      if (refusal !== undefined && current.some(({ attribute }) => attribute === change.ident))
        throw refusal;
    }
    return { facts: this.#facts, schema: after };
  }

  #say(said: Omit<Fact, 'tx'>, single: boolean): void {
    const { entity, attribute, value, operation } = said;
    const about = this.#said.filter(
      (other) => other.entity === entity && other.attribute === attribute,
    );
    const contrary = about.some((other) =>
      other.operation === operation
        ? single && !equalValues(other.value, value)
        : equalValues(other.value, value),
    );
    if (contrary) throw conflict(entity, attribute);
    this.#said.push(said);
  }

  #retract(entity: string, attribute: string, input: InputValue | undefined): void {
    if (input !== undefined)
      this.#say(
        { entity, attribute, value: typed(this.#schema, attribute, input), operation: 'retract' },
        false,
      );
    for (const { value } of this.#current(entity, attribute)) {
      if (input === undefined || equalValues(value, typed(this.#schema, attribute, input)))
        this.write('retract', entity, attribute, value);
    }
  }

  #swap(entity: string, attribute: string, old: InputValue | null, next: InputValue | null): void {
    const current = this.#current(entity, attribute);
    const holds =
      old === null
        ? current.length === 0
        : current.some(({ value }) => equalValues(value, typed(this.#schema, attribute, old)));
    if (!holds)
      throw new PyralogError(
        'cas-failed',
        `${JSON.stringify(attribute)} of ${JSON.stringify(entity)} is another than expected.`,
      );
    if (next !== null) this.assert(entity, attribute, next, false);
    else this.#retract(entity, attribute, undefined);
  }

  #definition(attribute: string, value: Value, many: boolean): StoredDefinition {
    const known = this.#schema.attribute(attribute);
    if (known !== undefined) return known;
    if (this.#schema.strict)
      throw new PyralogError(
        'attribute-unknown',
        `The attribute ${JSON.stringify(attribute)} is not defined.`,
      );
    const definition = inferredDefinition(attribute, value, many);
    const facts = definitionFacts(definition).map((fact): Fact => ({
      ...fact,
      tx: this.#tx,
      operation: 'assert',
    }));
    this.#facts.push(...facts);
    this.#schema = foldSchema(this.#schema, facts);
    return definition;
  }

  #checkUnique({ unique, ident }: StoredDefinition, entity: string, value: Value): void {
    if (unique === undefined || entity === attributeEntity(ident)) return;
    const other = [...this.#before.current, ...this.#facts].find(
      (fact) =>
        fact.attribute === ident &&
        fact.entity !== entity &&
        fact.operation === 'assert' &&
        equalValues(fact.value, value),
    );
    if (other !== undefined)
      throw new PyralogError(
        'unique-conflict',
        `The value of ${JSON.stringify(ident)} belongs to ${JSON.stringify(other.entity)}.`,
      );
  }

  #current(entity: string, attribute?: string): readonly Fact[] {
    return this.#before.current.filter(
      (fact) => fact.entity === entity && (attribute === undefined || fact.attribute === attribute),
    );
  }
}

function conflict(entity: string, attribute: string): PyralogError {
  return new PyralogError(
    'facts-conflict',
    `The transaction contradicts itself about ${JSON.stringify(attribute)} of ${JSON.stringify(entity)}.`,
  );
}
