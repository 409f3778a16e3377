import { fromBase64, toBase64 } from './base64.ts';
import type { InputValue } from './document.ts';
import { PyralogError } from './errors.ts';
import { formatInstant, parseInstant } from './instant.ts';
import { finiteDouble, shortened } from './json-print.ts';
import { doubleLiteral, type Json, JsonNumber, JsonObject } from './json-tree.ts';
import { type Value, type ValueType } from './value.ts';
import {
  boolValue,
  bytesValue,
  doubleValue,
  instantValue,
  intOutOfRange,
  intValue,
  jsonValue,
  refValue,
  stringValue,
} from './value-constructors.ts';

/*
 * Values in JSON, the same in answers and requests:
 *
 *   string   "x"
 *   bool     true
 *   int      5, {"int":"9007199254740993"} beyond 2^53 - 1
 *   double   1.5, 5.0 (always a fraction or exponent), {"double":"Infinity"}
 *   instant  {"instant":"2020-01-01T00:00:00Z"}
 *   ref      {"ref":"paper:1"}
 *   bytes    {"bytes":"base64"}
 *   json     {"json":…}
 *
 * So the text alone gives the value back with its type. In requests a string, number, boolean, or an object that is none
 * of these forms is *plain*: it takes the type of its attribute (`coerceValue`).
 */

/** JSON text of a value as answers show it. */
export function printValue(value: Value): string {
  switch (value.type) {
    case 'string':
      return JSON.stringify(value.value);
    case 'bool':
      return String(value.value);
    case 'int':
      return isSafe(value.value) ? value.value.toString() : `{"int":"${value.value}"}`;
    case 'double':
      return Number.isFinite(value.value)
        ? doubleLiteral(value.value)
        : `{"double":"${value.value}"}`;
    case 'instant':
      return `{"instant":"${formatInstant(value.value)}"}`;
    case 'ref':
      return `{"ref":${JSON.stringify(value.value)}}`;
    case 'bytes':
      return `{"bytes":"${toBase64(value.value)}"}`;
    case 'json':
      return `{"json":${value.value}}`;
  }
}

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

function isSafe(value: bigint): boolean {
  return value >= -SAFE_MAX && value <= SAFE_MAX;
}

/**
 * The value of a request. Null and arrays have a meaning of their own wherever they may stand, so they are
 * the caller's to take apart.
 * @throws value-invalid, value-too-large; entity-invalid for a ref
 */
export function inputValue(json: Json): InputValue {
  if (typeof json === 'string') return { value: stringValue(json), plain: true };
  if (json instanceof JsonNumber) return { value: numberValue(json), plain: true };
  if (typeof json === 'boolean') return { value: boolValue(json), plain: true };
  if (json instanceof JsonObject) {
    const type = json.names.length === 1 ? (json.names[0] as string) : '';
    const read = TYPED_FORMS.get(type);
    if (read === undefined) return { value: jsonValue(json), plain: true };
    return { value: read(json.values[0] as Json), plain: false };
  }
  if (json === null)
    throw new PyralogError('value-invalid', 'Null is not a value.', {
      hint: 'The absence of a fact says that nothing is known; {"json":null} is a value.',
    });
  throw new PyralogError('value-invalid', 'An array is not one value.', {
    hint: 'In the map form an array is many values; an array as one value is {"json":[…]}.',
  });
}

/** The value of an answer. @throws as {@link inputValue} */
export function valueFromJson(json: Json): Value {
  return inputValue(json).value;
}

/** The type that an object of one member stands for. */
const TYPED_FORMS: ReadonlyMap<string, (content: Json) => Value> = new Map<
  ValueType,
  (content: Json) => Value
>([
  ['ref', (content) => refValue(text(content, 'ref', 'an entity id'))],
  ['int', typedInt],
  ['double', typedDouble],
  [
    'instant',
    (content) => instantValue(parseInstant(text(content, 'instant', 'an RFC 3339 text'))),
  ],
  ['bytes', (content) => bytesValue(bytesOf(text(content, 'bytes', 'base64')))],
  ['json', jsonValue],
]) as ReadonlyMap<string, (content: Json) => Value>;

function numberValue(number: JsonNumber): Value {
  return number.isInteger ? intOf(number.text) : doubleValue(finiteDouble(number));
}

/** 19 digits and a sign: more cannot fit, and huge texts must not become huge bigints. */
const INT_LENGTH_MAX = 20;

function intOf(digits: string): Value {
  if (digits.length > INT_LENGTH_MAX) throw intOutOfRange(digits);
  return intValue(BigInt(digits));
}

function typedInt(content: Json): Value {
  if (content instanceof JsonNumber && content.isInteger) return intOf(content.text);
  if (typeof content === 'string' && /^-?(?:0|[1-9][0-9]*)$/.test(content)) return intOf(content);
  throw wrongContent('int', 'an integer, as a number or its decimal text');
}

function typedDouble(content: Json): Value {
  if (content instanceof JsonNumber) return doubleValue(finiteDouble(content));
  if (typeof content === 'string') return doubleValue(doubleOf(content));
  throw wrongContent('double', 'a number, its text, "Infinity" or "-Infinity"');
}

/** A double of text by the grammar of JSON numbers, or infinity. @throws value-invalid */
export function doubleOf(content: string): number {
  if (content === 'Infinity' || content === '-Infinity') return Number(content);
  if (!NUMBER.test(content))
    throw wrongContent('double', 'a number, its text, "Infinity" or "-Infinity"');
  return finiteDouble(new JsonNumber(content, false));
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** @throws value-invalid */
export function bytesOf(base64: string): Uint8Array {
  const bytes = fromBase64(base64);
  if (bytes !== undefined) return bytes;
  throw new PyralogError('value-invalid', `${JSON.stringify(shortened(base64))} is not base64.`, {
    hint: 'Base64 has the letters A-Z a-z 0-9 + / and is filled up with = to a multiple of four.',
  });
}

function text(content: Json, type: ValueType, expected: string): string {
  if (typeof content === 'string') return content;
  throw wrongContent(type, expected);
}

function wrongContent(type: ValueType, expected: string): PyralogError {
  return new PyralogError('value-invalid', `{"${type}":…} holds ${expected}.`, {
    hint: `A json value that looks like this is written {"json":{"${type}":…}}.`,
  });
}
