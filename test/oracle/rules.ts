/**
 * What a transaction means (design section 3), as plainly as it can be written: a database is a list of facts, and
 * everything is found by going through it. Knows nothing of partitions, locks, indexes or records; shares no rule with
 * libs/sequencing, only values and documents of libs/model.
 */
import {
  coerceValue,
  compareCanonical,
  type Fact,
  formatValue,
  identOfEntity,
  type InputCondition,
  type InputOperation,
  type InputValue,
  isPyralogError,
  OWN_TX_ENTITY,
  PyralogError,
  type TransactionDocument,
  type Tx,
  txOfEntity,
  type Value,
} from '@pyralog/model';
import {
  type Definitions,
  definitionsOf,
  type Rule,
  type Settings,
  withInferred,
} from './rules-attributes.ts';
import { completed, schemaRefusals } from './rules-schema.ts';
import { Names } from './rules-names.ts';

/** Everything that was committed before. */
export interface Before {
  /** Every fact of the log, oldest first. */
  readonly log: readonly Fact[];
  /** Those in force. */
  readonly inForce: readonly Fact[];
  /** What the database was made with; facts replace it. */
  readonly settings: Settings;
}

/** What a transaction gets from its database rather than from its document. */
export interface Given {
  readonly tx: Tx;
  /** A new entity for temporary ids that are one. @param ordinal among the entities of the document's temporary ids */
  readonly mint: (ids: readonly string[], ordinal: number) => string;
}

export type Meaning =
  /** Facts in canonical order. */
  | { readonly kind: 'commit'; readonly facts: Fact[]; readonly ids: ReadonlyMap<string, string> }
  /** Every reason there is. Which of them is told first is nobody's promise. */
  | { readonly kind: 'refused'; readonly reasons: readonly PyralogError[] };

/** Reasons against a transaction: all are looked for. */
export class Reasons {
  readonly all: PyralogError[] = [];

  add(...reason: ConstructorParameters<typeof PyralogError>): void {
    this.all.push(new PyralogError(...reason));
  }

  /** What a step gives; undefined where it is refused. */
  try<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      this.all.push(error);
      return undefined;
    }
  }
}

/** What a document means on what was committed before. Its idempotency key is the caller's to look up. */
export function meaningOf(document: TransactionDocument, before: Before, given: Given): Meaning {
  const reasons = new Reasons();
  const held = new Held(before.inForce);
  const known = definitionsOf(before.inForce, before.settings);
  for (const condition of document.conditions)
    reasons.try(() => checkCondition(condition, before, held, known));

  const about = document.operations.filter(isDefinition);
  const definitionFacts = new Wants(held, known, (name) => name, given.tx, reasons)
    .take(completed(about, known))
    .facts();
  const defined = definitionsOf(applied(before.inForce, definitionFacts), before.settings);
  const isDefinite = schemaRefusals(before.log, known, defined, definitionFacts, reasons);
  // What the other operations would mean by a schema that cannot be is not asked.
  if (!isDefinite) return { kind: 'refused', reasons: reasons.all };

  const operations = [
    ...document.operations.filter((operation) => !isDefinition(operation)),
    ...metaOperations(document),
  ];
  const names = new Names(operations, before.inForce, known, defined, given, reasons);
  const inferred = withInferred(operations, defined, reasons);
  const wants = new Wants(held, inferred.rules, (name) => names.entityOf(name), given.tx, reasons);
  wants.take(operations).take(keyOperations(document));
  checkUnique(wants, before.inForce, known, reasons);
  const facts = [...wants.facts(), ...definitionFacts, ...inferred.facts(given.tx)];
  if (reasons.all.length > 0) return { kind: 'refused', reasons: reasons.all };
  return { kind: 'commit', facts: facts.toSorted(compareCanonical), ids: names.all };
}

/** The facts in force after some more. */
export function applied(inForce: readonly Fact[], facts: readonly Fact[]): readonly Fact[] {
  if (facts.length === 0) return inForce;
  const about = new Set(facts.map(factText));
  return [
    ...inForce.filter((fact) => !about.has(factText(fact))),
    ...facts.filter(({ operation }) => operation === 'assert'),
  ];
}

function factText({ entity, attribute, value }: Fact): string {
  return JSON.stringify([entity, attribute, textOf(value)]);
}

/** Distinct for distinct values. */
export function textOf(value: Value): string {
  return `${value.type} ${formatValue(value)}`;
}

function isDefinition({ entity }: InputOperation): boolean {
  return identOfEntity(entity) !== undefined;
}

function metaOperations({ meta }: TransactionDocument): InputOperation[] {
  return meta.map((said) => ({ op: 'assert', entity: OWN_TX_ENTITY, ...said }));
}

function keyOperations({ id, contentHash }: TransactionDocument): InputOperation[] {
  if (id === undefined) return [];
  const say = (attribute: string, text: string): InputOperation => ({
    op: 'assert',
    entity: OWN_TX_ENTITY,
    attribute,
    value: { value: { type: 'string', value: text }, plain: false },
    many: false,
  });
  return [say('tx/key', id), say('tx/keyHash', contentHash)];
}

/** Facts in force, by entity and attribute. */
class Held {
  readonly #byEntity = new Map<string, Map<string, Value[]>>();

  constructor(inForce: readonly Fact[]) {
    for (const { entity, attribute, value } of inForce) {
      let attributes = this.#byEntity.get(entity);
      if (attributes === undefined) this.#byEntity.set(entity, (attributes = new Map()));
      attributes.set(attribute, [...(attributes.get(attribute) ?? []), value]);
    }
  }

  values(entity: string, attribute: string): readonly Value[] {
    return this.#byEntity.get(entity)?.get(attribute) ?? [];
  }

  attributes(entity: string): readonly string[] {
    return [...(this.#byEntity.get(entity)?.keys() ?? [])];
  }
}

/** @throws condition-failed, type-mismatch */
function checkCondition(
  condition: InputCondition,
  { log }: Before,
  held: Held,
  known: Definitions,
): void {
  const { entity } = condition;
  const attribute = 'attribute' in condition ? condition.attribute : undefined;
  const extra = attribute === undefined ? { entity } : { entity, attribute };
  const fail = (what: string): never => {
    const detail = `The condition on ${JSON.stringify(entity)} does not hold: ${what}.`;
    throw new PyralogError('condition-failed', detail, { extra });
  };
  switch (condition.kind) {
    case 'entityAbsent':
      if (held.attributes(entity).length > 0) fail('it has facts in force');
      return;
    case 'unchangedSince': {
      const about = log.filter(
        (fact) => fact.entity === entity && (attribute ?? fact.attribute) === fact.attribute,
      );
      for (const { tx } of about) if (tx > condition.since) fail(`it was changed by ${tx}`);
      return;
    }
    case 'is': {
      const values = condition.values.map((input) => typed(input, known(condition.attribute)));
      const wanted = new Set(values.map(textOf));
      const current = held.values(entity, condition.attribute).map(textOf);
      if (current.length !== wanted.size || current.some((text) => !wanted.has(text)))
        fail(
          `${JSON.stringify(condition.attribute)} is ${listed(current)}, not ${listed([...wanted])}`,
        );
      return;
    }
  }
}

/** @throws type-mismatch */
export function typed(input: InputValue, rule: Rule | undefined): Value {
  return rule === undefined ? input.value : coerceValue(input, rule);
}

function listed(texts: readonly string[]): string {
  return texts.join(', ') || 'absent';
}

/** What is wanted of one attribute of one entity by all operations together. */
interface Want {
  readonly entity: string;
  readonly rule: Rule;
  readonly asserts: Map<string, Value>;
  readonly retracts: Map<string, Value>;
  retractsAll: boolean;
  readonly swapsTo: Set<string>;
}

/** What operations want. Their order leaves no trace. */
class Wants {
  readonly #held: Held;
  readonly #rules: Definitions;
  readonly #entityOf: (name: string) => string;
  readonly #tx: Tx;
  readonly #reasons: Reasons;
  readonly #all = new Map<string, Want>();

  constructor(
    held: Held,
    rules: Definitions,
    entityOf: (name: string) => string,
    tx: Tx,
    reasons: Reasons,
  ) {
    this.#held = held;
    this.#rules = rules;
    this.#entityOf = entityOf;
    this.#tx = tx;
    this.#reasons = reasons;
  }

  get all(): Iterable<Want> {
    return this.#all.values();
  }

  take(operations: readonly InputOperation[]): this {
    for (const operation of operations) this.#reasons.try(() => this.#takeOne(operation));
    return this;
  }

  facts(): Fact[] {
    return [...this.#all.values()].flatMap((want) => this.#factsOf(want));
  }

  /** Whether a value in force goes. */
  gives({ entity, rule, asserts, retracts, retractsAll }: Want, value: Value): boolean {
    const text = textOf(value);
    if (!this.#held.values(entity, rule.ident).some((each) => textOf(each) === text)) return false;
    if (asserts.has(text)) return false;
    const isReplaced = rule.cardinality === 'one' && asserts.size > 0;
    return isReplaced || retractsAll || retracts.has(text);
  }

  #takeOne(operation: InputOperation): void {
    const entity = this.#entityOf(operation.entity);
    const committed = txOfEntity(entity);
    if (committed !== undefined && committed > this.#tx)
      throw new PyralogError('entity-invalid', `There is no transaction ${entity}.`, {
        extra: { entity },
      });
    if (operation.op === 'retractEntity') {
      for (const attribute of this.#held.attributes(entity)) {
        const rule = this.#rules(attribute);
        if (rule !== undefined) this.#want(entity, rule).retractsAll = true;
      }
      return;
    }
    const rule = this.#rules(operation.attribute);
    // Nobody used it, so there is nothing to take back.
    if (rule === undefined) return;
    const want = this.#want(entity, rule);
    if (operation.op === 'cas') this.#swap(want, operation);
    else if (operation.op === 'assert') put(want.asserts, this.#valueOf(operation.value, rule));
    else if (operation.value === undefined) want.retractsAll = true;
    else put(want.retracts, this.#valueOf(operation.value, rule));
  }

  #swap(want: Want, operation: InputOperation & { readonly op: 'cas' }): void {
    const { entity, rule } = want;
    const { ident: attribute } = rule;
    const extra = { entity, attribute };
    if (rule.cardinality === 'many')
      this.#reasons.add('document-invalid', `${JSON.stringify(attribute)} has many values.`, {
        extra,
      });
    const old = operation.old === null ? null : this.#valueOf(operation.old, rule);
    const next = operation.new === null ? null : this.#valueOf(operation.new, rule);
    const current = this.#held.values(entity, attribute).map(textOf);
    if (old === null ? current.length > 0 : !current.includes(textOf(old)))
      this.#reasons.add(
        'cas-failed',
        `${JSON.stringify(attribute)} of ${JSON.stringify(entity)} is ${listed(current)}, not ${listed(old === null ? [] : [textOf(old)])}.`,
        { extra },
      );
    want.swapsTo.add(next === null ? '' : textOf(next));
    if (want.swapsTo.size > 1) this.#conflict(want, 'two cas want different values');
    if (next !== null) put(want.asserts, next);
    else if (old !== null) put(want.retracts, old);
  }

  #factsOf(want: Want): Fact[] {
    const { entity, rule, asserts, retracts, retractsAll } = want;
    const { ident: attribute } = rule;
    const held = this.#held.values(entity, attribute);
    const texts = new Set(held.map(textOf));
    if (rule.cardinality === 'one' && asserts.size > 1)
      this.#conflict(want, `${[...asserts.keys()].join(' and ')} are asserted`);
    for (const text of asserts.keys())
      if (retracts.has(text) || (retractsAll && texts.has(text)))
        this.#conflict(want, `${text} is asserted and retracted`);
    const say = (value: Value, operation: Fact['operation']): Fact => ({
      entity,
      attribute,
      value,
      tx: this.#tx,
      operation,
    });
    return [
      ...held.filter((value) => this.gives(want, value)).map((value) => say(value, 'retract')),
      ...[...asserts].filter(([text]) => !texts.has(text)).map(([, value]) => say(value, 'assert')),
    ];
  }

  #want(entity: string, rule: Rule): Want {
    const key = JSON.stringify([entity, rule.ident]);
    let want = this.#all.get(key);
    if (want === undefined) {
      want = {
        entity,
        rule,
        asserts: new Map(),
        retracts: new Map(),
        retractsAll: false,
        swapsTo: new Set(),
      };
      this.#all.set(key, want);
    }
    return want;
  }

  #valueOf(input: InputValue, rule: Rule): Value {
    const value = typed(input, rule);
    return value.type === 'ref' ? { type: 'ref', value: this.#entityOf(value.value) } : value;
  }

  #conflict({ entity, rule: { ident: attribute } }: Want, what: string): void {
    this.#reasons.add(
      'facts-conflict',
      `The operations on ${JSON.stringify(attribute)} of ${JSON.stringify(entity)} contradict each other: ${what}.`,
      { extra: { entity, attribute } },
    );
  }
}

function put(values: Map<string, Value>, value: Value): void {
  values.set(textOf(value), value);
}

/**
 * A value of a unique attribute has one holder after the transaction: whoever takes it takes it alone, and from a holder
 * that gives it up.
 */
function checkUnique(
  wants: Wants,
  inForce: readonly Fact[],
  known: Definitions,
  reasons: Reasons,
): void {
  const takers = new Map<string, string>();
  for (const { entity, rule, asserts } of wants.all) {
    const { ident: attribute } = rule;
    if (rule.unique === undefined) continue;
    for (const [text, value] of asserts) {
      const refuse = (owner: string): void =>
        reasons.add(
          'unique-conflict',
          `${JSON.stringify(attribute)} ${formatValue(value)} belongs to ${JSON.stringify(owner)} and cannot be given to ${JSON.stringify(entity)}.`,
          { extra: { attribute, entity, owner } },
        );
      const other = takers.get(`${attribute}\0${text}`);
      if (other !== undefined && other !== entity) refuse(other);
      takers.set(`${attribute}\0${text}`, entity);
      if (known(attribute) === undefined) continue;
      for (const fact of inForce) {
        if (fact.attribute !== attribute || textOf(fact.value) !== text) continue;
        if (fact.entity !== entity && !isGivenUp(fact, wants)) refuse(fact.entity);
      }
    }
  }
}

function isGivenUp(fact: Fact, wants: Wants): boolean {
  for (const want of wants.all)
    if (want.entity === fact.entity && want.rule.ident === fact.attribute)
      return wants.gives(want, fact.value);
  return false;
}
