import { must } from '@pyralog/base';
import {
  advance,
  decodeCommitRecord,
  emptyLogState,
  encodeCommitRecord,
  encodeCursor,
  encodeDatabaseInfo,
  encodeFeedOffset,
  encodeManifest,
  encodeRun,
  FactTable,
  runName,
  sameSubject,
  SegmentBuilder,
  sortRuns,
  type Codec,
  type DatabaseInfo,
  type DraftRecord,
  type EncodedRun,
  type EncodedSegment,
  type EpochRecord,
  type LogState,
  type Manifest,
  type RunInfo,
} from '@pyralog/format';
import {
  blobOf,
  compareFacts,
  epoch,
  INDEX_ORDERS,
  logOffset,
  ownerId,
  partitionNo,
  tx,
  type StoredFact,
  type IndexOrder,
  type StoredValue,
  type Value,
} from '@pyralog/model';

/** The content of the golden files: small, with every type and the edges of each. */
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const owner = ownerId('00112233445566778899aabbccddeeff');
export const databaseId = 'ffeeddccbbaa99887766554433221100';

function blob(value: Value): StoredValue {
  return must(blobOf(value), 'it is longer than what stands in a fact').reference;
}

const values: readonly (readonly [string, StoredValue])[] = [
  ['title', { type: 'string', value: 'Relativity' }],
  ['empty', { type: 'string', value: '' }],
  ['odd', { type: 'string', value: 'a\0b \u{1f4a1} é \uffff' }],
  ['least', { type: 'int', value: INT64_MIN }],
  ['most', { type: 'int', value: INT64_MAX }],
  ['year', { type: 'int', value: 1916n }],
  ['ratio', { type: 'double', value: 0.1 }],
  ['far', { type: 'double', value: -Infinity }],
  ['tiny', { type: 'double', value: 5e-324 }],
  ['open', { type: 'bool', value: true }],
  ['closed', { type: 'bool', value: false }],
  ['before', { type: 'instant', value: -1n }],
  ['distant', { type: 'instant', value: INT64_MAX }],
  ['author', { type: 'ref', value: 'person:albert' }],
  ['digest', { type: 'bytes', value: Uint8Array.of(0, 255, 10, 0) }],
  ['nothing', { type: 'bytes', value: new Uint8Array(0) }],
  ['extra', { type: 'json', value: '{"a":[1,null,"x"]}' }],
  // The character at the 256th byte does not fit into the prefix.
  ['abstract', blob({ type: 'string', value: `a${'é'.repeat(40_000)}` })],
  ['scan', blob({ type: 'bytes', value: new Uint8Array(65_537).fill(7) })],
  ['data', blob({ type: 'json', value: `"${'x'.repeat(70_000)}"` })],
];

const first = tx(1_795_000_000_000_000_000n & ~1023n);
const second = tx(first + 1024n);

export const facts: readonly StoredFact[] = [
  ...values.map(([attribute, value]): StoredFact => ({
    entity: 'paper:1',
    attribute,
    value,
    tx: first,
    operation: 'assert',
  })),
  {
    entity: 'paper:1',
    attribute: 'year',
    value: { type: 'int', value: 1916n },
    tx: second,
    operation: 'retract',
  },
  {
    entity: 'paper:1',
    attribute: 'year',
    value: { type: 'int', value: 1920n },
    tx: second,
    operation: 'assert',
  },
  {
    entity: '人:{a}',
    attribute: 'größe',
    value: { type: 'int', value: 0n },
    tx: second,
    operation: 'assert',
  },
];

const claim: EpochRecord = { kind: 'epoch', epoch: epoch(3), owner };

export const draft: DraftRecord = {
  kind: 'items',
  epoch: claim.epoch,
  owner,
  seq: 1,
  coordination: logOffset(7),
  marks: [{ peer: partitionNo(2), epoch: epoch(5), counter: 11 }],
  lowWater: logOffset(300),
  closed: tx(second + 1023n),
  schemaTx: tx(1024n),
  items: [
    {
      kind: 'commit',
      offset: logOffset(298),
      tx: first,
      facts: facts.filter((fact) => fact.tx === first),
    },
    {
      kind: 'commit',
      offset: logOffset(299),
      tx: second,
      facts: facts.filter((fact) => fact.tx === second),
    },
    {
      kind: 'rejected',
      offset: logOffset(301),
      rejection: {
        code: 'cas-failed',
        detail: 'The value of balance is 5, not 4.',
        hint: 'Read it again.',
        extra: { operation: 0, expected: ['4'] },
      },
    },
    { kind: 'duplicate', offset: logOffset(302), tx: first },
  ],
};

function tableOf(list: readonly StoredFact[]): FactTable {
  const table = new FactTable();
  for (const fact of list) table.append(fact);
  return table;
}

/** All facts that an order lists, as one run. */
export function makeRun(order: IndexOrder, list: readonly StoredFact[], codec: Codec): EncodedRun {
  const rows = [...list.keys()]
    .filter((row) => order !== 'vaet' || list[row]?.value.type === 'ref')
    .sort((a, b) => compareFacts(order, list[a] as StoredFact, list[b] as StoredFact));
  return encodeRun(
    { order, part: 'current', level: 0, table: tableOf(list), rows: Uint32Array.from(rows) },
    codec,
  );
}

/** The same as history, each assert that a retract took back in one row with it. */
export function makeHistory(
  order: IndexOrder,
  list: readonly StoredFact[],
  codec: Codec,
): EncodedRun {
  const sorted = list
    .filter(({ value }) => order !== 'vaet' || value.type === 'ref')
    .toSorted((a, b) => compareFacts(order, a, b));
  const single = tableOf(sorted);
  const table = new FactTable();
  for (let row = 0; row < sorted.length; row++) {
    const takesBack =
      single.operation[row] === 1 &&
      single.operation[row + 1] === 0 &&
      sameSubject(single, row, single, row + 1);
    table.appendRow(single, row, takesBack ? single.txAt(row + 1) : 0n);
    if (takesBack) row++;
  }
  const rows = Uint32Array.from({ length: table.length }, (_, row) => row);
  return encodeRun({ order, part: 'history', level: 1, table, rows }, codec);
}

/** A log of a claim and one record, as a segment, and the state behind it. */
export function makeSegment(
  records: readonly DraftRecord[],
  codec: Codec,
): { readonly segment: EncodedSegment; readonly state: LogState } {
  const builder = new SegmentBuilder(0, emptyLogState());
  const table = new FactTable();
  let state = emptyLogState();
  for (const each of [claim, ...records]) {
    const record = decodeCommitRecord(encodeCommitRecord(each));
    builder.add(state.next, record);
    state = advance(state, state.next, record).state;
    if (record.kind === 'items') table.appendColumns(record.facts);
  }
  return { segment: builder.finish(table, state.next, codec), state };
}

const info: DatabaseInfo = {
  formatVersion: 0,
  name: 'golden',
  id: databaseId,
  partitions: 1,
  strict: false,
  mode: 'live',
  created: '2026-11-24T10:00:00.000Z',
};

/** Every golden file by name. */
export function makeFiles(codec: Codec): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  files.set('epoch.record', encodeCommitRecord(claim));
  files.set('items.record', encodeCommitRecord(draft));
  const { segment, state } = makeSegment([draft], codec);
  files.set('log.arrow', segment.bytes);
  const range = { from: segment.from, to: segment.to };
  const runs = INDEX_ORDERS.map((order): RunInfo => {
    const { bytes, ...run } = makeRun(order, facts, codec);
    files.set(`${order}.run`, bytes);
    return { name: runName(order, 0, run.hash), ...run, bytes: bytes.length, ...range };
  });
  files.set('history.run', makeHistory('eavt', facts, codec).bytes);
  const manifest: Manifest = {
    formatVersion: 0,
    database: info.name,
    partition: partitionNo(0),
    number: 1,
    state,
    segments: [{ ...segment, bytes: segment.bytes.length }],
    runs: sortRuns(runs),
  };
  files.set('manifest.json', encodeManifest(manifest));
  files.set('database.json', encodeDatabaseInfo(info));
  const key = Uint8Array.of(0x70, 0, 0);
  const tokens = [
    encodeCursor(databaseId, { listing: 'state:eavt', basis: second, key }),
    encodeFeedOffset(databaseId, second),
  ];
  files.set('tokens.txt', new TextEncoder().encode(`${tokens.join('\n')}\n`));
  return files;
}
