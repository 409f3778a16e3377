import { createPortableCodec } from '@pyralog/format/zstd';
import { type InputOperation, type InputValue, parseDocument, type Value } from '@pyralog/model';
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  DateMillisecond,
  Dictionary,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  LargeUtf8,
  List,
  Null,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
} from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { documentFromArrow } from './document.ts';
import { column, dataOf, ipc, type TestColumn, texts, union } from './testing/index.ts';

const codec = await createPortableCodec();

const read = (
  columns: readonly TestColumn[],
  metadata: Readonly<Record<string, string>> = {},
): readonly InputOperation[] => documentFromArrow(ipc(columns, { metadata }), codec).operations;

/** What JSON says. */
const json = (...ops: readonly string[]): readonly InputOperation[] =>
  parseDocument(`{"ops":[${ops.join(',')}]}`).operations;

const plain = (value: Value): InputValue => ({ value, plain: true });
const typed = (value: Value): InputValue => ({ value, plain: false });
const int = (value: bigint): InputValue => plain({ type: 'int', value });
const double = (value: number): InputValue => plain({ type: 'double', value });
const instant = (value: bigint): InputValue => typed({ type: 'instant', value });
const text = (value: string): InputValue => plain({ type: 'string', value });
const bytes = (...value: number[]): InputValue =>
  typed({ type: 'bytes', value: Uint8Array.from(value) });

describe('values', () => {
  test.each<[string, DataType, unknown, InputValue]>([
    ['int8', new Int8(), -128, int(-128n)],
    ['int16', new Int16(), -32_768, int(-32_768n)],
    ['int32', new Int32(), -(2 ** 31), int(-(2n ** 31n))],
    ['int64', new Int64(), -(2n ** 63n), int(-(2n ** 63n))],
    ['uint8', new Uint8(), 255, int(255n)],
    ['uint16', new Uint16(), 65_535, int(65_535n)],
    ['uint32', new Uint32(), 2 ** 32 - 1, int(2n ** 32n - 1n)],
    ['uint64', new Uint64(), 2n ** 63n - 1n, int(2n ** 63n - 1n)],
    ['float32', new Float32(), 0.1, double(Math.fround(0.1))],
    ['float64', new Float64(), 5, double(5)],
    ['a negative zero', new Float64(), -0, double(0)],
    ['infinity', new Float64(), -Infinity, typed({ type: 'double', value: -Infinity })],
    ['bool', new Bool(), true, plain({ type: 'bool', value: true })],
    ['utf8', new Utf8(), 'Näme 😀\0', text('Näme 😀\0')],
    ['large utf8', new LargeUtf8(), 'Näme', text('Näme')],
    ['dictionary', new Dictionary(new Utf8(), new Uint8()), 'Näme', text('Näme')],
    ['binary', new Binary(), Uint8Array.of(0, 255), bytes(0, 255)],
    ['fixed size binary', new FixedSizeBinary(2), Uint8Array.of(0, 255), bytes(0, 255)],
    ['timestamp[s]', new TimestampSecond(), -1000, instant(-1_000_000n)],
    ['timestamp[ms]', new TimestampMillisecond(), 1, instant(1_000n)],
    ['date64', new DateMillisecond(), new Date(86_400_000), instant(86_400_000_000n)],
    ['date32', new DateDay(), new Date(-86_400_000), instant(-86_400_000_000n)],
  ])('%s', (_, type, value, expected) => {
    const [operation] = read([texts('entity', ['a']), column('n', type, [value])]);
    expect(operation).toEqual({
      op: 'assert',
      entity: 'a',
      attribute: 'n',
      value: expected,
      many: false,
    });
  });

  test('instants keep all of 64 bits, whatever their unit', () => {
    const row = (type: DataType, count: bigint): InputOperation | undefined =>
      read([texts('entity', ['a']), { name: 'n', data: [instants(type, count)] }])[0];
    const instants = (type: DataType, count: bigint) => {
      const data = dataOf(type, [0]);
      (data.values as BigInt64Array)[0] = count;
      return data;
    };
    const micros = 9_007_199_254_740_993n;
    expect(row(new TimestampMicrosecond(), micros)).toMatchObject({ value: instant(micros) });
    expect(row(new TimestampNanosecond(), 1_000n)).toMatchObject({ value: instant(1n) });
    expect(row(new TimestampNanosecond(), -1_000n)).toMatchObject({ value: instant(-1n) });
    expect(() => row(new TimestampNanosecond(), 1_001n)).toThrow(
      expect.objectContaining({ code: 'value-invalid', extra: { path: 'ops[0].n' } }),
    );
    expect(() => row(new TimestampSecond(), 2n ** 63n - 1n)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('beyond 64 bits') }),
    );
  });

  test.each<[string, DataType, unknown, InputValue]>([
    ['ref', new Utf8(), 'b', typed({ type: 'ref', value: 'b' })],
    ['json', new Utf8(), ' {"x":[1.0]}', typed({ type: 'json', value: '{"x":[1]}' })],
    ['instant', new Utf8(), '1970-01-01T00:00:00.001Z', instant(1_000n)],
    ['instant', new TimestampMillisecond(), 1, instant(1_000n)],
    ['bytes', new Utf8(), 'AP8=', bytes(0, 255)],
    ['bytes', new Binary(), Uint8Array.of(0, 255), bytes(0, 255)],
    ['int', new Int8(), 5, typed({ type: 'int', value: 5n })],
    ['double', new Int8(), 5, typed({ type: 'double', value: 5 })],
    ['double', new Float64(), 5, typed({ type: 'double', value: 5 })],
    ['double', new Float64(), Infinity, typed({ type: 'double', value: Infinity })],
    ['string', new Utf8(), 'x', text('x')],
    ['bool', new Bool(), false, plain({ type: 'bool', value: false })],
    ['ref', new Dictionary(new Utf8(), new Int32()), 'b', typed({ type: 'ref', value: 'b' })],
  ])('metadata say that it is of type %s', (type, layout, value, expected) => {
    const columns = [
      texts('entity', ['a']),
      column('n', layout, [value], { 'pyralog.type': type, other: 'x' }),
    ];
    expect(read(columns)).toEqual([
      { op: 'assert', entity: 'a', attribute: 'n', value: expected, many: false },
    ]);
  });
});

describe('entities', () => {
  test('a column is an attribute, and a null says nothing', () => {
    const columns = [
      texts('name', ['x', null, 'z']),
      texts('entity', ['a', 'b', 'c']),
      column('age', new Int32(), [1, 2, null]),
      column('never', new Null(), [null, null, null]),
    ];
    expect(read(columns)).toEqual(
      json(
        '{"entity":"a","name":"x","age":1}',
        '{"entity":"b","age":2}',
        '{"entity":"c","name":"z"}',
      ),
    );
  });

  test('a row without any value says nothing of its entity, which must be one', () => {
    const row = (entity: string) =>
      documentFromArrow(ipc([texts('entity', [entity, 'b']), texts('n', [null, 'x'])]), codec);
    expect(row('a')).toMatchObject({ operations: json('{"entity":"b","n":"x"}') });
    expect(row('a').operationsWritten).toBe(2);
    expect(() => row('')).toThrow(expect.objectContaining({ code: 'entity-invalid' }));
  });

  test('a list is many values, also with one and with none', () => {
    const list = new List(new Field('item', new Utf8(), true));
    const columns = [
      texts('entity', ['a', 'b', 'c']),
      column('n', list, [['x', 'y'], ['z'], []]),
      column('m', new FixedSizeList(2, new Field('item', new Int8())), [[1, 2], null, [3, 4]]),
    ];
    expect(read(columns)).toEqual(
      json(
        '{"entity":"a","n":["x","y"],"m":[1,2]}',
        '{"entity":"b","n":["z"]}',
        '{"entity":"c","n":[],"m":[3,4]}',
      ),
    );
  });

  test('metadata of a list are those of its values', () => {
    const list = new List(new Field('item', new Utf8(), true));
    const columns = [
      texts('entity', ['a']),
      column('n', list, [['b', 'c']], { 'pyralog.type': 'ref' }),
    ];
    expect(read(columns)).toEqual(json('{"entity":"a","n":[{"ref":"b"},{"ref":"c"}]}'));
  });

  test('names of fields are attributes with a colon, and those of others as they are', () => {
    const columns = [
      texts('entity', ['a']),
      texts(':op', ['x']),
      texts(':entity', ['y']),
      texts('attribute', ['z']),
    ];
    expect(read(columns)).toEqual(json('{"entity":"a",":op":"x",":entity":"y","attribute":"z"}'));
    expect(read([texts('entity', ['a']), texts('value', ['x'])])).toEqual(
      json('{"entity":"a","value":"x"}'),
    );
  });
});

describe('operations', () => {
  test('each kind, and an assertion where it is not said', () => {
    const columns = [
      texts('op', [null, 'assert', 'retract', 'retract', 'retractEntity', 'cas', 'cas']),
      texts('entity', ['a', 'a', 'a', 'a', 'b', 'a', 'a']),
      texts('attribute', ['n', 'm', 'n', 'n', null, 'n', 'm']),
      texts('value', ['x', 'y', 'z', null, null, null, null]),
      texts('old', [null, null, null, null, null, 'x', null]),
      texts('new', [null, null, null, null, null, null, 'y']),
    ];
    expect(read(columns)).toEqual(
      json(
        '{"op":"assert","entity":"a","attribute":"n","value":"x"}',
        '{"op":"assert","entity":"a","attribute":"m","value":"y"}',
        '{"op":"retract","entity":"a","attribute":"n","value":"z"}',
        '{"op":"retract","entity":"a","attribute":"n"}',
        '{"op":"retractEntity","entity":"b"}',
        '{"op":"cas","entity":"a","attribute":"n","old":"x","new":null}',
        '{"op":"cas","entity":"a","attribute":"m","old":null,"new":"y"}',
      ),
    );
  });

  test('without a column of operations they are assertions', () => {
    const columns = [
      texts('value', ['x', 'y']),
      column('attribute', new Dictionary(new Utf8(), new Int8()), ['n', 'n']),
      texts('entity', ['a', 'b']),
    ];
    expect(read(columns)).toEqual(
      json(
        '{"op":"assert","entity":"a","attribute":"n","value":"x"}',
        '{"op":"assert","entity":"b","attribute":"n","value":"y"}',
      ),
    );
  });

  test.each(['dense', 'sparse'] as const)('values of many types in a %s union', (mode) => {
    const values = [
      ['string', 'x'],
      ['int', 2n ** 53n + 1n],
      ['bool', false],
      ['ref', 'b'],
      null,
    ] as const;
    const columns = [
      texts('op', ['assert', 'assert', 'assert', 'assert', 'retract']),
      texts('entity', ['a', 'a', 'a', 'a', 'a']),
      texts('attribute', ['n1', 'n2', 'n3', 'n4', 'n5']),
      { name: 'value', data: [union(values, mode)] },
    ];
    expect(read(columns)).toEqual(
      json(
        '{"op":"assert","entity":"a","attribute":"n1","value":"x"}',
        '{"op":"assert","entity":"a","attribute":"n2","value":9007199254740993}',
        '{"op":"assert","entity":"a","attribute":"n3","value":false}',
        '{"op":"assert","entity":"a","attribute":"n4","value":{"ref":"b"}}',
        '{"op":"retract","entity":"a","attribute":"n5"}',
      ),
    );
  });
});

test.each(['stream', 'file'] as const)('a %s of many batches, with one dictionary', (kind) => {
  const entities = dataOf(new Utf8(), ['a', 'b', 'c']);
  const values = dataOf(new Dictionary(new Utf8(), new Int8()), ['x', null, 'y']);
  const columns = [
    { name: 'entity', data: [entities.slice(0, 2), entities.slice(2, 1)] },
    { name: 'n', data: [values.slice(0, 2), values.slice(2, 1)] },
  ];
  const { operations, operationsWritten } = documentFromArrow(ipc(columns, { kind }), codec);
  expect(operations).toEqual(json('{"entity":"a","n":"x"}', '{"entity":"c","n":"y"}'));
  expect(operationsWritten).toBe(3);
});

test('a dictionary that is replaced between batches', () => {
  const type = new Dictionary(new Utf8(), new Int8(), 7);
  const columns = [
    { name: 'entity', data: [dataOf(new Utf8(), ['a']), dataOf(new Utf8(), ['c'])] },
    { name: 'n', data: [dataOf(type, ['x']), dataOf(type, ['y'])] },
  ];
  expect(read(columns)).toEqual(json('{"entity":"a","n":"x"}', '{"entity":"c","n":"y"}'));
});

test('metadata of the schema are the rest of the document, which has the hash of the same JSON', () => {
  const metadata = {
    'pyralog.id': 'order-4711',
    'pyralog.meta': '{"author":"user:alice"}',
    'pyralog.if': '[{"entity":"a","attribute":"n","is":5}]',
    'pyralog.at': '2020-01-01T00:00:00Z',
    pandas: '{}',
  };
  const bytes = ipc([texts('entity', ['a']), column('n', new Int64(), [4n])], { metadata });
  expect(documentFromArrow(bytes, codec)).toEqual(
    parseDocument(
      `{"id":"order-4711","meta":{"author":"user:alice"},"at":"2020-01-01T00:00:00Z",
        "if":[{"entity":"a","attribute":"n","is":5}],"ops":[{"entity":"a","n":4}]}`,
    ),
  );
});

test('no rows are a document that writes nothing but its meta', () => {
  const columns = [texts('entity', []), texts('n', [])];
  const metadata = { 'pyralog.meta': '{"author":"user:alice"}' };
  expect(documentFromArrow(ipc(columns, { metadata }), codec)).toMatchObject({
    operations: [],
    meta: [{ attribute: 'tx/author', value: text('user:alice') }],
  });
});
