/** Bytes that were cut, changed, or made to do harm: a document, or one of our errors, and neither time nor memory. */
import { createPortableCodec } from '@pyralog/format/zstd';
import { errorCode, refusal } from '@pyralog/model/testing';
import {
  Bool,
  type Data,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Int64,
  Int8,
  List,
  makeData,
  Null,
  Utf8,
} from 'apache-arrow';
import { Footer } from 'apache-arrow/fb/footer';
import fc from 'fast-check';
import { ByteBuffer } from 'flatbuffers';
import { expect, test } from 'vitest';
import { documentFromArrow } from './document.ts';
import { checkZstdFrame } from './zstd-frame.ts';
import { column, COMPRESSED, dataOf, ipc, texts, union } from './testing/index.ts';

const codec = await createPortableCodec();
const read = (bytes: Uint8Array) => documentFromArrow(bytes, codec);

/** Of every layout, and with metadata. */
const columns = [
  texts('entity', ['a', 'b', 'c']),
  texts('op', ['assert', 'retract', 'cas']),
  column('attribute', new Dictionary(new Utf8(), new Int8()), ['n', 'm', 'n']),
  { name: 'value', data: [union([['string', 'x'], ['int', 5n], null], 'dense')] },
  { name: 'old', data: [union([null, null, ['bool', true]], 'sparse')] },
  column('new', new Int64(), [null, null, 7n]),
];
const wide = [
  texts('entity', ['a', 'b', 'c']),
  column('n', new List(new Field('item', new Utf8(), true)), [['x', 'y'], null, []]),
  column('m', new FixedSizeList(2, new Field('item', new Bool())), [[true, false], null, null]),
];
const metadata = { 'pyralog.id': 'k', 'pyralog.meta': '{"author":"x"}' };

const WHOLE: readonly (readonly [string, Uint8Array])[] = [
  ['a stream', ipc(columns, { metadata })],
  ['a file', ipc(columns, { metadata, kind: 'file' })],
  ['a stream of entities', ipc(wide)],
  ['a stream with LZ4', COMPRESSED.lz4],
  ['a stream with ZSTD', COMPRESSED.zstd],
];

test.each(['lz4', 'zstd'] as const)('buffers with %s', (compression) => {
  const { operations, operationsWritten } = read(COMPRESSED[compression]);
  expect(operationsWritten).toBe(40);
  expect(
    operations.map((each) => ('value' in each ? `${each.entity} ${each.value?.value.value}` : '')),
  ).toEqual(
    Array.from({ length: 40 }, (_, i) => i)
      .filter((i) => i % 3 !== 0)
      .map((i) => `paper:${i} ${i * 1000}`),
  );
});

test.each(WHOLE)('%s that is cut anywhere is refused', (_, bytes) => {
  expect(errorCode(() => read(bytes))).toBeUndefined();
  for (let length = 0; length < bytes.length; length++)
    expect(
      errorCode(() => read(bytes.subarray(0, length))),
      `${length} bytes`,
    ).toBe('document-invalid');
});

test.each(WHOLE)('%s in which any byte is another', (_, bytes) => {
  const copy = bytes.slice();
  const codes = new Set<string | undefined>();
  for (let at = 0; at < copy.length; at++) {
    const byte = copy[at] as number;
    for (const other of [byte ^ 1, byte ^ 0x80, 0xff]) {
      copy[at] = other;
      codes.add(errorCode(() => read(copy)));
    }
    copy[at] = byte;
  }
  expect(codes).toContain('document-invalid');
});

test('streams in which many bytes are others', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(fc.constantFrom(...WHOLE), changes, ([, bytes], list) => {
      const copy = bytes.slice();
      for (const [at, byte] of list) copy[at % copy.length] = byte;
      // Throws what is none of our errors.
      errorCode(() => read(copy));
    }),
    { numRuns: 5000 },
  );
});

test('bytes of any kind', () => {
  const start = fc.constantFrom(
    Uint8Array.of(),
    Uint8Array.of(255, 255, 255, 255, 16, 0, 0, 0),
    Buffer.from('ARROW1\0\0'),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
      expect(errorCode(() => read(Buffer.concat([head, tail])))).toBe('document-invalid');
    }),
    { numRuns: 2000 },
  );
});

/** The schema of a stream, and what is behind it. */
function parted(stream: Uint8Array): readonly [schema: Uint8Array, rest: Uint8Array] {
  const end = 8 + new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return [stream.subarray(0, end), stream.subarray(end)];
}

test('messages that do not go together', () => {
  const stream = ipc(wide);
  const [schema, rest] = parted(stream);
  const [narrower, fewer] = parted(ipc(wide.slice(0, 2)));
  const refused = (...parts: readonly Uint8Array[]): string | undefined =>
    refusal(() => read(Buffer.concat(parts)))?.message;
  expect(refused(stream, stream)).toContain('more behind their end');
  expect(refused(schema, stream)).toContain('a second schema');
  expect(refused(rest)).toContain('do not begin with a schema');
  expect(refused(narrower, rest)).toContain('more arrays than the schema');
  expect(refused(schema, fewer)).toContain('lacks an array');
});

/** An array that says of itself what its buffers do not bear out. */
const lying = (type: DataType, length: number, props: object): Data =>
  makeData({ type, length, ...props } as never) as Data;

function spoilt(data: Data, spoil: (data: Data) => void): Data {
  spoil(data);
  return data;
}

const encoded = (): Data => dataOf(new Dictionary(new Utf8(), new Int8()), ['x', 'y']);
const mixed = (): Data =>
  union(
    [
      ['string', 'x'],
      ['int', 5n],
    ],
    'dense',
  );

test.each<[string, Data, RegExp]>([
  [
    'a number that the dictionary has not',
    spoilt(encoded(), ({ values }) => ((values as Int8Array)[1] = 100)),
    /a dictionary lacks a value/,
  ],
  [
    'a number of a dictionary below zero',
    spoilt(encoded(), ({ values }) => ((values as Int8Array)[1] = -1)),
    /a dictionary lacks a value/,
  ],
  [
    'a type that the union has not',
    spoilt(mixed(), ({ typeIds }) => (typeIds[1] = 99)),
    /a value of a union is not there/,
  ],
  [
    'a place that the union has not',
    spoilt(mixed(), ({ valueOffsets }) => (valueOffsets[1] = 7)),
    /a value of a union is not there/,
  ],
  [
    'a place of a union below zero',
    spoilt(mixed(), ({ valueOffsets }) => (valueOffsets[1] = -1)),
    /a value of a union is not there/,
  ],
])('%s', (_, data, says) => {
  const problem = refusal(() =>
    read(ipc([texts('entity', ['a', 'b']), { name: 'n', data: [data] }])),
  );
  expect(problem).toMatchObject({
    code: 'document-invalid',
    message: expect.stringMatching(says),
    extra: { path: expect.stringMatching(/^ops\[[01]\]\.n$/) },
  });
});

test('columns of different types that share a dictionary', () => {
  const [id, other] = [0x1234567, 0x7654321];
  let bytes = ipc([
    texts('entity', []),
    column('n', new Dictionary(new Utf8(), new Int8(), id), []),
    column('m', new Dictionary(new Int64(), new Int8(), other), []),
  ]);
  while (Buffer.from(bytes).indexOf(int64(BigInt(other))) >= 0)
    bytes = patched(bytes, int64(BigInt(other)), int64(BigInt(id)));
  expect(refusal(() => read(bytes))?.message).toContain('shares its dictionary with "n"');
});

test('a file whose footer names a batch again and again', () => {
  const rows = [['a'.repeat(500)], ['b'], ['c'], ['d']];
  const entities = rows.map((row) => dataOf(new Utf8(), row));
  const ages = rows.map(() => dataOf(new Int8(), [1]));
  const file = ipc(
    [
      { name: 'entity', data: entities },
      { name: 'age', data: ages },
    ],
    { kind: 'file' },
  );
  expect(read(file).operations.length).toBe(4);
  const length = new DataView(file.buffer, file.byteOffset).getInt32(file.length - 10, true);
  const footer = Footer.getRootAsFooter(
    new ByteBuffer(file.subarray(file.length - 10 - length, file.length - 10)),
  );
  const offset = (batch: number): Uint8Array => int64(footer.recordBatches(batch)?.offset() ?? 0n);
  let repeated = file;
  for (let batch = 1; batch < rows.length; batch++)
    repeated = patched(repeated, offset(batch), offset(0));
  expect(refusal(() => read(repeated))?.message).toContain('names a message more than once');
});

test('more columns than there are attributes to name', () => {
  const many = (count: number): Uint8Array =>
    ipc(Array.from({ length: count }, (_, i) => texts(i === 0 ? 'entity' : `n${i}`, [])));
  expect(read(many(10_000)).operations).toEqual([]);
  expect(refusal(() => read(many(10_001)))?.message).toContain('more than 10000 columns');
});

test.each(['lz4', 'zstd'] as const)('a buffer with %s that announces a terabyte', (compression) => {
  // The offsets of 40 texts, whose length stands in front of them.
  const bytes = patched(COMPRESSED[compression], int64(41n * 4n), int64(2n ** 40n));
  expect(errorCode(() => read(bytes))).toBe('transaction-too-large');
});

test.each(['lz4', 'zstd'] as const)('a buffer with %s that is not as long as it says', (name) => {
  for (const length of [40n, 41n]) {
    const bytes = patched(COMPRESSED[name], int64(41n * 4n), int64(length * 4n + 1n));
    expect(refusal(() => read(bytes))?.message).toContain('a compressed buffer cannot be read');
  }
});

test('a ZSTD frame that announces a terabyte', () => {
  // A frame of one segment with a content of one byte to come, and one with eight.
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0);
  expect(() => checkZstdFrame(frame, 164)).toThrow('a ZSTD frame of 1099511627776 bytes, not 164');
});

/** Copies in which the last place of some bytes has others. */
function patched(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = Buffer.from(copy.buffer).lastIndexOf(from);
  expect(at).toBeGreaterThan(0);
  copy.set(to, at);
  return copy;
}

const int64 = (value: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(value).buffer);
const int32s = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

const pairs: readonly (readonly [string, ReturnType<typeof column>])[] = [
  ['texts', texts('n', ['x', 'y'])],
  ['lists', column('n', new List(new Field('i', new Int8())), [[1], [2]])],
];

test.each(
  pairs.flatMap(([name, pair]) => [
    [name, 'beyond the end', pair, [0, 1, 9], /outside|ends at 9 of 2/] as const,
    [name, 'that go back', pair, [0, 2, 1], /offsets go from 2 to 1/] as const,
    [name, 'below zero', pair, [-1, 1, 2], /offsets go from -1 to 1/] as const,
  ]),
)('offsets of %s %s', (_, __, pair, offsets, says) => {
  const bytes = ipc([texts('entity', ['a', 'b']), pair]);
  const problem = refusal(() => read(patched(bytes, int32s(0, 1, 2), int32s(...offsets))));
  expect(problem).toMatchObject({
    code: 'document-invalid',
    message: expect.stringMatching(says),
    extra: { path: expect.stringMatching(/^ops\[[01]\]\.n$/) },
  });
});

test('a list of more nulls than there is memory', () => {
  const size = 2 ** 30;
  const type = new FixedSizeList(size, new Field('i', new Null(), true));
  const data = lying(type, 1, { child: lying(new Null(), size, {}) });
  const bytes = ipc([texts('entity', ['a']), { name: 'n', data: [data] }]);
  expect(errorCode(() => read(bytes))).toBe('value-invalid');
});

test.each([
  ['lists of nothing', false, 100],
  ['nulls', true, 1_000],
])('columns of %s, which take no bytes, do not go on for ever', (_, areNull, columnCount) => {
  const rows = 100_000;
  const empty = new FixedSizeList(0, new Field('i', new Null(), true));
  const nullBitmap = areNull ? new Uint8Array(rows / 8) : undefined;
  const many = Array.from({ length: columnCount }, (__, i) => ({
    name: `n${i}`,
    data: [lying(empty, rows, { child: lying(new Null(), 0, {}), nullBitmap })],
  }));
  const entity = column('entity', new Dictionary(new Utf8(), new Int8()), Array(rows).fill('a'));
  expect(errorCode(() => read(ipc([entity, ...many])))).toBe('transaction-too-large');
});

test('columns that nest deeply', () => {
  let type: DataType = new Int8();
  for (let depth = 0; depth < 100; depth++) type = new List(new Field('i', type, true));
  expect(refusal(() => read(ipc([texts('entity', []), column('n', type, [])])))?.message).toContain(
    'nested too deeply',
  );
});
