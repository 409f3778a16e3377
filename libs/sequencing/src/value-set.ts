import { toHex } from '@pyralog/base';
import { equalValues, isReference, type StoredValue } from '@pyralog/model';

/** What tells values of one attribute apart: its type never changes, so the bare content does. */
export type ValueKey = string | bigint | number | boolean;

export function valueKey(stored: StoredValue): ValueKey {
  // No text and no hexadecimal begins with half a surrogate pair.
  if (isReference(stored)) return `\ud800${stored.sha256}`;
  const { value } = stored;
  return value instanceof Uint8Array ? toHex(value) : value;
}

/**
 * The values of one attribute: none, one, or a set of several. Most attributes have one value, so nearly
 * all of what a sequencer holds are bare values.
 */
export type Values = undefined | StoredValue | ValueSet;

/** Up to here a search is faster than a map. */
const SEARCHED_MAX = 12;

/** Several values of one attribute, in no order; hundreds of thousands must be as quick as two. */
export class ValueSet {
  readonly #values: StoredValue[] = [];
  #positions: Map<ValueKey, number> | undefined;

  constructor(first: StoredValue) {
    this.#values.push(first);
  }

  get size(): number {
    return this.#values.length;
  }

  /** Valid until the set is changed. */
  get values(): readonly StoredValue[] {
    return this.#values;
  }

  has(value: StoredValue): boolean {
    return this.#indexOf(value) >= 0;
  }

  add(value: StoredValue): void {
    if (this.has(value)) return;
    this.#positions?.set(valueKey(value), this.#values.length);
    this.#values.push(value);
    if (this.#values.length > SEARCHED_MAX)
      this.#positions ??= new Map(this.#values.map((each, i) => [valueKey(each), i]));
  }

  delete(value: StoredValue): void {
    const at = this.#indexOf(value);
    if (at < 0) return;
    const last = this.#values.pop() as StoredValue;
    this.#positions?.delete(valueKey(value));
    if (at === this.#values.length) return;
    this.#values[at] = last;
    this.#positions?.set(valueKey(last), at);
  }

  #indexOf(value: StoredValue): number {
    if (this.#positions !== undefined) return this.#positions.get(valueKey(value)) ?? -1;
    for (let i = 0; i < this.#values.length; i++) {
      if (equalValues(this.#values[i] as StoredValue, value)) return i;
    }
    return -1;
  }
}

export function hasValue(values: Values, value: StoredValue): boolean {
  if (values === undefined) return false;
  return values instanceof ValueSet ? values.has(value) : equalValues(values, value);
}

/** The values and one more. A set is changed in place: it belongs to one holder. */
export function withValue(values: Values, value: StoredValue): StoredValue | ValueSet {
  if (values === undefined) return value;
  if (values instanceof ValueSet) {
    values.add(value);
    return values;
  }
  if (equalValues(values, value)) return values;
  const set = new ValueSet(values);
  set.add(value);
  return set;
}

/** The values but one. A set is changed in place. */
export function withoutValue(values: Values, value: StoredValue): Values {
  if (values instanceof ValueSet) {
    values.delete(value);
    return values.size > 0 ? values : undefined;
  }
  return values === undefined || equalValues(values, value) ? undefined : values;
}

export function sizeOfValues(values: Values): number {
  if (values === undefined) return 0;
  return values instanceof ValueSet ? values.size : 1;
}

/** In no order; valid until the values are changed. */
export function listOf(values: Values): readonly StoredValue[] {
  if (values === undefined) return NONE;
  return values instanceof ValueSet ? values.values : [values];
}

const NONE: readonly StoredValue[] = [];
