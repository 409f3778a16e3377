/**
 * A segment: the admitted records of a range of a partition's commit log, for ever. Format version 0.
 * An Arrow IPC file in the wide layout of fact-layout.ts, one row per fact in the order of the log, with
 * headers and items in attached pages (segment-pages.ts), each compressed by ZSTD.
 *
 * The footer's metadata hold under `pyralog.segment` (file-index.ts):
 *
 *   index := generation:varint from:varint to:varint rows:varint transactions:varint minTx:i64 maxTx:i64
 *            hash:u8[32] headCrc:u32 state:text attributes
 *            blocks:varint (place rows:varint minTx:i64 maxTx:i64)*
 *            pages:varint (place length:varint records:varint firstOffset:varint firstRow:varint
 *                          transactions:varint minTx:i64 maxTx:i64)*
 *   place := offset:varint length:varint crc:u32
 *   state := JSON of the log state at the first offset (manifest-codec.ts): readers judge records by it
 *
 * The identity of a segment is the SHA-256 of its uncompressed content: "pyralog segment 0" generation
 * from to state, the blocks as content-hash.ts says, the pages, the attributes.
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, ByteReader, ByteWriter, crc32c, toHex } from '@pyralog/base';
import { logOffset, tx, type LogOffset, type Tx } from '@pyralog/model';
import {
  ArrowBatch,
  readArrowFooter,
  type FileBlock,
  type MissingTail,
  type WrittenBlock,
} from './arrow-file.ts';
import { decodeFacts } from './block-decoder.ts';
import { BlockGatherer } from './block-gatherer.ts';
import { Members } from './checked-json.ts';
import type { Codec } from './codec.ts';
import { readTexts, writeTextList } from './commit-facts.ts';
import type { CommitRecord } from './commit-record.ts';
import { hashBlock, hashTexts } from './content-hash.ts';
import { damaged, decodeSafely } from './damage.ts';
import type { FactBatch } from './fact-batch.ts';
import { beginFactFile } from './fact-file.ts';
import { BLOCK_FACTS } from './fact-layout.ts';
import type { FactTable } from './fact-table.ts';
import { packIndex, unpackIndex } from './file-index.ts';
import { logStateFromJson, logStateToJson } from './manifest-codec.ts';
import type { LogState } from './manifest.ts';
import { segmentName } from './object-names.ts';
import { PageWriter, readPage, type PageStatistics, type SegmentRecord } from './segment-pages.ts';
import { numberAttributes } from './table-rows.ts';
import type { TextList } from './text-list.ts';

/** Version of the layout that is written, in every segment. */
export const SEGMENT_VERSION = 0;

const INDEX_KEY = 'pyralog.segment';
const HASH_BYTES = 32;

/** Where a block of facts lies and what it holds. */
export interface SegmentBlock extends FileBlock {
  readonly crc: number;
  readonly rows: number;
  /** Row of the segment that is the first of this block. */
  readonly firstRow: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
}

/** Where a page of record headers and items lies and what it holds. */
export interface SegmentPage extends FileBlock, PageStatistics {
  readonly crc: number;
  /** Before compression. */
  readonly contentBytes: number;
}

/** What a segment says of itself, at its end. */
export interface SegmentFooter {
  readonly generation: number;
  /** Range [from, to) of the commit log. */
  readonly from: LogOffset;
  readonly to: LogOffset;
  readonly rows: number;
  readonly transactions: number;
  /** Of its transactions; 0 where it has none. */
  readonly minTx: Tx;
  readonly maxTx: Tx;
  /** SHA-256 of the uncompressed content, hexadecimal. */
  readonly hash: string;
  /** CRC-32C of everything before the first block. */
  readonly headCrc: number;
  /** Where the log stood before `from`. */
  readonly state: LogState;
  readonly attributes: TextList;
  readonly blocks: readonly SegmentBlock[];
  readonly pages: readonly SegmentPage[];
}

/** A segment to be put, with what a manifest says of it. */
export interface EncodedSegment {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly from: LogOffset;
  readonly to: LogOffset;
  readonly rows: number;
  readonly transactions: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  readonly hash: string;
}

/** Takes the admitted records of a range one by one; their facts go into the caller's table. */
export class SegmentBuilder {
  readonly #generation: number;
  readonly #state: LogState;
  readonly #pages: PageWriter;

  /** @param state of the log before the first record: the segment begins at `state.next`. */
  constructor(generation: number, state: LogState) {
    this.#generation = generation;
    this.#state = state;
    this.#pages = new PageWriter(state.admission, state.next);
  }

  /** Facts of the records so far. */
  get rows(): number {
    return this.#pages.rows;
  }

  /** Records that were not admitted are left out by the caller. */
  add(offset: LogOffset, record: CommitRecord): void {
    this.#pages.add(offset, record);
  }

  /**
   * @param table holds the facts of the records, in order, and nothing else.
   * @param to offset behind the range.
   */
  finish(table: FactTable, to: LogOffset, codec: Codec): EncodedSegment {
    assert(table.length === this.#pages.rows, 'the table holds the facts of the records');
    const state = this.#state;
    const from = state.next;
    const all = Uint32Array.from({ length: table.length }, (_, row) => row);
    const { attributes, numbers } = numberAttributes(table, all);
    const writer = beginFactFile('log', attributes, codec);
    const stateText = JSON.stringify(logStateToJson(state));
    const content = startSegmentHash(this.#generation, to, state);

    const gatherer = new BlockGatherer(table, 'log', numbers);
    const blocks: SegmentBlock[] = [];
    for (let row = 0; row < all.length; row += BLOCK_FACTS) {
      const gathered = gatherer.gather(all.subarray(row, row + BLOCK_FACTS));
      hashBlock(content, gathered.rows, gathered.buffers);
      const written = writer.batch(gathered.rows, gathered.nodes, gathered.buffers);
      const { rows, minTx, maxTx } = gathered;
      blocks.push({ ...written, rows, firstRow: row, minTx, maxTx });
    }
    const headCrc = writer.headCrc;
    const pages = this.#pages.finish().map(({ bytes, ...statistics }): SegmentPage => {
      content.update(bytes);
      return { ...statistics, ...writer.attach(codec.compress(bytes)), contentBytes: bytes.length };
    });
    hashTexts(content, attributes);
    const hash = content.digest();
    const transactions = pages.reduce((sum, page) => sum + page.transactions, 0);
    const used = pages.filter((page) => page.transactions > 0);
    const minTx = used.reduce(
      (least, page) => (page.minTx < least ? page.minTx : least),
      used[0]?.minTx ?? tx(0n),
    );
    const maxTx = used.reduce((most, page) => (page.maxTx > most ? page.maxTx : most), tx(0n));
    const summary = { from, to, rows: table.length, transactions, minTx, maxTx, hash: toHex(hash) };
    const footer = {
      ...summary,
      generation: this.#generation,
      headCrc,
      state,
      attributes,
      blocks,
      pages,
    };
    const index = packIndex(SEGMENT_VERSION, encodeIndex(footer, hash, stateText), codec);
    const bytes = writer.finish(new Map([[INDEX_KEY, index]]));
    return { bytes, name: segmentName(this.#generation, from), ...summary };
  }
}

/**
 * Reads a segment's footer from its last bytes.
 * @param fileBytes size of the whole file.
 * @returns the footer, or how many bytes from the end are needed.
 * @throws object-damaged, format-unknown
 */
export function parseSegmentFooter(
  tail: Uint8Array,
  fileBytes: number,
  codec: Codec,
  what = 'segment',
): SegmentFooter | MissingTail {
  const file = readArrowFooter(tail, fileBytes, what);
  if ('missing' in file) return file;
  const packed = file.metadata.get(INDEX_KEY);
  if (packed === undefined) throw damaged(what, 'it is no segment');
  const body = unpackIndex(SEGMENT_VERSION, packed, codec, what);
  return decodeSafely(what, () => decodeIndex(new ByteReader(body), what));
}

/**
 * Decodes the facts of one block.
 * @param bytes the file's bytes [block.offset, block.offset + block.length).
 * @throws object-damaged
 */
export function decodeSegmentBlock(
  footer: SegmentFooter,
  index: number,
  bytes: Uint8Array,
  codec: Codec,
  what = 'segment',
): FactBatch {
  const block = footer.blocks[index];
  assert(block !== undefined, 'the segment has a block of this number');
  checkPlace(block, bytes, what);
  return decodeSafely(what, () => {
    const facts = decodeFacts(new ArrowBatch(bytes, codec, what), 'log', footer.attributes, what);
    if (facts.length !== block.rows)
      throw damaged(what, `block ${index} has other rows than the index says`);
    return facts;
  });
}

/**
 * Decodes the records of one page.
 * @param bytes the file's bytes [page.offset, page.offset + page.length).
 * @throws object-damaged, format-unknown
 */
export function decodeSegmentPage(
  footer: SegmentFooter,
  index: number,
  bytes: Uint8Array,
  codec: Codec,
  what = 'segment',
): readonly SegmentRecord[] {
  const page = footer.pages[index];
  assert(page !== undefined, 'the segment has a page of this number');
  checkPlace(page, bytes, what);
  return decodeSafely(what, () => readPage(codec.decompress(bytes, page.contentBytes), what));
}

/** The hash of a segment's content before its blocks. */
export function startSegmentHash(generation: number, to: LogOffset, state: LogState): Hash {
  const text = JSON.stringify(logStateToJson(state));
  const range = `${generation} ${state.next} ${to}`;
  return createHash('sha256').update(`pyralog segment ${SEGMENT_VERSION} ${range} ${text}`);
}

function checkPlace(place: WrittenBlock, bytes: Uint8Array, what: string): void {
  if (bytes.length !== place.length || crc32c(bytes) !== place.crc) {
    throw damaged(what, `the checksum of the ${place.length} bytes at ${place.offset} is wrong`);
  }
}

function encodeIndex(footer: SegmentFooter, hash: Uint8Array, state: string): Uint8Array {
  const into = new ByteWriter(4096);
  into.varint(footer.generation).varint(footer.from).varint(footer.to).varint(footer.rows);
  into.varint(footer.transactions).i64(footer.minTx).i64(footer.maxTx);
  into.raw(hash).u32(footer.headCrc).text(state);
  writeTextList(footer.attributes, into);
  into.varint(footer.blocks.length);
  for (const block of footer.blocks) {
    writePlace(block, into);
    into.varint(block.rows).i64(block.minTx).i64(block.maxTx);
  }
  into.varint(footer.pages.length);
  for (const page of footer.pages) {
    writePlace(page, into);
    into.varint(page.contentBytes).varint(page.records).varint(page.firstOffset);
    into.varint(page.firstRow).varint(page.transactions).i64(page.minTx).i64(page.maxTx);
  }
  return into.finish();
}

function decodeIndex(from: ByteReader, what: string): SegmentFooter {
  const head = {
    generation: from.varint(),
    from: logOffset(from.varint()),
    to: logOffset(from.varint()),
    rows: from.varint(),
    transactions: from.varint(),
    minTx: tx(from.i64()),
    maxTx: tx(from.i64()),
    hash: toHex(from.raw(HASH_BYTES)),
    headCrc: from.u32(),
    state: logStateFromJson(new Members(JSON.parse(from.text()), what)),
    attributes: readTexts(from),
  };
  let firstRow = 0;
  const blocks = Array.from({ length: from.varint() }, (): SegmentBlock => {
    const place = readPlace(from);
    const rows = from.varint();
    const block = { ...place, rows, firstRow, minTx: tx(from.i64()), maxTx: tx(from.i64()) };
    firstRow += rows;
    return block;
  });
  const pages = Array.from({ length: from.varint() }, (): SegmentPage => ({
    ...readPlace(from),
    contentBytes: from.varint(),
    records: from.varint(),
    firstOffset: logOffset(from.varint()),
    firstRow: from.varint(),
    transactions: from.varint(),
    minTx: tx(from.i64()),
    maxTx: tx(from.i64()),
  }));
  return { ...head, blocks, pages };
}

function writePlace(place: WrittenBlock, into: ByteWriter): void {
  into.varint(place.offset).varint(place.length).u32(place.crc);
}

function readPlace(from: ByteReader): WrittenBlock {
  return { offset: from.varint(), length: from.varint(), crc: from.u32() };
}
