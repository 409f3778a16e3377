import { assert } from '@pyralog/base';
import {
  BUILT_IN,
  definitionFacts,
  equalValues,
  foldSchema,
  partitionOf,
  type PartitionNo,
  type Schema,
  type StoredDefinition,
  type StoredFact,
  type StoredValue,
  type Tx,
} from '@pyralog/model';
import { Attributes } from './attributes.ts';
import { Changes } from './changes.ts';
import { claimOf, HOLDER, homeOfClaim, type Release, type Take } from './claims.ts';
import { checkCondition } from './conditions.ts';
import type { StateView } from './context.ts';
import { define, isDefinition } from './definitions.ts';
import { EntityState } from './entity-state.ts';
import type { LongValues } from './long-values.ts';
import { holderOf, SCHEMA_HOME, uniqueConflict } from './plan.ts';
import { checkSize, claimKey, inCanonicalOrder } from './resolve.ts';
import type { Names } from './temporary-ids.ts';
import { checkUnique } from './unique.ts';
import type { PartWork } from './work.ts';

/** What a part is resolved against. */
export interface WorkContext {
  readonly state: StateView;
  readonly schema: Schema;
  readonly partition: PartitionNo;
  readonly partitions: number;
  readonly longValues: LongValues;
  /** Of the facts, until the transaction has its own. */
  readonly tx: Tx;
  /** Whether an entity, or a claim, begins with the transaction. */
  readonly isNew: (entity: string) => boolean;
}

/** The idempotency key of a document, on the part of its coordinator. */
export interface Key {
  readonly id: string;
  readonly contentHash: string;
  /** The transaction's entity. */
  readonly entity: string;
}

/** A unique value that is given up and whose home is elsewhere. */
export interface Need {
  readonly home: PartitionNo;
  readonly release: Release;
}

/** What a part comes to. */
export interface ResolvedWork {
  /** In canonical order. */
  readonly facts: readonly StoredFact[];
  /** Claims of this partition that are given up, by entity of the claim: they were not known before. */
  readonly claims: readonly string[];
  /** Unique values that are given up here and whose home is elsewhere. */
  readonly needs: readonly Need[];
}

/** The coordinator assumed something that is otherwise. Its next attempt knows better. */
export class WrongAssumption extends Error {
  override readonly name = 'WrongAssumption';
  readonly attributes: ReadonlyMap<string, StoredDefinition | undefined>;
  readonly holders: ReadonlyMap<string, string | undefined>;

  constructor(
    attributes: ReadonlyMap<string, StoredDefinition | undefined>,
    holders: ReadonlyMap<string, string | undefined>,
  ) {
    super('the coordinator assumed something that is otherwise');
    this.attributes = attributes;
    this.holders = holders;
  }
}

/**
 * Resolves what one partition does of a transaction against its state before it. What must be in memory is what
 * needs.ts asks for.
 * @throws PyralogError what the transaction is refused for
 * @throws WrongAssumption
 */
export function resolveWork(
  work: PartWork,
  context: WorkContext,
  key: Key | undefined,
): ResolvedWork {
  const { schema, tx } = context;
  const copies = copiedFacts(work, context);
  checkHolders(work, context);
  const known = foldSchema(schema, copies);
  const resolving = {
    ...context,
    schema: known,
    state: copies.length === 0 ? context.state : new WithCopies(context.state, copies),
  };
  for (const condition of work.conditions) checkCondition(condition, resolving);
  const defined = define(work.operations, resolving);
  const operations = work.operations.filter((operation) => !isDefinition(operation));
  const attributes = new Attributes(defined.schema, operations);
  const changes = new Changes(resolving, attributes, namesOf(context));
  changes.collect(operations);
  if (key !== undefined) claimKey(key.entity, key.id, key.contentHash, changes);
  const written = changes.facts();
  checkUnique(
    written.filter(({ attribute }) => BUILT_IN.has(attribute)),
    attributes,
    resolving,
  );
  const claims = resolveClaims(work, written, attributes, context);
  const facts = inCanonicalOrder([
    ...written,
    ...withoutPairs(copies, defined.facts),
    ...claims.facts,
  ]);
  checkSize(facts);
  for (const fact of facts) assert(fact.tx === tx, 'facts of a part have its time');
  return { facts, claims: claims.given, needs: claims.needs };
}

/** Entities of a part have their names; what is new of them begins here. */
function namesOf({ isNew }: WorkContext): Names {
  return { resolve: (name) => name, isNew };
}

/**
 * What is to be known here of attributes, as facts. Schema facts of other partitions than the schema's home are its copies:
 * no answer has them.
 * @throws WrongAssumption
 */
function copiedFacts(
  { known, declared, absent }: PartWork,
  { schema, partition, tx }: WorkContext,
): readonly StoredFact[] {
  const wrong = new Map<string, StoredDefinition | undefined>();
  const facts: StoredFact[] = [];
  const must = new Set(absent);
  for (const ident of absent) {
    const here = schema.attribute(ident);
    if (here !== undefined) wrong.set(ident, here);
  }
  for (const definition of [...known, ...declared]) {
    const { ident } = definition;
    const here = schema.attribute(ident);
    if (here === undefined && (partition !== SCHEMA_HOME || must.has(ident))) {
      for (const said of definitionFacts(definition))
        facts.push({ ...said, tx, operation: 'assert' });
    } else if (here === undefined || !isSame(here, definition)) wrong.set(ident, here);
  }
  if (wrong.size > 0) throw new WrongAssumption(wrong, new Map());
  return facts;
}

function isSame(a: StoredDefinition, b: StoredDefinition): boolean {
  return (
    a.valueType === b.valueType &&
    a.cardinality === b.cardinality &&
    a.unique === b.unique &&
    a.index === b.index &&
    docOf(a) === docOf(b) &&
    a.inferred === b.inferred
  );
}

function docOf({ doc }: StoredDefinition): string | undefined {
  return typeof doc === 'object' ? `\0${doc.sha256}` : doc;
}

/**
 * Before anything is refused: who holds identity values decides which entities it is about.
 * @throws WrongAssumption
 */
function checkHolders({ takes }: PartWork, { state, isNew }: WorkContext): void {
  const wrong = new Map<string, string | undefined>();
  for (const { claim, entity, from } of takes) {
    if (isNew(claim)) continue;
    const holder = holderOf(claim, state);
    if (holder !== entity && holder !== from) wrong.set(claim, holder);
  }
  if (wrong.size > 0) throw new WrongAssumption(new Map(), wrong);
}

/** A definition that is taken over and changed in one transaction: what it never was here is not written. */
function withoutPairs(
  copies: readonly StoredFact[],
  defined: readonly StoredFact[],
): readonly StoredFact[] {
  if (copies.length === 0 || defined.length === 0) return [...copies, ...defined];
  const isOf = (a: StoredFact, b: StoredFact): boolean =>
    a.entity === b.entity && a.attribute === b.attribute && equalValues(a.value, b.value);
  const retracts = defined.filter(({ operation }) => operation === 'retract');
  return [
    ...copies.filter((copy) => !retracts.some((retract) => isOf(copy, retract))),
    ...defined.filter(
      (fact) => fact.operation === 'assert' || !copies.some((copy) => isOf(copy, fact)),
    ),
  ];
}

/** The state with attributes taken over that it did not know. */
class WithCopies implements StateView {
  readonly #state: StateView;
  readonly #copies = new Map<string, EntityState>();

  constructor(state: StateView, copies: readonly StoredFact[]) {
    this.#state = state;
    for (const fact of copies) {
      let entity = this.#copies.get(fact.entity);
      if (entity === undefined)
        this.#copies.set(fact.entity, (entity = new EntityState(fact.entity, true)));
      entity.fold(fact);
    }
  }

  entity(id: string): EntityState {
    return this.#copies.get(id) ?? this.#state.entity(id);
  }

  mentions(id: string): boolean {
    return this.#copies.has(id) || this.#state.mentions(id);
  }

  ownerOf(attribute: string, value: StoredValue): string | undefined {
    return this.#state.ownerOf(attribute, value);
  }

  lastTxOf(id: string, attribute: string | undefined): Tx | undefined {
    return this.#state.lastTxOf(id, attribute);
  }

  hasFacts(attribute: string): boolean {
    return this.#state.hasFacts(attribute);
  }
}

interface ResolvedClaims {
  readonly facts: readonly StoredFact[];
  readonly given: readonly string[];
  readonly needs: readonly Need[];
}

/** Of takes whose assumptions hold. @throws unique-conflict */
function resolveClaims(
  work: PartWork,
  written: readonly StoredFact[],
  attributes: Attributes,
  { state, partition, partitions, tx, isNew }: WorkContext,
): ResolvedClaims {
  const releases = new Map(work.releases.map((release) => [release.claim, release]));
  const given: string[] = [];
  const needs: Need[] = [];
  for (const { entity, attribute, value, operation } of written) {
    if (operation === 'assert' || BUILT_IN.has(attribute)) continue;
    if (attributes.find(attribute)?.unique === undefined) continue;
    const release: Release = { ...claimOf(attribute, value), entity };
    const home = homeOfClaim(attribute, value, partitions);
    if (home !== partition) needs.push({ home, release });
    else {
      releases.set(release.claim, release);
      given.push(release.claim);
    }
  }
  const facts: StoredFact[] = [];
  const say = (claim: string, holder: string, operation: StoredFact['operation']): void => {
    const value = { type: 'string', value: holder } as const;
    facts.push({ entity: claim, attribute: HOLDER, value, tx, operation });
  };
  for (const take of work.takes) {
    const { claim } = take;
    const holder = isNew(claim) ? undefined : holderOf(claim, state);
    if (holder === take.entity) continue;
    if (holder !== undefined) {
      checkGivenUp(take, holder, releases.get(claim), { partition, partitions });
      say(claim, holder, 'retract');
    }
    say(claim, take.entity, 'assert');
  }
  const taken = new Set(work.takes.map(({ claim }) => claim));
  for (const [claim, { entity }] of releases) {
    if (!taken.has(claim) && holderOf(claim, state) === entity) say(claim, entity, 'retract');
  }
  return { facts, given, needs };
}

/** What gives a value up on this partition is seen here; of others their votes tell. @throws unique-conflict */
function checkGivenUp(
  take: Take,
  holder: string,
  release: Release | undefined,
  { partition, partitions }: Pick<WorkContext, 'partition' | 'partitions'>,
): void {
  if (partitionOf(holder, partitions) !== partition) return;
  if (release?.entity !== holder) throw uniqueConflict(take, take.entity, holder);
}
