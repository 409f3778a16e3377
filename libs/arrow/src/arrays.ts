/** Arrays of a batch, and their values as JSON of a transaction document. */
import { utf8Length } from '@pyralog/base';
import {
  formatInstant,
  isPyralogError,
  type Json,
  JSON_DEPTH_MAX,
  jsonDouble,
  JsonNumber,
  JsonObject,
  parseJson,
  PyralogError,
  type ValueType,
} from '@pyralog/model';
import type { BatchParts } from './buffers.ts';
import { type Budget, notArrow, textOf } from './refusals.ts';
import type { Column, IntLayout, Layout } from './schema.ts';

/** Values by row. */
export interface ArrowArray {
  readonly length: number;
  /**
   * Null where there is none. An array of several is a list.
   * @throws document-invalid, value-invalid, transaction-too-large
   */
  at(row: number): Json;
}

/** Values of a dictionary by their number. */
type Dictionary = readonly Json[];

export interface ArrayContext {
  readonly parts: BatchParts;
  readonly dictionaries: ReadonlyMap<bigint, Dictionary>;
  /** For what values take as text: each is taken as often as rows say it. */
  readonly budget: Budget;
}

/** The array of a column, and those below it, as they come next in the batch. */
export function readArray(column: Column, context: ArrayContext): ArrowArray {
  const { parts, budget } = context;
  const node = parts.node();
  const values = column.dictionary
    ? indices(column.dictionary, node, context)
    : plain(column.layout, node, context);
  const { type } = column;
  const nested = column.layout.kind === 'list' || column.layout.kind === 'union';
  return {
    length: values.length,
    at: (row) => {
      const json = values.at(row);
      if (json === null || nested) return json;
      budget.take(weightOf(json));
      return type === undefined ? json : typedJson(json, type);
    },
  };
}

/** @throws document-invalid */
export function readDictionary(column: Column, context: ArrayContext): Json[] {
  const node = context.parts.node();
  const values = plain(column.layout, node, context);
  // Not more than bytes back it: every value has some, but for those of no width.
  context.budget.take(values.length);
  const dictionary: Json[] = [];
  for (let index = 0; index < values.length; index++) {
    const json = values.at(index);
    context.budget.take(weightOf(json));
    dictionary.push(json);
  }
  return dictionary;
}

interface Node {
  readonly length: number;
  readonly nulls: number;
}

function indices(
  { id, index }: NonNullable<Column['dictionary']>,
  node: Node,
  context: ArrayContext,
): ArrowArray {
  const dictionary = context.dictionaries.get(id);
  const isNull = validity(node, context.parts);
  const integers = integerReader(index, node, context.parts);
  return {
    length: node.length,
    at: (row) => {
      if (isNull(row)) return null;
      const value = dictionary?.[Number(integers(row))];
      if (value === undefined) throw notArrow('a dictionary lacks a value');
      return value;
    },
  };
}

function plain(layout: Layout, node: Node, context: ArrayContext): ArrowArray {
  const { parts } = context;
  const { length } = node;
  if (layout.kind === 'null') return { length, at: () => null };
  if (layout.kind === 'union') return union(layout, node, context);
  const isNull = validity(node, parts);
  const value = valueReader(layout, node, context);
  return { length, at: (row) => (isNull(row) ? null : value(row)) };
}

type Rows<T> = (row: number) => T;

/** A buffer of bits where there are nulls. */
function validity({ length, nulls }: Node, parts: BatchParts): Rows<boolean> {
  const bits = parts.buffer(nulls === 0 ? 0 : (length + 7) >> 3, 'bits of nulls');
  if (nulls === 0) return () => false;
  return (row) => (bits.getUint8(row >> 3) & (1 << (row & 7))) === 0;
}

type ValueLayout = Exclude<Layout, { readonly kind: 'null' | 'union' }>;

function valueReader(layout: ValueLayout, node: Node, context: ArrayContext): Rows<Json> {
  const { parts } = context;
  const { length } = node;
  switch (layout.kind) {
    case 'int': {
      const integer = integerReader(layout, node, parts);
      return (row) => new JsonNumber(String(integer(row)), true);
    }
    case 'float': {
      const view = parts.buffer(length * (layout.bits / 8), 'doubles');
      return layout.bits === 32
        ? (row) => doubleJson(view.getFloat32(row * 4, true))
        : (row) => doubleJson(view.getFloat64(row * 8, true));
    }
    case 'bool': {
      const bits = parts.buffer((length + 7) >> 3, 'booleans');
      return (row) => (bits.getUint8(row >> 3) & (1 << (row & 7))) !== 0;
    }
    case 'instant': {
      const count = integerReader({ kind: 'int', bits: layout.bits, signed: true }, node, parts);
      return (row) => instantJson(BigInt(count(row)) * layout.micros, layout.divisor);
    }
    case 'text': {
      const bytes = bytesReader(layout.by, node, parts);
      return (row) => textJson(bytes(row));
    }
    case 'bytes': {
      const bytes = bytesReader(layout.by, node, parts);
      return (row) => bytesJson(bytes(row));
    }
    case 'fixedBytes': {
      const { width } = layout;
      const view = parts.buffer(length * width, 'bytes');
      return (row) => bytesJson(within(view, row * width, (row + 1) * width));
    }
    case 'list':
      return listReader(layout, node, context);
  }
}

function integerReader(
  { bits, signed }: IntLayout,
  { length }: Node,
  parts: BatchParts,
): Rows<number | bigint> {
  const view = parts.buffer(length * (bits / 8), 'integers');
  switch (bits) {
    case 8:
      return signed ? (row) => view.getInt8(row) : (row) => view.getUint8(row);
    case 16:
      return signed
        ? (row) => view.getInt16(row * 2, true)
        : (row) => view.getUint16(row * 2, true);
    case 32:
      return signed
        ? (row) => view.getInt32(row * 4, true)
        : (row) => view.getUint32(row * 4, true);
    case 64:
      return signed
        ? (row) => view.getBigInt64(row * 8, true)
        : (row) => view.getBigUint64(row * 8, true);
  }
}

/** Where the values of each row lie in what is behind them. */
function offsetReader(
  by: 32 | 64,
  { length }: Node,
  parts: BatchParts,
): (row: number) => readonly [from: number, to: number] {
  // An array of no rows may have no offsets at all.
  const view = parts.buffer(length === 0 ? 0 : (length + 1) * (by / 8), 'offsets');
  const offset: Rows<number> =
    by === 32
      ? (index) => view.getInt32(index * 4, true)
      : (index) => Number(view.getBigInt64(index * 8, true));
  return (row) => {
    const from = offset(row);
    const to = offset(row + 1);
    if (from < 0 || to < from) throw notArrow(`offsets go from ${from} to ${to}`);
    return [from, to];
  };
}

const VIEW_BYTES = 16;
/** Bytes that lie in the view itself. */
const INLINE_BYTES_MAX = 12;

function bytesReader(by: 32 | 64 | 'view', node: Node, parts: BatchParts): Rows<Uint8Array> {
  if (by !== 'view') {
    const range = offsetReader(by, node, parts);
    const data = parts.buffer(0, 'bytes');
    return (row) => within(data, ...range(row));
  }
  const views = parts.buffer(node.length * VIEW_BYTES, 'views');
  const buffers: DataView[] = [];
  for (let left = parts.variadic(); left > 0; left--) buffers.push(parts.buffer(0, 'bytes'));
  return (row) => {
    const at = row * VIEW_BYTES;
    const length = views.getInt32(at, true);
    if (length <= INLINE_BYTES_MAX) return within(views, at + 4, at + 4 + length);
    const data = buffers[views.getInt32(at + 8, true)];
    if (data === undefined) throw notArrow('a view lies in no buffer');
    const from = views.getInt32(at + 12, true);
    return within(data, from, from + length);
  };
}

function within(view: DataView, from: number, to: number): Uint8Array {
  if (from < 0 || to < from || to > view.byteLength)
    throw notArrow(`a value from ${from} to ${to} lies outside of ${view.byteLength} bytes`);
  return new Uint8Array(view.buffer, view.byteOffset + from, to - from);
}

function listReader(
  { by, size, item }: Layout & { readonly kind: 'list' },
  node: Node,
  context: ArrayContext,
): Rows<Json> {
  const range =
    by === 'size'
      ? (row: number) => [row * size, (row + 1) * size] as const
      : offsetReader(by, node, context.parts);
  const items = readArray(item, context);
  return (row) => {
    const [from, to] = range(row);
    // Empty ones need no bytes of the batch either.
    context.budget.take(VALUE_BYTES);
    if (to > items.length) throw notArrow(`a list ends at ${to} of ${items.length} values`);
    const list: Json[] = [];
    for (let index = from; index < to; index++) {
      const json = items.at(index);
      // Here and not where documents are checked: nulls take no bytes, so there may be very many.
      if (json === null)
        throw new PyralogError('value-invalid', 'A list has a null, which is not a value.', {
          hint: 'Leave it out of the list.',
        });
      if (Array.isArray(json)) throw notArrow('a list holds lists, which are no values');
      list.push(json);
    }
    return list;
  };
}

function union(
  { dense, ids, children }: Layout & { readonly kind: 'union' },
  node: Node,
  context: ArrayContext,
): ArrowArray {
  const { parts } = context;
  const { length } = node;
  const isNull = parts.unionsHaveValidity ? validity(node, parts) : () => false;
  const types = parts.buffer(length, 'types of a union');
  const offsets = dense ? parts.buffer(length * 4, 'offsets') : undefined;
  const arrays = children.map((child) => readArray(child, context));
  return {
    length,
    at: (row) => {
      if (isNull(row)) return null;
      const array = arrays[ids.get(types.getInt8(row)) ?? -1];
      const index = offsets === undefined ? row : offsets.getInt32(row * 4, true);
      if (array === undefined || index < 0 || index >= array.length)
        throw notArrow('a value of a union is not there');
      return array.at(index);
    },
  };
}

function doubleJson(value: number): Json {
  if (Number.isFinite(value)) return jsonDouble(value);
  if (Number.isNaN(value))
    throw new PyralogError('value-invalid', 'NaN is not a value.', {
      hint: 'Make it null where nothing is known.',
    });
  return new JsonObject(DOUBLE, [String(value)]);
}

const MICROS_MIN = -(2n ** 63n);
const MICROS_MAX = 2n ** 63n - 1n;

function instantJson(count: bigint, divisor: bigint): Json {
  if (count % divisor !== 0n)
    throw new PyralogError('value-invalid', 'An instant is finer than a microsecond.', {
      hint: 'Round it to microseconds.',
    });
  const micros = count / divisor;
  if (micros < MICROS_MIN || micros > MICROS_MAX)
    throw new PyralogError('value-invalid', 'An instant lies beyond 64 bits of microseconds.');
  return new JsonObject(INSTANT, [formatInstant(micros)]);
}

function textJson(bytes: Uint8Array): Json {
  const text = textOf(bytes);
  if (text !== undefined) return text;
  throw new PyralogError('value-invalid', 'A text has bytes that are no UTF-8.', {
    hint: 'Write them as binary.',
  });
}

function bytesJson({ buffer, byteOffset, byteLength }: Uint8Array): Json {
  return new JsonObject(BYTES, [Buffer.from(buffer, byteOffset, byteLength).toString('base64')]);
}

// One list of names serves all values of a form.
const BYTES = ['bytes'];
const DOUBLE = ['double'];
const INSTANT = ['instant'];
const INT = ['int'];
const JSON_NAME = ['json'];
const REF = ['ref'];

/** A value of a layout as one of a type; `checkType` has seen to it that the two go together. */
function typedJson(json: Json, type: ValueType): Json {
  if (json instanceof JsonObject) return json;
  switch (type) {
    case 'string':
    case 'bool':
      return json;
    case 'int':
      return new JsonObject(INT, [json]);
    case 'double':
      return new JsonObject(DOUBLE, [json]);
    case 'instant':
      return new JsonObject(INSTANT, [json]);
    case 'ref':
      return new JsonObject(REF, [json]);
    case 'bytes':
      return new JsonObject(BYTES, [json]);
    case 'json':
      return new JsonObject(JSON_NAME, [nestedJson(json as string)]);
  }
}

/** Levels of a document around a json value: itself, its operations, one of them, a list, the form of the value. */
const DEPTH_AROUND = 5;

function nestedJson(text: string): Json {
  try {
    return parseJson(text, JSON_DEPTH_MAX - DEPTH_AROUND);
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    throw new PyralogError('value-invalid', `The text is no JSON: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/** What a value takes in a document beside its text. */
const VALUE_BYTES = 8;

function weightOf(json: Json): number {
  if (typeof json === 'string') return VALUE_BYTES + utf8Length(json);
  if (!(json instanceof JsonObject)) return VALUE_BYTES;
  const [content] = json.values;
  return VALUE_BYTES + (typeof content === 'string' ? utf8Length(content) : 0);
}
