/**
 * Facts as Arrow batches of runs and segments, in three layouts:
 *
 *   log     one row per fact: entity, attribute, type, int, double, text, bytes, blob, tx, assert
 *   wide    the same, and retracted
 *   nested  one row per entity: entity, facts list<struct<attribute, …, retracted>>
 *
 *   attribute  dictionary<uint16, utf8>      type  dictionary<uint8, utf8>, VALUE_TYPES
 *   int        int64: int, instant in microseconds, bool as 0 or 1; else 0
 *   double     float64; else 0               text  utf8: string, ref, json; else empty
 *   bytes      binary; else empty            tx    int64         assert  bool
 *   blob       binary: SHA-256 and length (u64, little-endian) of the blob that is the value; else empty
 *   retracted  int64: tx of the retract that took the fact back, which has no row of its own then; else 0
 *
 * `type` says which of the value columns counts. Where there is a blob, `text` or `bytes` has its prefix. Separate columns for numbers, texts and bytes cost
 * nothing after compression and let any reader of Arrow understand the file.
 */
import { utf8Encode } from '@pyralog/base';
import { VALUE_TYPES } from '@pyralog/model';
import type { ArrowField } from './arrow-schema.ts';
import { TAG_BYTES, TAG_DOUBLE, TAG_STRING } from './fact-batch.ts';
import { type TextList, textListOf } from './text-list.ts';

export type FactLayout = 'log' | 'wide' | 'nested';

/** Facts of a batch at most. Readers fetch and decode whole batches: 24 to 28 kB, 0.4 ms. */
export const BLOCK_FACTS = 2048;

export const ATTRIBUTE_DICTIONARY = 0;
export const TYPE_DICTIONARY = 1;

const FACT_FIELDS: readonly ArrowField[] = [
  { name: 'attribute', type: 'dictionary', id: ATTRIBUTE_DICTIONARY, index: 'uint16' },
  { name: 'type', type: 'dictionary', id: TYPE_DICTIONARY, index: 'uint8' },
  { name: 'int', type: 'int64' },
  { name: 'double', type: 'float64' },
  { name: 'text', type: 'utf8' },
  { name: 'bytes', type: 'binary' },
  { name: 'blob', type: 'binary' },
  { name: 'tx', type: 'int64' },
  { name: 'assert', type: 'bool' },
];
const RUN_FIELDS: readonly ArrowField[] = [...FACT_FIELDS, { name: 'retracted', type: 'int64' }];
/** Columns of a fact besides its entity. */
export const FACT_COLUMNS: Readonly<Record<FactLayout, number>> = {
  log: FACT_FIELDS.length,
  wide: RUN_FIELDS.length,
  nested: RUN_FIELDS.length,
};
const ENTITY_FIELD: ArrowField = { name: 'entity', type: 'utf8' };

export const LAYOUT_FIELDS: Readonly<Record<FactLayout, readonly ArrowField[]>> = {
  log: [ENTITY_FIELD, ...FACT_FIELDS],
  wide: [ENTITY_FIELD, ...RUN_FIELDS],
  nested: [
    ENTITY_FIELD,
    {
      name: 'facts',
      type: 'list',
      item: { name: 'fact', type: 'struct', fields: RUN_FIELDS },
    },
  ],
};

/** The texts of the type dictionary. */
export const TYPE_NAMES: TextList = textListOf(VALUE_TYPES.map(utf8Encode));

/** Sets of types, a bit for each tag: which value column they need. */
export const DOUBLE_KINDS: number = 1 << TAG_DOUBLE;
export const BYTES_KINDS: number = 1 << TAG_BYTES;
export const INT_KINDS: number = ((1 << TAG_STRING) - 1) & ~DOUBLE_KINDS;
export const TEXT_KINDS: number = 0xff & ~((1 << TAG_STRING) - 1) & ~BYTES_KINDS;
