import { type StoredDefinition, type InputCondition, PyralogError } from '@pyralog/model';
import type { ResolveContext } from './context.ts';
import { assertHome } from './partitions.ts';
import type { LongValues } from './long-values.ts';
import { quoted, shown } from './refusals.ts';
import { hasValue, listOf, sizeOfValues, type Values, withValue } from './value-set.ts';

/** One row of `if`, on the state before. @throws condition-failed, type-mismatch */
export function checkCondition(condition: InputCondition, context: ResolveContext): void {
  const { entity } = condition;
  assertHome(entity, context);
  switch (condition.kind) {
    case 'entityAbsent':
      if (!context.state.entity(entity).isEmpty) throw failed(entity, 'it has facts in force');
      return;
    case 'unchangedSince': {
      const last = context.state.lastTxOf(entity, condition.attribute);
      if (last === undefined || last <= condition.since) return;
      throw failed(entity, `it was changed by transaction ${last}`, { tx: String(last) });
    }
    case 'is':
      checkValues(condition, context);
      return;
  }
}

/** Exactly these values must be in force. */
function checkValues(
  { entity, attribute, values }: InputCondition & { readonly kind: 'is' },
  { state, schema, longValues }: ResolveContext,
): void {
  const definition = schema.attribute(attribute);
  const wanted = valuesOf(values, definition, longValues);
  const current = state.entity(entity).held(attribute);
  const same =
    sizeOfValues(current) === sizeOfValues(wanted) &&
    listOf(wanted).every((value) => hasValue(current, value));
  if (same) return;
  const what = `${quoted(attribute)} is ${shown(listOf(current))}, not ${shown(listOf(wanted))}`;
  throw failed(entity, what, { attribute });
}

function valuesOf(
  inputs: (InputCondition & { readonly kind: 'is' })['values'],
  definition: StoredDefinition | undefined,
  longValues: LongValues,
): Values {
  let values: Values;
  for (const input of inputs) values = withValue(values, longValues.stored(input, definition));
  return values;
}

function failed(
  entity: string,
  what: string,
  extra: Readonly<Record<string, unknown>> = {},
): PyralogError {
  return new PyralogError(
    'condition-failed',
    `The condition on ${quoted(entity)} does not hold: ${what}.`,
    { hint: 'Read the entity again and decide anew.', extra: { entity, ...extra } },
  );
}
