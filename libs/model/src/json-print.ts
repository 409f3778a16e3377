import { compareUtf8 } from '@pyralog/base';
import { PyralogError } from './errors.ts';
import { doubleLiteral, type Json, JsonNumber, JsonObject } from './json-tree.ts';

/** The text of a tree without white space: numbers as written, names in their order. */
export function printJson(json: Json): string {
  return print(json, (number) => number.text, false);
}

/**
 * Canonical text (RFC 8785) of a tree, so that equal data are equal texts, with two rules of our own: integers
 * keep all their digits instead of passing through a double, and names are ordered by UTF-8 bytes
 * instead of UTF-16 units. Other numbers are the shortest digits that give the double back.
 * @throws value-invalid for a number beyond the doubles.
 */
export function canonicalJson(json: Json): string {
  return print(json, (number) => canonicalNumber(number, String), true);
}

/** As {@link canonicalJson}, but `5.0` and `5` stay apart: for the identity of documents, where they are two values. */
export function canonicalTypedJson(json: Json): string {
  return print(json, (number) => canonicalNumber(number, doubleLiteral), true);
}

function canonicalNumber(number: JsonNumber, double: (value: number) => string): string {
  if (number.isInteger) return number.text === '-0' ? '0' : number.text;
  return double(finiteDouble(number));
}

/**
 * The nearest double of a literal; -0 becomes 0.
 * @throws value-invalid where it is too large for any.
 */
export function finiteDouble(number: JsonNumber): number {
  const value = Number(number.text);
  if (Number.isFinite(value)) return value === 0 ? 0 : value;
  throw new PyralogError('value-invalid', `${shortened(number.text)} is too large for a double.`, {
    hint: 'The largest double is about 1.8e308; infinity is {"double":"Infinity"}.',
  });
}

/** Long texts from outside are cut before they are quoted in a message. */
export function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57).toWellFormed()}…`;
}

function print(json: Json, number: (value: JsonNumber) => string, sorted: boolean): string {
  if (typeof json === 'string') return JSON.stringify(json);
  if (json === null || typeof json === 'boolean') return String(json);
  if (json instanceof JsonNumber) return number(json);
  if (!(json instanceof JsonObject))
    return `[${json.map((each) => print(each, number, sorted)).join(',')}]`;
  const members = json.names.map((name, at) => ({ name, value: json.values[at] as Json }));
  if (sorted) members.sort((a, b) => compareUtf8(a.name, b.name));
  return `{${members.map(({ name, value }) => `${JSON.stringify(name)}:${print(value, number, sorted)}`).join(',')}}`;
}
