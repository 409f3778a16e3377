import { compareUtf8 } from '@pyralog/base';
import { TABLE_TEXT_BYTES_MAX } from '@pyralog/format';
import {
  type StoredDefinition,
  BLOB_PREFIX_BYTES_MAX,
  compareValues,
  equalValues,
  type StoredFact,
  FACTS_MAX,
  isReference,
  type InputOperation,
  type InputValue,
  OWN_TX_ENTITY,
  PyralogError,
  type Tx,
  txOfEntity,
  type StoredValue,
} from '@pyralog/model';
import type { Attributes } from './attributes.ts';
import type { ResolveContext } from './context.ts';
import { type EntityState, NO_ENTITY } from './entity-state.ts';
import { assertHome } from './partitions.ts';
import { contradiction, quoted, shown } from './refusals.ts';
import type { Names } from './temporary-ids.ts';
import { hasValue, listOf, sizeOfValues, type Values, ValueSet, withValue } from './value-set.ts';

/** What a transaction wants of one attribute of one entity. */
interface Want {
  readonly definition: StoredDefinition;
  asserts: Values;
  retracts: Values;
  /** Whatever is in force. */
  retractsAll: boolean;
  /** Set by the first cas; another must want the same. */
  cas: { readonly next: StoredValue | null } | undefined;
}

/** Up to here a search for an attribute is faster than a map. */
const SEARCHED_MAX = 24;

/** What a transaction wants of one entity. */
class EntityChange {
  readonly entity: string;
  readonly before: EntityState;
  readonly wants: Want[] = [];
  #byIdent: Map<string, Want> | undefined;

  constructor(entity: string, before: EntityState) {
    this.entity = entity;
    this.before = before;
  }

  want(definition: StoredDefinition): Want {
    const found = this.#find(definition.ident);
    if (found !== undefined) return found;
    const want: Want = {
      definition,
      asserts: undefined,
      retracts: undefined,
      retractsAll: false,
      cas: undefined,
    };
    this.wants.push(want);
    this.#byIdent?.set(definition.ident, want);
    if (this.wants.length > SEARCHED_MAX)
      this.#byIdent ??= new Map(this.wants.map((each) => [each.definition.ident, each]));
    return want;
  }

  #find(ident: string): Want | undefined {
    if (this.#byIdent !== undefined) return this.#byIdent.get(ident);
    for (const want of this.wants) if (want.definition.ident === ident) return want;
    return undefined;
  }
}

/** What all operations of a document together want; their order leaves no trace in it. */
export class Changes {
  readonly #context: ResolveContext;
  readonly #attributes: Attributes;
  readonly #names: Names;
  readonly #byEntity = new Map<string, EntityChange>();
  #name = '';
  #change: EntityChange | undefined;

  constructor(context: ResolveContext, attributes: Attributes, names: Names) {
    this.#context = context;
    this.#attributes = attributes;
    this.#names = names;
  }

  /** @throws type-mismatch, attribute-unknown, cas-failed, facts-conflict, document-invalid */
  collect(operations: readonly InputOperation[]): void {
    for (const operation of operations) {
      switch (operation.op) {
        case 'assert':
          this.assert(operation.entity, operation.attribute, operation.value);
          break;
        case 'retract':
          this.#retract(operation.entity, operation.attribute, operation.value);
          break;
        case 'retractEntity':
          this.#retractEntity(operation.entity);
          break;
        case 'cas':
          this.#compareAndSet(operation);
          break;
      }
    }
  }

  assert(name: string, attribute: string, input: InputValue): void {
    const change = this.#changeOf(name);
    // An assert is a use, and declares what is not defined.
    const definition = this.#attributes.find(attribute) as StoredDefinition;
    const want = change.want(definition);
    want.asserts = withValue(want.asserts, this.#valueOf(input, definition));
  }

  #retract(name: string, attribute: string, input: InputValue | undefined): void {
    const definition = this.#attributes.find(attribute);
    // Nothing is in force of an attribute that nobody has used.
    if (definition === undefined) return;
    const want = this.#changeOf(name).want(definition);
    if (input === undefined) want.retractsAll = true;
    else want.retracts = withValue(want.retracts, this.#valueOf(input, definition));
  }

  #retractEntity(name: string): void {
    const change = this.#changeOf(name);
    for (const attribute of change.before.attributes) {
      // What has facts is defined.
      const definition = this.#attributes.find(attribute) as StoredDefinition;
      change.want(definition).retractsAll = true;
    }
  }

  #compareAndSet({
    entity: name,
    attribute,
    old,
    new: next,
  }: InputOperation & { readonly op: 'cas' }): void {
    const change = this.#changeOf(name);
    const definition = this.#attributes.find(attribute);
    // From absent to absent, of an attribute that nobody has used.
    if (definition === undefined) return;
    compareAndSet(change, change.want(definition), {
      old: old === null ? null : this.#valueOf(old, definition),
      next: next === null ? null : this.#valueOf(next, definition),
    });
  }

  #changeOf(name: string): EntityChange {
    // Operations on one entity mostly stand together.
    if (this.#change !== undefined && name === this.#name) return this.#change;
    const entity = this.#names.resolve(name);
    let change = this.#byEntity.get(entity);
    if (change === undefined) {
      this.#byEntity.set(entity, (change = new EntityChange(entity, this.#before(entity))));
    }
    this.#name = name;
    this.#change = change;
    return change;
  }

  /** @throws entity-invalid */
  #before(entity: string): EntityState {
    assertHome(entity, this.#context);
    if (this.#names.isNew(entity)) return NO_ENTITY;
    const committed = txOfEntity(entity);
    if (committed !== undefined && committed > this.#context.tx) {
      throw new PyralogError(
        'entity-invalid',
        `There is no transaction ${quoted(entity)} that something could be said about.`,
        { hint: `The entity of this transaction is "${OWN_TX_ENTITY}".`, extra: { entity } },
      );
    }
    return this.#context.state.entity(entity);
  }

  #valueOf(input: InputValue, definition: StoredDefinition): StoredValue {
    const value = this.#context.longValues.stored(input, definition);
    if (value.type !== 'ref') return value;
    const entity = this.#names.resolve(value.value);
    return entity === value.value ? value : { type: 'ref', value: entity };
  }

  /**
   * The facts that make it true, in canonical order: entity, attribute, retracts before asserts, value.
   * @throws facts-conflict, document-invalid, transaction-too-large
   */
  facts(): StoredFact[] {
    const facts: StoredFact[] = [];
    const changes = [...this.#byEntity.values()];
    if (changes.length > 1) changes.sort((a, b) => compareUtf8(a.entity, b.entity));
    let textLength = 0;
    for (const change of changes) {
      const { wants } = change;
      if (wants.length > 1)
        wants.sort((a, b) => compareUtf8(a.definition.ident, b.definition.ident));
      const from = facts.length;
      for (const want of wants) emit(change, want, this.#context.tx, facts);
      for (let i = from; i < facts.length; i++) textLength += textLengthOf(facts[i] as StoredFact);
      if (facts.length > FACTS_MAX || 3 * textLength > TABLE_TEXT_BYTES_MAX) throw tooLarge(facts);
    }
    return facts;
  }
}

function textLengthOf({ value: stored }: StoredFact): number {
  if (isReference(stored)) return BLOB_PREFIX_BYTES_MAX;
  const { value } = stored;
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

function compareAndSet(
  { entity, before }: EntityChange,
  want: Want,
  { old, next }: { readonly old: StoredValue | null; readonly next: StoredValue | null },
): void {
  const { definition } = want;
  const extra = { entity, attribute: definition.ident };
  if (definition.cardinality === 'many') {
    throw new PyralogError(
      'document-invalid',
      `cas needs an attribute with one value, and ${quoted(definition.ident)} has many.`,
      { hint: 'Use a condition in "if" and assert or retract single values.', extra },
    );
  }
  const name = `${quoted(definition.ident)} of ${quoted(entity)}`;
  const current = before.held(definition.ident);
  if (old === null ? current !== undefined : !hasValue(current, old)) {
    throw new PyralogError(
      'cas-failed',
      `${name} is ${shown(listOf(current))}, not ${old === null ? 'absent' : shown([old])}.`,
      { hint: 'Read the value again and decide anew.', extra },
    );
  }
  const other = want.cas;
  if (other !== undefined && !sameOrAbsent(other.next, next))
    throw contradiction(entity, definition.ident, 'two cas want different values');
  want.cas = { next };
  if (next !== null) want.asserts = withValue(want.asserts, next);
  else if (old !== null) want.retracts = withValue(want.retracts, old);
}

function sameOrAbsent(a: StoredValue | null, b: StoredValue | null): boolean {
  return a === null || b === null ? a === b : equalValues(a, b);
}

function emit(change: EntityChange, want: Want, tx: Tx, into: StoredFact[]): void {
  const { entity, before } = change;
  const { definition, asserts, retracts, retractsAll } = want;
  const attribute = definition.ident;
  const held = before.held(attribute);
  if (definition.cardinality === 'one' && sizeOfValues(asserts) > 1) {
    const what = `it has one value, and ${shown(listOf(asserts))} are asserted`;
    throw contradiction(entity, attribute, what);
  }
  if (retracts !== undefined || retractsAll) {
    for (const value of listOf(asserts)) {
      if (hasValue(retracts, value) || (retractsAll && hasValue(held, value)))
        throw contradiction(entity, attribute, `${shown([value])} is asserted and retracted`);
    }
  }
  // The new value of a one-attribute replaces the old one.
  const replaces = definition.cardinality === 'one' && asserts !== undefined;
  const all = replaces || retractsAll;
  if (held !== undefined && (all || retracts !== undefined)) {
    // Of many values few are retracted mostly, so the shorter list leads.
    for (const value of sorted(all ? held : retracts)) {
      if (hasValue(held, value) && !hasValue(asserts, value))
        into.push({ entity, attribute, value, tx, operation: 'retract' });
    }
  }
  for (const value of sorted(asserts)) {
    if (!hasValue(held, value)) into.push({ entity, attribute, value, tx, operation: 'assert' });
  }
}

function sorted(values: Values): readonly StoredValue[] {
  return values instanceof ValueSet ? values.values.toSorted(compareValues) : listOf(values);
}

function tooLarge(facts: readonly StoredFact[]): PyralogError {
  const many = facts.length > FACTS_MAX;
  return new PyralogError(
    'transaction-too-large',
    many
      ? `The transaction would write more than ${FACTS_MAX} facts, what it replaces and retracts included; that is the limit.`
      : `The values that the transaction would write, replace and retract are too long together: the limit is ${TABLE_TEXT_BYTES_MAX} bytes.`,
    {
      hint: 'Split it into several transactions.',
      extra: { limit: many ? FACTS_MAX : TABLE_TEXT_BYTES_MAX },
    },
  );
}
