import { createHash } from 'node:crypto';
import { utf8Decode, utf8Encode, utf8Length } from '@pyralog/base';
import { BLOB_PREFIX_BYTES_MAX, INLINE_BYTES_MAX } from './limits.ts';
import type { BlobReference, StoredValue, Value } from './value.ts';

/** A long value taken apart: what its fact refers to it by, and what is put under its SHA-256. */
export interface ValueBlob {
  readonly reference: BlobReference;
  readonly content: Uint8Array;
}

/** Whether a value is stored as a blob. */
export function isLongValue(value: Value): boolean {
  switch (value.type) {
    case 'string':
    case 'json':
      return isLongText(value.value);
    case 'bytes':
      return value.value.length > INLINE_BYTES_MAX;
    default:
      return false;
  }
}

/** The blob that a value is stored as; undefined for one that stands in its fact. */
export function blobOf(value: Value): ValueBlob | undefined {
  if (!isLongValue(value)) return undefined;
  switch (value.type) {
    case 'string':
    case 'json': {
      const content = utf8Encode(value.value);
      const prefix = utf8Decode(content.subarray(0, wholeCharacters(content)));
      return { reference: { type: value.type, prefix, ...identityOf(content) }, content };
    }
    case 'bytes': {
      const content = value.value;
      const prefix = content.slice(0, BLOB_PREFIX_BYTES_MAX);
      return { reference: { type: 'bytes', prefix, ...identityOf(content) }, content };
    }
    default:
      return undefined;
  }
}

/** A value as it is stored. One that is compared with stored values is made so first. */
export function storedValue(value: Value): StoredValue {
  return blobOf(value)?.reference ?? value;
}

/**
 * The value that a reference stands for.
 * @param content the blob of its SHA-256, whole
 */
export function valueOfBlob({ type }: BlobReference, content: Uint8Array): Value {
  return type === 'bytes' ? { type, value: content } : { type, value: utf8Decode(content) };
}

/** SHA-256 of content, hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Most texts need no count: a UTF-16 unit is one to three bytes of UTF-8. */
function isLongText(text: string): boolean {
  if (text.length * 3 <= INLINE_BYTES_MAX) return false;
  return text.length > INLINE_BYTES_MAX || utf8Length(text) > INLINE_BYTES_MAX;
}

function identityOf(content: Uint8Array): Pick<BlobReference, 'sha256' | 'bytes'> {
  return { sha256: sha256Of(content), bytes: content.length };
}

/** How many of the first bytes of UTF-8 make up the prefix: it ends where a character does. */
function wholeCharacters(utf8: Uint8Array): number {
  let end = BLOB_PREFIX_BYTES_MAX;
  while (((utf8[end] as number) & 0xc0) === 0x80) end--;
  return end;
}
