/** What is known of attributes: read from facts, one by one, and inferred from first uses. */
import {
  attributeEntity,
  BUILT_IN,
  type Fact,
  type InputOperation,
  type InputValue,
  isValueType,
  type Tx,
  type Value,
  type ValueType,
} from '@pyralog/model';
import type { Reasons } from './rules.ts';

/** What an attribute is, as far as it matters to a transaction. */
export interface Rule {
  readonly ident: string;
  readonly valueType: ValueType;
  readonly cardinality: 'one' | 'many';
  readonly unique: 'value' | 'identity' | undefined;
  readonly index: boolean;
  readonly inferred: boolean;
}

/** What a database was made with. */
export interface Settings {
  readonly strict: boolean;
  readonly mode: 'live' | 'import';
}

/** The attributes of a moment, by name, and its settings. */
export interface Definitions extends Settings {
  (ident: string): Rule | undefined;
}

/** @param inForce facts of a moment */
export function definitionsOf(inForce: readonly Fact[], settings: Settings): Definitions {
  const said = new Map<string, Map<string, Value>>();
  for (const { entity, attribute, value } of inForce) {
    if (!entity.startsWith('attribute:')) continue;
    let about = said.get(entity);
    if (about === undefined) said.set(entity, (about = new Map()));
    about.set(attribute, value);
  }
  const own = said.get('attribute:db/settings');
  const find = (ident: string): Rule | undefined =>
    BUILT_IN.get(ident) ?? ruleOf(ident, said.get(attributeEntity(ident)));
  return Object.assign(find, {
    strict: (own?.get('db/strict')?.value ?? settings.strict) === true,
    mode: (own?.get('db/mode')?.value ?? settings.mode) as Settings['mode'],
  });
}

function ruleOf(ident: string, said: ReadonlyMap<string, Value> | undefined): Rule | undefined {
  const text = (attribute: string): string | undefined => {
    const value = said?.get(attribute);
    return value?.type === 'string' ? value.value : undefined;
  };
  const flag = (attribute: string): boolean => said?.get(attribute)?.value === true;
  const valueType = text('db/valueType');
  if (valueType === undefined || !isValueType(valueType)) return undefined;
  const unique = text('db/unique') as Rule['unique'];
  return {
    ident,
    valueType,
    cardinality: text('db/cardinality') === 'many' ? 'many' : 'one',
    unique,
    index: flag('db/index') || unique !== undefined,
    inferred: flag('db/inferred'),
  };
}

export interface Inferred {
  /** With what first uses declare. */
  readonly rules: Definitions;
  /** The definitions that first uses make. */
  readonly facts: (tx: Tx) => Fact[];
}

/**
 * All uses of an unknown attribute decide together what it is: any of them in an array makes it many; a typed value
 * gives its type, else a json value, else a fraction, else whatever came.
 */
export function withInferred(
  operations: readonly InputOperation[],
  defined: Definitions,
  reasons: Reasons,
): Inferred {
  const uses = new Map<string, { inputs: InputValue[]; many: boolean }>();
  const use = (ident: string, input: InputValue | null, many: boolean): void => {
    if (input === null || defined(ident) !== undefined) return;
    if (defined.strict && !ident.startsWith('tx/')) {
      const detail = `${JSON.stringify(ident)} is not defined, and the database is strict.`;
      reasons.add('attribute-unknown', detail, { extra: { attribute: ident } });
    }
    const known = uses.get(ident) ?? { inputs: [], many: false };
    uses.set(ident, { inputs: [...known.inputs, input], many: known.many || many });
  };
  for (const operation of operations) {
    if (operation.op === 'assert') use(operation.attribute, operation.value, operation.many);
    if (operation.op !== 'cas') continue;
    use(operation.attribute, operation.old, false);
    use(operation.attribute, operation.new, false);
  }
  const rules = new Map<string, Rule>();
  for (const [ident, { inputs, many }] of uses)
    rules.set(ident, {
      ident,
      valueType: widest(inputs),
      cardinality: many ? 'many' : 'one',
      unique: undefined,
      index: false,
      inferred: true,
    });
  const find = (ident: string): Rule | undefined => defined(ident) ?? rules.get(ident);
  return {
    rules: Object.assign(find, { strict: defined.strict, mode: defined.mode }),
    facts: (tx) => [...rules.values()].flatMap((rule) => factsOf(rule, tx)),
  };
}

function widest(inputs: readonly InputValue[]): ValueType {
  const types = inputs.map(({ value }) => value.type);
  const certain = inputs.find(({ plain }) => !plain);
  if (certain !== undefined) return certain.value.type;
  if (types.includes('json')) return 'json';
  // Only int gives way to double: a text does not.
  return types[0] === 'int' && types.includes('double') ? 'double' : (types[0] as ValueType);
}

function factsOf({ ident, valueType, cardinality }: Rule, tx: Tx): Fact[] {
  const say = (attribute: string, value: Value): Fact => ({
    entity: attributeEntity(ident),
    attribute,
    value,
    tx,
    operation: 'assert',
  });
  return [
    say('db/ident', { type: 'string', value: ident }),
    say('db/valueType', { type: 'string', value: valueType }),
    say('db/cardinality', { type: 'string', value: cardinality }),
    say('db/inferred', { type: 'bool', value: true }),
  ];
}
