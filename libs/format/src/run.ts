/**
 * A run: facts sorted in one index order, in an Arrow IPC file (fact-layout.ts has the columns; eavt is
 * nested by entity, the other orders are wide). Format version 0.
 *
 * What a reader must know stands in the footer's metadata under `pyralog.run`: base64url of
 *
 *   index   := version:u8 packing:u8 length:varint body          packing: 0 plain, 1 ZSTD of `length` bytes
 *   body    := order:u8 part:u8 level:varint rows:varint minTx:i64 maxTx:i64 hash:u8[32] headCrc:u32
 *              attributes (texts as in commit-facts.ts)
 *              blocks:varint block*
 *   block   := offset:varint length:varint rows:varint crc:u32 minTx:i64 maxTx:i64 firstKey
 *   firstKey:= length:varint bytes
 *
 * `firstKey` is the shortest text that parts a block from the one before: at or below all keys of its
 * block (index-key.ts), above all earlier ones. `crc` is the CRC-32C of the block's message.
 *
 * The identity of a run is the SHA-256 of its uncompressed content:
 * "pyralog run 0" order part, the blocks and the attributes as content-hash.ts says.
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, ByteReader, ByteWriter, compareBytes, crc32c, toHex } from '@pyralog/base';
import { INDEX_ORDERS, tx, TX_LAST, TX_NONE, type IndexOrder, type Tx } from '@pyralog/model';
import {
  ArrowBatch,
  ArrowFileWriter,
  readArrowFooter,
  type FileBlock,
  type MissingTail,
} from './arrow-file.ts';
import { decodeFacts } from './block-decoder.ts';
import { BlockGatherer } from './block-gatherer.ts';
import type { Codec } from './codec.ts';
import { readTexts, writeTextList } from './commit-facts.ts';
import { hashBlock, hashTexts } from './content-hash.ts';
import { damaged, decodeSafely } from './damage.ts';
import {
  ATTRIBUTE_DICTIONARY,
  BLOCK_FACTS,
  LAYOUT_FIELDS,
  TYPE_DICTIONARY,
  TYPE_NAMES,
  type FactLayout,
} from './fact-layout.ts';
import type { FactBatch } from './fact-batch.ts';
import type { FactTable } from './fact-table.ts';
import { packIndex, unpackIndex } from './file-index.ts';
import { rowKey } from './index-key.ts';
import { RUN_PARTS, type RunPart } from './manifest.ts';
import { numberAttributes } from './table-rows.ts';
import type { TextList } from './text-list.ts';

/** Version of the layout that is written, in every run. */
export const RUN_VERSION = 0;

const INDEX_KEY = 'pyralog.run';
const HASH_BYTES = 32;
/** A block may end early, where its last entity begins, unless it would lose more than half. */
const BLOCK_FACTS_MIN = BLOCK_FACTS / 2;

/** The last bytes of a run that hold its footer, unless it has more than a million facts or so. */
export const FOOTER_READ_BYTES: number = 64 * 1024;

/** Where a block of a run lies and what it holds. */
export interface RunBlock extends FileBlock {
  readonly rows: number;
  readonly crc: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  /** At or below all keys of the block, above all keys of earlier blocks. */
  readonly firstKey: Uint8Array;
}

/** What a run says of itself, at its end. */
export interface RunFooter {
  readonly order: IndexOrder;
  readonly part: RunPart;
  readonly level: number;
  readonly rows: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  /** SHA-256 of the uncompressed content, hexadecimal. */
  readonly hash: string;
  /** CRC-32C of everything before the first block. */
  readonly headCrc: number;
  /** In UTF-8 order; blocks refer to them by number. */
  readonly attributes: TextList;
  readonly blocks: readonly RunBlock[];
}

/** A run to be put, with what a manifest says of it. */
export interface EncodedRun {
  readonly bytes: Uint8Array;
  readonly order: IndexOrder;
  readonly part: RunPart;
  readonly level: number;
  readonly rows: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  readonly hash: string;
}

/** What a run is made of. */
export interface RunInput {
  readonly order: IndexOrder;
  readonly part: RunPart;
  /** 0: flushed from the log. */
  readonly level: number;
  readonly table: FactTable;
  /** Rows of the table, strictly rising in the order; at least one. */
  readonly rows: Uint32Array;
}

/** Columns of the runs of an order: eavt writes an entity once for all its facts. */
export function layoutOf(order: IndexOrder): FactLayout {
  return order === 'eavt' ? 'nested' : 'wide';
}

/** Makes the file of a run. The same facts give the same content hash, whoever writes it. */
export function encodeRun(input: RunInput, codec: Codec): EncodedRun {
  const { order, part, level, table, rows } = input;
  assert(rows.length > 0, 'a run has facts');
  const layout = layoutOf(order);
  const { attributes, numbers } = numberAttributes(table, rows);
  const writer = new ArrowFileWriter(LAYOUT_FIELDS[layout], codec);
  writer.dictionary(ATTRIBUTE_DICTIONARY, attributes);
  writer.dictionary(TYPE_DICTIONARY, TYPE_NAMES);
  const gatherer = new BlockGatherer(table, layout, numbers);
  const content = startRunHash(order, part);
  const blocks: RunBlock[] = [];
  let from = 0;
  let lastKey: Uint8Array | undefined;
  while (from < rows.length) {
    const to = blockEnd(order, table, rows, from);
    const gathered = gatherer.gather(rows.subarray(from, to));
    gatherer.assertRising(order, to - from);
    hashBlock(content, gathered.rows, gathered.buffers);
    const written = writer.batch(gathered.rows, gathered.nodes, gathered.buffers);
    const firstKey = separator(lastKey, rowKey(order, table, rows[from] as number));
    lastKey = rowKey(order, table, rows[to - 1] as number);
    const { minTx, maxTx } = gathered;
    blocks.push({ ...written, rows: to - from, minTx, maxTx, firstKey });
    from = to;
  }
  hashTexts(content, attributes);
  const hash = content.digest();
  const minTx = blocks.reduce(
    (least, block) => (block.minTx < least ? block.minTx : least),
    TX_LAST,
  );
  const maxTx = blocks.reduce((most, block) => (block.maxTx > most ? block.maxTx : most), TX_NONE);
  const footer: RunFooter = {
    order,
    part,
    level,
    rows: rows.length,
    minTx,
    maxTx,
    hash: toHex(hash),
    headCrc: writer.headCrc,
    attributes,
    blocks,
  };
  const bytes = writer.finish(
    new Map([[INDEX_KEY, packIndex(RUN_VERSION, encodeIndex(footer, hash), codec)]]),
  );
  return { bytes, order, part, level, rows: rows.length, minTx, maxTx, hash: footer.hash };
}

/**
 * Reads a run's footer from its last bytes.
 * @param tail the end of the file; {@link FOOTER_READ_BYTES} are enough but for huge runs.
 * @param fileBytes size of the whole file.
 * @returns the footer, or how many bytes from the end are needed.
 * @throws object-damaged, format-unknown
 */
export function parseRunFooter(
  tail: Uint8Array,
  fileBytes: number,
  codec: Codec,
  what = 'run',
): RunFooter | MissingTail {
  const file = readArrowFooter(tail, fileBytes, what);
  if ('missing' in file) return file;
  const packed = file.metadata.get(INDEX_KEY);
  if (packed === undefined) throw damaged(what, 'it is no run');
  const body = unpackIndex(RUN_VERSION, packed, codec, what);
  return decodeSafely(what, () => decodeIndex(new ByteReader(body), what));
}

/** Number of the last block that may hold facts at or below `key`: where a search for it begins. */
export function findBlock(footer: RunFooter, key: Uint8Array): number {
  let low = 0;
  let high = footer.blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes((footer.blocks[middle] as RunBlock).firstKey, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/**
 * Decodes one block.
 * @param bytes the file's bytes [block.offset, block.offset + block.length).
 * @throws object-damaged
 */
export function decodeRunBlock(
  footer: RunFooter,
  index: number,
  bytes: Uint8Array,
  codec: Codec,
  what = 'run',
): FactBatch {
  const block = footer.blocks[index];
  assert(block !== undefined, 'the run has a block of this number');
  if (bytes.length !== block.length || crc32c(bytes) !== block.crc) {
    throw damaged(what, `the checksum of block ${index} at byte ${block.offset} is wrong`);
  }
  return decodeSafely(what, () => {
    const batch = new ArrowBatch(bytes, codec, what);
    const facts = decodeFacts(batch, layoutOf(footer.order), footer.attributes, what);
    if (facts.length !== block.rows)
      throw damaged(what, `block ${index} has other rows than the index says`);
    return facts;
  });
}

/** The hash of a run's content before its blocks. */
export function startRunHash(order: IndexOrder, part: RunPart): Hash {
  return createHash('sha256').update(`pyralog run ${RUN_VERSION} ${order} ${part}`);
}

/** End of the block that begins at `from`. Only nested blocks end early, to keep entities whole. */
function blockEnd(order: IndexOrder, table: FactTable, rows: Uint32Array, from: number): number {
  const end = Math.min(rows.length, from + BLOCK_FACTS);
  if (order !== 'eavt' || end === rows.length) return end;
  const next = table.entity[rows[end] as number];
  let start = end;
  while (start > from && table.entity[rows[start - 1] as number] === next) start--;
  return start - from >= BLOCK_FACTS_MIN ? start : end;
}

/** The shortest prefix of `first` that is above `last`. */
function separator(last: Uint8Array | undefined, first: Uint8Array): Uint8Array {
  if (last === undefined) return first.slice(0, FIRST_KEY_BYTES_MAX);
  assert(compareBytes(last, first) < 0, 'blocks of a run rise strictly');
  let same = 0;
  while (same < last.length && last[same] === first[same]) same++;
  return first.slice(0, same + 1);
}

/** The first block has none before it: its key only tells where the run begins. */
const FIRST_KEY_BYTES_MAX = 64;

function encodeIndex(footer: RunFooter, hash: Uint8Array): Uint8Array {
  const into = new ByteWriter(4096);
  into.u8(INDEX_ORDERS.indexOf(footer.order)).u8(RUN_PARTS.indexOf(footer.part));
  into.varint(footer.level).varint(footer.rows).i64(footer.minTx).i64(footer.maxTx);
  into.raw(hash).u32(footer.headCrc);
  writeTextList(footer.attributes, into);
  into.varint(footer.blocks.length);
  for (const block of footer.blocks) {
    into.varint(block.offset).varint(block.length).varint(block.rows).u32(block.crc);
    into.i64(block.minTx).i64(block.maxTx).bytes(block.firstKey);
  }
  return into.finish();
}

function decodeIndex(from: ByteReader, what: string): RunFooter {
  const order = INDEX_ORDERS[from.u8()];
  const part = RUN_PARTS[from.u8()];
  if (order === undefined || part === undefined) throw damaged(what, 'its order is unknown');
  const level = from.varint();
  const rows = from.varint();
  const minTx = tx(from.i64());
  const maxTx = tx(from.i64());
  const hash = toHex(from.raw(HASH_BYTES));
  const headCrc = from.u32();
  const attributes = readTexts(from);
  const blocks = Array.from({ length: from.varint() }, (): RunBlock => ({
    offset: from.varint(),
    length: from.varint(),
    rows: from.varint(),
    crc: from.u32(),
    minTx: tx(from.i64()),
    maxTx: tx(from.i64()),
    firstKey: from.bytes(),
  }));
  return { order, part, level, rows, minTx, maxTx, hash, headCrc, attributes, blocks };
}
