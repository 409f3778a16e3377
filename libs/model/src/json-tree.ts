import { hasLoneSurrogate } from '@pyralog/base';
import { PyralogError } from './errors.ts';

/**
 * A JSON text as a tree that has lost nothing but white space: numbers keep their digits, objects the
 * order of their names, and a name like `__proto__` is a name like any other.
 */
export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject;

/** A number as it was written: `5`, `5.0` and `9007199254740993` stay what they are. */
export class JsonNumber {
  /** By the grammar of RFC 8259, section 6. */
  readonly text: string;
  /** Neither fraction nor exponent. */
  readonly isInteger: boolean;

  constructor(text: string, isInteger: boolean) {
    this.text = text;
    this.isInteger = isInteger;
  }
}

/** Up to this many names a linear search is faster than a hash table, and costs no memory. */
const LINEAR_MAX = 12;

/** An object: names are distinct, in the order written. */
export class JsonObject {
  readonly names: readonly string[];
  /** `values[i]` belongs to `names[i]`. */
  readonly values: readonly Json[];
  #positions: Map<string, number> | undefined;

  constructor(names: readonly string[], values: readonly Json[]) {
    this.names = names;
    this.values = values;
  }

  get(name: string): Json | undefined {
    const at = this.#position(name);
    return at < 0 ? undefined : this.values[at];
  }

  has(name: string): boolean {
    return this.#position(name) >= 0;
  }

  #position(name: string): number {
    if (this.names.length <= LINEAR_MAX) return this.names.indexOf(name);
    this.#positions ??= new Map(this.names.map((each, at) => [each, at]));
    return this.#positions.get(name) ?? -1;
  }
}

/** An object of pairs. For makers of JSON; readers get theirs from `parseJson`. */
export function jsonObject(pairs: Iterable<readonly [name: string, value: Json]>): JsonObject {
  const distinct = new Map(pairs);
  return new JsonObject([...distinct.keys()], [...distinct.values()]);
}

/** The number literal of an integer. */
export function jsonInt(value: bigint): JsonNumber {
  return new JsonNumber(value.toString(), true);
}

/** The number literal of a finite double; `5` becomes `5.0`, so that it stays a double. */
export function jsonDouble(value: number): JsonNumber {
  return new JsonNumber(doubleLiteral(value), false);
}

/** Shortest digits that give the double back, with a fraction or an exponent. */
export function doubleLiteral(value: number): string {
  const text = String(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}

/**
 * A tree from JavaScript data: null, booleans, well-formed strings, finite numbers (safe integers become integers,
 * others doubles), bigints, arrays, Maps and plain objects. Undefined members are left out.
 * @throws value-invalid for anything else, and for data nested deeper than `depthMax`.
 */
export function jsonOf(data: unknown, depthMax = 64): Json {
  if (
    data === null ||
    typeof data === 'boolean' ||
    data instanceof JsonNumber ||
    data instanceof JsonObject
  )
    return data;
  if (typeof data === 'string') return wellFormed(data);
  if (typeof data === 'bigint') return jsonInt(data);
  if (typeof data === 'number') {
    if (!Number.isFinite(data))
      throw new PyralogError('value-invalid', `JSON has no number ${data}.`);
    return Number.isSafeInteger(data) ? jsonInt(BigInt(data)) : jsonDouble(data);
  }
  if (typeof data !== 'object')
    throw new PyralogError('value-invalid', `A ${typeof data} has no JSON form.`);
  if (depthMax === 0)
    throw new PyralogError('value-invalid', 'The data are nested too deeply, or in a circle.');
  if (Array.isArray(data)) return data.map((each) => jsonOf(each, depthMax - 1));
  const entries = data instanceof Map ? [...data] : plainEntries(data);
  const kept = entries.filter(([, value]) => value !== undefined);
  return jsonObject(
    kept.map(([name, value]) => [wellFormed(String(name)), jsonOf(value, depthMax - 1)]),
  );
}

function plainEntries(data: object): [string, unknown][] {
  const prototype: unknown = Object.getPrototypeOf(data);
  if (prototype === Object.prototype || prototype === null) return Object.entries(data);
  throw new PyralogError(
    'value-invalid',
    `An object of class ${data.constructor.name} has no JSON form.`,
  );
}

function wellFormed(text: string): string {
  if (!hasLoneSurrogate(text)) return text;
  throw new PyralogError(
    'value-invalid',
    'The text has half of a surrogate pair, which no UTF-8 can hold.',
  );
}
