import { assert } from '@pyralog/base';
import {
  compareToKey,
  type FactBatch,
  type FactColumns,
  findBlock,
  type SearchKey,
} from '@pyralog/format';
import type { LivePart, SortedRows } from './live-index.ts';
import { compareInOrder, type Row, retractOf, rowAt } from './row.ts';
import type { BlockNeed, IndexView, Read, RunHandle } from './view.ts';

/** Rows of one sorted source from a key on. */
interface Cursor {
  /** What it stands at; undefined at the end, or while a block is needed. */
  readonly at: Row | undefined;
  /** The block to supply before it can go on. */
  readonly need: BlockNeed | undefined;
  supply(block: FactBatch): void;
  next(): void;
}

class RunCursor implements Cursor {
  readonly #run: RunHandle;
  readonly #from: SearchKey;
  #block: number;
  #batch: FactBatch | undefined;
  at: Row | undefined;

  constructor(run: RunHandle, from: SearchKey) {
    this.#run = run;
    this.#from = from;
    this.#block = findBlock(run.footer, from.bytes);
  }

  get need(): BlockNeed | undefined {
    if (this.#batch !== undefined || this.#block >= this.#run.footer.blocks.length)
      return undefined;
    return { run: this.#run, block: this.#block };
  }

  supply(batch: FactBatch): void {
    this.#batch = batch;
    // All of the first block may lie before the key, but none of a later one.
    this.#stand(lowerBound(batch.length, (row) => compareToKey(batch, row, this.#from) < 0));
  }

  next(): void {
    const { at } = this;
    if (at === undefined) return;
    const retract = retractOf(at);
    if (retract === undefined) this.#stand(at.row + 1);
    else this.at = retract;
  }

  #stand(row: number): void {
    const columns = this.#batch;
    if (columns !== undefined && row < columns.length) {
      this.at = rowAt(columns, row);
      return;
    }
    this.at = undefined;
    this.#batch = undefined;
    this.#block++;
  }
}

class LiveCursor implements Cursor {
  readonly #columns: FactColumns;
  readonly #rows: SortedRows;
  #next: number;
  readonly need = undefined;
  at: Row | undefined;

  constructor({ table }: LivePart, rows: SortedRows, from: SearchKey) {
    this.#columns = table;
    this.#rows = rows;
    this.#next = lowerBound(rows.length, (i) => compareToKey(table, rows[i] as number, from) < 0);
    this.next();
  }

  supply(): void {}

  next(): void {
    const row = this.#rows[this.#next++];
    this.at = row === undefined ? undefined : rowAt(this.#columns, row);
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
 * All rows of a view in an index order from a key on, merged from runs and live parts: a heap of cursors,
 * the least first. {@link need} is supplied before {@link at} is looked at.
 */
export class Merge {
  readonly #order: SearchKey['order'];
  readonly #heap: Cursor[] = [];
  readonly #waiting: Cursor[] = [];

  /**
   * @param useRun which runs of the order to read; others are not touched
   * @param entity where only its rows are wanted: live parts then need not be sorted
   */
  constructor(
    { runs, parts }: IndexView,
    from: SearchKey,
    useRun: (run: RunHandle) => boolean,
    entity?: string,
  ) {
    const { order } = from;
    this.#order = order;
    for (const run of runs)
      if (run.info.order === order && useRun(run)) this.#place(new RunCursor(run, from));
    for (const part of parts) {
      const chunks = entity === undefined ? part.sorted(order) : [part.sortedRowsOf(entity, order)];
      for (const rows of chunks) this.#place(new LiveCursor(part, rows, from));
    }
  }

  /** The block to {@link supply} before it can go on. */
  get need(): BlockNeed | undefined {
    return this.#waiting.at(-1)?.need;
  }

  supply(block: FactBatch): void {
    const cursor = this.#waiting.pop();
    assert(cursor !== undefined, 'a block is supplied where one is needed');
    cursor.supply(block);
    this.#place(cursor);
  }

  /** The least row that was not passed; undefined at the end. */
  get at(): Row | undefined {
    return this.#heap[0]?.at;
  }

  /** Passes the least row. */
  next(): void {
    const [cursor] = this.#heap;
    if (cursor === undefined) return;
    cursor.next();
    if (cursor.at !== undefined) return this.#sink();
    const last = this.#heap.pop();
    if (last !== undefined && last !== cursor) {
      this.#heap[0] = last;
      this.#sink();
    }
    if (cursor.need !== undefined) this.#waiting.push(cursor);
  }

  #place(cursor: Cursor): void {
    if (cursor.at === undefined) {
      if (cursor.need !== undefined) this.#waiting.push(cursor);
      return;
    }
    const heap = this.#heap;
    let i = heap.length;
    heap.push(cursor);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#isBefore(cursor, heap[parent] as Cursor)) break;
      heap[i] = heap[parent] as Cursor;
      i = parent;
    }
    heap[i] = cursor;
  }

  /** Gives the first cursor its place again. */
  #sink(): void {
    const heap = this.#heap;
    const cursor = heap[0] as Cursor;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (
        child + 1 < heap.length &&
        this.#isBefore(heap[child + 1] as Cursor, heap[child] as Cursor)
      )
        child++;
      if (!this.#isBefore(heap[child] as Cursor, cursor)) break;
      heap[i] = heap[child] as Cursor;
      i = child;
    }
    heap[i] = cursor;
  }

  #isBefore(a: Cursor, b: Cursor): boolean {
    return compareInOrder(this.#order, a.at as Row, b.at as Row) < 0;
  }
}

/** Supplies what a merge needs. */
export function* supplied(merge: Merge): Read<void> {
  for (let { need } = merge; need !== undefined; { need } = merge) merge.supply(yield need);
}
