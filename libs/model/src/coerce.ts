import { unreachable } from '@pyralog/base';
import type { InputValue } from './document.ts';
import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';
import type { AttributeDefinition } from './schema.ts';
import { parseInstant } from './instant.ts';
import type { Value, ValueType } from './value.ts';
import { bytesValue, doubleValue, instantValue, refValue } from './value-constructors.ts';
import { bytesOf, printValue } from './value-json.ts';
import { formatValue } from './value-text.ts';

/** What is asked of an attribute that values are given to. */
type TypedAttribute = Pick<AttributeDefinition, 'ident' | 'valueType'>;

/**
 * The value that a writer means for an attribute.
 *
 * A typed value (`{"int":"5"}`) must have the attribute's type. A plain one takes it where nothing is lost or guessed: a
 * string becomes a ref, an instant or bytes, an int the equal double, and anything a json value. `5.0` does not become an
 * int, nor `"5"` a number: what looks like it is mostly a mistake somewhere else.
 * @throws type-mismatch naming attribute, expected and given
 */
export function coerceValue(input: InputValue, definition: TypedAttribute): Value {
  const { value, plain } = input;
  const expected = definition.valueType;
  if (value.type === expected) return value;
  if (!plain) throw mismatch(value, definition, typedHint(value, expected));
  switch (expected) {
    case 'json':
      return toJson(value, definition);
    case 'double':
      return toDouble(value, definition);
    case 'ref':
    case 'instant':
    case 'bytes':
      if (value.type === 'string') return fromText(value.value, expected, value, definition);
      throw mismatch(value, definition, TEXT_HINTS[expected]);
    case 'int':
      throw mismatch(
        value,
        definition,
        value.type === 'double'
          ? 'An int has neither fraction nor exponent; declare the attribute as double to keep fractions.'
          : value.type === 'string'
            ? 'Write the number without quotes.'
            : undefined,
      );
    case 'string':
      throw mismatch(
        value,
        definition,
        value.type === 'json' ? undefined : 'Write the text in quotes.',
      );
    case 'bool':
      throw mismatch(value, definition, 'Write true or false, without quotes.');
    default:
      return unreachable(expected);
  }
}

/** Infinity, refs, instants and bytes have a text, but none in JSON: bytes `"1234"` are not the number. */
function toJson(value: Value, definition: TypedAttribute): Value {
  if (value.type === 'string') return { type: 'json', value: JSON.stringify(value.value) };
  const isJson =
    value.type === 'int' ||
    value.type === 'bool' ||
    (value.type === 'double' && Number.isFinite(value.value));
  if (isJson) return { type: 'json', value: formatValue(value) };
  throw mismatch(value, definition, typedHint(value, 'json'));
}

function toDouble(value: Value, definition: TypedAttribute): Value {
  if (value.type !== 'int')
    throw mismatch(
      value,
      definition,
      value.type === 'string'
        ? 'Write the number without quotes; infinity is {"double":"Infinity"}.'
        : undefined,
    );
  const double = Number(value.value);
  if (BigInt(double) === value.value) return doubleValue(double);
  throw mismatch(
    value,
    definition,
    `No double is equal to this integer; write ${value.value}.0 to take the nearest one.`,
  );
}

const TEXT_HINTS = {
  ref: 'A ref is the id of an entity in quotes, or {"ref":"…"}.',
  instant: 'An instant is RFC 3339 text in quotes with a zone, for example "2020-01-31T12:00:00Z".',
  bytes: 'Bytes are base64 text in quotes, or {"bytes":"…"}.',
} as const;

function fromText(
  text: string,
  expected: 'ref' | 'instant' | 'bytes',
  value: Value,
  definition: TypedAttribute,
): Value {
  try {
    if (expected === 'ref') return refValue(text);
    return expected === 'bytes' ? bytesValue(bytesOf(text)) : instantValue(parseInstant(text));
  } catch (error) {
    if (!(error instanceof PyralogError)) throw error;
    throw mismatch(value, definition, error.message);
  }
}

function typedHint(value: Value, expected: ValueType): string | undefined {
  if (expected === 'json')
    return `Write {"json":${printValue(value)}} for a json value of this form.`;
  return value.type === 'int' && expected === 'double'
    ? `Write {"double":${value.value}.0}, or the bare number.`
    : undefined;
}

function mismatch(
  value: Value,
  definition: TypedAttribute,
  hint: string | undefined,
): PyralogError {
  const { ident, valueType: expected } = definition;
  return new PyralogError(
    'type-mismatch',
    `The attribute ${JSON.stringify(shortened(ident))} takes ${article(expected)} value, but ${shortened(printValue(value))} is ${article(value.type)} value.`,
    {
      hint,
      extra: { attribute: ident, expected, given: value.type },
    },
  );
}

function article(type: ValueType): string {
  return type === 'int' || type === 'instant' ? `an ${type}` : `a ${type}`;
}
