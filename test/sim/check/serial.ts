/**
 * Serial replay: the documents of a run one after the other, by the shortest meaning of their operations and
 * conditions. Knows nothing of the product's code; of documents, what the workload writes.
 */
import {
  byTx,
  type Finding,
  type History,
  type LoggedInput,
  outcomesOf,
  type LoggedRecord,
  textOfValue,
  transactionsOf,
} from './history.ts';

/** A value as documents of the workload have it: a text or a whole number. */
type Plain = string | number;

/** One operation of a document of the workload. */
export type DocumentOperation =
  | {
      readonly op: 'cas';
      readonly entity: string;
      readonly attribute: string;
      readonly old: Plain | null;
      readonly new: Plain | null;
    }
  | {
      readonly op: 'retract';
      readonly entity: string;
      readonly attribute: string;
      readonly value?: Plain;
    }
  | { readonly op: 'retractEntity'; readonly entity: string }
  /** Attributes by name; null retracts, an array adds to many. Of attributes, what defines them. */
  | { readonly op?: undefined; readonly entity: string; readonly [attribute: string]: unknown };

/** A condition of a document of the workload. */
export type DocumentCondition =
  /** A list is the exact set of values. */
  | {
      readonly entity: string;
      readonly attribute: string;
      readonly is: Plain | null | readonly Plain[];
    }
  | { readonly entity: string; readonly absent: true }
  | { readonly entity: string; readonly attribute?: string; readonly unchangedSince: string };

/** How entities begin that documents of the workload make: of one each, at most. */
export const MINTED = 'new:';

/** A document of the workload. `meta.reason` is its name. */
export interface WorkloadDocument {
  readonly id?: string;
  readonly meta: { readonly reason: string };
  readonly if?: readonly DocumentCondition[];
  readonly ops: readonly DocumentOperation[];
}

/** Whether it is one, and not what somebody else wrote. */
export function isWorkloadDocument(value: unknown): value is WorkloadDocument {
  return typeof value === 'object' && value !== null && 'ops' in value && 'meta' in value;
}

type Values = ReadonlyMap<string, ReadonlySet<string>>;

/** What is known of an attribute. */
interface Definition {
  readonly many: boolean;
  readonly unique: boolean;
}

const UNKNOWN: Definition = { many: false, unique: false };

/** What is in force, and when it was touched last. */
class Model {
  readonly #entities = new Map<string, Map<string, Set<string>>>();
  readonly #touched = new Map<string, bigint>();
  readonly #keys = new Map<string, { readonly tx: bigint; readonly content: string }>();
  readonly #schema = new Map<string, Definition>();
  /** Attributes that ever had a fact. */
  readonly #used = new Set<string>();

  /**
   * @param minted what a temporary id came to stand for, where it begins an entity
   * @returns the code of the refusal, or the facts that it writes
   */
  transact(
    document: WorkloadDocument,
    tx: bigint | undefined,
    minted: string,
  ): string | readonly string[] {
    const { id, ...content } = document;
    if (id !== undefined) {
      const first = this.#keys.get(id);
      if (first !== undefined)
        return first.content === JSON.stringify(content) ? 'duplicate' : 'key-reused';
    }
    for (const condition of document.if ?? [])
      if (!this.#holds(condition)) return 'condition-failed';
    const schema = new Map(this.#schema);
    if (!this.#define(document.ops, schema)) return 'schema-change-refused';
    const after = new Map<string, Set<string>>();
    const named = this.#named(document.ops, schema, minted);
    for (const operation of document.ops)
      if (!this.#collect(operation, after, { schema, named })) return 'cas-failed';
    if (!this.#isUnique(after, schema)) return 'unique-conflict';
    const facts: string[] = [];
    for (const [place, values] of after) {
      const [entity = '', attribute = ''] = place.split(' ');
      const before = this.#values(entity, attribute);
      for (const value of before) if (!values.has(value)) facts.push(`-${place} ${value}`);
      for (const value of values) if (!before.has(value)) facts.push(`+${place} ${value}`);
    }
    if (tx !== undefined) {
      this.#apply(after, facts, tx);
      for (const [ident, definition] of schema) this.#schema.set(ident, definition);
      if (id !== undefined) this.#keys.set(id, { tx, content: JSON.stringify(content) });
    }
    return facts.toSorted();
  }

  #holds(condition: DocumentCondition): boolean {
    const { entity } = condition;
    if ('absent' in condition)
      return [...(this.#entities.get(entity)?.values() ?? [])].every(({ size }) => size === 0);
    const { attribute } = condition;
    if ('unchangedSince' in condition) {
      const since = BigInt(condition.unchangedSince);
      const places =
        attribute === undefined ? [...(this.#entities.get(entity)?.keys() ?? [])] : [attribute];
      return places.every((each) => (this.#touched.get(`${entity} ${each}`) ?? 0n) <= since);
    }
    const held = this.#values(entity, condition.attribute);
    const { is } = condition;
    const wanted = new Set((is === null ? [] : Array.isArray(is) ? is : [is]).map(String));
    return held.size === wanted.size && [...wanted].every((value) => held.has(value));
  }

  /** Takes the definitions among operations. @returns false where one is refused */
  #define(operations: readonly DocumentOperation[], schema: Map<string, Definition>): boolean {
    for (const operation of operations) {
      if (operation.op !== undefined || !isDefinition(operation.entity)) continue;
      const ident = operation.entity.slice('attribute:'.length);
      const before = schema.get(ident) ?? UNKNOWN;
      const many = operation['db/cardinality'] === 'many' || before.many;
      const unique = operation['db/unique'] !== undefined || before.unique;
      if (unique && !before.unique && this.#used.has(ident)) return false;
      schema.set(ident, { many, unique });
    }
    return true;
  }

  /** The entity that has a unique value which a temporary id is given, or else a new one. */
  #named(
    operations: readonly DocumentOperation[],
    schema: ReadonlyMap<string, Definition>,
    minted: string,
  ): string {
    for (const operation of operations) {
      if (operation.op !== undefined || !operation.entity.startsWith('_:')) continue;
      for (const [attribute, value] of Object.entries(operation)) {
        const isUnique = schema.get(attribute)?.unique ?? false;
        const holder = isUnique ? this.#holder(attribute, String(value)) : undefined;
        if (holder !== undefined) return holder;
      }
    }
    return minted;
  }

  #holder(attribute: string, value: string): string | undefined {
    for (const [entity, attributes] of this.#entities)
      if (attributes.get(attribute)?.has(value) === true) return entity;
    return undefined;
  }

  /** What the places that an operation touches hold after it. @returns false where its cas fails */
  #collect(
    operation: DocumentOperation,
    after: Map<string, Set<string>>,
    { schema, named }: { readonly schema: ReadonlyMap<string, Definition>; readonly named: string },
  ): boolean {
    const { op } = operation;
    const nameOf = (name: string): string => (name.startsWith('_:') ? named : name);
    const entity = nameOf(operation.entity);
    if (isDefinition(entity)) return true;
    if (op === 'retractEntity') {
      for (const attribute of this.#entities.get(entity)?.keys() ?? [])
        after.set(`${entity} ${attribute}`, new Set());
      return true;
    }
    if (op === 'retract') {
      const { attribute, value } = operation;
      const left = new Set(value === undefined ? [] : this.#values(entity, attribute));
      left.delete(`${value}`);
      after.set(`${entity} ${attribute}`, left);
      return true;
    }
    if (op === 'cas') {
      const { attribute, old, new: next } = operation;
      const held = this.#values(entity, attribute);
      const right = old === null ? held.size === 0 : held.size === 1 && held.has(`${old}`);
      after.set(`${entity} ${attribute}`, new Set(next === null ? [] : [`${next}`]));
      return right;
    }
    for (const [attribute, value] of Object.entries(operation)) {
      if (attribute === 'entity') continue;
      const place = `${entity} ${attribute}`;
      const values = Array.isArray(value) ? value : value === null ? [] : [value];
      const texts = values.map((each: Plain | { readonly ref: string }) =>
        typeof each === 'object' ? nameOf(each.ref) : `${each}`,
      );
      const isMany = Array.isArray(value) || schema.get(attribute)?.many === true;
      const kept = isMany && value !== null ? this.#values(entity, attribute) : [];
      after.set(place, new Set([...kept, ...texts]));
    }
    return true;
  }

  /** Whether every unique value has one holder then. */
  #isUnique(after: Values, schema: ReadonlyMap<string, Definition>): boolean {
    const [takers, given] = [new Map<string, string>(), new Set<string>()];
    for (const [place, values] of after) {
      const [entity = '', attribute = ''] = place.split(' ');
      if (schema.get(attribute)?.unique !== true) continue;
      for (const value of this.#values(entity, attribute))
        if (!values.has(value)) given.add(`${attribute} ${value}`);
      for (const value of values) {
        const what = `${attribute} ${value}`;
        if (takers.has(what)) return false;
        takers.set(what, entity);
      }
    }
    for (const [what, entity] of takers) {
      const [attribute = '', value = ''] = what.split(' ');
      const holder = this.#holder(attribute, value);
      if (holder !== undefined && holder !== entity && !given.has(what)) return false;
    }
    return true;
  }

  #apply(after: Values, facts: readonly string[], tx: bigint): void {
    for (const [place, values] of after) {
      const [entity = '', attribute = ''] = place.split(' ');
      const attributes = this.#entities.get(entity) ?? new Map<string, Set<string>>();
      this.#entities.set(entity, attributes);
      attributes.set(attribute, new Set(values));
      if (values.size > 0) this.#used.add(attribute);
    }
    for (const fact of facts) this.#touched.set(fact.slice(1).split(' ').slice(0, 2).join(' '), tx);
  }

  #values(entity: string, attribute: string): ReadonlySet<string> {
    return this.#entities.get(entity)?.get(attribute) ?? new Set();
  }
}

function isDefinition(entity: string): boolean {
  return entity.startsWith('attribute:');
}

/**
 * Every outcome is the one that the document has when it is taken alone at its place: commits in the order of
 * tx; what was rejected, or a duplicate, in the order of the log, where that is one.
 * @param refusals codes that say nothing of the document
 */
export function serialReplay(
  records: readonly LoggedRecord[],
  inputs: readonly LoggedInput[],
  { partitions, refusals }: Pick<History, 'partitions' | 'refusals'>,
): readonly Finding[] {
  const documents = new Map(
    inputs.map(({ partition, offset, document }) => [`${partition}/${offset}`, document]),
  );
  const outcomes = outcomesOf(records);
  const order =
    partitions === 1
      ? outcomes
      : outcomes
          .flatMap((each) =>
            each.result.kind === 'commit' ? [{ ...each, tx: each.result.tx }] : [],
          )
          .toSorted(byTx);
  const written = new Map(
    transactionsOf(records).map(({ tx, parts }) => [tx, parts.flatMap(({ facts }) => facts)]),
  );
  const model = new Model();
  const findings: Finding[] = [];
  for (const { partition, input, result } of order) {
    const document = documents.get(`${partition}/${input}`);
    if (!isWorkloadDocument(document)) continue;
    if (result.kind === 'rejected' && refusals.includes(result.code)) continue;
    const its = result.kind === 'commit' ? (written.get(result.tx) ?? []) : [];
    const minted = its.find(({ entity }) => entity.startsWith(MINTED))?.entity ?? '';
    const expected = brief(
      model.transact(document, result.kind === 'commit' ? result.tx : undefined, minted),
    );
    const got =
      result.kind === 'commit'
        ? brief(
            its
              .filter(({ entity }) => !/^(tx|attribute):/.test(entity))
              .map(
                ({ entity, attribute, value, operation }) =>
                  `${operation === 'assert' ? '+' : '-'}${entity} ${attribute} ${textOfValue(value)}`,
              )
              .toSorted(),
          )
        : result.kind === 'duplicate'
          ? 'duplicate'
          : result.code;
    if (got !== expected)
      findings.push({
        check: 'serial replay',
        what: `${document.meta.reason} (input ${partition}/${input}) came to ${got}, alone to ${expected}`,
      });
  }
  return findings;
}

function brief(result: string | readonly string[]): string {
  return typeof result === 'string' ? result : result.length === 0 ? 'no facts' : result.join(', ');
}
