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
/** Nesting of JSON text. */
export const JSON_DEPTH_MAX = 64;
