/** What a run says of itself, at its end: run.ts has the grammar. */
import { type ByteReader, ByteWriter, toHex } from '@pyralog/base';
import { INDEX_ORDERS, tx, type Tx } from '@pyralog/model';
import type { FileBlock } from './arrow-file.ts';
import { readTexts, writeTextList } from './commit-facts.ts';
import { damaged } from './damage.ts';
import { RUN_PARTS, type RunSummary } from './manifest.ts';
import type { TextList } from './text-list.ts';

/** Version of the layout that is written, in every run. */
export const RUN_VERSION = 0;

/** Where it stands in the metadata of the file. */
export const INDEX_KEY = 'pyralog.run';
const HASH_BYTES = 32;

/** Where a block of a run lies and what it holds. */
export interface RunBlock extends FileBlock {
  readonly rows: number;
  readonly crc: number;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  /** As of a run (manifest.ts). */
  readonly heldTo: Tx;
  /** At or below all keys of the block, above all keys of earlier blocks. */
  readonly firstKey: Uint8Array;
}

/** What a run says of itself, at its end. */
export interface RunFooter extends RunSummary {
  /** CRC-32C of everything before the first block. */
  readonly headCrc: number;
  /** In UTF-8 order; blocks refer to them by number. */
  readonly attributes: TextList;
  readonly blocks: readonly RunBlock[];
}

export function encodeIndex(footer: RunFooter, hash: Uint8Array): Uint8Array {
  const into = new ByteWriter(4096);
  into.u8(INDEX_ORDERS.indexOf(footer.order)).u8(RUN_PARTS.indexOf(footer.part));
  into.varint(footer.level).varint(footer.rows).varint(footer.facts);
  into.i64(footer.minTx).i64(footer.maxTx).i64(footer.heldTo);
  into.raw(hash).u32(footer.headCrc);
  writeTextList(footer.attributes, into);
  into.varint(footer.blocks.length);
  for (const block of footer.blocks) {
    into.varint(block.offset).varint(block.length).varint(block.rows).u32(block.crc);
    into.i64(block.minTx).i64(block.maxTx).i64(block.heldTo).bytes(block.firstKey);
  }
  return into.finish();
}

export function decodeIndex(from: ByteReader, what: string): RunFooter {
  const order = INDEX_ORDERS[from.u8()];
  const part = RUN_PARTS[from.u8()];
  if (order === undefined || part === undefined) throw damaged(what, 'its order is unknown');
  const level = from.varint();
  const rows = from.varint();
  const facts = from.varint();
  const minTx = tx(from.i64());
  const maxTx = tx(from.i64());
  const heldTo = tx(from.i64());
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
    heldTo: tx(from.i64()),
    firstKey: from.bytes(),
  }));
  const range = { minTx, maxTx, heldTo };
  return { order, part, level, rows, facts, ...range, hash, headCrc, attributes, blocks };
}
