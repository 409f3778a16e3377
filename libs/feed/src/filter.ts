import type { StoredFact } from '@pyralog/model';

/** What a reader of a feed wants to see; what is left out is not asked for. All given parts must match. */
export interface FeedFilter {
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  /** Of entity ids. */
  readonly prefix?: string | undefined;
}

/**
 * The facts of a transaction that a filter lets through. A transaction of which none is left is not
 * sent; one without a filter is sent whole, with facts or without.
 *
 * @returns undefined where the reader does not want the transaction
 */
export function filterFacts(
  filter: FeedFilter,
  facts: readonly StoredFact[],
): readonly StoredFact[] | undefined {
  const { entity, attribute, prefix } = filter;
  if (entity === undefined && attribute === undefined && prefix === undefined) return facts;
  const wanted = facts.filter(
    (fact) =>
      (entity === undefined || fact.entity === entity) &&
      (attribute === undefined || fact.attribute === attribute) &&
      (prefix === undefined || fact.entity.startsWith(prefix)),
  );
  return wanted.length === 0 ? undefined : wanted;
}
