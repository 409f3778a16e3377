import {
  compareFacts,
  compareValues,
  type Fact,
  type IndexOrder,
  type StoredFact,
  storedValue,
  type StoredValue,
  type Value,
} from '@pyralog/model';

/** Each is hashed once: a sort compares a value many times. */
const known = new WeakMap<Value, StoredValue>();

function asStored(value: Value): StoredValue {
  let stored = known.get(value);
  if (stored === undefined) known.set(value, (stored = storedValue(value)));
  return stored;
}

function factAsStored(fact: Fact): StoredFact {
  return { ...fact, value: asStored(fact.value) };
}

/** Order of facts in an index: long values stand where their references do. */
export function indexOrder(order: IndexOrder, a: Fact, b: Fact): number {
  return compareFacts(order, factAsStored(a), factAsStored(b));
}

/** Order of values in an index. */
export function valueOrder(a: Value, b: Value): number {
  return compareValues(asStored(a), asStored(b));
}
