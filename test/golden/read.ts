import {
  decodeCommitRecord,
  decodeCursor,
  decodeDatabaseInfo,
  decodeFeedOffset,
  decodeManifest,
  decodeRunBlock,
  decodeSegmentBlock,
  decodeSegmentPage,
  retractedAt,
  verifyRun,
  verifySegment,
  type Codec,
  type FactColumns,
  type FileBlock,
  type TextList,
} from '@pyralog/format';
import { type StoredFact, tx } from '@pyralog/model';
import { databaseId } from './examples.ts';

function factsOf(columns: FactColumns): StoredFact[] {
  return Array.from({ length: columns.length }, (_, row): StoredFact[] => {
    const fact = columns.factAt(row);
    const retracted = retractedAt(columns, row);
    if (retracted === 0n) return [fact];
    return [fact, { ...fact, tx: tx(retracted), operation: 'retract' }];
  }).flat();
}

/** All that a golden file says, by the reader for its kind, as JSON. */
export function readGolden(name: string, bytes: Uint8Array, codec: Codec): unknown {
  return plain(read(name, bytes, codec));
}

function read(name: string, bytes: Uint8Array, codec: Codec): unknown {
  if (name.endsWith('.record')) {
    const record = decodeCommitRecord(bytes);
    return record.kind === 'epoch' ? record : { ...record, facts: factsOf(record.facts) };
  }
  if (name.endsWith('.run')) return readRun(bytes, codec);
  if (name.endsWith('.arrow')) return readSegment(bytes, codec);
  if (name === 'manifest.json') return decodeManifest(bytes);
  if (name === 'database.json') return decodeDatabaseInfo(bytes);
  const [cursor = '', offset = ''] = new TextDecoder().decode(bytes).split('\n');
  return {
    cursor: decodeCursor(cursor, databaseId, 'state:eavt'),
    offset: decodeFeedOffset(offset, databaseId),
  };
}

export function readRun(
  bytes: Uint8Array,
  codec: Codec,
): { readonly facts: readonly StoredFact[] } {
  const { attributes, blocks, ...footer } = verifyRun(bytes, codec);
  const facts = blocks.flatMap((block, i) =>
    factsOf(decodeRunBlock({ ...footer, attributes, blocks }, i, cut(bytes, block), codec)),
  );
  // Places depend on the compressor, the rest on the content alone.
  const keys = blocks.map(({ rows, minTx, maxTx, heldTo, firstKey }) => ({
    rows,
    minTx,
    maxTx,
    heldTo,
    firstKey,
  }));
  const { headCrc: _, ...identity } = footer;
  return { ...identity, attributes: textsOf(attributes), blocks: keys, facts } as never;
}

export function readSegment(
  bytes: Uint8Array,
  codec: Codec,
): { readonly facts: readonly StoredFact[] } {
  const footer = verifySegment(bytes, codec);
  const { attributes, blocks, pages, headCrc: _, ...identity } = footer;
  const facts = blocks.flatMap((block, i) =>
    factsOf(decodeSegmentBlock(footer, i, cut(bytes, block), codec)),
  );
  const records = pages.flatMap((page, i) => decodeSegmentPage(footer, i, cut(bytes, page), codec));
  return { ...identity, attributes: textsOf(attributes), facts, records } as never;
}

function cut(bytes: Uint8Array, { offset, length }: FileBlock): Uint8Array {
  return bytes.slice(offset, offset + length);
}

function textsOf(list: TextList): string[] {
  return Array.from({ length: list.length }, (_, i) => list.textAt(i));
}

/** JSON without loss: int64 and doubles that JSON lacks as text, bytes in hexadecimal. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}
