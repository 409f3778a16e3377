import { assert } from '@pyralog/base';
import type { FactColumns, ItemsRecord } from '@pyralog/format';
import { type LogOffset, type Tx, tx as asTx } from '@pyralog/model';

/** Transactions of one live part, in log order; rows of a transaction lie together. */
interface Chunk {
  readonly facts: FactColumns;
  txs: BigInt64Array;
  /** First row of each; the next one's is its end. */
  starts: Uint32Array;
  /** Offset of the record that committed each. */
  offsets: Float64Array;
  count: number;
  /** Rows so far: the end of the last transaction. */
  rows: number;
}

export interface LiveTransaction {
  readonly tx: Tx;
  readonly facts: FactColumns;
  readonly from: number;
  readonly to: number;
}

/**
 * The transactions whose facts are still in the live index: which rows each one has. With one
 * partition, log order is tx order, so one is found by binary search.
 */
export class LiveTransactions {
  #chunks: Chunk[] = [];

  /** Notes the transactions of a record whose facts were appended to `facts` from `firstRow` on. */
  append(offset: LogOffset, record: ItemsRecord, facts: FactColumns, firstRow: number): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.facts !== facts) this.#chunks.push((chunk = newChunk(facts)));
    for (const item of record.items) {
      if (item.kind !== 'commit') continue;
      assert(chunk.rows === firstRow + item.from, 'rows of transactions follow each other');
      if (chunk.count === chunk.txs.length) grow(chunk);
      chunk.txs[chunk.count] = item.tx;
      chunk.starts[chunk.count] = firstRow + item.from;
      chunk.offsets[chunk.count] = offset;
      chunk.count++;
      chunk.rows = firstRow + item.to;
    }
  }

  /** Forgets the transactions of records before `next`. */
  drop(next: LogOffset): void {
    // Parts are dropped whole: a cut of the index is a cut of the live parts.
    this.#chunks = this.#chunks.filter(
      (chunk) => chunk.count > 0 && (chunk.offsets[chunk.count - 1] as number) >= next,
    );
  }

  /** Transactions with a tx above `tx`, oldest first. */
  *after(tx: Tx): IterableIterator<LiveTransaction> {
    for (const chunk of this.#chunks) {
      for (let i = firstAbove(chunk, tx); i < chunk.count; i++) yield transactionAt(chunk, i);
    }
  }

  /** Transactions with a tx at or below `tx`, newest first. */
  *before(tx: Tx): IterableIterator<LiveTransaction> {
    for (const chunk of this.#chunks.toReversed()) {
      for (let i = firstAbove(chunk, tx) - 1; i >= 0; i--) yield transactionAt(chunk, i);
    }
  }
}

function newChunk(facts: FactColumns): Chunk {
  return {
    facts,
    txs: new BigInt64Array(64),
    starts: new Uint32Array(64),
    offsets: new Float64Array(64),
    count: 0,
    rows: 0,
  };
}

function grow(chunk: Chunk): void {
  const length = chunk.txs.length * 2;
  const { txs, starts, offsets } = chunk;
  chunk.txs = new BigInt64Array(length);
  chunk.txs.set(txs);
  chunk.starts = new Uint32Array(length);
  chunk.starts.set(starts);
  chunk.offsets = new Float64Array(length);
  chunk.offsets.set(offsets);
}

function transactionAt(chunk: Chunk, i: number): LiveTransaction {
  const to = i + 1 < chunk.count ? (chunk.starts[i + 1] as number) : chunk.rows;
  return {
    tx: asTx(chunk.txs[i] as bigint),
    facts: chunk.facts,
    from: chunk.starts[i] as number,
    to,
  };
}

/** Number of the first transaction above `tx`. */
function firstAbove({ txs, count }: Chunk, tx: Tx): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((txs[middle] as bigint) <= tx) low = middle + 1;
    else high = middle;
  }
  return low;
}
