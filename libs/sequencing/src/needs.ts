import {
  identOfEntity,
  isPyralogError,
  isTemporaryId,
  type InputValue,
  type Schema,
  TX_KEY,
  type TransactionDocument,
  type StoredValue,
} from '@pyralog/model';
import type { CurrentState, Need } from './current-state.ts';
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
    const input =
      operation.op === 'assert'
        ? operation.value
        : operation.op === 'cas'
          ? operation.new
          : undefined;
    if (input === undefined || input === null) continue;
    const value = uniqueValue(
      schema,
      operation.op === 'retractEntity' ? '' : operation.attribute,
      input,
      longValues,
    );
    // An identity value may belong to an entity that a temporary id stands for.
    if (value !== undefined)
      owner((operation as { attribute: string }).attribute, value, (id) => temporary && entity(id));
  }
  return needs;
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
