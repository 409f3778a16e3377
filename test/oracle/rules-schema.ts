/** How attributes may be defined and changed. */
import {
  BUILT_IN,
  type Fact,
  identOfEntity,
  type InputOperation,
  SETTINGS_ENTITY,
} from '@pyralog/model';
import type { Reasons } from './rules.ts';
import type { Definitions, Rule } from './rules-attributes.ts';

/**
 * Operations on attributes with what goes without saying: a definition has a name and a cardinality, and what is given a
 * type is no longer merely inferred.
 */
export function completed(
  about: readonly InputOperation[],
  known: Definitions,
): readonly InputOperation[] {
  const more: InputOperation[] = [];
  const entities = new Set(about.filter(says).map(({ entity }) => entity));
  entities.delete(SETTINGS_ENTITY);
  for (const entity of entities) {
    const ident = identOfEntity(entity) as string;
    const isSaid = (attribute: string): boolean =>
      about.some(
        (operation) =>
          operation.entity === entity && says(operation) && operation.attribute === attribute,
      );
    more.push(text(entity, 'db/ident', ident));
    const before = known(ident);
    if (before === undefined && !isSaid('db/cardinality'))
      more.push(text(entity, 'db/cardinality', 'one'));
    if (before?.inferred === true && isSaid('db/valueType'))
      more.push({ op: 'retract', entity, attribute: 'db/inferred', value: undefined });
  }
  return [...about, ...more];
}

type Saying = InputOperation & { readonly op: 'assert' | 'cas' };

function says(operation: InputOperation): operation is Saying {
  return operation.op === 'assert' || (operation.op === 'cas' && operation.new !== null);
}

function text(entity: string, attribute: string, value: string): InputOperation {
  const input = { value: { type: 'string', value }, plain: false } as const;
  return { op: 'assert', entity, attribute, value: input, many: false };
}

/**
 * @param log every fact before
 * @param facts of the definitions
 * @returns whether the schema after them can be
 */
export function schemaRefusals(
  log: readonly Fact[],
  before: Definitions,
  after: Definitions,
  facts: readonly Fact[],
  reasons: Reasons,
): boolean {
  const count = reasons.all.length;
  if (before.mode === 'live' && after.mode === 'import')
    reasons.add('schema-change-refused', 'A live database cannot go back to import mode.');
  const idents = new Set(
    facts
      .filter(({ entity }) => entity !== SETTINGS_ENTITY)
      .map(({ entity }) => identOfEntity(entity)),
  );
  const whenUsed: (() => void)[] = [];
  for (const ident of idents) {
    if (ident === undefined) continue;
    checkOne(ident, before(ident), after(ident), facts, reasons);
    const refusal = gainRefusal(before(ident), after(ident));
    if (refusal !== undefined && log.some(({ attribute }) => attribute === ident))
      whenUsed.push(() => reasons.add('schema-change-refused', refusal, { extra: {} }));
  }
  const isDefinite = reasons.all.length === count;
  // Such a schema could be: it is only too late for it.
  for (const refuse of whenUsed) refuse();
  return isDefinite;
}

function checkOne(
  ident: string,
  before: Rule | undefined,
  after: Rule | undefined,
  facts: readonly Fact[],
  reasons: Reasons,
): void {
  const name = JSON.stringify(ident);
  if (BUILT_IN.has(ident)) reasons.add('schema-invalid', `The attribute ${name} is built in.`);
  for (const attribute of ['db/ident', 'db/cardinality']) {
    const about = facts.filter(
      (fact) => fact.attribute === attribute && identOfEntity(fact.entity) === ident,
    );
    if (about.length > 0 && about.every(({ operation }) => operation === 'retract'))
      reasons.add('schema-change-refused', `The ${attribute} of ${name} cannot be removed.`);
  }
  if (after === undefined) {
    if (before === undefined)
      reasons.add('schema-invalid', `The attribute ${name} has no type.`, {
        extra: { attribute: ident },
      });
    else {
      reasons.add('schema-change-refused', `The attribute ${name} cannot be removed.`);
      // Said of something that is no longer there.
      reasons.add('schema-invalid', `The attribute ${name} has no type.`);
    }
    return;
  }
  if (after.unique !== undefined && after.valueType === 'json')
    reasons.add('schema-invalid', `The attribute ${name} of type json cannot be unique.`);
  if (before === undefined) return;
  if (after.valueType !== before.valueType)
    reasons.add(
      'schema-change-refused',
      `The type of the attribute ${name} cannot change from ${before.valueType} to ${after.valueType}.`,
    );
  if (before.cardinality === 'many' && after.cardinality === 'one')
    reasons.add(
      'schema-change-refused',
      `The attribute ${name} cannot change from many values to one.`,
    );
}

/** What an attribute cannot become once it has or had a fact. */
function gainRefusal(before: Rule | undefined, after: Rule | undefined): string | undefined {
  if (before === undefined || after === undefined) return undefined;
  const name = JSON.stringify(after.ident);
  if (before.unique === undefined && after.unique !== undefined)
    return `The attribute ${name} has facts already and cannot become unique.`;
  if (!before.index && after.index)
    return `The attribute ${name} has facts already and cannot be indexed by value.`;
  return undefined;
}
