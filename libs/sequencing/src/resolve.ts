import { compareUtf8, toHex } from '@pyralog/base';
import type { Rejection } from '@pyralog/format';
import {
  type AttributeDefinition,
  coerceValue,
  compareValues,
  definitionFacts,
  equalValues,
  type Fact,
  FACTS_MAX,
  formatValue,
  type InputCondition,
  type InputOperation,
  type InputValue,
  isPyralogError,
  isTemporaryId,
  OWN_TX_ENTITY,
  partitionOf,
  PyralogError,
  type Schema,
  type Tx,
  TX_KEY,
  TX_KEY_HASH,
  txEntity,
  type TransactionDocument,
  type Value,
} from '@pyralog/model';
import {
  completeDefinitions,
  Definitions,
  isDefinitionOperation,
  type ResolveContext,
  schemaAfter,
  TemporaryIds,
} from './plan.ts';

export type Resolution =
  | {
      readonly kind: 'commit';
      readonly facts: readonly Fact[];
      readonly schema: Schema;
      readonly ids: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'duplicate'; readonly tx: Tx }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** What a transaction wants of one attribute of one entity. */
interface Change {
  readonly definition: AttributeDefinition;
  readonly asserts: Value[];
  readonly retracts: Value[];
  /** Set by the first cas: a second one must want the same. */
  cas: { readonly next: Value | null } | undefined;
}

type Changes = Map<string, Map<string, Change>>;

/**
 * Resolves one document against the state before it (design section 3): every operation sees that
 * state, order has no meaning, and the result is the facts to write, or why not. Facts are in eavt order,
 * a retract before the assert that follows it, so that a replay and a hash give the same.
 */
export function resolve(document: TransactionDocument, context: ResolveContext): Resolution {
  try {
    return resolveOrThrow(document, context);
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    const { code, message: detail, hint, extra } = error;
    return { kind: 'rejected', rejection: { code, detail, hint, extra } };
  }
}

function resolveOrThrow(document: TransactionDocument, context: ResolveContext): Resolution {
  const { schema, tx } = context;
  const first = document.id === undefined ? undefined : firstWithKey(document, context);
  if (first !== undefined) return { kind: 'duplicate', tx: first };
  checkPartition(document, context);
  for (const condition of document.conditions) checkCondition(condition, context);

  const operations = completeDefinitions(document.operations, schema);
  const definitionOperations = operations.filter(isDefinitionOperation);
  const defined = collect(
    definitionOperations,
    schema,
    new TemporaryIds([], schema, context),
    context,
  );
  const definitions = factsOf(defined, context, () => false);
  const withDefinitions = schemaAfter(schema, definitions);

  const data =
    definitionOperations.length === 0
      ? operations
      : operations.filter((operation) => !isDefinitionOperation(operation));
  const temporary = new TemporaryIds(data, withDefinitions, context);
  const inferring = new Definitions(withDefinitions);
  const changes = collect(withMeta(data, document), inferring, temporary, context);
  const isNew = (entity: string, attribute: string): boolean =>
    entity === txEntity(tx) || temporary.isNew(entity) || schema.attribute(attribute) === undefined;
  const facts = factsOf(changes, context, isNew);
  checkUnique(facts, inferring, context, isNew);
  for (const definition of inferring.inferred) {
    for (const said of definitionFacts(definition))
      definitions.push({ ...said, tx, operation: 'assert' });
  }
  const inferred = schemaAfter(schema, definitions);
  const all =
    document.id === undefined
      ? [...facts, ...definitions]
      : [...facts, ...definitions, ...keyFacts(document, tx)];
  if (all.length > FACTS_MAX) {
    throw new PyralogError(
      'transaction-too-large',
      `The transaction would write ${all.length} facts; the limit is ${FACTS_MAX}.`,
      {
        hint: 'Send it as several transactions.',
      },
    );
  }
  return {
    kind: 'commit',
    facts: all.sort(canonicalOrder),
    schema: inferred,
    ids: temporary.all(),
  };
}

function canonicalOrder(a: Fact, b: Fact): number {
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

/** The transaction that had this key before. @throws key-reused where its content was another */
function firstWithKey(
  { id, contentHash }: TransactionDocument,
  { state }: ResolveContext,
): Tx | undefined {
  const owner = state.ownerOf(TX_KEY, { type: 'string', value: id as string });
  if (owner === undefined) return undefined;
  const tx = BigInt(owner.slice('tx:'.length)) as Tx;
  const [hash] = state.valuesOf(owner, TX_KEY_HASH);
  if (hash?.value === contentHash) return tx;
  throw new PyralogError(
    'key-reused',
    `The id ${JSON.stringify(id)} was used by transaction ${tx} with other content.`,
    {
      hint: 'Give every transaction an id of its own; the same id is for sending the same transaction again.',
      extra: { tx: String(tx) },
    },
  );
}

function keyFacts({ id, contentHash }: TransactionDocument, tx: Tx): Fact[] {
  const said = { entity: txEntity(tx), tx, operation: 'assert' } as const;
  return [
    { ...said, attribute: TX_KEY, value: { type: 'string', value: id as string } },
    { ...said, attribute: TX_KEY_HASH, value: { type: 'string', value: contentHash } },
  ];
}

function withMeta(
  operations: readonly InputOperation[],
  { meta }: TransactionDocument,
): readonly InputOperation[] {
  if (meta.length === 0) return operations;
  return [
    ...operations,
    ...meta.map((said) => ({ op: 'assert', entity: OWN_TX_ENTITY, ...said }) as const),
  ];
}

/** Transactions over several partitions are another protocol; here all of one lies on one. */
function checkPartition(
  document: TransactionDocument,
  { partition, partitions }: ResolveContext,
): void {
  if (partitions === 1) return;
  for (const { entity } of [...document.operations, ...document.conditions]) {
    if (isTemporaryId(entity)) continue;
    const home = partitionOf(entity, partitions);
    if (home === partition) continue;
    throw new PyralogError(
      'partitions-spanned',
      `The entity ${JSON.stringify(entity)} lies on partition ${home}, the transaction arrived on ${partition}.`,
      {
        hint: 'Keep the entities of one transaction together by a common {tag} in their ids.',
        extra: { entity, partitions: [partition, home] },
      },
    );
  }
}

function checkCondition(condition: InputCondition, { state, schema }: ResolveContext): void {
  const { entity } = condition;
  const fail = (what: string, extra: Record<string, unknown> = {}): never => {
    throw new PyralogError(
      'condition-failed',
      `The condition on ${JSON.stringify(entity)} does not hold: ${what}.`,
      {
        hint: 'Read the entity again and decide anew.',
        extra: { entity, ...extra },
      },
    );
  };
  switch (condition.kind) {
    case 'entityAbsent':
      if (!state.factsOf(entity).next().done) fail('it has facts in force');
      return;
    case 'unchangedSince': {
      const last = state.lastTxOf(entity, condition.attribute);
      if (last !== undefined && last > condition.since)
        fail(`it was changed by transaction ${last}`, { tx: String(last) });
      return;
    }
    case 'is': {
      const definition = schema.attribute(condition.attribute);
      const current = definition === undefined ? [] : state.valuesOf(entity, condition.attribute);
      const wanted =
        definition === undefined
          ? condition.values.map(({ value }) => value)
          : condition.values.map((input) => coerceValue(input, definition));
      const same =
        current.length === wanted.length && wanted.every((value) => includes(current, value));
      if (!same)
        fail(`${condition.attribute} is ${shown(current)}, not ${shown(wanted)}`, {
          attribute: condition.attribute,
        });
      return;
    }
  }
}

/** What all operations together want of each attribute of each entity. @throws on contradictions of cas */
function collect(
  operations: readonly InputOperation[],
  definitions: Schema | Definitions,
  temporary: TemporaryIds,
  context: ResolveContext,
): Changes {
  const changes: Changes = new Map();
  const { state, tx } = context;
  const definitionOf = (
    attribute: string,
    input: InputValue,
    many: boolean,
  ): AttributeDefinition => {
    if (definitions instanceof Definitions) return definitions.forUse(attribute, input, many);
    const known = definitions.attribute(attribute);
    if (known === undefined)
      throw new PyralogError('schema-invalid', `Attributes have no ${attribute}.`);
    return known;
  };
  const valueOf = (input: InputValue, definition: AttributeDefinition): Value => {
    const value = coerceValue(input, definition);
    return value.type === 'ref' && isTemporaryId(value.value)
      ? { type: 'ref', value: temporary.resolve(value.value, tx) }
      : value;
  };
  const changeOf = (entity: string, definition: AttributeDefinition): Change => {
    let byAttribute = changes.get(entity);
    if (byAttribute === undefined) changes.set(entity, (byAttribute = new Map()));
    let change = byAttribute.get(definition.ident);
    if (change === undefined)
      byAttribute.set(
        definition.ident,
        (change = { definition, asserts: [], retracts: [], cas: undefined }),
      );
    return change;
  };
  const current = (entity: string, attribute: string): readonly Value[] =>
    temporary.isNew(entity) ||
    entity === txEntity(tx) ||
    context.schema.attribute(attribute) === undefined
      ? []
      : state.valuesOf(entity, attribute);

  for (const operation of operations) {
    const entity = temporary.resolve(operation.entity, tx);
    switch (operation.op) {
      case 'assert': {
        const definition = definitionOf(operation.attribute, operation.value, operation.many);
        add(changeOf(entity, definition).asserts, valueOf(operation.value, definition));
        break;
      }
      case 'retract': {
        const definition =
          definitions instanceof Definitions
            ? definitions.known(operation.attribute)
            : definitions.attribute(operation.attribute);
        // Nothing is in force of an attribute that nobody has used.
        if (definition === undefined) break;
        const { retracts } = changeOf(entity, definition);
        if (operation.value !== undefined) add(retracts, valueOf(operation.value, definition));
        else for (const value of current(entity, operation.attribute)) add(retracts, value);
        break;
      }
      case 'retractEntity': {
        if (temporary.isNew(entity)) break;
        for (const { attribute, value } of state.factsOf(entity)) {
          const definition = context.schema.attribute(attribute);
          if (definition !== undefined) add(changeOf(entity, definition).retracts, value);
        }
        break;
      }
      case 'cas': {
        const sample = operation.new ?? operation.old;
        if (sample === null) break;
        const definition = definitionOf(operation.attribute, sample, false);
        const old = operation.old === null ? null : valueOf(operation.old, definition);
        const next = operation.new === null ? null : valueOf(operation.new, definition);
        compareAndSet(
          changeOf(entity, definition),
          entity,
          old,
          next,
          current(entity, operation.attribute),
        );
        break;
      }
    }
  }
  return changes;
}

function compareAndSet(
  change: Change,
  entity: string,
  old: Value | null,
  next: Value | null,
  current: readonly Value[],
): void {
  const { definition } = change;
  const name = `${definition.ident} of ${JSON.stringify(entity)}`;
  const extra = { entity, attribute: definition.ident };
  if (definition.cardinality === 'many') {
    throw new PyralogError(
      'document-invalid',
      `cas needs an attribute with one value, and ${definition.ident} has many.`,
      {
        hint: 'Use a condition in "if" and assert or retract single values.',
        extra,
      },
    );
  }
  const holds = old === null ? current.length === 0 : includes(current, old);
  if (!holds) {
    throw new PyralogError(
      'cas-failed',
      `${name} is ${shown(current)}, not ${old === null ? 'absent' : shown([old])}.`,
      {
        hint: 'Read the value again and decide anew.',
        extra,
      },
    );
  }
  const other = change.cas;
  if (
    other !== undefined &&
    !(other.next === null ? next === null : next !== null && equalValues(other.next, next))
  ) {
    throw new PyralogError(
      'facts-conflict',
      `Two cas operations want different values for ${name}.`,
      { extra },
    );
  }
  change.cas = { next };
  if (old !== null && next !== null && equalValues(old, next)) return;
  if (next !== null) add(change.asserts, next);
  else if (old !== null) add(change.retracts, old);
}

/** The facts that make the changes true. @throws facts-conflict */
function factsOf(
  changes: Changes,
  { state, tx }: ResolveContext,
  isNew: (entity: string, attribute: string) => boolean,
): Fact[] {
  const facts: Fact[] = [];
  for (const [entity, byAttribute] of changes) {
    for (const [attribute, { definition, asserts, retracts }] of byAttribute) {
      const conflict = asserts.find((value) => includes(retracts, value));
      if (conflict !== undefined)
        throw contradiction(entity, attribute, `${shown([conflict])} is asserted and retracted`);
      const one = definition.cardinality === 'one';
      if (one && asserts.length > 1)
        throw contradiction(
          entity,
          attribute,
          `it has one value, and ${shown(asserts)} are asserted`,
        );
      const current = isNew(entity, attribute) ? [] : state.valuesOf(entity, attribute);
      for (const value of current) {
        const replaced = one && asserts.length === 1 && !includes(asserts, value);
        if (replaced || includes(retracts, value))
          facts.push({ entity, attribute, value, tx, operation: 'retract' });
      }
      for (const value of asserts) {
        if (!includes(current, value))
          facts.push({ entity, attribute, value, tx, operation: 'assert' });
      }
    }
  }
  return facts;
}

/** Uniqueness holds of the state after: a value that its owner gives up in the same transaction is free. */
function checkUnique(
  facts: readonly Fact[],
  definitions: Definitions,
  { state }: ResolveContext,
  isNew: (entity: string, attribute: string) => boolean,
): void {
  const claimed = new ClaimTable();
  const freed = new ClaimTable();
  for (const fact of facts) {
    if (definitions.known(fact.attribute)?.unique === undefined) continue;
    const rival = (fact.operation === 'assert' ? claimed : freed).put(fact);
    if (rival !== undefined && fact.operation === 'assert') throw taken(fact, rival);
  }
  for (const claim of claimed) {
    const { entity, attribute, value } = claim;
    // An attribute that this transaction defines has no owners yet.
    if (isNew('', attribute)) continue;
    const owner = state.ownerOf(attribute, value);
    if (owner === undefined || owner === entity) continue;
    if (freed.entityOf(claim) !== owner) throw taken(claim, owner);
  }
}

/** Claims of unique values by attribute and value. */
class ClaimTable {
  readonly #byAttribute = new Map<string, Map<unknown, Fact>>();

  /** @returns the other entity that claims the same value */
  put(fact: Fact): string | undefined {
    let byValue = this.#byAttribute.get(fact.attribute);
    if (byValue === undefined) this.#byAttribute.set(fact.attribute, (byValue = new Map()));
    const key = claimKey(fact.value);
    const other = byValue.get(key);
    if (other !== undefined) return other.entity;
    byValue.set(key, fact);
    return undefined;
  }

  entityOf({ attribute, value }: Fact): string | undefined {
    return this.#byAttribute.get(attribute)?.get(claimKey(value))?.entity;
  }

  *[Symbol.iterator](): IterableIterator<Fact> {
    for (const byValue of this.#byAttribute.values()) yield* byValue.values();
  }
}

function claimKey({ value }: Value): unknown {
  return value instanceof Uint8Array ? toHex(value) : value;
}

function taken({ entity, attribute, value }: Fact, owner: string): PyralogError {
  return new PyralogError(
    'unique-conflict',
    `${attribute} ${shown([value])} belongs to ${JSON.stringify(owner)} and cannot be given to ${JSON.stringify(entity)}.`,
    {
      extra: { attribute, entity, owner },
    },
  );
}

function contradiction(entity: string, attribute: string, what: string): PyralogError {
  return new PyralogError(
    'facts-conflict',
    `The operations on ${attribute} of ${JSON.stringify(entity)} contradict each other: ${what}.`,
    {
      hint: 'Operations of one transaction have no order: each sees the state before it.',
      extra: { entity, attribute },
    },
  );
}

function add(values: Value[], value: Value): void {
  if (!includes(values, value)) values.push(value);
}

function includes(values: readonly Value[], value: Value): boolean {
  for (const other of values) if (equalValues(other, value)) return true;
  return false;
}

/** Values in messages, cut to a readable length. */
function shown(values: readonly Value[]): string {
  if (values.length === 0) return 'absent';
  const text = values
    .slice(0, 3)
    .map((value) => JSON.stringify(formatValue(value).slice(0, 60)))
    .join(', ');
  return values.length > 3 ? `${text}, … (${values.length})` : text;
}
