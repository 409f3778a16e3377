import { compareBytes, compareUtf8, unreachable } from '@pyralog/base';

/**
 * A value of a fact. The type is part of the value: `1` as int and `1` as double are two values.
 *
 * - `int` is an int64 and never passes through a JS number.
 * - `double` is any IEEE 754 double but NaN; -0 is 0.
 * - `instant` is int64 microseconds since 1970-01-01T00:00:00Z.
 * - `ref` holds the entity id it points to.
 * - `json` holds canonical text (RFC 8785 with exact integers), so equal values are equal texts.
 */
export type Value =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'instant'; readonly value: bigint }
  | { readonly type: 'ref'; readonly value: string }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'json'; readonly value: string };

/**
 * What stands in the place of a long value in logs, indexes and memory: its content is a blob of the bucket, stored once
 * by the SHA-256 of its UTF-8 or bytes. Doors answer values, never references.
 */
export type BlobReference = {
  /** Hexadecimal. */
  readonly sha256: string;
  /** Length of the content. */
  readonly bytes: number;
} & (
  | { readonly type: 'string' | 'json'; readonly prefix: string }
  | { readonly type: 'bytes'; readonly prefix: Uint8Array }
);

/** A value as facts are stored: one longer than INLINE_BYTES_MAX is a reference, and no other is. */
export type StoredValue = Value | BlobReference;

/** Whether the content of a stored value is a blob. */
export function isReference(value: StoredValue): value is BlobReference {
  return 'sha256' in value;
}

/** The name of a type, as the schema and every format write it. */
export type ValueType = Value['type'];

/**
 * The types in value order: values of different types under one attribute cannot be (types never
 * change), but orders and files must be total. The position is the tag of a value in every format.
 */
export const VALUE_TYPES: readonly ValueType[] = [
  'bool',
  'int',
  'double',
  'instant',
  'string',
  'ref',
  'bytes',
  'json',
];

const RANK = Object.fromEntries(VALUE_TYPES.map((type, rank) => [type, rank])) as Record<
  ValueType,
  number
>;

/** Tag of a type: its position in {@link VALUE_TYPES}. */
export function typeTag(type: ValueType): number {
  return RANK[type];
}

/** Whether a text names a type. */
export function isValueType(text: string): text is ValueType {
  return Object.hasOwn(RANK, text);
}

/**
 * The total order of values: by type, then numbers by size, texts and bytes by their bytes. A reference stands where its
 * prefix does, directly behind the inline value that is equal to the prefix; those of one prefix by their SHA-256.
 */
export function compareValues(a: StoredValue, b: StoredValue): number {
  if (a.type !== b.type) return RANK[a.type] - RANK[b.type];
  if (isReference(a) || isReference(b)) return compareReferences(a, b);
  switch (a.type) {
    case 'string':
    case 'ref':
    case 'json':
      return compareUtf8(a.value, b.value as string);
    case 'int':
    case 'instant':
      return a.value < (b.value as bigint) ? -1 : a.value > (b.value as bigint) ? 1 : 0;
    case 'double':
      // Of two equal infinities the difference is NaN.
      return a.value - (b.value as number) || 0;
    case 'bool':
      return Number(a.value) - Number(b.value);
    case 'bytes':
      return compareBytes(a.value, b.value as Uint8Array);
    default:
      return unreachable(a);
  }
}

/** Two values of one type, at least one of them a reference. */
function compareReferences(a: StoredValue, b: StoredValue): number {
  const [left, right] = [beginningOf(a), beginningOf(b)];
  const difference =
    typeof left === 'string'
      ? compareUtf8(left, right as string)
      : compareBytes(left, right as Uint8Array);
  if (difference !== 0) return difference;
  const [first, second] = [hashOf(a), hashOf(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

function beginningOf(value: StoredValue): string | Uint8Array {
  return isReference(value) ? value.prefix : (value.value as string | Uint8Array);
}

function hashOf(value: StoredValue): string {
  return isReference(value) ? value.sha256 : '';
}

/**
 * Whether two values are one: of the same type, with the same canonical text. A long value and its reference are not
 * compared: whoever has values of both kinds makes references first.
 */
export function equalValues(a: StoredValue, b: StoredValue): boolean {
  if (a.type !== b.type) return false;
  if (isReference(a) || isReference(b))
    return isReference(a) && isReference(b) && a.sha256 === b.sha256;
  if (a.type === 'bytes') return compareBytes(a.value, b.value as Uint8Array) === 0;
  return a.value === b.value;
}
