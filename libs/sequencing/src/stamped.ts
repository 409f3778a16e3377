import { decodeFacts } from '@pyralog/format';
import { isReference, type StoredFact, type StoredValue, type Tx, txEntity } from '@pyralog/model';
import { inCanonicalOrder } from './resolve.ts';

/**
 * Facts that were resolved before their transaction had its tx, with it. The transaction's own entity was called after
 * its start, which is the tx of no other.
 */
export function stamped(facts: Uint8Array, start: Tx, tx: Tx): readonly StoredFact[] {
  const [before, after] = [txEntity(start), txEntity(tx)];
  let isRenamed = false;
  const renamed = (value: StoredValue): StoredValue => {
    if (isReference(value) || value.type !== 'ref' || value.value !== before) return value;
    isRenamed = true;
    return { type: 'ref', value: after };
  };
  const all = decodeFacts(facts).map((fact): StoredFact => {
    if (fact.entity === before) isRenamed = true;
    const entity = fact.entity === before ? after : fact.entity;
    return { ...fact, entity, value: renamed(fact.value), tx };
  });
  // Another name is at another place.
  return isRenamed ? inCanonicalOrder(all) : all;
}
