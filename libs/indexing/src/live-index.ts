import { assert } from '@pyralog/base';
import { compareRows, FactTable, type ItemsRecord } from '@pyralog/format';
import { type IndexOrder, type LogOffset, logOffset } from '@pyralog/model';
import { Cutter, type CutRule } from './cut.ts';

/** Rows of a table in an index order. */
export type SortedRows = Uint32Array;

const NONE = -1;

/**
 * Facts of a range of the log in memory: columns in log order, and for each entity a chain of its rows,
 * newest first. Other orders are made when they are asked for: rows that came since the last time are
 * sorted into a chunk, and chunks of like size are merged, so that a scan behind every commit sorts no
 * row more than log(n) times.
 */
export class LivePart {
  readonly table: FactTable = new FactTable(1024);
  /** Offset behind the last record in it. */
  end: LogOffset = logOffset(0);
  #heads: Int32Array = new Int32Array(1024).fill(NONE);
  #previous: Int32Array = new Int32Array(1024);
  readonly #sorted = new Map<IndexOrder, { rows: number; chunks: SortedRows[] }>();

  /** @returns the row of the record's first fact */
  append(offset: LogOffset, { facts }: ItemsRecord): number {
    const first = this.table.length;
    this.table.appendColumns(facts);
    const { length } = this.table;
    if (length > this.#previous.length) this.#previous = grown(this.#previous, length);
    const entities = this.table.entities.size;
    if (entities > this.#heads.length) this.#heads = grown(this.#heads, entities);
    for (let row = first; row < length; row++) {
      const entity = this.table.entity[row] as number;
      this.#previous[row] = this.#heads[entity] as number;
      this.#heads[entity] = row;
    }
    this.end = logOffset(offset + 1);
    return first;
  }

  /** Rows of an entity, newest first. */
  *rowsOf(entity: string): IterableIterator<number> {
    const id = this.table.entities.find(entity);
    if (id < 0) return;
    for (let row = this.#heads[id] as number; row !== NONE; row = this.#previous[row] as number)
      yield row;
  }

  /** Rows of an entity in an order. */
  sortedRowsOf(entity: string, order: IndexOrder): SortedRows {
    return Uint32Array.from(this.rowsOf(entity)).sort((a, b) => this.#compare(order, a, b));
  }

  /** All rows in an order, as sorted chunks that together hold each row once. */
  sorted(order: IndexOrder): readonly SortedRows[] {
    let known = this.#sorted.get(order);
    if (known === undefined) this.#sorted.set(order, (known = { rows: 0, chunks: [] }));
    const { length } = this.table;
    if (known.rows === length) return known.chunks;
    const chunks = [...known.chunks, this.#sortRange(order, known.rows, length)];
    for (let i = chunks.length - 1; i > 0; i--) {
      const [last, before] = [chunks[i] as SortedRows, chunks[i - 1] as SortedRows];
      if (before.length > 2 * last.length) break;
      chunks.splice(i - 1, 2, this.#merge(order, before, last));
    }
    known.rows = length;
    known.chunks = chunks.filter((chunk) => chunk.length > 0);
    return known.chunks;
  }

  #sortRange(order: IndexOrder, from: number, to: number): SortedRows {
    const rows: number[] = [];
    for (let row = from; row < to; row++) if (this.#isListed(order, row)) rows.push(row);
    return Uint32Array.from(rows.sort((a, b) => this.#compare(order, a, b)));
  }

  #compare(order: IndexOrder, a: number, b: number): number {
    return compareRows(order, this.table, a, this.table, b);
  }

  /** vaet lists refs; which attributes avet lists is for the reader to ask the schema. */
  #isListed(order: IndexOrder, row: number): boolean {
    return order !== 'vaet' || this.table.typeAt(row) === 'ref';
  }

  #merge(order: IndexOrder, a: SortedRows, b: SortedRows): SortedRows {
    const rows = new Uint32Array(a.length + b.length);
    for (let i = 0, j = 0, at = 0; at < rows.length; at++) {
      const takeA =
        j === b.length ||
        (i < a.length && this.#compare(order, a[i] as number, b[j] as number) <= 0);
      rows[at] = (takeA ? a[i++] : b[j++]) as number;
    }
    return rows;
  }
}

/** The newest part of the log in memory, cut by the rule as the indexer cuts it. */
export class LiveIndex {
  readonly #cutter: Cutter;
  #parts: LivePart[] = [];
  #cut = true;

  /** @param begun as {@link Cutter} has it */
  constructor(rule: CutRule, begun?: LogOffset) {
    this.#cutter = new Cutter(rule, begun);
  }

  /** Facts in all parts. */
  get length(): number {
    return this.#parts.reduce((sum, { table }) => sum + table.length, 0);
  }

  get partCount(): number {
    return this.#parts.length;
  }

  /** Appends the facts of an admitted record. @returns where they lie */
  append(
    offset: LogOffset,
    record: ItemsRecord,
  ): { readonly part: LivePart; readonly firstRow: number } {
    if (this.#cut) this.#parts.push(new LivePart());
    const part = this.#parts.at(-1);
    assert(part !== undefined, 'a live index that was not cut has a part');
    const firstRow = part.append(offset, record);
    this.#cut = this.#cutter.add(offset, record);
    return { part, firstRow };
  }

  /** Forgets the parts that end at or before `next`: runs hold them now. */
  drop(next: LogOffset): void {
    const left = this.#parts.filter(({ end }) => end > next);
    if (left.length === 0 && this.#parts.length > 0) {
      assert(this.#cut, 'the bucket is cut where the live index is');
    }
    this.#parts = left;
  }

  /** The parts there are; they only grow, and readers look at nothing above their basis. */
  snapshot(): readonly LivePart[] {
    return [...this.#parts];
  }
}

function grown(column: Int32Array, atLeast: number): Int32Array {
  const larger = new Int32Array(Math.max(atLeast, column.length * 2)).fill(NONE);
  larger.set(column);
  return larger;
}
