import { assert, compareBytes, toHex } from '@pyralog/base';
import { type IndexOrder, type Tx, TX_LAST, TX_NONE } from '@pyralog/model';
import type { ArrowFileWriter } from './arrow-file.ts';
import { BlockGatherer } from './block-gatherer.ts';
import type { Codec } from './codec.ts';
import { hashBlock, hashTexts } from './content-hash.ts';
import type { FactColumns } from './fact-columns.ts';
import { beginFactFile } from './fact-file.ts';
import { BLOCK_FACTS } from './fact-layout.ts';
import { FactTable } from './fact-table.ts';
import { packIndex } from './file-index.ts';
import { rowKey } from './index-key.ts';
import type { RunKind, RunSummary } from './manifest.ts';
import { layoutOf, startRunHash } from './run.ts';
import { encodeIndex, INDEX_KEY, RUN_VERSION, type RunBlock, type RunFooter } from './run-index.ts';
import { numberAttributes } from './table-rows.ts';
import type { TextList } from './text-list.ts';

/** A block may end early, where its last entity begins, unless it would lose more than half. */
const BLOCK_FACTS_MIN = BLOCK_FACTS / 2;
/** The first block has none before it: its key only tells where the run begins. */
const FIRST_KEY_BYTES_MAX = 64;

/** A run to be put, with what a manifest says of it. */
export interface EncodedRun extends RunSummary {
  readonly bytes: Uint8Array;
}

/** What a run is made of, where all its facts are in one table. */
export interface RunInput extends RunKind {
  readonly table: FactTable;
  /** Rows of the table, strictly rising in the order; at least one. */
  readonly rows: Uint32Array;
}

/** Makes the file of a run. The same facts give the same content hash, whoever writes it. */
export function encodeRun(input: RunInput, codec: Codec): EncodedRun {
  const { order, table, rows } = input;
  const { attributes, numbers } = numberAttributes(table, rows);
  const blocks = new BlockWriter(input, attributes, codec);
  const gatherer = new BlockGatherer(table, layoutOf(order), numbers);
  for (let from = 0; from < rows.length;) {
    const to = blockEnd(order, table, rows, from);
    blocks.write(table, gatherer, rows.subarray(from, to));
    from = to;
  }
  return blocks.finish();
}

/**
 * Makes the file of a run of facts that come one by one, in its order: a block is in memory as columns, and the file. Cuts
 * where {@link encodeRun} does.
 */
export class RunWriter {
  readonly #order: IndexOrder;
  readonly #attributes: TextList;
  readonly #blocks: BlockWriter;
  /** What comes now, and what of the last block goes to the next. */
  #coming: Coming;
  #spare: Coming;

  /** @param attributes all that may come, in UTF-8 order */
  constructor(kind: RunKind, attributes: TextList, codec: Codec) {
    this.#order = kind.order;
    this.#attributes = attributes;
    this.#blocks = new BlockWriter(kind, attributes, codec);
    this.#coming = this.#empty();
    this.#spare = this.#empty();
  }

  /** Of all facts so far. */
  get rows(): number {
    return this.#blocks.rows + this.#coming.table.length;
  }

  /**
   * Takes a row of any columns, which is above all before in the order.
   * @param retracted as {@link FactTable.appendRow} has it
   */
  add(columns: FactColumns, row: number, retracted?: bigint): void {
    const { table } = this.#coming;
    table.appendRow(columns, row, retracted);
    if (table.length <= BLOCK_FACTS) return;
    const end = blockEnd(this.#order, table, ALL_ROWS, 0);
    this.#write(end);
    for (let rest = end; rest < table.length; rest++) this.#spare.table.appendRow(table, rest);
    clear(this.#coming.table, this.#attributes);
    [this.#coming, this.#spare] = [this.#spare, this.#coming];
  }

  /** At least one fact has come. */
  finish(): EncodedRun {
    this.#write(this.#coming.table.length);
    return this.#blocks.finish();
  }

  #write(rows: number): void {
    const { table, gatherer } = this.#coming;
    if (rows > 0) this.#blocks.write(table, gatherer, ALL_ROWS.subarray(0, rows));
  }

  #empty(): Coming {
    const table = new FactTable(BLOCK_FACTS + 1);
    clear(table, this.#attributes);
    const numbers = Uint16Array.from({ length: this.#attributes.length }, (_, number) => number);
    return { table, gatherer: new BlockGatherer(table, layoutOf(this.#order), numbers) };
  }
}

interface Coming {
  readonly table: FactTable;
  readonly gatherer: BlockGatherer;
}

/** A block and the row that tells where it ends. */
const ALL_ROWS = Uint32Array.from({ length: BLOCK_FACTS + 1 }, (_, row) => row);

/** Attributes have the numbers in a table that they have in the file. */
function clear(table: FactTable, attributes: TextList): void {
  table.clear();
  for (let number = 0; number < attributes.length; number++)
    table.attributes.idOfBytes(attributes.bytesAt(number));
}

/** Blocks of a file, one behind the other, and its footer. */
class BlockWriter {
  readonly #kind: RunKind;
  readonly #attributes: TextList;
  readonly #codec: Codec;
  readonly #file: ArrowFileWriter;
  readonly #content: ReturnType<typeof startRunHash>;
  readonly #blocks: RunBlock[] = [];
  #lastKey: Uint8Array | undefined;
  #rows = 0;
  #facts = 0;
  #minTx: Tx = TX_LAST;
  #maxTx: Tx = TX_NONE;
  #heldTo: Tx = TX_NONE;

  constructor(kind: RunKind, attributes: TextList, codec: Codec) {
    const { order, part } = kind;
    this.#kind = kind;
    this.#attributes = attributes;
    this.#codec = codec;
    this.#file = beginFactFile(layoutOf(order), attributes, codec);
    this.#content = startRunHash(order, part);
  }

  get rows(): number {
    return this.#rows;
  }

  /** @param rows of the table, rising, above all before */
  write(table: FactTable, gatherer: BlockGatherer, rows: Uint32Array): void {
    const { order } = this.#kind;
    const gathered = gatherer.gather(rows);
    gatherer.assertRising(order, rows.length);
    hashBlock(this.#content, gathered.rows, gathered.buffers);
    const written = this.#file.batch(gathered.rows, gathered.nodes, gathered.buffers);
    const firstKey = separator(this.#lastKey, rowKey(order, table, rows[0] as number));
    this.#lastKey = rowKey(order, table, rows[rows.length - 1] as number);
    const { facts, minTx, maxTx, heldTo } = gathered;
    this.#blocks.push({ ...written, rows: rows.length, minTx, maxTx, heldTo, firstKey });
    this.#rows += rows.length;
    this.#facts += facts;
    if (heldTo > this.#heldTo) this.#heldTo = heldTo;
    if (minTx < this.#minTx) this.#minTx = minTx;
    if (maxTx > this.#maxTx) this.#maxTx = maxTx;
  }

  finish(): EncodedRun {
    const { order, part, level } = this.#kind;
    assert(this.#rows > 0, 'a run has facts');
    assert(part === 'history' || this.#facts === this.#rows, 'what is current was not taken back');
    hashTexts(this.#content, this.#attributes);
    const digest = this.#content.digest();
    const said: RunSummary = {
      order,
      part,
      level,
      rows: this.#rows,
      facts: this.#facts,
      minTx: this.#minTx,
      maxTx: this.#maxTx,
      heldTo: this.#heldTo,
      hash: toHex(digest),
    };
    const footer: RunFooter = {
      ...said,
      headCrc: this.#file.headCrc,
      attributes: this.#attributes,
      blocks: this.#blocks,
    };
    const index = packIndex(RUN_VERSION, encodeIndex(footer, digest), this.#codec);
    const bytes = this.#file.finish(new Map([[INDEX_KEY, index]]));
    return { bytes, ...said };
  }
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
