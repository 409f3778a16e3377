import { Binary } from 'apache-arrow/fb/binary';
import { Bool } from 'apache-arrow/fb/bool';
import { DictionaryEncoding } from 'apache-arrow/fb/dictionary-encoding';
import { Endianness } from 'apache-arrow/fb/endianness';
import { Field } from 'apache-arrow/fb/field';
import { FloatingPoint } from 'apache-arrow/fb/floating-point';
import { Int } from 'apache-arrow/fb/int';
import { KeyValue } from 'apache-arrow/fb/key-value';
import { List } from 'apache-arrow/fb/list';
import { Precision } from 'apache-arrow/fb/precision';
import { Schema } from 'apache-arrow/fb/schema';
import { Struct_ } from 'apache-arrow/fb/struct-';
import { Type } from 'apache-arrow/fb/type';
import { Utf8 } from 'apache-arrow/fb/utf8';
import type { Builder, Offset } from 'flatbuffers';

/** A column of a file. None has nulls. */
export type ArrowField = { readonly name: string } & (
  | { readonly type: 'utf8' | 'binary' | 'int64' | 'float64' | 'bool' }
  /** Texts by their number in a dictionary batch of the file. */
  | { readonly type: 'dictionary'; readonly id: number; readonly index: 'uint8' | 'uint16' }
  | { readonly type: 'list'; readonly item: ArrowField }
  | { readonly type: 'struct'; readonly fields: readonly ArrowField[] }
);

/** Buffers of each kind of array, its validity included and its children not. */
const OWN_BUFFERS = {
  utf8: 3,
  binary: 3,
  int64: 2,
  float64: 2,
  bool: 2,
  dictionary: 2,
  list: 2,
  struct: 1,
} as const;

/** Number of arrays of a schema in depth-first order, and of their buffers. */
export function countArrays(fields: readonly ArrowField[]): { nodes: number; buffers: number } {
  let nodes = 0;
  let buffers = 0;
  for (const field of fields) {
    const below = countArrays(childrenOf(field));
    nodes += 1 + below.nodes;
    buffers += OWN_BUFFERS[field.type] + below.buffers;
  }
  return { nodes, buffers };
}

/** Writes a Schema table. `metadata` is what outsiders see as the schema's metadata. */
export function buildSchema(
  builder: Builder,
  fields: readonly ArrowField[],
  metadata: ReadonlyMap<string, string>,
): Offset {
  const fieldsAt = Schema.createFieldsVector(
    builder,
    fields.map((field) => buildField(builder, field)),
  );
  const pairs = [...metadata].map(([key, value]) =>
    KeyValue.createKeyValue(builder, builder.createString(key), builder.createString(value)),
  );
  const metadataAt = Schema.createCustomMetadataVector(builder, pairs);
  Schema.startSchema(builder);
  Schema.addEndianness(builder, Endianness.Little);
  Schema.addFields(builder, fieldsAt);
  Schema.addCustomMetadata(builder, metadataAt);
  return Schema.endSchema(builder);
}

function buildField(builder: Builder, field: ArrowField): Offset {
  const name = builder.createString(field.name);
  const children = Field.createChildrenVector(
    builder,
    childrenOf(field).map((child) => buildField(builder, child)),
  );
  const dictionary = field.type === 'dictionary' ? buildDictionary(builder, field) : undefined;
  const [type, typeAt] = buildType(builder, field);
  Field.startField(builder);
  Field.addName(builder, name);
  Field.addNullable(builder, false);
  Field.addTypeType(builder, type);
  Field.addType(builder, typeAt);
  if (dictionary !== undefined) Field.addDictionary(builder, dictionary);
  Field.addChildren(builder, children);
  return Field.endField(builder);
}

function childrenOf(field: ArrowField): readonly ArrowField[] {
  if (field.type === 'list') return [field.item];
  return field.type === 'struct' ? field.fields : [];
}

function buildType(builder: Builder, field: ArrowField): [Type, Offset] {
  switch (field.type) {
    case 'utf8':
    case 'dictionary':
      return [Type.Utf8, Utf8.createUtf8(builder)];
    case 'binary':
      return [Type.Binary, Binary.createBinary(builder)];
    case 'int64':
      return [Type.Int, Int.createInt(builder, 64, true)];
    case 'float64':
      return [Type.FloatingPoint, FloatingPoint.createFloatingPoint(builder, Precision.DOUBLE)];
    case 'bool':
      return [Type.Bool, Bool.createBool(builder)];
    case 'list':
      return [Type.List, List.createList(builder)];
    case 'struct':
      return [Type.Struct_, Struct_.createStruct_(builder)];
  }
}

function buildDictionary(builder: Builder, field: ArrowField & { type: 'dictionary' }): Offset {
  const index = Int.createInt(builder, field.index === 'uint8' ? 8 : 16, false);
  DictionaryEncoding.startDictionaryEncoding(builder);
  DictionaryEncoding.addId(builder, BigInt(field.id));
  DictionaryEncoding.addIndexType(builder, index);
  return DictionaryEncoding.endDictionaryEncoding(builder);
}
