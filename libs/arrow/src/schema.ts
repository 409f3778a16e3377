/** What a schema says of its columns, as far as transaction documents have use for it. */
import { utf8Encode } from '@pyralog/base';
import {
  isValueType,
  NAME_BYTES_MAX,
  PyralogError,
  type ValueType,
  VALUE_TYPES,
} from '@pyralog/model';
import { Date as DateType } from 'apache-arrow/fb/date';
import { DateUnit } from 'apache-arrow/fb/date-unit';
import { Endianness } from 'apache-arrow/fb/endianness';
import type { Field } from 'apache-arrow/fb/field';
import { FixedSizeBinary } from 'apache-arrow/fb/fixed-size-binary';
import { FixedSizeList } from 'apache-arrow/fb/fixed-size-list';
import { FloatingPoint } from 'apache-arrow/fb/floating-point';
import { Int } from 'apache-arrow/fb/int';
import type { KeyValue } from 'apache-arrow/fb/key-value';
import { Precision } from 'apache-arrow/fb/precision';
import type { Schema } from 'apache-arrow/fb/schema';
import { TimeUnit } from 'apache-arrow/fb/time-unit';
import { Timestamp } from 'apache-arrow/fb/timestamp';
import { Type } from 'apache-arrow/fb/type';
import { Union } from 'apache-arrow/fb/union';
import { UnionMode } from 'apache-arrow/fb/union-mode';
import { Encoding } from 'flatbuffers';
import { badColumn, notArrow, quoted, textOf } from './refusals.ts';

/** How the values of an array lie in its buffers. */
export type Layout =
  | { readonly kind: 'null' }
  | IntLayout
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | { readonly kind: 'bool' }
  | {
      readonly kind: 'text' | 'bytes';
      /** Offsets of 32 or 64 bits, or views. */
      readonly by: 32 | 64 | 'view';
    }
  | { readonly kind: 'fixedBytes'; readonly width: number }
  | {
      readonly kind: 'instant';
      readonly bits: 32 | 64;
      /** Times these, by the divisor, a count since 1970 is one of microseconds. */
      readonly micros: bigint;
      readonly divisor: bigint;
    }
  | {
      readonly kind: 'list';
      readonly by: 32 | 64 | 'size';
      readonly size: number;
      readonly item: Column;
    }
  | {
      readonly kind: 'union';
      readonly dense: boolean;
      /** Position of the child by type id. */
      readonly ids: ReadonlyMap<number, number>;
      readonly children: readonly Column[];
    };

export interface IntLayout {
  readonly kind: 'int';
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

export interface Column {
  readonly name: string;
  /** Of the values; those of a dictionary lie there. */
  readonly layout: Layout;
  readonly dictionary: { readonly id: bigint; readonly index: IntLayout } | undefined;
  /** The type that its metadata give its values; undefined: that of the layout. */
  readonly type: ValueType | undefined;
}

export interface ColumnSchema {
  readonly columns: readonly Column[];
  /** Metadata whose keys begin with `pyralog.`, without that. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** Arrays of a schema, children included; and how deep they may lie in each other. */
const ARRAYS_MAX = 10_000;
const DEPTH_MAX = 16;
const METADATA_PREFIX = utf8Encode('pyralog.');
const KEY_BYTES_MAX = 64;
/** Metadata of a schema, and of a column. */
const DOCUMENT_KEYS: readonly string[] = ['id', 'meta', 'if', 'at'];
const COLUMN_KEYS: readonly string[] = ['type'];

/** @throws document-invalid */
export function readSchema(schema: Schema): ColumnSchema {
  if (schema.endianness() !== Endianness.Little)
    throw notArrow('their numbers are big-endian', 'Write them on a little-endian machine.');
  const reader = new SchemaReader();
  const columns = reader.list(schema.fieldsLength(), (index) =>
    reader.column(schema.fields(index), 0, undefined),
  );
  const metadata = readMetadata(
    schema.customMetadataLength(),
    (index) => schema.customMetadata(index),
    DOCUMENT_KEYS,
  );
  return { columns, metadata };
}

class SchemaReader {
  #arrays = 0;

  list<T>(length: number, entry: (index: number) => T): T[] {
    this.#arrays += length;
    if (length < 0 || this.#arrays > ARRAYS_MAX)
      throw notArrow(`they have more than ${ARRAYS_MAX} columns`, 'Name fewer attributes at once.');
    return Array.from({ length }, (_, index) => entry(index));
  }

  /** @param inherited the type that the column around it gives its values */
  column(field: Field | null, depth: number, inherited: ValueType | undefined): Column {
    if (field === null) throw notArrow('a column is missing');
    if (depth > DEPTH_MAX) throw notArrow('their columns are nested too deeply');
    const name = nameOf(field);
    const length = field.customMetadataLength();
    const metadata = readMetadata(length, (index) => field.customMetadata(index), COLUMN_KEYS);
    const type = typeOf(name, metadata.get('type')) ?? inherited;
    const children = this.list(field.childrenLength(), (index) =>
      this.column(field.children(index), depth + 1, type),
    );
    const layout = layoutOf(name, field, children);
    const dictionary = dictionaryOf(name, field);
    if (dictionary !== undefined && NESTED.includes(layout.kind))
      throw badColumn(name, 'has a dictionary of lists or unions', 'Write it without dictionary.');
    if (type !== undefined) checkType(name, layout, type);
    return { name, layout, dictionary, type };
  }
}

const NESTED: readonly Layout['kind'][] = ['null', 'list', 'union'];

function nameOf(field: Field): string {
  const bytes = bytesOf(field.name(Encoding.UTF8_BYTES));
  // With the colon that an attribute may have in front.
  if (bytes.length > NAME_BYTES_MAX + 1)
    throw notArrow(`the name of a column has ${bytes.length} bytes, of ${NAME_BYTES_MAX} at most`);
  const name = textOf(bytes);
  if (name === undefined) throw notArrow('the name of a column is no UTF-8');
  return name;
}

/** Only our own: others, as of pandas, are long and say nothing here. */
function readMetadata(
  length: number,
  pair: (index: number) => KeyValue | null,
  keys: readonly string[],
): ReadonlyMap<string, string> {
  if (length < 0 || length > ARRAYS_MAX) throw notArrow(`they have ${length} metadata`);
  const metadata = new Map<string, string>();
  for (let index = 0; index < length; index++) {
    const each = pair(index);
    const key = bytesOf(each?.key(Encoding.UTF8_BYTES));
    if (!METADATA_PREFIX.every((byte, i) => key[i] === byte)) continue;
    const name = textOf(key.subarray(METADATA_PREFIX.length, KEY_BYTES_MAX)) ?? '';
    if (!keys.includes(name))
      throw new PyralogError(
        'document-invalid',
        `There are no metadata ${quoted(`pyralog.${name}`)} here.`,
        { hint: `They may be ${keys.map((known) => `"pyralog.${known}"`).join(', ')}.` },
      );
    const value = textOf(bytesOf(each?.value(Encoding.UTF8_BYTES)));
    if (value === undefined) throw notArrow(`the metadata "pyralog.${name}" are no UTF-8`);
    if (metadata.has(name)) throw notArrow(`the metadata "pyralog.${name}" stand twice`);
    metadata.set(name, value);
  }
  return metadata;
}

function bytesOf(field: string | Uint8Array | null | undefined): Uint8Array {
  return field instanceof Uint8Array ? field : new Uint8Array(0);
}

function typeOf(name: string, type: string | undefined): ValueType | undefined {
  if (type === undefined || isValueType(type)) return type;
  throw badColumn(
    name,
    `has ${quoted(type)} as pyralog.type`,
    `The types are ${VALUE_TYPES.join(', ')}.`,
  );
}

/** Layouts whose values may be of a type that metadata give; see `typedJson`. */
const LAYOUTS_OF_TYPE: Readonly<Record<ValueType, readonly Layout['kind'][]>> = {
  string: ['text'],
  ref: ['text'],
  json: ['text'],
  instant: ['text', 'instant'],
  bytes: ['text', 'bytes', 'fixedBytes'],
  int: ['int'],
  double: ['float', 'int'],
  bool: ['bool'],
};

function checkType(name: string, layout: Layout, type: ValueType): void {
  // Their children have the type.
  if (NESTED.includes(layout.kind) || LAYOUTS_OF_TYPE[type].includes(layout.kind)) return;
  throw badColumn(name, `holds no values of the type ${type} that its metadata give`);
}

function dictionaryOf(name: string, field: Field): Column['dictionary'] {
  const encoding = field.dictionary();
  if (encoding === null) return undefined;
  const index = encoding.indexType();
  return {
    id: encoding.id(),
    // The format's default.
    index: index === null ? { kind: 'int', bits: 32, signed: true } : intLayout(name, index),
  };
}

function intLayout(name: string, int: Int): IntLayout {
  const bits = int.bitWidth();
  if (bits !== 8 && bits !== 16 && bits !== 32 && bits !== 64)
    throw badColumn(name, `has integers of ${bits} bits`);
  return { kind: 'int', bits, signed: int.isSigned() };
}

const MICROS: Readonly<Record<number, readonly [micros: bigint, divisor: bigint]>> = {
  [TimeUnit.SECOND]: [1_000_000n, 1n],
  [TimeUnit.MILLISECOND]: [1_000n, 1n],
  [TimeUnit.MICROSECOND]: [1n, 1n],
  [TimeUnit.NANOSECOND]: [1n, 1_000n],
};
const MICROS_OF_DAY = 86_400_000_000n;

function layoutOf(name: string, field: Field, children: readonly Column[]): Layout {
  const table = <T>(empty: T): T => {
    const type: unknown = field.type(empty);
    if (type === null) throw badColumn(name, 'has no type');
    return empty;
  };
  const item = (): Column => {
    const [child, ...others] = children;
    if (child === undefined || others.length > 0)
      throw badColumn(name, `is a list of ${children.length} columns`);
    return child;
  };
  const type = field.typeType();
  switch (type) {
    case Type.Null:
      return { kind: 'null' };
    case Type.Int:
      return intLayout(name, table(new Int()));
    case Type.FloatingPoint: {
      const precision = table(new FloatingPoint()).precision();
      if (precision === Precision.HALF) throw unsupported(name, 'floats of 16 bits');
      return { kind: 'float', bits: precision === Precision.SINGLE ? 32 : 64 };
    }
    case Type.Bool:
      return { kind: 'bool' };
    case Type.Utf8:
      return { kind: 'text', by: 32 };
    case Type.LargeUtf8:
      return { kind: 'text', by: 64 };
    case Type.Utf8View:
      return { kind: 'text', by: 'view' };
    case Type.Binary:
      return { kind: 'bytes', by: 32 };
    case Type.LargeBinary:
      return { kind: 'bytes', by: 64 };
    case Type.BinaryView:
      return { kind: 'bytes', by: 'view' };
    case Type.FixedSizeBinary:
      return { kind: 'fixedBytes', width: widthOf(name, table(new FixedSizeBinary()).byteWidth()) };
    case Type.Timestamp: {
      const [micros, divisor] = MICROS[table(new Timestamp()).unit()] ?? [];
      if (micros === undefined || divisor === undefined)
        throw badColumn(name, 'has a unit of time that is not known here');
      return { kind: 'instant', bits: 64, micros, divisor };
    }
    case Type.Date:
      return table(new DateType()).unit() === DateUnit.DAY
        ? { kind: 'instant', bits: 32, micros: MICROS_OF_DAY, divisor: 1n }
        : { kind: 'instant', bits: 64, micros: 1_000n, divisor: 1n };
    case Type.List:
      return { kind: 'list', by: 32, size: 0, item: item() };
    case Type.LargeList:
      return { kind: 'list', by: 64, size: 0, item: item() };
    case Type.FixedSizeList: {
      const size = widthOf(name, table(new FixedSizeList()).listSize());
      return { kind: 'list', by: 'size', size, item: item() };
    }
    case Type.Union:
      return unionLayout(name, table(new Union()), children);
    default:
      throw unsupported(name, TYPE_NAMES[type] ?? 'a type that is not known here');
  }
}

function widthOf(name: string, width: number): number {
  if (width < 0) throw badColumn(name, `has values of ${width} bytes`);
  return width;
}

function unionLayout(name: string, union: Union, children: readonly Column[]): Layout {
  const written = union.typeIdsLength();
  if (written !== 0 && written !== children.length)
    throw badColumn(name, `is a union of ${children.length} columns with ${written} ids`);
  const ids = new Map(
    children.map((_, index) => [written === 0 ? index : (union.typeIds(index) ?? -1), index]),
  );
  return { kind: 'union', dense: union.mode() === UnionMode.Dense, ids, children };
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [Type.Decimal]: 'decimals',
  [Type.Time]: 'times of the day',
  [Type.Interval]: 'intervals',
  [Type.Struct_]: 'structs',
  [Type.Map]: 'maps',
  [Type.Duration]: 'durations',
  [Type.RunEndEncoded]: 'runs',
  [Type.ListView]: 'views of lists',
  [Type.LargeListView]: 'views of lists',
};

function unsupported(name: string, what: string): PyralogError {
  return badColumn(
    name,
    `holds ${what}, which are no values`,
    'Cast it to integers, doubles or texts; json is a text with the field metadata pyralog.type: json.',
  );
}
