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
  /** Attributes by name; null retracts, an array adds to many. */
  | { readonly op?: undefined; readonly entity: string; readonly [attribute: string]: unknown };

/** A condition of a document of the workload. */
export type DocumentCondition =
  | { readonly entity: string; readonly attribute: string; readonly is: Plain | null }
  | { readonly entity: string; readonly absent: true }
  | { readonly entity: string; readonly attribute: string; readonly unchangedSince: string };

/** A document of the workload. `meta.reason` is its name. */
export interface WorkloadDocument {
  readonly id?: string;
  readonly meta: { readonly reason: string };
  readonly if?: readonly DocumentCondition[];
  readonly ops: readonly DocumentOperation[];
}

function isWorkloadDocument(value: unknown): value is WorkloadDocument {
  return typeof value === 'object' && value !== null && 'ops' in value && 'meta' in value;
}

type Values = ReadonlyMap<string, ReadonlySet<string>>;

/** What is in force, and when it was touched last. */
class Model {
  readonly #entities = new Map<string, Map<string, Set<string>>>();
  readonly #touched = new Map<string, bigint>();
  readonly #keys = new Map<string, { readonly tx: bigint; readonly content: string }>();

  /** @returns the code of the refusal, or the facts that it writes */
  transact(document: WorkloadDocument, tx: bigint | undefined): string | readonly string[] {
    const { id, ...content } = document;
    if (id !== undefined) {
      const first = this.#keys.get(id);
      if (first !== undefined)
        return first.content === JSON.stringify(content) ? 'duplicate' : 'key-reused';
    }
    for (const condition of document.if ?? [])
      if (!this.#holds(condition)) return 'condition-failed';
    const after = new Map<string, Set<string>>();
    for (const operation of document.ops) if (!this.#collect(operation, after)) return 'cas-failed';
    const facts: string[] = [];
    for (const [place, values] of after) {
      const [entity = '', attribute = ''] = place.split(' ');
      const before = this.#values(entity, attribute);
      for (const value of before) if (!values.has(value)) facts.push(`-${place} ${value}`);
      for (const value of values) if (!before.has(value)) facts.push(`+${place} ${value}`);
    }
    if (tx !== undefined) this.#apply(after, facts, tx);
    if (tx !== undefined && id !== undefined)
      this.#keys.set(id, { tx, content: JSON.stringify(content) });
    return facts.toSorted();
  }

  #holds(condition: DocumentCondition): boolean {
    const { entity } = condition;
    if ('absent' in condition)
      return [...(this.#entities.get(entity)?.values() ?? [])].every(({ size }) => size === 0);
    const { attribute } = condition;
    if ('unchangedSince' in condition)
      return (
        (this.#touched.get(`${entity} ${attribute}`) ?? 0n) <= BigInt(condition.unchangedSince)
      );
    const held = this.#values(entity, attribute);
    return condition.is === null ? held.size === 0 : held.size === 1 && held.has(`${condition.is}`);
  }

  /** What the places that an operation touches hold after it. @returns false where its cas fails */
  #collect(operation: DocumentOperation, after: Map<string, Set<string>>): boolean {
    const { op, entity } = operation;
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
      if (Array.isArray(value))
        after.set(place, new Set([...this.#values(entity, attribute), ...value.map(String)]));
      else after.set(place, new Set(value === null ? [] : [`${value as Plain}`]));
    }
    return true;
  }

  #apply(after: Values, facts: readonly string[], tx: bigint): void {
    for (const [place, values] of after) {
      const [entity = '', attribute = ''] = place.split(' ');
      const attributes = this.#entities.get(entity) ?? new Map<string, Set<string>>();
      this.#entities.set(entity, attributes);
      attributes.set(attribute, new Set(values));
    }
    for (const fact of facts) this.#touched.set(fact.slice(1).split(' ').slice(0, 2).join(' '), tx);
  }

  #values(entity: string, attribute: string): ReadonlySet<string> {
    return this.#entities.get(entity)?.get(attribute) ?? new Set();
  }
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
    const expected = brief(
      model.transact(document, result.kind === 'commit' ? result.tx : undefined),
    );
    const got =
      result.kind === 'commit'
        ? brief(
            (written.get(result.tx) ?? [])
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
