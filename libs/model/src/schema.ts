import { compareUtf8 } from '@pyralog/base';
import { BUILT_IN, SETTINGS_ENTITY } from './builtin.ts';
import { attributeEntity, identOfEntity } from './entity.ts';
import type { StoredFact } from './fact.ts';
import { TX_NONE, type Tx } from './tx.ts';
import {
  type BlobReference,
  equalValues,
  isReference,
  isValueType,
  type StoredValue,
  type Value,
  type ValueType,
} from './value.ts';

/** How many values of an attribute an entity has at a time. */
export type Cardinality = 'one' | 'many';
/**
 * What it means that one entity alone has a value: others are refused, or a temporary id becomes
 * that entity.
 */
export type Uniqueness = 'value' | 'identity';

/** What is known of an attribute at a moment: facts on the entity `attribute:<ident>`. */
export interface AttributeDefinition {
  readonly ident: string;
  readonly valueType: ValueType;
  readonly cardinality: Cardinality;
  readonly unique: Uniqueness | undefined;
  /** Whether avet lists it; also true of every unique attribute. */
  readonly index: boolean;
  readonly doc: string | undefined;
  /** Declared by first use rather than by a definition. */
  readonly inferred: boolean;
}

/** A definition as a schema holds it: a long doc is a reference. */
export type StoredDefinition = Omit<AttributeDefinition, 'doc'> & {
  readonly doc: string | BlobReference | undefined;
};

/** `import`: transactions may bring their own time, until the database goes `live` for good. */
export type DatabaseMode = 'import' | 'live';

/** The schema at a moment. Immutable; folding facts gives another. */
export interface Schema {
  /** tx of the newest fact that changed the schema. */
  readonly tx: Tx;
  readonly strict: boolean;
  readonly mode: DatabaseMode;
  attribute(ident: string): StoredDefinition | undefined;
  /** Built-in and declared, by ident in UTF-8 order. */
  attributes(): Iterable<StoredDefinition>;
}

/** Settings of a database, as facts on {@link SETTINGS_ENTITY}. */
export interface DatabaseSettings {
  readonly strict: boolean;
  readonly mode: DatabaseMode;
}

/** A fact to write, without its tx. */
export interface SchemaAssertion {
  readonly entity: string;
  readonly attribute: string;
  readonly value: Value;
}

/** The same as it is stored. */
type StoredAssertion = Omit<SchemaAssertion, 'value'> & { readonly value: StoredValue };

/** The schema before the first fact: the built-in attributes. */
export function initialSchema(settings: Partial<DatabaseSettings> = {}): Schema {
  return new FoldedSchema(
    TX_NONE,
    settings.strict ?? false,
    settings.mode ?? 'live',
    EMPTY_LAYER,
    EMPTY_LAYER,
  );
}

/** The facts that record settings. */
export function settingsFacts(settings: Partial<DatabaseSettings>): readonly SchemaAssertion[] {
  const facts: SchemaAssertion[] = [];
  if (settings.strict !== undefined)
    facts.push({
      entity: SETTINGS_ENTITY,
      attribute: 'db/strict',
      value: { type: 'bool', value: settings.strict },
    });
  if (settings.mode !== undefined)
    facts.push({
      entity: SETTINGS_ENTITY,
      attribute: 'db/mode',
      value: { type: 'string', value: settings.mode },
    });
  return facts;
}

/** The facts that a definition consists of; folding them gives the definition again. */
export function definitionFacts(definition: AttributeDefinition): readonly SchemaAssertion[];
/** The same of one as it is stored. */
export function definitionFacts(definition: StoredDefinition): readonly StoredAssertion[];
/** The same. */
export function definitionFacts(definition: StoredDefinition): readonly StoredAssertion[] {
  const entity = attributeEntity(definition.ident);
  const facts: StoredAssertion[] = [];
  const text = (attribute: string, value: string | BlobReference | undefined): void => {
    if (typeof value === 'object') facts.push({ entity, attribute, value });
    else if (value !== undefined)
      facts.push({ entity, attribute, value: { type: 'string', value } });
  };
  const flag = (attribute: string, value: boolean): void => {
    if (value) facts.push({ entity, attribute, value: { type: 'bool', value } });
  };
  text('db/ident', definition.ident);
  text('db/valueType', definition.valueType);
  text('db/cardinality', definition.cardinality);
  text('db/unique', definition.unique);
  flag('db/index', definition.index && definition.unique === undefined);
  text('db/doc', definition.doc);
  flag('db/inferred', definition.inferred);
  return facts;
}

/** What the first use of an undeclared attribute declares. @param many the value stood in an array */
export function inferredDefinition(
  ident: string,
  value: Value,
  many: boolean,
): AttributeDefinition {
  return {
    ident,
    valueType: value.type,
    cardinality: many ? 'many' : 'one',
    unique: undefined,
    index: false,
    doc: undefined,
    inferred: true,
  };
}

/**
 * The schema after some facts, in the order of the log; those that are not about the schema are skipped. Facts of one
 * transaction may come in any order. Never throws: what stands in the log was checked before it came there, and a
 * definition that lacks its type or has values out of range is as if it were not there.
 * @returns the same reference where nothing changed
 */
export function foldSchema(schema: Schema, facts: Iterable<StoredFact>): Schema {
  let draft: Draft | undefined;
  for (const fact of facts) {
    if (!fact.entity.startsWith('attribute:')) continue;
    draft ??= new Draft(schema as FoldedSchema);
    draft.fold(fact);
  }
  return draft?.finish() ?? schema;
}

/** Values of `db/…` facts in force on one attribute entity. */
type Raw = ReadonlyMap<string, StoredValue>;

interface Entry {
  readonly raw: Raw;
  readonly definition: StoredDefinition | undefined;
}

type Layer = ReadonlyMap<string, Entry>;
const EMPTY_LAYER: Layer = new Map();
const NO_VALUES: Raw = new Map();

/** Entries of the upper layer before it is merged into the lower one. */
const UPPER_MAX = 64;

/**
 * Two layers, so that a change copies at most {@link UPPER_MAX} entries: thousands of attributes declared one by one by their first
 * use must not copy the whole schema each time.
 */
class FoldedSchema implements Schema {
  readonly tx: Tx;
  readonly strict: boolean;
  readonly mode: DatabaseMode;
  readonly upper: Layer;
  readonly lower: Layer;
  #sorted: readonly StoredDefinition[] | undefined;

  constructor(tx: Tx, strict: boolean, mode: DatabaseMode, upper: Layer, lower: Layer) {
    this.tx = tx;
    this.strict = strict;
    this.mode = mode;
    this.upper = upper;
    this.lower = lower;
  }

  attribute(ident: string): StoredDefinition | undefined {
    return BUILT_IN.get(ident) ?? this.entry(ident)?.definition;
  }

  attributes(): Iterable<StoredDefinition> {
    return (this.#sorted ??= this.#list());
  }

  entry(ident: string): Entry | undefined {
    return this.upper.get(ident) ?? this.lower.get(ident);
  }

  #list(): readonly StoredDefinition[] {
    const all = [...new Map([...this.lower, ...this.upper]).values()].map(
      (entry) => entry.definition,
    );
    const declared = all.filter(
      (definition) => definition !== undefined && !BUILT_IN.has(definition.ident),
    ) as StoredDefinition[];
    return [...BUILT_IN.values(), ...declared].sort((a, b) => compareUtf8(a.ident, b.ident));
  }
}

/** Collects the changes of one fold. */
class Draft {
  readonly #before: FoldedSchema;
  readonly #changed = new Map<string, Map<string, StoredValue>>();
  #strict: boolean;
  #mode: DatabaseMode;
  #tx: Tx;
  #touched = false;

  constructor(before: FoldedSchema) {
    this.#before = before;
    this.#strict = before.strict;
    this.#mode = before.mode;
    this.#tx = before.tx;
  }

  fold(fact: StoredFact): void {
    const changed = fact.entity === SETTINGS_ENTITY ? this.#setting(fact) : this.#attribute(fact);
    if (!changed) return;
    this.#touched = true;
    if (fact.tx > this.#tx) this.#tx = fact.tx;
  }

  finish(): FoldedSchema {
    const { lower } = this.#before;
    if (!this.#touched) return this.#before;
    const upper = new Map(this.#before.upper);
    for (const [ident, raw] of this.#changed)
      upper.set(ident, { raw, definition: definitionOf(ident, raw) });
    const merged =
      upper.size <= UPPER_MAX
        ? { upper, lower }
        : { upper: EMPTY_LAYER, lower: new Map([...lower, ...upper]) };
    return new FoldedSchema(this.#tx, this.#strict, this.#mode, merged.upper, merged.lower);
  }

  /** Settings are replaced, never absent: a retraction says nothing. */
  #setting({ attribute, value, operation }: StoredFact): boolean {
    if (operation === 'retract') return false;
    const [strict, mode] = [this.#strict, this.#mode];
    if (attribute === 'db/strict' && value.type === 'bool') this.#strict = value.value;
    const text = textOf(value);
    if (attribute === 'db/mode' && isMode(text)) this.#mode = text;
    return this.#strict !== strict || this.#mode !== mode;
  }

  #attribute({ entity, attribute, value, operation }: StoredFact): boolean {
    const ident = identOfEntity(entity);
    if (ident === undefined || !attribute.startsWith('db/')) return false;
    const before: Raw = this.#changed.get(ident) ?? this.#before.entry(ident)?.raw ?? NO_VALUES;
    const known = before.get(attribute);
    const same = known !== undefined && equalValues(known, value);
    if (operation === 'retract' ? !same : same) return false;
    const after = this.#changed.get(ident) ?? new Map(before);
    if (operation === 'retract') after.delete(attribute);
    else after.set(attribute, value);
    this.#changed.set(ident, after);
    return true;
  }
}

/** A string that stands where its fact does: no long one means anything to a schema but as a doc. */
function textOf(value: StoredValue | undefined): string | undefined {
  return value?.type === 'string' && !isReference(value) ? value.value : undefined;
}

function isMode(value: unknown): value is DatabaseMode {
  return value === 'import' || value === 'live';
}

function definitionOf(ident: string, raw: Raw): StoredDefinition | undefined {
  const text = (attribute: string): string | undefined => textOf(raw.get(attribute));
  const flag = (attribute: string): boolean => {
    const value = raw.get(attribute);
    return value?.type === 'bool' && value.value;
  };
  const valueType = text('db/valueType');
  if (valueType === undefined || !isValueType(valueType)) return undefined;
  const unique = text('db/unique');
  const doc = raw.get('db/doc');
  const uniqueness = unique === 'value' || unique === 'identity' ? unique : undefined;
  return {
    ident,
    valueType,
    cardinality: text('db/cardinality') === 'many' ? 'many' : 'one',
    unique: uniqueness,
    index: flag('db/index') || uniqueness !== undefined,
    doc: doc !== undefined && isReference(doc) ? doc : textOf(doc),
    inferred: flag('db/inferred'),
  };
}
