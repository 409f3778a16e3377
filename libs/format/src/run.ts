/**
 * A run: facts sorted in one index order, in an Arrow IPC file (fact-layout.ts has the columns; eavt is
 * nested by entity, the other orders are wide). Format version 0.
 *
 * What a reader must know stands in the footer's metadata under `pyralog.run`: base64url of
 *
 *   index   := version:u8 packing:u8 length:varint body          packing: 0 plain, 1 ZSTD of `length` bytes
 *   body    := order:u8 part:u8 level:varint rows:varint facts:varint minTx:i64 maxTx:i64 heldTo:i64 hash:u8[32] headCrc:u32
 *              attributes (texts as in commit-facts.ts)
 *              blocks:varint block*
 *   block   := offset:varint length:varint rows:varint crc:u32 minTx:i64 maxTx:i64 heldTo:i64 firstKey
 *   firstKey:= length:varint bytes
 *
 * `firstKey` is the shortest text that parts a block from the one before: at or below all keys of its
 * block (index-key.ts), above all earlier ones. `crc` is the CRC-32C of the block's message.
 *
 * The identity of a run is the SHA-256 of its uncompressed content:
 * "pyralog run 0" order part, the blocks and the attributes as content-hash.ts says.
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, ByteReader, compareBytes, crc32c } from '@pyralog/base';
import type { IndexOrder } from '@pyralog/model';
import { ArrowBatch, readArrowFooter, type MissingTail } from './arrow-file.ts';
import { decodeFacts } from './block-decoder.ts';
import type { Codec } from './codec.ts';
import { damaged, decodeSafely } from './damage.ts';
import type { FactBatch } from './fact-batch.ts';
import type { FactLayout } from './fact-layout.ts';
import { unpackIndex } from './file-index.ts';
import type { RunPart } from './manifest.ts';
import { decodeIndex, INDEX_KEY, RUN_VERSION, type RunBlock, type RunFooter } from './run-index.ts';

/** The last bytes of a run that hold its footer, unless it has more than a million facts or so. */
export const FOOTER_READ_BYTES: number = 64 * 1024;

/** Columns of the runs of an order: eavt writes an entity once for all its facts. */
export function layoutOf(order: IndexOrder): FactLayout {
  return order === 'eavt' ? 'nested' : 'wide';
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
    const { order, part, attributes } = footer;
    const facts = decodeFacts(batch, layoutOf(order), attributes, what, part === 'history');
    if (facts.length !== block.rows)
      throw damaged(what, `block ${index} has other rows than the index says`);
    return facts;
  });
}

/** The hash of a run's content before its blocks. */
export function startRunHash(order: IndexOrder, part: RunPart): Hash {
  return createHash('sha256').update(`pyralog run ${RUN_VERSION} ${order} ${part}`);
}
