import { unreachable } from '@pyralog/base';
import { toBase64 } from './base64.ts';
import { PyralogError } from './errors.ts';
import { formatInstant, parseInstant } from './instant.ts';
import { parseJson } from './json.ts';
import { shortened } from './json-print.ts';
import { JsonNumber } from './json-tree.ts';
import type { Value, ValueType } from './value.ts';
import {
  boolValue,
  bytesValue,
  instantValue,
  jsonValue,
  refValue,
  stringValue,
  doubleValue,
} from './value-constructors.ts';
import { bytesOf, doubleOf, valueFromJson } from './value-json.ts';

/**
 * Canonical text of a value: equal values of one type have equal texts, different ones different texts.
 * Strings and refs as they are, ints in decimal, the shortest digits that give a double back, RFC 3339, base64, RFC 8785.
 */
export function formatValue(value: Value): string {
  switch (value.type) {
    case 'string':
    case 'ref':
    case 'json':
      return value.value;
    case 'int':
    case 'double':
    case 'bool':
      return String(value.value);
    case 'instant':
      return formatInstant(value.value);
    case 'bytes':
      return toBase64(value.value);
    default:
      return unreachable(value);
  }
}

/**
 * A value of text, where the type is known: the inverse of {@link formatValue}, which also takes other texts of the same value
 * (a json text with white space, an instant with an offset).
 * @throws value-invalid, value-too-large; entity-invalid for a ref; json-malformed
 */
export function parseValue(type: ValueType, text: string): Value {
  switch (type) {
    case 'string':
      return stringValue(text);
    case 'ref':
      return refValue(text);
    case 'int':
      if (/^-?(?:0|[1-9][0-9]*)$/.test(text)) return valueFromJson(new JsonNumber(text, true));
      throw new PyralogError(
        'value-invalid',
        `${JSON.stringify(shortened(text))} is not an integer.`,
      );
    case 'double':
      return doubleValue(doubleOf(text));
    case 'bool':
      if (text === 'true' || text === 'false') return boolValue(text === 'true');
      throw new PyralogError(
        'value-invalid',
        `${JSON.stringify(shortened(text))} is neither true nor false.`,
      );
    case 'instant':
      return instantValue(parseInstant(text));
    case 'bytes':
      return bytesValue(bytesOf(text));
    case 'json':
      return jsonValue(parseJson(text));
    default:
      return unreachable(type);
  }
}
