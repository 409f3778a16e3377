import { assert } from '@pyralog/base';
import type { Lock } from '@pyralog/format';
import {
  BUILT_IN,
  definitionFacts,
  foldSchema,
  identOfEntity,
  initialSchema,
  type InputCondition,
  type InputOperation,
  type InputValue,
  isPyralogError,
  isReference,
  isTemporaryId,
  partitionNo,
  partitionOf,
  type PartitionNo,
  PyralogError,
  type Schema,
  SETTINGS_ENTITY,
  type StoredDefinition,
  type StoredFact,
  type StoredValue,
  type TransactionDocument,
  type Tx,
  TX_NONE,
  txEntity,
} from '@pyralog/model';
import { Attributes } from './attributes.ts';
import { type Claim, claimOf, HOLDER, homeOfClaim, type Take } from './claims.ts';
import type { CurrentState } from './current-state.ts';
import { define, isDefinition } from './definitions.ts';
import type { LongValues } from './long-values.ts';
import { quoted } from './refusals.ts';
import { withMeta } from './resolve.ts';
import { type IdentityClaim, TemporaryGroups, TemporaryIds } from './temporary-ids.ts';
import { listOf } from './value-set.ts';
import { NO_WORK, type PartWork } from './work.ts';

/** Where attributes are at home: what exists is decided there. */
export const SCHEMA_HOME: PartitionNo = partitionNo(0);

/**
 * What a coordinator has been told of other partitions. It may be old: whoever decides checks it again, under locks.
 */
export interface Hints {
  /** Attributes that this partition does not know, as their home does; undefined: it does not exist. */
  readonly attributes: ReadonlyMap<string, StoredDefinition | undefined>;
  /** Who holds a unique value whose home is elsewhere, by entity of the claim. */
  readonly holders: ReadonlyMap<string, string | undefined>;
}

/** Nothing is known of other partitions. */
export const NO_HINTS: Hints = { attributes: new Map(), holders: new Map() };

export interface PlanContext {
  readonly state: CurrentState;
  readonly schema: Schema;
  /** The coordinator's. */
  readonly partition: PartitionNo;
  readonly partitions: number;
  /** What new ids are made of, and what the transaction's entity is called until it has its tx. */
  readonly start: Tx;
  readonly hints: Hints;
  readonly longValues: LongValues;
}

/** How a document is done. */
export type Plan =
  /** First it must be known whether these attributes exist. */
  | { readonly kind: 'lookup'; readonly attributes: readonly string[] }
  | {
      readonly kind: 'work';
      readonly own: PartWork;
      readonly others: ReadonlyMap<PartitionNo, PartWork>;
      /** By temporary id. */
      readonly ids: ReadonlyMap<string, string>;
      /** Entities, and claims, that begin with the transaction, so that nothing of them is in force. */
      readonly isNew: (entity: string) => boolean;
    };

/**
 * Parts a document by the homes of its entities and unique values. Pure: what is unknown of other partitions is assumed,
 * and their votes say where that is wrong.
 * @throws what the document is refused for, whatever other partitions say
 */
export function plan(document: TransactionDocument, context: PlanContext): Plan {
  const { partition, partitions } = context;
  const said = withMeta(document.operations, document);
  const lookup = unknownAttributes(document, said, context);
  if (lookup.length > 0) return { kind: 'lookup', attributes: lookup };
  return new Planner(document, said, context).plan(partition, partitions);
}

/**
 * Claims of values that temporary ids are to have and that are at home elsewhere: who holds them decides which entities
 * these ids are.
 */
export function foreignIdentities(
  document: TransactionDocument,
  context: Omit<PlanContext, 'start'>,
): ReadonlyMap<PartitionNo, readonly string[]> {
  const { partition, partitions, longValues } = context;
  const placed = { ...context, start: TX_NONE };
  const claims = new Map<PartitionNo, string[]>();
  const operations = withMeta(document.operations, document);
  try {
    const before = withHints(placed);
    const defined = definedSchema(operations, before, placed);
    for (const each of new TemporaryGroups(operations, defined, longValues).claims) {
      const { attribute, value } = each;
      const home = homeOfClaim(attribute, value, partitions);
      if (home === partition || before.attribute(attribute) === undefined) continue;
      claims.set(home, [...(claims.get(home) ?? []), claimOf(attribute, value).claim]);
    }
  } catch (error) {
    // What is refused for its definitions or types is so whoever holds what.
    if (isPyralogError(error)) return new Map();
    throw error;
  }
  return claims;
}

/** Attributes that a document names and nobody here has heard of. At home there are none such. */
function unknownAttributes(
  document: TransactionDocument,
  operations: readonly InputOperation[],
  { schema, partition, hints }: PlanContext,
): string[] {
  if (partition === SCHEMA_HOME) return [];
  const unknown = new Set<string>();
  for (const ident of namedAttributes(document.conditions, operations)) {
    if (schema.attribute(ident) === undefined && !hints.attributes.has(ident)) unknown.add(ident);
  }
  return [...unknown];
}

/** The attributes of conditions and operations, and those that are defined. */
function* namedAttributes(
  conditions: readonly InputCondition[],
  operations: readonly InputOperation[],
): Generator<string> {
  for (const condition of conditions) {
    if (condition.kind !== 'entityAbsent' && condition.attribute !== undefined)
      yield condition.attribute;
  }
  for (const operation of operations) {
    const ident = definedBy(operation);
    if (ident !== undefined) yield ident;
    else if (operation.op !== 'retractEntity') yield operation.attribute;
  }
}

/** The attribute that an operation is about; undefined where it is about data, or settings. */
function definedBy({ entity }: InputOperation): string | undefined {
  return entity === SETTINGS_ENTITY ? undefined : identOfEntity(entity);
}

/** A part as it grows. */
interface Draft {
  readonly conditions: InputCondition[];
  readonly operations: InputOperation[];
  readonly known: Map<string, StoredDefinition>;
  readonly declared: Map<string, StoredDefinition>;
  readonly absent: Set<string>;
  readonly takes: Map<string, Take>;
}

class Planner {
  readonly #document: TransactionDocument;
  readonly #context: PlanContext;
  /** With what is known of other partitions. */
  readonly #schema: Schema;
  /** With the document's own definitions. */
  readonly #defined: Schema;
  readonly #operations: readonly InputOperation[];
  readonly #temporary: TemporaryIds;
  readonly #attributes: Attributes;
  readonly #drafts = new Map<PartitionNo, Draft>();
  /** Of values that refer to what begins with the transaction: nobody can hold them. */
  readonly #newClaims = new Set<string>();

  constructor(
    document: TransactionDocument,
    operations: readonly InputOperation[],
    context: PlanContext,
  ) {
    this.#document = document;
    this.#context = context;
    this.#operations = operations;
    this.#schema = withHints(context);
    this.#defined = definedSchema(operations, this.#schema, context);
    this.#temporary = new TemporaryIds(
      new TemporaryGroups(operations, this.#defined, context.longValues),
      { tx: context.start, partition: context.partition, partitions: context.partitions },
      (claim) => this.#holderOf(claim),
      (entity) => context.state.mentions(entity),
    );
    this.#attributes = new Attributes(
      this.#defined,
      operations.filter((operation) => !isDefinition(operation)),
    );
  }

  plan(own: PartitionNo, partitions: number): Plan {
    // The transaction's entity lies here, so the coordinator always takes part.
    this.#draft(own);
    for (const condition of this.#document.conditions) this.#addCondition(condition);
    for (const operation of this.#operations) {
      if (isDefinition(operation)) {
        for (let p = 0; p < partitions; p++) this.#addDefinition(operation, partitionNo(p));
      } else this.#addOperation(operation);
    }
    this.#addDeclarations();
    const works = new Map(Array.from(this.#drafts, ([p, draft]) => [p, workOf(draft)]));
    const work = works.get(own) ?? NO_WORK;
    works.delete(own);
    return {
      kind: 'work',
      own: work,
      others: works,
      ids: this.#temporary.all(),
      isNew: (entity) => this.#temporary.isNew(entity) || this.#newClaims.has(entity),
    };
  }

  #draft(partition: PartitionNo): Draft {
    let draft = this.#drafts.get(partition);
    if (draft === undefined) {
      draft = {
        conditions: [],
        operations: [],
        known: new Map(),
        declared: new Map(),
        absent: new Set(),
        takes: new Map(),
      };
      this.#drafts.set(partition, draft);
    }
    return draft;
  }

  #addCondition(condition: InputCondition): void {
    const draft = this.#draft(partitionOf(condition.entity, this.#context.partitions));
    draft.conditions.push(condition);
    if (condition.kind === 'is') this.#useKnown(draft, condition.attribute);
  }

  #addDefinition(operation: InputOperation, partition: PartitionNo): void {
    const draft = this.#draft(partition);
    draft.operations.push(operation);
    const ident = definedBy(operation);
    if (ident === undefined) return;
    this.#useKnown(draft, ident);
    if (partition === SCHEMA_HOME && this.#schema.attribute(ident) === undefined)
      draft.absent.add(ident);
  }

  #addOperation(operation: InputOperation): void {
    const { partition, partitions } = this.#context;
    const entity = this.#temporary.resolve(operation.entity);
    const home = partitionOf(entity, partitions);
    const draft = this.#draft(home);
    if (operation.op === 'retractEntity') {
      draft.operations.push({ ...operation, entity });
      return;
    }
    const definition = this.#attributes.find(operation.attribute);
    if (definition === undefined) {
      // Nothing is in force of an attribute that nobody has used; and nobody may begin to, in between.
      const { attribute } = operation;
      this.#draft(SCHEMA_HOME).absent.add(attribute);
      // Those behind it here wait all the same (T8): somebody may have begun, and then the next attempt finds something.
      if (home === partition)
        draft.operations.push({ op: 'retract', entity, attribute, value: undefined });
      return;
    }
    this.#use(draft, definition);
    const resolved = this.#resolved({ ...operation, entity }, definition);
    draft.operations.push(resolved);
    if (definition.unique !== undefined && !BUILT_IN.has(definition.ident))
      this.#take(resolved, definition);
  }

  #use(draft: Draft, definition: StoredDefinition): void {
    const { ident } = definition;
    if (this.#attributes.isInferred(ident)) draft.declared.set(ident, definition);
    else this.#useKnown(draft, ident);
  }

  /** What exists before the transaction, and not as a part of every database. */
  #useKnown(draft: Draft, ident: string): void {
    const known = this.#schema.attribute(ident);
    if (known !== undefined && !BUILT_IN.has(ident)) draft.known.set(ident, known);
  }

  /** First use is declared where attributes are at home, and here, so that it is known the next time. */
  #addDeclarations(): void {
    const { inferred } = this.#attributes;
    if (inferred.length === 0) return;
    for (const partition of [SCHEMA_HOME, this.#context.partition]) {
      const draft = this.#draft(partition);
      for (const definition of inferred) draft.declared.set(definition.ident, definition);
    }
    const home = this.#draft(SCHEMA_HOME);
    for (const { ident } of inferred) home.absent.add(ident);
  }

  #resolved(
    operation: Exclude<InputOperation, { op: 'retractEntity' }>,
    definition: StoredDefinition,
  ): Exclude<InputOperation, { op: 'retractEntity' }> {
    const value = (input: InputValue): InputValue => this.#valueOf(input, definition);
    switch (operation.op) {
      case 'assert':
        return { ...operation, value: value(operation.value) };
      case 'retract':
        return operation.value === undefined
          ? operation
          : { ...operation, value: value(operation.value) };
      case 'cas':
        return {
          ...operation,
          old: operation.old === null ? null : value(operation.old),
          new: operation.new === null ? null : value(operation.new),
        };
    }
  }

  /** A value without names of this document. */
  #valueOf(input: InputValue, definition: StoredDefinition): InputValue {
    const value = this.#context.longValues.stored(input, definition);
    if (isReference(value) || value.type !== 'ref' || !isTemporaryId(value.value)) return input;
    return { value: { type: 'ref', value: this.#temporary.resolve(value.value) }, plain: false };
  }

  #take(
    operation: Exclude<InputOperation, { op: 'retractEntity' }>,
    definition: StoredDefinition,
  ): void {
    const input =
      operation.op === 'assert' ? operation.value : operation.op === 'cas' ? operation.new : null;
    if (input === null) return;
    const { ident } = definition;
    const { entity } = operation;
    const { start, partitions, longValues } = this.#context;
    const value = longValues.stored(input, definition);
    if (!isReference(value) && value.type === 'ref' && value.value === txEntity(start)) {
      throw new PyralogError(
        'document-invalid',
        `The unique attribute ${quoted(ident)} cannot refer to its own transaction.`,
        { hint: 'Refer to the transaction by an attribute that is not unique.' },
      );
    }
    const home = homeOfClaim(ident, value, partitions);
    const draft = this.#draft(home);
    this.#useKnown(draft, ident);
    const claim = claimOf(ident, value);
    if (!isReference(value) && value.type === 'ref' && this.#temporary.isNew(value.value))
      this.#newClaims.add(claim.claim);
    const other = draft.takes.get(claim.claim);
    if (other !== undefined && other.entity !== entity)
      throw uniqueConflict(claim, entity, other.entity);
    draft.takes.set(claim.claim, { ...claim, entity, from: this.#giver(claim, home, entity) });
  }

  /** Who must give the value up in this transaction. @throws unique-conflict where it does not */
  #giver(claim: Claim, home: PartitionNo, entity: string): string | undefined {
    if (this.#newClaims.has(claim.claim)) return undefined;
    const holder = this.#knownHolder(claim.claim, home);
    if (holder === undefined || holder === entity) return undefined;
    const mayGiveUp = this.#operations.some(
      (operation) =>
        !isDefinition(operation) &&
        this.#temporary.resolve(operation.entity) === holder &&
        (operation.op === 'retractEntity' || operation.attribute === claim.attribute),
    );
    if (!mayGiveUp) throw uniqueConflict(claim, entity, holder);
    return holder;
  }

  #holderOf({ attribute, value }: IdentityClaim): string | undefined {
    // Nobody holds a value of an attribute that begins here.
    if (this.#schema.attribute(attribute) === undefined) return undefined;
    const home = homeOfClaim(attribute, value, this.#context.partitions);
    return this.#knownHolder(claimOf(attribute, value).claim, home);
  }

  /** As far as it is known here. */
  #knownHolder(claim: string, home: PartitionNo): string | undefined {
    const { partition, state, hints } = this.#context;
    return home === partition ? holderOf(claim, state) : hints.holders.get(claim);
  }
}

/** Who holds a claim at its home. */
export function holderOf(claim: string, state: Pick<CurrentState, 'entity'>): string | undefined {
  const [holder] = listOf(state.entity(claim).held(HOLDER));
  if (holder === undefined) return undefined;
  return holderNamed(holder);
}

/** The entity that the fact of a claim names. */
export function holderNamed(value: StoredValue): string {
  assert(!isReference(value) && value.type === 'string', 'a claim names its holder by a string');
  return value.value;
}

export function uniqueConflict(
  { attribute, text }: Claim,
  entity: string,
  holder: string,
): PyralogError {
  return new PyralogError(
    'unique-conflict',
    `${quoted(attribute)} ${text} belongs to ${quoted(holder)} and cannot be given to ${quoted(entity)}.`,
    { extra: { attribute, entity, owner: holder } },
  );
}

function withHints({ schema, hints, start }: PlanContext): Schema {
  const facts: StoredFact[] = [];
  for (const [ident, definition] of hints.attributes) {
    if (definition === undefined || schema.attribute(ident) !== undefined) continue;
    for (const said of definitionFacts(definition))
      facts.push({ ...said, tx: start, operation: 'assert' });
  }
  return foldSchema(schema, facts);
}

/** The schema that the other operations of a document are resolved by. */
function definedSchema(
  operations: readonly InputOperation[],
  schema: Schema,
  { state, partition, partitions, start, longValues }: PlanContext,
): Schema {
  const context = { state, schema, partition, partitions, tx: start, longValues };
  return define(operations, context).schema;
}

function workOf(draft: Draft): PartWork {
  return {
    conditions: draft.conditions,
    operations: draft.operations,
    known: [...draft.known.values()],
    declared: [...draft.declared.values()],
    absent: [...draft.absent],
    takes: [...draft.takes.values()],
    releases: [],
  };
}

/** Names of what is locked: entities, attributes of the schema, keys and claims do not meet. */
const resourceOf = {
  entity: (entity: string): string => `e:${entity}`,
  schema: (ident: string): string => `s:${ident}`,
  key: (key: string): string => `k:${key}`,
};

/**
 * What a part locks before it is resolved: it writes what its operations name, also where they change nothing, and reads
 * what its conditions name and the schema that it goes by. What it takes over of that it writes.
 */
export function locksOf(
  work: PartWork,
  key: string | undefined,
  schema: Pick<Schema, 'attribute'>,
): Lock[] {
  const locks: Lock[] = [];
  const write = (resource: string, attribute?: string): void =>
    void locks.push({ resource, attribute, write: true });
  const read = (resource: string, attribute?: string): void =>
    void locks.push({ resource, attribute, write: false });
  read(resourceOf.schema(SETTINGS_ENTITY));
  if (key !== undefined) write(resourceOf.key(key));
  for (const condition of work.conditions) {
    const attribute = condition.kind === 'entityAbsent' ? undefined : condition.attribute;
    read(resourceOf.entity(condition.entity), attribute);
  }
  for (const operation of work.operations) {
    if (operation.entity === SETTINGS_ENTITY) write(resourceOf.schema(SETTINGS_ENTITY));
    const ident = definedBy(operation);
    if (ident !== undefined) write(resourceOf.schema(ident));
    else if (operation.op === 'retractEntity') write(resourceOf.entity(operation.entity));
    else write(resourceOf.entity(operation.entity), operation.attribute);
  }
  for (const { ident } of work.known) {
    if (schema.attribute(ident) === undefined) write(resourceOf.schema(ident));
    else read(resourceOf.schema(ident));
  }
  for (const { ident } of work.declared) write(resourceOf.schema(ident));
  for (const ident of work.absent) write(resourceOf.schema(ident));
  for (const take of work.takes) write(resourceOf.entity(take.claim));
  for (const release of work.releases) write(resourceOf.entity(release.claim));
  return locks;
}

/** Locks of claims that show only when a part is resolved. */
export function claimLocks(claims: readonly string[]): Lock[] {
  return claims.map((claim) => ({
    resource: resourceOf.entity(claim),
    attribute: undefined,
    write: true,
  }));
}

/** What an idempotency key locks: a second copy waits for the first. */
export function keyLock(id: string | undefined): Lock[] {
  return id === undefined
    ? []
    : [{ resource: resourceOf.key(id), attribute: undefined, write: true }];
}

/** What a document locks as far as its text says: enough for those behind it to keep their order. */
export function roughLocks({ id, conditions, operations }: TransactionDocument): Lock[] {
  const named = operations.filter(({ entity }) => !isTemporaryId(entity));
  return [
    ...keyLock(id),
    ...locksOf({ ...NO_WORK, conditions, operations: named }, undefined, initialSchema()),
  ];
}
