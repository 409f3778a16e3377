import { crc32c, toHex } from '@pyralog/base';
import type { Hash } from 'node:crypto';
import { ArrowBatch, END_MARKER, readArrowFooter, type FileBlock } from './arrow-file.ts';
import type { Codec } from './codec.ts';
import { hashBlock, hashTexts } from './content-hash.ts';
import { damaged, decodeSafely } from './damage.ts';
import type { FactBatch } from './fact-batch.ts';
import { decodeRunBlock, parseRunFooter, startRunHash } from './run.ts';
import type { RunFooter } from './run-index.ts';
import {
  decodeSegmentBlock,
  decodeSegmentPage,
  parseSegmentFooter,
  startSegmentHash,
  type SegmentFooter,
} from './segment.ts';

/**
 * Reads every byte of a run: checksums, the places of all parts, and
 * the identity of the content.
 * @param onFacts is given the facts of every block
 * @throws object-damaged, format-unknown
 */
export function verifyRun(
  bytes: Uint8Array,
  codec: Codec,
  what = 'run',
  onFacts: (facts: FactBatch) => void = () => undefined,
): RunFooter {
  const footer = parseRunFooter(bytes, bytes.length, codec, what);
  if ('missing' in footer) throw damaged(what, 'it was cut short');
  const hash = startRunHash(footer.order, footer.part);
  return decodeSafely(what, () => {
    verifyPlaces(bytes, footer.headCrc, footer.blocks, [], what);
    footer.blocks.forEach((block, index) => {
      onFacts(decodeRunBlock(footer, index, cut(bytes, block), codec, what));
      hashBatch(hash, cut(bytes, block), codec, what);
    });
    hashTexts(hash, footer.attributes);
    verifyHash(hash, footer.hash, what);
    return footer;
  });
}

/** Reads every byte of a segment, as {@link verifyRun} does of a run. */
export function verifySegment(
  bytes: Uint8Array,
  codec: Codec,
  what = 'segment',
  onFacts: (facts: FactBatch) => void = () => undefined,
): SegmentFooter {
  const footer = parseSegmentFooter(bytes, bytes.length, codec, what);
  if ('missing' in footer) throw damaged(what, 'it was cut short');
  const hash = startSegmentHash(footer.generation, footer.to, footer.state);
  return decodeSafely(what, () => {
    verifyPlaces(bytes, footer.headCrc, footer.blocks, footer.pages, what);
    footer.blocks.forEach((block, index) => {
      onFacts(decodeSegmentBlock(footer, index, cut(bytes, block), codec, what));
      hashBatch(hash, cut(bytes, block), codec, what);
    });
    footer.pages.forEach((page, index) => {
      decodeSegmentPage(footer, index, cut(bytes, page), codec, what);
      hash.update(codec.decompress(cut(bytes, page), page.contentBytes));
    });
    hashTexts(hash, footer.attributes);
    verifyHash(hash, footer.hash, what);
    return footer;
  });
}

/** Head, blocks, end marker, attachments and footer follow each other, and nothing is between them. */
function verifyPlaces(
  bytes: Uint8Array,
  headCrc: number,
  blocks: readonly FileBlock[],
  attachments: readonly FileBlock[],
  what: string,
): void {
  const file = readArrowFooter(bytes, bytes.length, what);
  if ('missing' in file) throw damaged(what, 'it was cut short');
  const footerAt = bytes.length - file.tailBytes;
  let end = blocks[0]?.offset ?? (attachments[0]?.offset ?? footerAt) - END_MARKER.length;
  if (crc32c(bytes.subarray(0, end)) !== headCrc)
    throw damaged(what, 'the checksum of its head is wrong');
  const same =
    file.batches.length === blocks.length &&
    blocks.every(({ offset, length }, i) => {
      const listed = file.batches[i];
      return listed?.offset === offset && listed.length === length;
    });
  if (!same) throw damaged(what, 'its footer lists other blocks than its index');
  for (const block of blocks) {
    if (block.offset !== end) throw damaged(what, `byte ${end} belongs to no block`);
    end += block.length;
  }
  expectBytes(bytes, end, END_MARKER, what);
  end += END_MARKER.length;
  for (const attachment of attachments) {
    if (attachment.offset !== end) throw damaged(what, `byte ${end} belongs to no part`);
    end += attachment.length;
    const padding = -attachment.length & 7;
    expectBytes(bytes, end, new Uint8Array(padding), what);
    end += padding;
  }
  if (end !== footerAt) throw damaged(what, `byte ${end} belongs to no part`);
}

function expectBytes(bytes: Uint8Array, at: number, expected: Uint8Array, what: string): void {
  if (!expected.every((byte, i) => bytes[at + i] === byte)) {
    throw damaged(what, `the bytes at ${at} are not what they must be`);
  }
}

function hashBatch(hash: Hash, bytes: Uint8Array, codec: Codec, what: string): void {
  const batch = new ArrowBatch(bytes, codec, what);
  hashBlock(hash, batch.rows, batch.contents());
}

function verifyHash(hash: Hash, expected: string, what: string): void {
  if (toHex(hash.digest()) !== expected)
    throw damaged(what, 'its content is not what its hash says');
}

function cut(bytes: Uint8Array, place: FileBlock): Uint8Array {
  return bytes.subarray(place.offset, place.offset + place.length);
}
