import { createPortableCodec } from '@pyralog/format/zstd';
import { type ErrorCode, isPyralogError, OPERATIONS_MAX } from '@pyralog/model';
import {
  Binary,
  type DataType,
  Decimal,
  Dictionary,
  Field,
  Float16,
  Float64,
  Int32,
  Int64,
  Int8,
  List,
  makeData,
  Struct,
  TimeMillisecond,
  Uint64,
  Utf8,
} from 'apache-arrow';
import { expect, test } from 'vitest';
import { documentFromArrow } from './document.ts';
import { column, ipc, type TestColumn, texts } from './testing/index.ts';

const codec = await createPortableCodec();
const A = texts('entity', ['a']);

/** What a document is refused with. */
function refusal(bytes: Uint8Array): { readonly code: ErrorCode; readonly says: string } {
  try {
    documentFromArrow(bytes, codec);
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    expect(error.hint ?? '').not.toContain('undefined');
    return { code: error.code, says: error.message };
  }
  throw new Error('It was not refused.');
}

test.each<[string, readonly TestColumn[], ErrorCode, string]>([
  ['no entities', [texts('n', ['x'])], 'document-invalid', 'There is no column "entity".'],
  ['no attributes', [A], 'document-invalid', 'There is no column with an attribute.'],
  ['a column twice', [A, texts('n', ['x']), texts('n', ['y'])], 'document-invalid', '"n" stands'],
  [
    'a column beside those of operations',
    [A, texts('op', ['assert']), texts('author', ['x'])],
    'document-invalid',
    'The column "author" is no field of an operation.',
  ],
  [
    'an unknown operation',
    [A, texts('op', ['asert']), texts('attribute', ['n']), texts('value', ['x'])],
    'document-invalid',
    'ops[0].op: There is no operation "asert".',
  ],
  [
    'an assertion without value',
    [A, texts('attribute', ['n']), texts('value', [null])],
    'document-invalid',
    'ops[0]: The field "value" is missing.',
  ],
  [
    'a cas without a side',
    [A, texts('op', ['cas']), texts('attribute', ['n']), texts('new', ['x'])],
    'document-invalid',
    'ops[0]: The field "old" is missing.',
  ],
  [
    'a value of a retractEntity',
    [A, texts('op', ['retractEntity']), texts('value', ['x'])],
    'document-invalid',
    'ops[0]: There is no field "value" here.',
  ],
  [
    'no entity in a row',
    [texts('entity', ['a', null]), texts('n', ['x', 'y'])],
    'document-invalid',
    'ops[1]: The field "entity" is missing.',
  ],
  [
    'an entity that is none',
    [texts('entity', ['']), texts('n', ['x'])],
    'entity-invalid',
    'ops[0].entity: ',
  ],
  ['an attribute that is none', [A, texts('::n', ['x'])], 'attribute-invalid', 'ops[0].::n: '],
  [
    'an entity that is no text',
    [column('entity', new Int8(), [1]), texts('n', ['x'])],
    'document-invalid',
    'ops[0].entity: An entity id is a string, not a number.',
  ],
  ['NaN', [A, column('n', new Float64(), [NaN])], 'value-invalid', 'ops[0].n: NaN is not a value.'],
  [
    'an integer beyond int64',
    [A, column('n', new Uint64(), [2n ** 63n])],
    'value-invalid',
    'ops[0].n: 9223372036854775808 does not fit into 64 bits.',
  ],
  [
    'a null in a list',
    [A, column('n', new List(new Field('item', new Utf8(), true)), [['x', null]])],
    'value-invalid',
    'ops[0].n: A list has a null',
  ],
  [
    'a list of lists',
    [A, column('n', new List(new Field('item', new List(new Field('item', new Int8())))), [[[1]]])],
    'document-invalid',
    'ops[0].n: The Arrow data do not hold together: a list holds lists',
  ],
  [
    'a list as the value of an operation',
    [A, texts('attribute', ['n']), column('value', new List(new Field('i', new Int8())), [[1]])],
    'value-invalid',
    'ops[0].value: An array is not one value.',
  ],
  [
    'text that is no UTF-8',
    [A, asText(column('n', new Binary(), [Uint8Array.of(0xff)]))],
    'value-invalid',
    'ops[0].n: A text has bytes that are no UTF-8.',
  ],
  [
    'a ref that is no entity',
    [A, column('n', new Utf8(), [''], { 'pyralog.type': 'ref' })],
    'entity-invalid',
    'ops[0].n: ',
  ],
  [
    'json that is none',
    [A, column('n', new Utf8(), ['{'], { 'pyralog.type': 'json' })],
    'value-invalid',
    'ops[0].n: The text is no JSON: ',
  ],
  [
    'an instant that is none',
    [A, column('n', new Utf8(), ['today'], { 'pyralog.type': 'instant' })],
    'value-invalid',
    'ops[0].n: "today" is not an instant',
  ],
  [
    'a type that is none',
    [A, column('n', new Utf8(), ['x'], { 'pyralog.type': 'text' })],
    'document-invalid',
    'The column "n" has "text" as pyralog.type.',
  ],
  [
    'a type that the column does not hold',
    [A, column('n', new Int8(), [1], { 'pyralog.type': 'ref' })],
    'document-invalid',
    'The column "n" holds no values of the type ref',
  ],
  [
    'other metadata of ours',
    [A, column('n', new Int8(), [1], { 'pyralog.typ': 'int' })],
    'document-invalid',
    'There are no metadata "pyralog.typ" here.',
  ],
  [
    'a dictionary of lists',
    [A, column('n', new Dictionary(new List(new Field('i', new Int8())), new Int8()), [])],
    'document-invalid',
    'The column "n" has a dictionary of lists or unions.',
  ],
  ['floats of 16 bits', [A, column('n', new Float16(), [1])], 'document-invalid', '16 bits'],
  [
    'times of the day',
    [A, column('n', new TimeMillisecond(), [1])],
    'document-invalid',
    'The column "n" holds times of the day, which are no values.',
  ],
  [
    'structs',
    [A, column('n', new Struct([new Field('x', new Int8())]), [{ x: 1 }])],
    'document-invalid',
    'The column "n" holds structs, which are no values.',
  ],
  ['decimals', [A, decimal()], 'document-invalid', 'The column "n" holds decimals'],
])('%s', (_, columns, code, says) => {
  expect(refusal(ipc(columns))).toEqual({ code, says: expect.stringContaining(says) });
});

function asText({ name, data }: TestColumn): TestColumn {
  return { name, data: data.map((each) => retyped(each, new Utf8())) };
}

function retyped({ length, values, valueOffsets }: TestColumn['data'][0], type: DataType) {
  return makeData({ type, length, data: values, valueOffsets } as never) as TestColumn['data'][0];
}

function decimal(): TestColumn {
  const type = new Decimal(2, 10);
  return { name: 'n', data: [makeData({ type, length: 1, data: new Uint32Array(4) })] };
}

test.each([
  [{ 'pyralog.meta': '{' }, 'The metadata "pyralog.meta" are no JSON: '],
  [{ 'pyralog.meta': '[]' }, 'meta: The meta facts are an object, not an array.'],
  [{ 'pyralog.if': '{}' }, 'if: The conditions are an array, not an object.'],
  [{ 'pyralog.id': '' }, 'id: The idempotency key is empty.'],
  [{ 'pyralog.at': 'now' }, 'at: "now" is not a commit time'],
  [{ 'pyralog.ids': 'x' }, 'There are no metadata "pyralog.ids" here.'],
])('metadata %s', (metadata, says) => {
  const bytes = ipc([A, texts('n', ['x'])], { metadata });
  expect(refusal(bytes)).toEqual({ code: 'document-invalid', says: expect.stringContaining(says) });
});

test('as many operations as a document may have, and one more', () => {
  const rows = (count: number): Uint8Array => {
    const entity = column(
      'entity',
      new Dictionary(new Utf8(), new Int32()),
      Array(count).fill('a'),
    );
    return ipc([entity, column('n', new Int64(), new BigInt64Array(count) as never)]);
  };
  expect(documentFromArrow(rows(OPERATIONS_MAX), codec).operations.length).toBe(OPERATIONS_MAX);
  expect(refusal(rows(OPERATIONS_MAX + 1))).toEqual({
    code: 'transaction-too-large',
    says: 'The transaction has 100001 operations. The limit is 100000.',
  });
});

test('a text that a dictionary gives to many rows counts as often as they say it', () => {
  const rows = (count: number): Uint8Array => {
    const type = new Dictionary(new Utf8(), new Int8());
    const values = Array<string>(count).fill('x'.repeat(2 ** 20));
    return ipc([texts('entity', Array<string>(count).fill('a')), column('n', type, values)]);
  };
  expect(documentFromArrow(rows(63), codec).operations.length).toBe(63);
  expect(refusal(rows(64))).toMatchObject({ code: 'transaction-too-large' });
});

test('names of columns count as often as rows have values', () => {
  const rows = (count: number): Uint8Array => {
    const ones = Array<number>(count).fill(1);
    const columns = Array.from({ length: 64 }, (_, i) =>
      column(`${i}`.padEnd(1_000, 'x'), new Int8(), ones),
    );
    return ipc([texts('entity', Array<string>(count).fill('a')), ...columns]);
  };
  expect(documentFromArrow(rows(1_000), codec).operationsWritten).toBe(1_000);
  expect(refusal(rows(1_100))).toMatchObject({ code: 'transaction-too-large' });
});

test('a value may have 16 MiB, and not one byte more', () => {
  const value = (bytes: number): Uint8Array =>
    ipc([A, column('n', new Binary(), [new Uint8Array(bytes)])]);
  expect(documentFromArrow(value(2 ** 24), codec).operations.length).toBe(1);
  expect(refusal(value(2 ** 24 + 1))).toMatchObject({ code: 'value-too-large' });
});
