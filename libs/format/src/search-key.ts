import { TruncatedError, utf8Encode } from '@pyralog/base';
import { type IndexOrder, PyralogError, type Tx, TX_LAST, tx as asTx } from '@pyralog/model';
import { TAG_DOUBLE, TAG_MASK, TAG_STRING } from './fact-batch.ts';
import type { FactColumns, Texts } from './fact-columns.ts';
import { indexKey, KEY_COMPONENTS, type KeyParts, KeyReader } from './index-key.ts';
import { compareNumbers, compareRange, hashLength } from './row-order.ts';
import { valueProbe, type ValueProbe } from './value-probe.ts';

/**
 * A leading part of the components of an index order, ready for searches: as bytes for the sparse indexes
 * of runs, and taken apart for rows, which have no keys of their own.
 */
export interface SearchKey {
  readonly order: IndexOrder;
  readonly bytes: Uint8Array;
  readonly entity: Uint8Array | undefined;
  readonly attribute: Uint8Array | undefined;
  readonly value: ValueProbe | undefined;
  readonly tx: Tx | undefined;
}

/** @param parts as {@link indexKey} takes them: those behind the first that is absent must be absent */
export function searchKey(order: IndexOrder, parts: KeyParts): SearchKey {
  const { entity, attribute, value, tx } = parts;
  return {
    order,
    bytes: indexKey(order, parts),
    entity: entity === undefined ? undefined : utf8Encode(entity),
    attribute: attribute === undefined ? undefined : utf8Encode(attribute),
    value: value === undefined ? undefined : valueProbe(value),
    tx,
  };
}

/**
 * From the bytes of a key, as callers give them back.
 * @throws cursor-invalid where they are no key of the order
 */
export function readSearchKey(order: IndexOrder, bytes: Uint8Array): SearchKey {
  const key: { -readonly [name in keyof SearchKey]: SearchKey[name] } = {
    order,
    bytes,
    entity: undefined,
    attribute: undefined,
    value: undefined,
    tx: undefined,
  };
  try {
    const reader = new KeyReader(bytes);
    for (const component of KEY_COMPONENTS[order]) {
      if (reader.atEnd) break;
      if (component === 'value') key.value = reader.value();
      else if (component === 'tx') key.tx = checkedTx(reader.u64());
      else key[component] = reader.text();
    }
    if (reader.atEnd) return key;
  } catch (error) {
    if (!(error instanceof TruncatedError)) throw error;
  }
  throw invalid();
}

/**
 * Order of a row and a key; 0 where the row begins with the key's components.
 * @param tx of the fact, where it is the retract of a row that is two facts
 */
export function compareToKey(
  columns: FactColumns,
  row: number,
  key: SearchKey,
  tx: bigint = columns.tx[row] as bigint,
): number {
  for (const component of KEY_COMPONENTS[key.order]) {
    let difference: number;
    switch (component) {
      case 'entity':
        if (key.entity === undefined) return 0;
        difference = compareText(columns.entities, columns.entity[row] as number, key.entity);
        break;
      case 'attribute':
        if (key.attribute === undefined) return 0;
        difference = compareText(
          columns.attributes,
          columns.attribute[row] as number,
          key.attribute,
        );
        break;
      case 'value':
        if (key.value === undefined) return 0;
        difference = compareToProbe(columns, row, key.value);
        break;
      case 'tx':
        if (key.tx === undefined) return 0;
        difference = compareNumbers(tx, key.tx);
    }
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Order of a row's attribute and one that is given as UTF-8. */
export function compareAttribute(columns: FactColumns, row: number, attribute: Uint8Array): number {
  return compareText(columns.attributes, columns.attribute[row] as number, attribute);
}

/** Order of a row's value and another. */
export function compareToProbe(columns: FactColumns, row: number, value: ValueProbe): number {
  const tag = (columns.type[row] as number) & TAG_MASK;
  if (tag !== value.tag) return tag - value.tag;
  if (tag >= TAG_STRING) {
    const { texts } = columns;
    const { text, hash } = value;
    const to = columns.textTo(row);
    const end = to - hashLength(columns, row);
    return (
      compareRange(texts, columns.textFrom(row), end, text, 0, text.length) ||
      compareRange(texts, end, to, hash, 0, hash.length)
    );
  }
  if (tag === TAG_DOUBLE) return compareNumbers(columns.doubles[row] as number, value.double);
  return compareNumbers(columns.bits[row] as bigint, value.bits);
}

function compareText({ offsets, bytes }: Texts, number: number, text: Uint8Array): number {
  return compareRange(
    bytes,
    offsets[number] as number,
    offsets[number + 1] as number,
    text,
    0,
    text.length,
  );
}

function checkedTx(bits: bigint): Tx {
  if (bits > TX_LAST) throw invalid();
  return asTx(bits);
}

function invalid(): PyralogError {
  return new PyralogError('cursor-invalid', 'The cursor is not one that Pyralog gave.', {
    hint: 'Use a cursor exactly as it stood in an answer.',
  });
}
