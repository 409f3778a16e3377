import { typeTag, type Value } from '@pyralog/model';
import { utf8Of } from './utf8-text.ts';

/** A value taken apart for comparison with rows. */
export interface ValueProbe {
  /** Position in VALUE_TYPES. */
  readonly tag: number;
  /** int, instant, and bool as 0 or 1. */
  readonly bits: bigint;
  readonly double: number;
  /** UTF-8 of string, ref and json, or the bytes. */
  readonly text: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Takes a value apart once, to be compared with many rows. */
export function valueProbe(value: Value): ValueProbe {
  const tag = typeTag(value.type);
  switch (value.type) {
    case 'bool':
      return { tag, bits: value.value ? 1n : 0n, double: 0, text: NO_BYTES };
    case 'int':
    case 'instant':
      return { tag, bits: value.value, double: 0, text: NO_BYTES };
    case 'double':
      return { tag, bits: 0n, double: value.value, text: NO_BYTES };
    case 'bytes':
      return { tag, bits: 0n, double: 0, text: value.value };
    case 'string':
    case 'ref':
    case 'json':
      return { tag, bits: 0n, double: 0, text: utf8Of(value.value) };
  }
}
