/**
 * Transaction documents as Arrow IPC, a stream or a file, with any number of batches. One of two shapes, by the
 * names of the columns:
 *
 * **Operations**, where there is a column `op`, or `attribute` with one of `value`, `old` and `new`. The columns
 * are the fields of an operation: `op` (`assert` where it is null or not there), `entity`, `attribute`, `value`, and
 * `old` and `new` of a `cas`. A null is a field that is left out; of a `cas` it is the absence of a value.
 *
 * **Entities**, everywhere else: the map form. The column `entity`, and every other one is an attribute of that
 * name (`:op` for one that is called `op`). A null says nothing about the attribute; to retract, send
 * operations. A list is many values.
 *
 * | column | value |
 * |---|---|
 * | utf8, large_utf8, utf8_view | string |
 * | int8 to int64, uint8 to uint64 | int, as a plain number: of a double attribute it is a double |
 * | float32, float64 | double; NaN is refused |
 * | bool | bool |
 * | timestamp of any unit, date32, date64 | instant; finer than a microsecond is refused; without a zone it is UTC |
 * | binary, large_binary, binary_view, fixed_size_binary | bytes |
 * | dictionary of these; dense and sparse unions of these | what is in it |
 * | list, large_list, fixed_size_list of these | many values |
 *
 * Metadata `pyralog.type` of a field give its values a type: `ref` and `json` of texts, `instant` of texts,
 * `bytes` of base64, `double` of integers; `int` and `double` also say that the attribute must have that type.
 * Metadata of the schema are the other fields of a document: `pyralog.id`, `pyralog.at`, and as JSON `pyralog.meta`
 * and `pyralog.if`.
 *
 * Buffers may be compressed (LZ4, ZSTD). Nothing of other types has a meaning here, and is refused.
 */
import { utf8Length } from '@pyralog/base';
import type { Codec } from '@pyralog/format';
import {
  DOCUMENT_BYTES_MAX,
  documentFromJson,
  isPyralogError,
  type Json,
  JsonObject,
  OPERATIONS_MAX,
  parseJson,
  PyralogError,
  type TransactionDocument,
} from '@pyralog/model';
import { type ArrayContext, type ArrowArray, readArray, readDictionary } from './arrays.ts';
import { BatchParts } from './buffers.ts';
import { type ArrowMessage, type Batch, messagesOf } from './messages.ts';
import { badColumn, Budget, notArrow, quoted } from './refusals.ts';
import { type Column, type ColumnSchema, readSchema } from './schema.ts';

/**
 * Reads and checks a transaction document, as `parseDocument` of `@pyralog/model` does with JSON: with its
 * limits and its errors, whose places are `ops[row].column`.
 * @param codec of buffers that are compressed with ZSTD
 * @throws document-invalid for bytes that are no Arrow IPC as described above, and what `parseDocument` throws
 */
export function documentFromArrow(bytes: Uint8Array, codec: Codec): TransactionDocument {
  return documentFromJson(jsonFromArrow(bytes, codec));
}

/**
 * The same document as JSON, for those who pass documents on: not checked beyond what Arrow needs.
 * @throws document-invalid, value-invalid, transaction-too-large
 */
export function jsonFromArrow(bytes: Uint8Array, codec: Codec): JsonObject {
  new Budget(DOCUMENT_BYTES_MAX, 'The document has').take(bytes.length);
  const messages = messagesOf(bytes);
  const { value: first } = messages.next();
  if (first?.kind !== 'schema') throw notArrow('they do not begin with a schema');
  const schema = readSchema(first.schema);
  const reader = new DocumentReader(schema, codec);
  for (const message of messages) reader.read(message);
  return document(schema.metadata, reader.operations);
}

function document(metadata: ReadonlyMap<string, string>, operations: readonly Json[]): JsonObject {
  const names: string[] = [];
  const values: Json[] = [];
  for (const [name, text] of metadata) {
    names.push(name);
    values.push(name === 'meta' || name === 'if' ? jsonOfMetadata(name, text) : text);
  }
  return new JsonObject([...names, 'ops'], [...values, operations]);
}

function jsonOfMetadata(name: string, text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    throw new PyralogError(
      'document-invalid',
      `The metadata "pyralog.${name}" are no JSON: ${error.message}`,
      { hint: error.hint, cause: error },
    );
  }
}

class DocumentReader {
  readonly operations: Json[] = [];
  readonly #columns: readonly Column[];
  /** By id: a column whose dictionary it is. */
  readonly #encoded = new Map<bigint, Column>();
  readonly #dictionaries = new Map<bigint, Json[]>();
  readonly #rows: RowReader;
  readonly #codec: Codec;
  readonly #buffers = new Budget(DOCUMENT_BYTES_MAX, 'The columns have');
  readonly #shared = new Budget(DOCUMENT_BYTES_MAX, 'The dictionaries have');
  readonly #values = new Budget(DOCUMENT_BYTES_MAX, 'The values of the document have');

  constructor({ columns }: ColumnSchema, codec: Codec) {
    this.#columns = columns;
    this.#codec = codec;
    this.#rows = rowReader(columns, this.#values);
    this.#findDictionaries(columns);
  }

  read(message: ArrowMessage): void {
    switch (message.kind) {
      case 'schema':
        throw notArrow('they have a second schema');
      case 'dictionary':
        return this.#readDictionary(message);
      case 'batch':
        return this.#readBatch(message.batch);
    }
  }

  #findDictionaries(columns: readonly Column[]): void {
    for (const column of columns) {
      const { layout, dictionary } = column;
      if (dictionary !== undefined) {
        const other = this.#encoded.get(dictionary.id);
        if (other !== undefined && other.layout.kind !== layout.kind)
          throw badColumn(column.name, `shares its dictionary with ${quoted(other.name)}`);
        this.#encoded.set(dictionary.id, column);
      }
      if (layout.kind === 'list') this.#findDictionaries([layout.item]);
      if (layout.kind === 'union') this.#findDictionaries(layout.children);
    }
  }

  #readDictionary({ id, isDelta, batch }: ArrowMessage & { readonly kind: 'dictionary' }): void {
    const column = this.#encoded.get(id);
    if (column === undefined) throw notArrow(`no column has the dictionary ${id}`);
    const values = located(`dictionary of ${quoted(column.name)}`, () => {
      const context = this.#context(batch, this.#shared);
      const read = readDictionary(column, context);
      context.parts.finish();
      return read;
    });
    const before = this.#dictionaries.get(id);
    if (isDelta && before !== undefined) for (const value of values) before.push(value);
    else this.#dictionaries.set(id, values);
  }

  #readBatch(batch: Batch): void {
    const count = this.operations.length + batch.rows;
    if (count > OPERATIONS_MAX) {
      throw new PyralogError(
        'transaction-too-large',
        `The transaction has ${count} operations. The limit is ${OPERATIONS_MAX}.`,
        {
          hint: 'Split it into several transactions.',
          extra: { limit: OPERATIONS_MAX, given: count },
        },
      );
    }
    // Nulls take no bytes of their own, but time.
    this.#values.take(batch.rows * this.#columns.length);
    const context = this.#context(batch, this.#values);
    const arrays = this.#columns.map((column) => {
      const array = readArray(column, context);
      if (array.length !== batch.rows)
        throw badColumn(column.name, `has ${array.length} rows in a batch of ${batch.rows}`);
      return array;
    });
    context.parts.finish();
    for (let row = 0; row < batch.rows; row++) {
      const place = `ops[${this.operations.length}]`;
      this.operations.push(this.#rows(arrays, row, place));
    }
  }

  #context(batch: Batch, budget: Budget): ArrayContext {
    const parts = new BatchParts(batch, this.#codec, this.#buffers);
    return { parts, dictionaries: this.#dictionaries, budget };
  }
}

type RowReader = (arrays: readonly ArrowArray[], row: number, place: string) => JsonObject;

/** Columns of the shape of operations. */
const FIELDS: readonly string[] = ['op', 'entity', 'attribute', 'value', 'old', 'new'];

/** @throws document-invalid where the columns are of neither shape */
function rowReader(columns: readonly Column[], budget: Budget): RowReader {
  const names = columns.map(({ name }) => name);
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw badColumn(name, 'stands twice');
    seen.add(name);
  }
  if (!seen.has('entity'))
    throw new PyralogError('document-invalid', 'There is no column "entity".', {
      hint: 'It holds what each row is about.',
    });
  const has = (...some: readonly string[]): boolean => some.some((name) => seen.has(name));
  return has('op') || (has('attribute') && has('value', 'old', 'new'))
    ? operationReader(names)
    : entityReader(columns, budget);
}

function operationReader(names: readonly string[]): RowReader {
  const other = names.find((name) => !FIELDS.includes(name));
  if (other !== undefined)
    throw badColumn(
      other,
      'is no field of an operation',
      'Beside "entity" and attributes there is no "op", and no "attribute" with a "value": such attributes are called ":op", ":attribute" and ":value".',
    );
  const position = (name: string): number => names.indexOf(name);
  const at = Object.fromEntries(FIELDS.map((name) => [name, position(name)]));
  return (arrays, row, place) => {
    const field = (name: string): Json => cell(arrays[at[name] ?? -1], row, place, name);
    const op = field('op') ?? 'assert';
    const found: [string, Json][] = [['op', op]];
    for (const name of FIELDS.slice(1)) {
      const json = field(name);
      const isSide = op === 'cas' && (name === 'old' || name === 'new');
      if (json !== null || (isSide && position(name) >= 0)) found.push([name, json]);
    }
    return new JsonObject(
      found.map(([name]) => name),
      found.map(([, json]) => json),
    );
  };
}

function entityReader(columns: readonly Column[], budget: Budget): RowReader {
  const entity = columns.findIndex(({ name }) => name === 'entity');
  // Of rows beyond number, columns without values would take time.
  const attributes = columns.flatMap(({ name, layout }, at) =>
    at === entity || layout.kind === 'null' ? [] : [{ name, at, bytes: utf8Length(name) }],
  );
  const [first] = attributes;
  if (first === undefined)
    throw new PyralogError('document-invalid', 'There is no column with an attribute.', {
      hint: 'To retract whole entities add a column "op" that says "retractEntity".',
    });
  /** Of the row before: mostly the same columns have values. */
  let shape: readonly string[] = [];
  return (arrays, row, place) => {
    const names: string[] = [];
    const values: Json[] = [];
    const subject = cell(arrays[entity], row, place, 'entity');
    if (subject !== null) {
      names.push('entity');
      values.push(subject);
    }
    for (const { name, at, bytes } of attributes) {
      const json = cell(arrays[at], row, place, name);
      if (json === null) continue;
      budget.take(bytes);
      names.push(name);
      values.push(json);
    }
    if (values.length === 1 && subject !== null) {
      // Nothing is said of the entity. The row keeps its place, so that others are found by theirs.
      names.push(first.name);
      values.push([]);
    }
    if (shape.length !== names.length || shape.some((name, i) => name !== names[i])) shape = names;
    return new JsonObject(shape, values);
  };
}

function cell(array: ArrowArray | undefined, row: number, place: string, name: string): Json {
  if (array === undefined) return null;
  try {
    return array.at(row);
  } catch (error) {
    throw isPyralogError(error) ? placed(error, `${place}.${quoted(name).slice(1, -1)}`) : error;
  }
}

function located<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw isPyralogError(error) ? placed(error, place) : error;
  }
}

/** The same error, saying where it is. */
function placed({ code, message, hint, extra, cause }: PyralogError, path: string): PyralogError {
  return new PyralogError(code, `${path}: ${message}`, { hint, extra: { ...extra, path }, cause });
}
