import { assert } from '@pyralog/base';
import {
  ATTRIBUTE_ENTITY_PREFIX,
  checkSchemaFacts,
  type StoredFact,
  foldSchema,
  identOfEntity,
  type InputOperation,
  PyralogError,
  type Schema,
  SETTINGS_ENTITY,
} from '@pyralog/model';
import { Attributes } from './attributes.ts';
import { Changes } from './changes.ts';
import type { ResolveContext } from './context.ts';
import { quoted } from './refusals.ts';
import { temporaryIds } from './temporary-ids.ts';

/** Whether an operation says something of an attribute or of the settings. */
export function isDefinition({ entity }: InputOperation): boolean {
  return entity.startsWith(ATTRIBUTE_ENTITY_PREFIX);
}

/** What a document says of attributes, and the schema with it. */
export interface Defined {
  readonly facts: readonly StoredFact[];
  readonly schema: Schema;
}

/**
 * Resolves the definitions of a document before its other operations, which may use them.
 * @throws schema-invalid, schema-change-refused, and what any operations may
 */
export function define(operations: readonly InputOperation[], context: ResolveContext): Defined {
  const { schema } = context;
  const about = operations.filter(isDefinition);
  if (about.length === 0) return { facts: [], schema };
  const complete = [...about, ...completions(about, schema)];
  const changes = new Changes(
    context,
    new Attributes(schema, complete),
    temporaryIds(complete, schema, context),
  );
  changes.collect(complete);
  const facts = changes.facts();
  checkNames(facts);
  return { facts, schema: schemaAfter(schema, facts, context) };
}

/** @throws schema-invalid, schema-change-refused, attribute-invalid */
export function schemaAfter(
  before: Schema,
  definitions: readonly StoredFact[],
  { state }: Pick<ResolveContext, 'state'>,
): Schema {
  const after = foldSchema(before, definitions);
  for (const [ident, refusal] of checkSchemaFacts(before, after, definitions))
    if (state.hasFacts(ident)) throw refusal;
  return after;
}

/**
 * What goes without saying: a definition has its name and cardinality as facts, and what is defined was
 * not merely inferred.
 */
function completions(about: readonly InputOperation[], schema: Schema): InputOperation[] {
  const said = new Map<string, Set<string>>();
  for (const operation of about) {
    if (operation.op !== 'assert' && operation.op !== 'cas') continue;
    if (operation.entity === SETTINGS_ENTITY) continue;
    if (operation.op === 'cas' && operation.new === null) continue;
    let attributes = said.get(operation.entity);
    if (attributes === undefined) said.set(operation.entity, (attributes = new Set()));
    attributes.add(operation.attribute);
  }
  const more: InputOperation[] = [];
  const say = (entity: string, attribute: string, text: string): void => {
    const input = { value: { type: 'string', value: text }, plain: false } as const;
    more.push({ op: 'assert', entity, attribute, value: input, many: false });
  };
  for (const [entity, attributes] of said) {
    const ident = identOfEntity(entity);
    assert(ident !== undefined, 'definitions are about attributes');
    const before = schema.attribute(ident);
    say(entity, 'db/ident', ident);
    if (before === undefined && !attributes.has('db/cardinality'))
      say(entity, 'db/cardinality', 'one');
    if (before?.inferred === true && attributes.has('db/valueType'))
      more.push({ op: 'retract', entity, attribute: 'db/inferred', value: undefined });
  }
  return more;
}

/** A definition keeps its name and cardinality: they may be replaced, but not be left out. */
function checkNames(facts: readonly StoredFact[]): void {
  for (let i = 0; i < facts.length; i++) {
    const { entity, attribute, operation } = facts[i] as StoredFact;
    if (operation === 'assert') continue;
    if (attribute !== 'db/ident' && attribute !== 'db/cardinality') continue;
    // In canonical order the assert that replaces it comes next.
    const next = facts[i + 1];
    if (next?.entity === entity && next.attribute === attribute) continue;
    throw new PyralogError(
      'schema-change-refused',
      `The ${attribute} of ${quoted(entity)} cannot be removed.`,
      { hint: 'An attribute keeps its name, its type and its cardinality; the past needs them.' },
    );
  }
}
