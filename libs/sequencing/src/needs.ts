import {
  identOfEntity,
  type InputOperation,
  isPyralogError,
  isTemporaryId,
  type InputValue,
  type Schema,
  TX_KEY,
  TX_NONE,
  type TransactionDocument,
  type StoredValue,
} from '@pyralog/model';
import { claimOf, homeOfClaim } from './claims.ts';
import { type CurrentState, type Need, NotLoaded } from './current-state.ts';
import { isDefinition } from './definitions.ts';
import { plan, type Plan, type PlanContext } from './plan.ts';
import { listOf } from './value-set.ts';
import type { PartWork } from './work.ts';
import type { LongValues } from './long-values.ts';

/**
 * What must be in memory before a document can be resolved and is not. Some needs show only when others
 * are met (the entity that holds an identity value), so the caller asks again until there are none.
 */
export function needsOf(
  document: TransactionDocument,
  state: CurrentState,
  schema: Schema,
  longValues: LongValues,
): Need[] {
  if (state.complete) return [];
  const needs: Need[] = [];
  const want = (need: Need): boolean => {
    if (state.knows(need)) return true;
    needs.push(need);
    return false;
  };
  const owner = (attribute: string, value: StoredValue, orElse: (entity: string) => void): void => {
    if (!want({ kind: 'owner', attribute, value })) return;
    const entity = state.ownerOf(attribute, value);
    if (entity !== undefined) orElse(entity);
  };
  const entity = (id: string): void => void want({ kind: 'entity', entity: id });

  if (document.id !== undefined) owner(TX_KEY, { type: 'string', value: document.id }, entity);
  for (const condition of document.conditions) {
    if (condition.kind !== 'unchangedSince') entity(condition.entity);
    else want({ kind: 'lastTx', entity: condition.entity, attribute: condition.attribute });
  }
  for (const operation of document.operations) {
    const temporary = isTemporaryId(operation.entity);
    if (!temporary) entity(operation.entity);
    const defined = identOfEntity(operation.entity);
    // What may become unique or indexed only while it has no facts.
    if (defined !== undefined && schema.attribute(defined) !== undefined)
      want({ kind: 'hasFacts', attribute: defined });
    const input = inputOf(operation);
    if (input === undefined) continue;
    const { attribute } = operation as { attribute: string };
    const value = uniqueValue(schema, attribute, input, longValues);
    // An identity value may belong to an entity that a temporary id stands for.
    if (value !== undefined) owner(attribute, value, (id) => temporary && entity(id));
  }
  return needs;
}

/**
 * The same for a document of a partition among several, which knows what others said of the schema.
 * @param start any, for names do not matter here
 */
export function needsOfPlanned(
  document: TransactionDocument,
  context: Omit<PlanContext, 'start'>,
): Need[] {
  const { state, schema, partition, partitions } = context;
  if (state.complete) return [];
  const needs: Need[] = [];
  if (document.id !== undefined) {
    const value: StoredValue = { type: 'string', value: document.id };
    const owner: Need = { kind: 'owner', attribute: TX_KEY, value };
    if (!state.knows(owner)) needs.push(owner);
    else {
      const first = state.ownerOf(TX_KEY, value);
      if (first !== undefined) wantEntity(first, state, needs);
    }
  }
  for (const operation of document.operations) {
    if (isDefinition(operation)) wantDefined(operation, state, schema, needs);
    else {
      // Who holds a value that is taken says what the transaction concerns, and what a temporary id stands for.
      const input = inputOf(operation);
      if (input === undefined) continue;
      const { attribute } = operation as { attribute: string };
      const value = uniqueValue(schema, attribute, input, context.longValues);
      if (value !== undefined && homeOfClaim(attribute, value, partitions) === partition)
        wantEntity(claimOf(attribute, value).claim, state, needs);
    }
  }
  if (needs.length > 0) return needs;
  let planned: Plan;
  try {
    planned = plan(document, { ...context, start: TX_NONE });
  } catch (error) {
    // It will be refused for the same when it is its turn.
    if (isPyralogError(error)) return [];
    // What its own definitions or those that others told of make a unique value shows here.
    if (error instanceof NotLoaded) return [error.need];
    throw error;
  }
  return planned.kind === 'lookup' ? [] : needsOfWork(planned.own, context, planned.isNew);
}

/** The same for a part of a transaction. */
export function needsOfWork(
  work: PartWork,
  {
    state,
    schema,
    partition,
    partitions,
  }: Pick<PlanContext, 'state' | 'schema' | 'partition' | 'partitions'>,
  isNew: (entity: string) => boolean,
): Need[] {
  if (state.complete) return [];
  const needs: Need[] = [];
  for (const condition of work.conditions) {
    if (condition.kind !== 'unchangedSince') wantEntity(condition.entity, state, needs);
    else {
      const { entity, attribute } = condition;
      const need: Need = { kind: 'lastTx', entity, attribute };
      if (!state.knows(need)) needs.push(need);
    }
  }
  for (const { claim } of [...work.takes, ...work.releases])
    if (!isNew(claim)) wantEntity(claim, state, needs);
  for (const operation of work.operations) {
    const { entity } = operation;
    if (isNew(entity)) continue;
    if (isDefinition(operation)) wantDefined(operation, state, schema, needs);
    if (!wantEntity(entity, state, needs)) continue;
    // What it gives up of unique values shows now.
    const before = state.entity(entity);
    const attributes = operation.op === 'retractEntity' ? before.attributes : [operation.attribute];
    for (const attribute of attributes) {
      if (schema.attribute(attribute)?.unique === undefined) continue;
      for (const value of listOf(before.held(attribute))) {
        if (homeOfClaim(attribute, value, partitions) === partition)
          wantEntity(claimOf(attribute, value).claim, state, needs);
      }
    }
  }
  return needs;
}

/** The same to say who holds unique values of this partition. */
export function needsOfClaims(claims: Iterable<string>, state: CurrentState): Need[] {
  const needs: Need[] = [];
  for (const claim of claims) wantEntity(claim, state, needs);
  return needs;
}

/** @returns whether it is known */
function wantEntity(entity: string, state: CurrentState, needs: Need[]): boolean {
  const need: Need = { kind: 'entity', entity };
  if (state.knows(need)) return true;
  needs.push(need);
  return false;
}

/** What may become unique or indexed only while it has no facts. */
function wantDefined(
  { entity }: InputOperation,
  state: CurrentState,
  schema: Schema,
  needs: Need[],
): void {
  wantEntity(entity, state, needs);
  const ident = identOfEntity(entity);
  if (ident === undefined || schema.attribute(ident) === undefined) return;
  const need: Need = { kind: 'hasFacts', attribute: ident };
  if (!state.knows(need)) needs.push(need);
}

/** The value that an operation gives to its attribute. */
function inputOf(operation: InputOperation): InputValue | undefined {
  if (operation.op === 'assert') return operation.value;
  return operation.op === 'cas' && operation.new !== null ? operation.new : undefined;
}

/** The value of a unique attribute as it will be looked up; what cannot be coerced is refused later. */
function uniqueValue(
  schema: Schema,
  attribute: string,
  input: InputValue,
  longValues: LongValues,
): StoredValue | undefined {
  const definition = schema.attribute(attribute);
  if (definition?.unique === undefined) return undefined;
  try {
    const value = longValues.stored(input, definition);
    return value.type === 'ref' && isTemporaryId(value.value) ? undefined : value;
  } catch (error) {
    if (isPyralogError(error)) return undefined;
    throw error;
  }
}
