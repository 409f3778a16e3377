import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DenseUnion,
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  SparseUnion,
  Struct,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';

/** A column as apache-arrow has it, one array a batch. */
export interface TestColumn {
  readonly name: string;
  readonly data: readonly Data[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A column of one batch, from what apache-arrow takes for values of the type. */
export function column(
  name: string,
  type: DataType,
  values: readonly unknown[],
  metadata: Readonly<Record<string, string>> = {},
): TestColumn {
  return { name, data: [dataOf(type, values)], metadata };
}

export function dataOf(type: DataType, values: readonly unknown[]): Data {
  const [data] = vectorFromArray(values as never[], type).data;
  // Of no values apache-arrow makes no array.
  return (data ?? makeData({ type, length: 0 } as never)) as Data;
}

export function texts(
  name: string,
  values: readonly (string | null)[],
  metadata: Readonly<Record<string, string>> = {},
): TestColumn {
  return column(name, new Utf8(), values, metadata);
}

export function ints(name: string, values: readonly (bigint | null)[]): TestColumn {
  return column(name, new Int64(), values);
}

/** An IPC stream or file, as apache-arrow writes it. */
export function ipc(
  columns: readonly TestColumn[],
  {
    metadata = {},
    kind = 'stream',
  }: {
    readonly metadata?: Readonly<Record<string, string>> | undefined;
    readonly kind?: 'stream' | 'file' | undefined;
  } = {},
): Uint8Array {
  const fields = columns.map(
    ({ name, data, metadata: own = {} }) =>
      new Field(name, (data[0] as Data).type as DataType, true, new Map(Object.entries(own))),
  );
  const schema = new Schema(fields, new Map(Object.entries(metadata)));
  const batches = (columns[0]?.data ?? []).map((first, batch) => {
    const children = columns.map(({ data }) => data[batch] as Data);
    const struct = makeData({ type: new Struct(fields), length: first.length, children });
    return new RecordBatch(schema, struct as never);
  });
  return tableToIPC(new Table(schema, batches), kind);
}

/** A value of a union: the name of its child, and the value. */
export type UnionValue = readonly [child: string, value: unknown];

/** Children of unions in tests: one for each type, and for each that metadata give. */
const CHILDREN: readonly (readonly [name: string, type: DataType, metadata?: string])[] = [
  ['string', new Utf8()],
  ['int', new Int64()],
  ['double', new Float64()],
  ['bool', new Bool()],
  ['instant', new TimestampMicrosecond()],
  ['bytes', new Binary()],
  ['ref', new Utf8(), 'ref'],
  ['json', new Utf8(), 'json'],
  ['typed int', new Int64(), 'int'],
  ['typed double', new Float64(), 'double'],
];

/** An array of values of many types; null where there is none. */
export function union(values: readonly (UnionValue | null)[], mode: 'dense' | 'sparse'): Data {
  const fields = CHILDREN.map(
    ([name, type, metadata]) =>
      new Field(
        name,
        type,
        true,
        new Map(metadata === undefined ? [] : [['pyralog.type', metadata]]),
      ),
  );
  const ids = CHILDREN.map((_, id) => id);
  const idOf = (value: UnionValue | null): number =>
    value === null ? 0 : CHILDREN.findIndex(([name]) => name === value[0]);
  const typeIds = Int8Array.from(values, idOf);
  const length = values.length;
  if (mode === 'sparse') {
    const children = CHILDREN.map(([, type], id) =>
      childOf(
        type,
        values.map((each) => (idOf(each) === id ? (each?.[1] ?? null) : null)),
      ),
    );
    const type = new SparseUnion(ids, fields);
    return makeData({ type, length, typeIds, children }) as Data;
  }
  const lists = CHILDREN.map((): unknown[] => []);
  const valueOffsets = Int32Array.from(values, (each) => {
    const list = lists[idOf(each)] as unknown[];
    return list.push(each?.[1] ?? null) - 1;
  });
  const children = CHILDREN.map(([, type], id) => childOf(type, lists[id] as unknown[]));
  const type = new DenseUnion(ids, fields);
  return makeData({ type, length, typeIds, valueOffsets, children }) as Data;
}

/** Instants as they are: apache-arrow would make numbers of them. */
function childOf(type: DataType, values: readonly unknown[]): Data {
  if (!(type instanceof TimestampMicrosecond)) return dataOf(type, values);
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  values.forEach((value, row) => {
    if (value !== null) nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row & 7));
  });
  const data = BigInt64Array.from(values, (value) => (value as bigint | null) ?? 0n);
  return makeData({ type, length: values.length, nullBitmap, data }) as Data;
}
