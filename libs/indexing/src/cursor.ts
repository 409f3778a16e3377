import { compareBytes } from '@pyralog/base';
import { factKey, type FactBatch, findBlock, rowKey } from '@pyralog/format';
import { compareFacts, type Fact, type IndexOrder } from '@pyralog/model';
import type { LivePart, SortedRows } from './live-index.ts';
import type { BlockNeed, IndexView, Read, RunHandle } from './view.ts';

/** Facts of one sorted source from a key on. */
interface Cursor {
  /** The fact it stands at; undefined at the end, or while a block is needed. */
  readonly fact: Fact | undefined;
  /** The block to supply before it can go on. */
  readonly need: BlockNeed | undefined;
  supply(block: FactBatch): void;
  next(): void;
}

class RunCursor implements Cursor {
  readonly #run: RunHandle;
  readonly #order: IndexOrder;
  readonly #from: Uint8Array;
  #block: number;
  #batch: FactBatch | undefined;
  #row = 0;
  #sought = false;
  fact: Fact | undefined;

  constructor(run: RunHandle, order: IndexOrder, from: Uint8Array) {
    this.#run = run;
    this.#order = order;
    this.#from = from;
    this.#block = findBlock(run.footer, from);
  }

  get need(): BlockNeed | undefined {
    if (this.#batch !== undefined || this.#block >= this.#run.footer.blocks.length)
      return undefined;
    return { run: this.#run, block: this.#block };
  }

  supply(batch: FactBatch): void {
    this.#batch = batch;
    this.#row = this.#sought
      ? 0
      : lowerBound(
          batch.length,
          (row) => compareBytes(factKey(this.#order, batch.factAt(row)), this.#from) < 0,
        );
    this.#stand();
    // All of the first block may lie before the key; every later block lies behind it.
    this.#sought ||= this.fact !== undefined || this.need !== undefined;
  }

  next(): void {
    this.#row++;
    this.#stand();
  }

  #stand(): void {
    const batch = this.#batch;
    if (batch !== undefined && this.#row < batch.length) {
      this.fact = batch.factAt(this.#row);
      return;
    }
    this.fact = undefined;
    this.#batch = undefined;
    this.#block++;
  }
}

class LiveCursor implements Cursor {
  readonly #part: LivePart;
  readonly #rows: SortedRows;
  #at: number;
  readonly need = undefined;
  fact: Fact | undefined;

  constructor(part: LivePart, rows: SortedRows, order: IndexOrder, from: Uint8Array) {
    this.#part = part;
    this.#rows = rows;
    this.#at = lowerBound(
      rows.length,
      (i) => compareBytes(rowKey(order, part.table, rows[i] as number), from) < 0,
    );
    this.#stand();
  }

  supply(): void {}

  next(): void {
    this.#at++;
    this.#stand();
  }

  #stand(): void {
    const row = this.#rows[this.#at];
    this.fact = row === undefined ? undefined : this.#part.table.factAt(row);
  }
}

/** Number of the first item for which `before` is false. */
export function lowerBound(length: number, before: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * All facts of a view in an index order from a key on, merged from runs and live parts. Call `next` for
 * each; it is done when there are no more.
 */
export class Merge {
  readonly #order: IndexOrder;
  readonly #cursors: Cursor[];

  /** @param useRun which runs of the order to read; others are not touched */
  constructor(
    view: IndexView,
    order: IndexOrder,
    from: Uint8Array,
    useRun: (run: RunHandle) => boolean,
  ) {
    this.#order = order;
    this.#cursors = view.runs
      .filter((run) => run.info.order === order && useRun(run))
      .map((run): Cursor => new RunCursor(run, order, from));
    for (const part of view.parts) {
      for (const rows of part.sorted(order))
        this.#cursors.push(new LiveCursor(part, rows, order, from));
    }
  }

  /** The next fact. Sources are few (runs of the order and chunks of live parts), so the least head is searched for. */
  *next(): Read<Fact | undefined> {
    let least: Cursor | undefined;
    for (const cursor of this.#cursors) {
      for (let need = cursor.need; need !== undefined; need = cursor.need)
        cursor.supply(yield need);
      if (cursor.fact === undefined) continue;
      if (least?.fact === undefined || compareFacts(this.#order, cursor.fact, least.fact) < 0)
        least = cursor;
    }
    const fact = least?.fact;
    least?.next();
    return fact;
  }
}
