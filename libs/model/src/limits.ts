/** Operations of a transaction as written: a map form is one. */
export const OPERATIONS_MAX = 100_000;
/** Rows of `if` of a transaction. */
export const CONDITIONS_MAX = 100_000;
/** Facts that one transaction may write, implicit retractions included. */
export const FACTS_MAX = 1_000_000;
/** Bytes of a transaction document: 64 MiB. */
export const DOCUMENT_BYTES_MAX: number = 64 * 1024 * 1024;
/** UTF-8 bytes of an entity id or an attribute name. */
export const NAME_BYTES_MAX = 1024;
/** UTF-8 bytes of an idempotency key. */
export const KEY_BYTES_MAX = 1024;
/** Bytes of a value: UTF-8 of a string, canonical text of a json value: 16 MiB. */
export const VALUE_BYTES_MAX: number = 16 * 1024 * 1024;
/** Bytes of a value that stands where its fact does: 64 KiB. A longer one is a blob, and the fact refers to it. */
export const INLINE_BYTES_MAX: number = 64 * 1024;
/** Bytes of a long value that its reference begins with; of a text as many as hold whole characters. */
export const BLOB_PREFIX_BYTES_MAX = 256;
/** Nesting of JSON text. */
export const JSON_DEPTH_MAX = 64;
