import type { IndexOrder } from '@pyralog/model';
import { BLOB_FLAG, SHA256_BYTES, TAG_DOUBLE, TAG_MASK, TAG_STRING } from './fact-batch.ts';
import type { FactColumns, Texts } from './fact-columns.ts';

/** Order of two rows, of the same columns or of others, in an index order. */
export function compareRows(
  order: IndexOrder,
  a: FactColumns,
  i: number,
  b: FactColumns,
  j: number,
): number {
  return compareSubjects(order, a, i, b, j) || compareNumbers(a.tx[i] as bigint, b.tx[j] as bigint);
}

/** The same without their time: 0 where two rows are about one (entity, attribute, value). */
export function compareSubjects(
  order: IndexOrder,
  a: FactColumns,
  i: number,
  b: FactColumns,
  j: number,
): number {
  switch (order) {
    case 'eavt':
      return (
        compareEntities(a, i, b, j) || compareAttributes(a, i, b, j) || compareRowValues(a, i, b, j)
      );
    case 'aevt':
      return (
        compareAttributes(a, i, b, j) || compareEntities(a, i, b, j) || compareRowValues(a, i, b, j)
      );
    case 'avet':
      return (
        compareAttributes(a, i, b, j) || compareRowValues(a, i, b, j) || compareEntities(a, i, b, j)
      );
    case 'vaet':
      return (
        compareRowValues(a, i, b, j) || compareAttributes(a, i, b, j) || compareEntities(a, i, b, j)
      );
  }
}

/** Whether two rows are about one (entity, attribute, value). */
export function sameSubject(a: FactColumns, i: number, b: FactColumns, j: number): boolean {
  // The value differs most often.
  return (
    compareRowValues(a, i, b, j) === 0 &&
    compareEntities(a, i, b, j) === 0 &&
    compareAttributes(a, i, b, j) === 0
  );
}

function compareEntities(a: FactColumns, i: number, b: FactColumns, j: number): number {
  return compareTexts(a.entities, a.entity[i] as number, b.entities, b.entity[j] as number);
}

function compareAttributes(a: FactColumns, i: number, b: FactColumns, j: number): number {
  return compareTexts(
    a.attributes,
    a.attribute[i] as number,
    b.attributes,
    b.attribute[j] as number,
  );
}

function compareRowValues(a: FactColumns, i: number, b: FactColumns, j: number): number {
  const tag = a.type[i] as number;
  const otherTag = b.type[j] as number;
  if (((tag | otherTag) & BLOB_FLAG) !== 0) return compareReferences(a, i, b, j);
  if (tag !== otherTag) return tag - otherTag;
  if (tag >= TAG_STRING)
    return compareRange(a.texts, a.textFrom(i), a.textTo(i), b.texts, b.textFrom(j), b.textTo(j));
  if (tag === TAG_DOUBLE) return compareNumbers(a.doubles[i] as number, b.doubles[j] as number);
  return compareNumbers(a.bits[i] as bigint, b.bits[j] as bigint);
}

/** Values of two rows, at least one of them a reference: by prefix, behind an inline value, by SHA-256. */
function compareReferences(a: FactColumns, i: number, b: FactColumns, j: number): number {
  const types = ((a.type[i] as number) & TAG_MASK) - ((b.type[j] as number) & TAG_MASK);
  if (types !== 0) return types;
  const [aEnd, bEnd] = [a.textTo(i) - hashLength(a, i), b.textTo(j) - hashLength(b, j)];
  return (
    compareRange(a.texts, a.textFrom(i), aEnd, b.texts, b.textFrom(j), bEnd) ||
    compareRange(a.texts, aEnd, a.textTo(i), b.texts, bEnd, b.textTo(j))
  );
}

/** Bytes of a SHA-256 at the end of a row's text. */
export function hashLength({ type }: Pick<FactColumns, 'type'>, row: number): number {
  return ((type[row] as number) & BLOB_FLAG) === 0 ? 0 : SHA256_BYTES;
}

function compareTexts(a: Texts, i: number, b: Texts, j: number): number {
  if (a === b && i === j) return 0;
  return compareRange(
    a.bytes,
    a.offsets[i] as number,
    a.offsets[i + 1] as number,
    b.bytes,
    b.offsets[j] as number,
    b.offsets[j + 1] as number,
  );
}

/** memcmp order of a[aFrom, aTo) and b[bFrom, bTo); a prefix comes first. */
export function compareRange(
  a: Uint8Array,
  aFrom: number,
  aTo: number,
  b: Uint8Array,
  bFrom: number,
  bTo: number,
): number {
  const end = aFrom + Math.min(aTo - aFrom, bTo - bFrom);
  for (let i = aFrom, j = bFrom; i < end; i++, j++) {
    const difference = (a[i] as number) - (b[j] as number);
    if (difference !== 0) return difference;
  }
  return aTo - aFrom - (bTo - bFrom);
}

/** Order of two numbers; neither is NaN. */
export function compareNumbers<T extends number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
