import { type StoredFact, PyralogError } from '@pyralog/model';
import type { Attributes } from './attributes.ts';
import type { ResolveContext } from './context.ts';
import { quoted, shown } from './refusals.ts';
import { type ValueKey, valueKey } from './value-set.ts';

/** What becomes of one unique value in a transaction. */
interface Claim {
  /** The fact that takes the value. */
  taken: StoredFact | undefined;
  /** The entity that gives it up. */
  freedBy: string | undefined;
}

/**
 * Uniqueness is a rule of the state after: a value that its holder gives up in the same transaction is
 * free for another entity.
 * @throws unique-conflict
 */
export function checkUnique(
  facts: readonly StoredFact[],
  attributes: Attributes,
  context: ResolveContext,
): void {
  let claims: Map<string, Map<ValueKey, Claim>> | undefined;
  for (const fact of facts) {
    const { attribute, value, entity } = fact;
    if (attributes.find(attribute)?.unique === undefined) continue;
    claims ??= new Map();
    let byValue = claims.get(attribute);
    if (byValue === undefined) claims.set(attribute, (byValue = new Map()));
    const key = valueKey(value);
    let claim = byValue.get(key);
    if (claim === undefined) byValue.set(key, (claim = { taken: undefined, freedBy: undefined }));
    if (fact.operation === 'retract') claim.freedBy = entity;
    else if (claim.taken === undefined) claim.taken = fact;
    else throw conflict(fact, claim.taken.entity);
  }
  if (claims === undefined) return;
  for (const [attribute, byValue] of claims) {
    // An attribute that begins here has no holders.
    if (context.schema.attribute(attribute) === undefined) continue;
    for (const { taken, freedBy } of byValue.values()) {
      if (taken === undefined) continue;
      const owner = context.state.ownerOf(attribute, taken.value);
      if (owner !== undefined && owner !== freedBy) throw conflict(taken, owner);
    }
  }
}

function conflict({ entity, attribute, value }: StoredFact, owner: string): PyralogError {
  return new PyralogError(
    'unique-conflict',
    `${quoted(attribute)} ${shown([value])} belongs to ${quoted(owner)} and cannot be given to ${quoted(entity)}.`,
    { extra: { attribute, entity, owner } },
  );
}
