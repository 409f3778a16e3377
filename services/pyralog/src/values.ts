import {
  doubleLiteral,
  doubleValue,
  formatInstant,
  type Fact,
  formatNanos,
  instantValue,
  intValue,
  type Json,
  JsonNumber,
  JsonObject,
  jsonOf,
  jsonValue,
  parseInstant,
  parseJson,
  printValue,
  PyralogError,
  refValue,
  stringValue,
  type Tx,
  type Value,
  type ValueType,
} from '@pyralog/model';

/** A reference to an entity as a value: `ref('paper:1')`. */
export class Ref {
  /** The entity, or a temporary id inside a transaction. */
  readonly entity: string;

  constructor(entity: string) {
    this.entity = refValue(entity).value;
  }

  toString(): string {
    return this.entity;
  }

  toJSON(): { readonly ref: string } {
    return { ref: this.entity };
  }
}

/** @throws PyralogError `entity-invalid` */
export function ref(entity: string | Ref): Ref {
  return typeof entity === 'string' ? new Ref(entity) : entity;
}

/**
 * A moment to the microsecond, which is what the database keeps; a `Date` has milliseconds only and fewer
 * years. Compare instants by `epochMicros`.
 */
export class Instant {
  /** Microseconds since 1970-01-01T00:00:00Z, an int64. */
  readonly epochMicros: bigint;

  constructor(epochMicros: bigint) {
    this.epochMicros = instantValue(epochMicros).value;
  }

  /** Of a Date, or of RFC 3339 text with up to six decimals. @throws PyralogError `value-invalid` */
  static from(moment: Date | string): Instant {
    if (typeof moment === 'string') return new Instant(parseInstant(moment));
    return new Instant(BigInt(millisOf(moment)) * 1000n);
  }

  /** Cut to the millisecond; an invalid Date outside the years −271,821 to 275,760. */
  toDate(): Date {
    const rest = ((this.epochMicros % 1000n) + 1000n) % 1000n;
    return new Date(Number((this.epochMicros - rest) / 1000n));
  }

  /** RFC 3339 with 0, 3 or 6 decimals. */
  toString(): string {
    return formatInstant(this.epochMicros);
  }

  toJSON(): { readonly instant: string } {
    return { instant: this.toString() };
  }
}

/** A number that is a double even where it has no fraction. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = doubleValue(value).value;
  }
}

/** `double(5)` is the double 5.0, where a plain 5 is an int. @throws PyralogError `value-invalid` for NaN */
export function double(value: number): Double {
  return new Double(value);
}

/** What a json value holds when read: integers beyond 2^53 − 1 are bigints, objects are plain. */
export type JsonData =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonData[]
  | { readonly [name: string]: JsonData };

/** JSON data as one value. */
export class JsonInput {
  /** Canonical text. */
  readonly text: string;

  constructor(data: unknown) {
    this.text = jsonValue(jsonOf(data)).value;
  }
}

/** `json({ a: [1, 2] })` is one value; an array alone would be many. @throws PyralogError `value-invalid` */
export function json(data: unknown): JsonInput {
  return new JsonInput(data);
}

/** What may stand for a value in a transaction. */
export type InputValue =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Instant
  | Uint8Array
  | Ref
  | Double
  | JsonInput;

/** How the values of each type are read. An int is a number where that is exact, else a bigint. */
export interface ReadTypes {
  readonly string: string;
  readonly int: number | bigint;
  readonly double: number;
  readonly bool: boolean;
  readonly instant: Instant;
  readonly ref: Ref;
  readonly bytes: Uint8Array;
  readonly json: JsonData;
}

/** How the values of each type may be written. */
export interface WriteTypes {
  readonly string: string;
  readonly int: number | bigint;
  readonly double: number | Double;
  readonly bool: boolean;
  readonly instant: Date | Instant | string;
  readonly ref: Ref | string;
  readonly bytes: Uint8Array;
  readonly json: JsonInput;
}

export type ReadValue = ReadTypes[ValueType];

/** A fact with its value as JavaScript has it; `type` says what that stands for. */
export interface KnowledgeFact {
  readonly entity: string;
  readonly attribute: string;
  readonly value: ReadValue;
  readonly type: ValueType;
  readonly tx: Tx;
  readonly operation: 'assert' | 'retract';
}

export function readFact({ entity, attribute, value, tx, operation }: Fact): KnowledgeFact {
  return { entity, attribute, value: readValue(value), type: value.type, tx, operation };
}

export function readValue(value: Value): ReadValue {
  switch (value.type) {
    case 'int':
      return exactNumber(value.value);
    case 'instant':
      return new Instant(value.value);
    case 'ref':
      return new Ref(value.value);
    case 'json':
      return dataOf(parseJson(value.value));
    default:
      return value.value;
  }
}

/** When a transaction was committed: RFC 3339 with nine decimals. */
export function instantOfTx(tx: Tx): string {
  return formatNanos(tx);
}

/**
 * JSON text of a value. Integers are ints, other numbers doubles; an integer that a number cannot hold
 * exactly is refused rather than rounded.
 * @throws PyralogError as the model refuses the value
 */
export function printInput(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return printValue(stringValue(value));
    case 'boolean':
      return String(value);
    case 'bigint':
      return intValue(value).value.toString();
    case 'number':
      return printNumber(value);
    default:
      return printObject(value);
  }
}

function printNumber(value: number): string {
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new PyralogError('value-invalid', `${value} is not an exact integer.`, {
      hint: 'Integers beyond 2^53 − 1 are given as bigint, large doubles as double(…).',
    });
  }
  if (Number.isInteger(value)) return String(value === 0 ? 0 : value);
  return printValue(doubleValue(value));
}

function printObject(value: unknown): string {
  if (value instanceof Ref) return printValue({ type: 'ref', value: value.entity });
  if (value instanceof Date)
    return printValue({ type: 'instant', value: Instant.from(value).epochMicros });
  if (value instanceof Instant) return printValue({ type: 'instant', value: value.epochMicros });
  if (value instanceof Uint8Array) return printValue({ type: 'bytes', value });
  if (value instanceof Double)
    return Number.isFinite(value.value)
      ? `{"double":${doubleLiteral(value.value)}}`
      : `{"double":"${value.value}"}`;
  if (value instanceof JsonInput) return `{"json":${value.text}}`;
  throw new PyralogError('value-invalid', `${describe(value)} is not a value.`, {
    hint: 'Values are strings, numbers, bigints, booleans, Date or Instant, Uint8Array, ref(…) and json(…).',
  });
}

/** Whether a value has a class of its own, so that it is not a plain object of a document. */
export function isInputObject(value: object): boolean {
  return (
    value instanceof Ref ||
    value instanceof Date ||
    value instanceof Instant ||
    value instanceof Uint8Array ||
    value instanceof Double ||
    value instanceof JsonInput
  );
}

export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'An array';
  return typeof value === 'object'
    ? `An object of class ${value.constructor?.name ?? 'none'}`
    : `A value of type ${typeof value}`;
}

/** Milliseconds since 1970. @throws PyralogError `value-invalid` for an invalid Date */
export function millisOf(date: Date): number {
  const millis = date.getTime();
  if (Number.isNaN(millis)) throw new PyralogError('value-invalid', 'The Date is invalid.');
  return millis;
}

function exactNumber(value: bigint): number | bigint {
  return value >= -SAFE_MAX && value <= SAFE_MAX ? Number(value) : value;
}

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

function dataOf(tree: Json): JsonData {
  if (tree instanceof JsonNumber)
    return tree.isInteger ? exactNumber(BigInt(tree.text)) : Number(tree.text);
  if (tree instanceof JsonObject)
    return Object.fromEntries(tree.names.map((name, i) => [name, dataOf(tree.values[i] as Json)]));
  if (Array.isArray(tree)) return tree.map((each: Json) => dataOf(each));
  return tree as null | boolean | string;
}
