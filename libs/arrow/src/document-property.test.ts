import { createPortableCodec } from '@pyralog/format/zstd';
import {
  documentFromJson,
  type InputOperation,
  type InputValue,
  type Json,
  JsonObject,
  jsonOf,
  parseDocument,
  parseJson,
  printDocument,
  printJson,
} from '@pyralog/model';
import { document, int64, text } from '@pyralog/model/testing';
import { Dictionary, Field, Int32, Int64, List, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { documentFromArrow, jsonFromArrow } from './document.ts';
import { column, ipc, type TestColumn, texts, union, type UnionValue } from './testing/index.ts';

const codec = await createPortableCodec();

/** Operations that a table of them can say: of one value each, and json values by their type. */
function asRows(operations: readonly InputOperation[]): readonly InputOperation[] {
  return operations.map((operation) => {
    if (operation.op === 'retractEntity') return operation;
    if (operation.op === 'assert')
      return { ...operation, value: asCell(operation.value), many: false };
    if (operation.op === 'retract')
      return { ...operation, value: operation.value && asCell(operation.value) };
    const { old, new: next } = operation;
    return { ...operation, old: old && asCell(old), new: next && asCell(next) };
  });
}

function asCell({ value, plain }: InputValue): InputValue {
  return { value, plain: plain && value.type !== 'json' };
}

function cellOf({ value, plain }: InputValue): UnionValue {
  const isTyped = !plain && (value.type === 'int' || value.type === 'double');
  return [isTyped ? `typed ${value.type}` : value.type, value.value];
}

function columnsOf(
  operations: readonly InputOperation[],
  mode: 'dense' | 'sparse',
): readonly TestColumn[] {
  const values = (of: (operation: InputOperation) => InputValue | null | undefined) =>
    union(
      operations.map((operation) => {
        const value = of(operation);
        return value === null || value === undefined ? null : cellOf(value);
      }),
      mode,
    );
  const attributes = operations.map((each) => ('attribute' in each ? each.attribute : null));
  return [
    column(
      'op',
      new Dictionary(new Utf8(), new Int32()),
      operations.map(({ op }) => op),
    ),
    texts(
      'entity',
      operations.map(({ entity }) => entity),
    ),
    texts('attribute', attributes),
    { name: 'value', data: [values((each) => ('value' in each ? each.value : null))] },
    { name: 'old', data: [values((each) => (each.op === 'cas' ? each.old : null))] },
    { name: 'new', data: [values((each) => (each.op === 'cas' ? each.new : null))] },
  ];
}

/** What a document says beside its operations, as metadata. */
function metadataOf(json: JsonObject): Readonly<Record<string, string>> {
  const pairs = json.names.map((name, at): [string, string] => {
    const value = json.values[at] as Json;
    return [`pyralog.${name}`, typeof value === 'string' ? value : printJson(value)];
  });
  return Object.fromEntries(pairs.filter(([name]) => name !== 'pyralog.ops'));
}

test('every document comes back from a table of its operations, and says the same as JSON', () => {
  const kinds = fc.tuple(
    fc.constantFrom('stream' as const, 'file' as const),
    fc.constantFrom('dense' as const, 'sparse' as const),
  );
  fc.assert(
    fc.property(document, kinds, (generated, [kind, mode]) => {
      const each = { ...generated, operations: asRows(generated.operations) };
      const metadata = metadataOf(parseJson(printDocument(each)) as JsonObject);
      const bytes = ipc(columnsOf(each.operations, mode), { metadata, kind });
      const { contentHash, ...read } = documentFromArrow(bytes, codec);
      expect(read).toEqual(each);
      const printed = printJson(jsonFromArrow(bytes, codec));
      expect(parseDocument(printed)).toEqual({ ...read, contentHash });
    }),
    { numRuns: 500 },
  );
});

test('a table of entities says the same as the map form', () => {
  const list = new List(new Field('item', new Utf8(), true));
  const row = fc.record({
    entity: fc.constantFrom('a', 'b', 'c:1'),
    name: fc.option(text),
    ':op': fc.option(text),
    age: fc.option(int64),
    tags: fc.option(fc.array(text, { maxLength: 3 })),
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (rows) => {
      const bytes = ipc([
        texts(
          'entity',
          rows.map(({ entity }) => entity),
        ),
        texts(
          'name',
          rows.map(({ name }) => name),
        ),
        texts(
          ':op',
          rows.map((each) => each[':op']),
        ),
        column(
          'age',
          new Int64(),
          rows.map(({ age }) => age),
        ),
        column(
          'tags',
          list,
          rows.map(({ tags }) => tags),
        ),
      ]);
      const ops = rows.map((each) => {
        const said = Object.entries(each).filter(([, value]) => value !== null);
        // A row of nothing but its entity says nothing.
        return jsonOf(new Map(said.length === 1 ? [...said, ['name', []]] : said));
      });
      const { operations } = documentFromJson(new JsonObject(['ops'], [ops]));
      expect(documentFromArrow(bytes, codec).operations).toEqual(operations);
    }),
    { numRuns: 300 },
  );
});
