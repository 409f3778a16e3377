import { hasLoneSurrogate, utf8Length } from '@pyralog/base';
import { checkEntityOrTemporary } from './entity.ts';
import { PyralogError } from './errors.ts';
import { canonicalJson } from './json-print.ts';
import type { Json } from './json-tree.ts';
import { VALUE_BYTES_MAX } from './limits.ts';
import type { Value, ValueType } from './value.ts';

/** A value of one type. */
export type ValueOf<T extends ValueType> = Extract<Value, { readonly type: T }>;

/** The bounds of an int, both inclusive. */
export const INT64_MIN: bigint = -(2n ** 63n);
export const INT64_MAX: bigint = 2n ** 63n - 1n;

/** @throws value-invalid for half a surrogate pair, value-too-large */
export function stringValue(value: string): ValueOf<'string'> {
  if (hasLoneSurrogate(value))
    throw new PyralogError(
      'value-invalid',
      'The string has half of a surrogate pair, which no UTF-8 can hold.',
    );
  checkTextSize(value);
  return { type: 'string', value };
}

/** @throws value-invalid beyond 64 bits, and for numbers that are not safe integers */
export function intValue(value: bigint | number): ValueOf<'int'> {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new PyralogError('value-invalid', `${value} is not an exact integer.`, {
      hint: 'Integers beyond 2^53 are given as bigint.',
    });
  }
  const exact = BigInt(value);
  if (exact < INT64_MIN || exact > INT64_MAX) throw intOutOfRange(String(exact));
  return { type: 'int', value: exact };
}

/** The refusal of an integer beyond int64, given its digits. */
export function intOutOfRange(digits: string): PyralogError {
  const shown = digits.length > 40 ? `An integer of ${digits.length} digits` : digits;
  return new PyralogError('value-invalid', `${shown} does not fit into 64 bits.`, {
    hint: 'Integers lie between -2^63 and 2^63 - 1; larger numbers are doubles (with a fraction or exponent), strings or {"json":…}.',
  });
}

/** -0 becomes 0; infinities are values. @throws value-invalid for NaN */
export function doubleValue(value: number): ValueOf<'double'> {
  if (Number.isNaN(value))
    throw new PyralogError('value-invalid', 'NaN is not a value.', {
      hint: 'Leave the fact out, or use another attribute for what is not known.',
    });
  return { type: 'double', value: value === 0 ? 0 : value };
}

/** A bool; every boolean is one. */
export function boolValue(value: boolean): ValueOf<'bool'> {
  return { type: 'bool', value };
}

/** @param micros microseconds since 1970 @throws value-invalid beyond 64 bits */
export function instantValue(micros: bigint): ValueOf<'instant'> {
  if (micros < INT64_MIN || micros > INT64_MAX)
    throw new PyralogError(
      'value-invalid',
      `${micros} microseconds since 1970 do not fit into 64 bits.`,
    );
  return { type: 'instant', value: micros };
}

/** A reference to an entity, or to a temporary id of the same document. @throws entity-invalid */
export function refValue(entity: string): ValueOf<'ref'> {
  return { type: 'ref', value: checkEntityOrTemporary(entity) };
}

/** Keeps the bytes, which must not change any more. @throws value-too-large */
export function bytesValue(value: Uint8Array): ValueOf<'bytes'> {
  checkSize(value.length);
  return { type: 'bytes', value };
}

/** @throws value-invalid for a number beyond the doubles, value-too-large */
export function jsonValue(json: Json): ValueOf<'json'> {
  const value = canonicalJson(json);
  checkTextSize(value);
  return { type: 'json', value };
}

function checkTextSize(text: string): void {
  if (text.length > VALUE_BYTES_MAX / 3) checkSize(utf8Length(text));
}

function checkSize(bytes: number): void {
  if (bytes <= VALUE_BYTES_MAX) return;
  throw new PyralogError(
    'value-too-large',
    `The value has ${bytes} bytes. The limit is ${VALUE_BYTES_MAX} bytes (16 MiB).`,
    {
      extra: { limit: VALUE_BYTES_MAX, given: bytes },
    },
  );
}
