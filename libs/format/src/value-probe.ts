import { isReference, type StoredValue, typeTag } from '@pyralog/model';
import { hashBytesOf } from './fact-batch.ts';
import { utf8Of } from './utf8-text.ts';

/** A value taken apart for comparison with rows. */
export interface ValueProbe {
  /** Position in VALUE_TYPES. */
  readonly tag: number;
  /** int, instant, and bool as 0 or 1. */
  readonly bits: bigint;
  readonly double: number;
  /** UTF-8 of string, ref and json, or the bytes; the prefix of a reference. */
  readonly text: Uint8Array;
  /** The SHA-256 of a reference; of other values empty, which comes first. */
  readonly hash: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Takes a value apart once, to be compared with many rows. */
export function valueProbe(value: StoredValue): ValueProbe {
  const tag = typeTag(value.type);
  const probe = { tag, bits: 0n, double: 0, text: NO_BYTES, hash: NO_BYTES };
  if (isReference(value)) {
    const { prefix } = value;
    const text = typeof prefix === 'string' ? utf8Of(prefix) : prefix;
    return { ...probe, text, hash: hashBytesOf(value) };
  }
  switch (value.type) {
    case 'bool':
      return { ...probe, bits: value.value ? 1n : 0n };
    case 'int':
    case 'instant':
      return { ...probe, bits: value.value };
    case 'double':
      return { ...probe, double: value.value };
    case 'bytes':
      return { ...probe, text: value.value };
    case 'string':
    case 'ref':
    case 'json':
      return { ...probe, text: utf8Of(value.value) };
  }
}
