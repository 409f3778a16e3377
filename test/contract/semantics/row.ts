import type { AttributeDefinition, ErrorCode } from '@pyralog/model';

/** Operations alone, or a whole document. `@0` stands for the tx of the first document of `before`, and so on. */
export type Document =
  | readonly unknown[]
  | {
      readonly id?: string;
      readonly meta?: object;
      readonly if?: readonly object[];
      readonly ops: readonly unknown[];
    };

/**
 * One row of a table of meanings: a state, a document, and what becomes of it.
 *
 * What begins with `$` (`$e`, `$mail`) is an entity or a text whose place is chosen by who runs the row: all on one
 * partition, or each on another.
 */
export interface Row {
  readonly name: string;
  readonly strict?: boolean;
  /** Committed one after the other. */
  readonly before?: readonly Document[];
  /** Tried then, and refused. */
  readonly tried?: readonly Document[];
  readonly document: Document;
  readonly outcome: Writes | Refused;
}

export interface Writes {
  /**
   * Every fact about data and the transaction, `+entity attribute value` or `-…`, values as JSON. Transactions are
   * called `tx`, and new entities as the temporary id that they come from.
   */
  readonly facts: readonly string[];
  /** What temporary ids become: an entity, or `new`. */
  readonly ids?: Readonly<Record<string, string>>;
  /** What is known of attributes afterwards; undefined: nothing. */
  readonly schema?: Readonly<Record<string, Partial<AttributeDefinition> | undefined>>;
}

export interface Refused {
  readonly code: ErrorCode;
  /** Fields of the problem that must be there so. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** What the sentence must name. */
  readonly says?: readonly string[];
}

export const add = (entity: string, attribute: string, value: unknown): object => ({
  op: 'assert',
  entity,
  attribute,
  value,
});

/** @param value undefined: every value */
export const drop = (entity: string, attribute: string, value?: unknown): object => ({
  op: 'retract',
  entity,
  attribute,
  ...(value === undefined ? {} : { value }),
});

export const gone = (entity: string): object => ({ op: 'retractEntity', entity });

export const cas = (entity: string, attribute: string, old: unknown, next: unknown): object => ({
  op: 'cas',
  entity,
  attribute,
  old,
  new: next,
});

/** Says something of an attribute; names are those of `db/…`. */
export const define = (ident: string, said: Readonly<Record<string, unknown>>): object => ({
  entity: `attribute:${ident}`,
  ...Object.fromEntries(Object.entries(said).map(([name, value]) => [`db/${name}`, value])),
});

/** Facts that are written, and nothing else of interest. */
export const writes = (...facts: readonly string[]): Writes => ({ facts });

/** @param about fields of the problem */
export const refused = (
  code: ErrorCode,
  about: Readonly<Record<string, unknown>> = {},
  ...says: readonly string[]
): Refused => ({ code, extra: about, says });
