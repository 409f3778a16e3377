import { BUILT_IN, DB_NAMESPACE, SETTINGS_ENTITY } from './builtin.ts';
import { checkAttribute, identOfEntity } from './entity.ts';
import { PyralogError } from './errors.ts';
import type { StoredFact } from './fact.ts';
import { shortened } from './json-print.ts';
import type { StoredDefinition, Schema } from './schema.ts';
import { isReference, isValueType, type StoredValue, VALUE_TYPES } from './value.ts';

/**
 * Checks a definition by itself: a valid name outside `db/` and the built-in ones, and no uniqueness of json, whose texts
 * may be megabytes and whose equality surprises.
 * @throws attribute-invalid, schema-invalid
 */
export function checkDefinition(definition: StoredDefinition): void {
  const { ident, unique, valueType } = definition;
  if (checkAttribute(ident) !== ident)
    throw new PyralogError(
      'attribute-invalid',
      `The name ${quoted(ident)} of a definition has no leading colon.`,
    );
  checkDefinable(ident);
  if (unique !== undefined && valueType === 'json') {
    throw new PyralogError(
      'schema-invalid',
      `The attribute ${quoted(ident)} of type json cannot be unique.`,
      { hint: 'Give what is unique about it an attribute of its own.' },
    );
  }
}

/** @throws schema-invalid for built-in attributes and names in `db/` */
export function checkDefinable(ident: string): void {
  if (!BUILT_IN.has(ident) && !ident.startsWith(DB_NAMESPACE)) return;
  throw new PyralogError(
    'schema-invalid',
    `The attribute ${quoted(ident)} is built in and cannot be defined.`,
    {
      hint: 'Names that begin with "db/" are kept for the schema.',
      extra: { attribute: ident },
    },
  );
}

/**
 * Checks that an attribute may become what a transaction makes of it.
 *
 * | change | |
 * |---|---|
 * | define a new attribute | allowed |
 * | type | refused |
 * | one → many | allowed |
 * | many → one | refused |
 * | index or unique on | only while the attribute has no facts: older ones are in no index by value |
 * | index or unique off, unique value ↔ identity | allowed |
 * | doc, inferred → defined | allowed |
 * | remove | refused |
 *
 * @returns what must be refused if the attribute has any fact, now or in the past; a caller that does not know throws it
 * @throws schema-change-refused, and what {@link checkDefinition} throws
 */
export function checkChange(
  before: StoredDefinition | undefined,
  after: StoredDefinition | undefined,
): PyralogError | undefined {
  if (after !== undefined) checkDefinition(after);
  if (before === undefined) return undefined;
  const name = quoted(before.ident);
  if (after === undefined)
    throw refused(
      `The attribute ${name} cannot be removed.`,
      'The past needs its definition. Its facts can be retracted.',
    );
  if (after.valueType !== before.valueType) {
    throw refused(
      `The type of the attribute ${name} cannot change from ${before.valueType} to ${after.valueType}.`,
      'Define a new attribute and copy the values.',
    );
  }
  if (before.cardinality === 'many' && after.cardinality === 'one') {
    throw refused(
      `The attribute ${name} cannot change from many values to one.`,
      'Define a new attribute with cardinality one and copy the values that are to stay.',
    );
  }
  if (before.unique === undefined && after.unique !== undefined) {
    return refused(
      `The attribute ${name} has facts already and cannot become unique.`,
      'Define a new unique attribute and copy the values.',
    );
  }
  if (!before.index && after.index) {
    return refused(
      `The attribute ${name} has facts already and cannot be indexed by value.`,
      'Define a new attribute with an index and copy the values.',
    );
  }
  return undefined;
}

/** One attribute that facts have changed. */
export interface AttributeChange {
  readonly ident: string;
  readonly before: StoredDefinition | undefined;
  readonly after: StoredDefinition | undefined;
}

/** The attributes that differ between a schema and what {@link foldSchema} made of it by these facts. */
export function attributeChanges(
  before: Schema,
  after: Schema,
  facts: Iterable<StoredFact>,
): readonly AttributeChange[] {
  if (before === after) return [];
  const changes = new Map<string, AttributeChange>();
  for (const { entity } of facts) {
    const ident = entity === SETTINGS_ENTITY ? undefined : identOfEntity(entity);
    if (ident === undefined || changes.has(ident)) continue;
    const change = { ident, before: before.attribute(ident), after: after.attribute(ident) };
    if (change.before !== change.after) changes.set(ident, change);
  }
  return [...changes.values()];
}

/**
 * Checks everything that the facts of one transaction do to the schema: each attribute is complete afterwards and changed as
 * {@link checkChange} allows, and an import that ended does not begin again.
 * @param after `foldSchema(before, facts)`
 * @returns refusals of changes that only attributes without facts allow, by ident
 * @throws schema-invalid, schema-change-refused, attribute-invalid
 */
export function checkSchemaFacts(
  before: Schema,
  after: Schema,
  facts: readonly StoredFact[],
): ReadonlyMap<string, PyralogError> {
  if (before.mode === 'live' && after.mode === 'import') {
    throw refused(
      'A live database cannot go back to import mode.',
      'Create a database for the import.',
    );
  }
  const whenUsed = new Map<string, PyralogError>();
  for (const { entity, operation } of facts) {
    const ident = entity === SETTINGS_ENTITY ? undefined : identOfEntity(entity);
    if (ident === undefined) continue;
    checkDefinable(ident);
    if (operation === 'assert' && after.attribute(ident) === undefined) throw incomplete(ident);
  }
  for (const change of attributeChanges(before, after, facts)) {
    const refusal = checkChange(change.before, change.after);
    if (refusal !== undefined) whenUsed.set(change.ident, refusal);
  }
  return whenUsed;
}

function incomplete(ident: string): PyralogError {
  return new PyralogError('schema-invalid', `The attribute ${quoted(ident)} has no type.`, {
    hint: `A definition needs db/valueType, one of ${VALUE_TYPES.join(', ')}.`,
    extra: { attribute: ident },
  });
}

/**
 * Checks one `db/…` value that a writer asserts on an attribute entity or on the settings, once it has its type.
 * @throws schema-invalid
 */
export function checkSchemaValue(entity: string, attribute: string, value: StoredValue): void {
  const refuse = (expected: string): never => {
    throw new PyralogError(
      'schema-invalid',
      `The value of ${attribute} on ${quoted(entity)} is ${expected}.`,
      { extra: { attribute, entity } },
    );
  };
  const text = value.type === 'string' && !isReference(value) ? value.value : '';
  switch (attribute) {
    case 'db/valueType':
      if (!isValueType(text)) refuse(`one of ${VALUE_TYPES.join(', ')}`);
      break;
    case 'db/cardinality':
      if (text !== 'one' && text !== 'many') refuse('"one" or "many"');
      break;
    case 'db/unique':
      if (text !== 'value' && text !== 'identity') refuse('"value" or "identity"');
      break;
    case 'db/mode':
      if (text !== 'import' && text !== 'live') refuse('"import" or "live"');
      break;
    case 'db/inferred':
      if (value.type === 'bool' && value.value)
        refuse('set to true by the first use of an attribute alone');
      break;
    case 'db/ident':
      if (text !== identOfEntity(entity))
        refuse(`the name in its id, ${quoted(identOfEntity(entity) ?? '')}`);
      break;
    default:
  }
}

function refused(detail: string, hint: string): PyralogError {
  return new PyralogError('schema-change-refused', detail, { hint });
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}
