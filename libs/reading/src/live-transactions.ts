import { type FactColumns, isInForce, type ItemsRecord } from '@pyralog/format';
import { type LogOffset, type Tx, tx as asTx } from '@pyralog/model';

/** Transactions of one live part by tx; rows of each lie together. */
interface Chunk {
  readonly facts: FactColumns;
  txs: BigInt64Array;
  /** Its rows are [from, to). */
  from: Uint32Array;
  to: Uint32Array;
  count: number;
  /** Offset of the last record. */
  last: LogOffset;
}

/** Some or all facts of a transaction: it has several of these where it had several parts on the partition. */
export interface LiveTransaction {
  readonly tx: Tx;
  readonly facts: FactColumns;
  readonly from: number;
  readonly to: number;
}

/**
 * The transactions whose facts are still in the live index: which rows each one has. What other partitions had to be asked
 * for comes into the log behind younger ones, so order is by tx.
 */
export class LiveTransactions {
  #chunks: Chunk[] = [];

  /** Notes the transactions of a record whose facts were appended to `facts` from `firstRow` on. */
  append(offset: LogOffset, record: ItemsRecord, facts: FactColumns, firstRow: number): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.facts !== facts)
      this.#chunks.push((chunk = newChunk(facts, offset)));
    chunk.last = offset;
    for (const item of record.items) {
      if (isInForce(item)) insert(chunk, item.tx, firstRow + item.from, firstRow + item.to);
    }
  }

  /** Forgets the transactions of records before `next`. */
  drop(next: LogOffset): void {
    // Parts are dropped whole: a cut of the index is a cut of the live parts.
    this.#chunks = this.#chunks.filter(({ last }) => last >= next);
  }

  /** All there is of the oldest transaction with a tx above `tx`. */
  firstAbove(tx: Tx): readonly LiveTransaction[] {
    let least: bigint | undefined;
    for (const chunk of this.#chunks) {
      const at = positionAbove(chunk, tx);
      if (at === chunk.count) continue;
      const found = chunk.txs[at] as bigint;
      if (least === undefined || found < least) least = found;
    }
    return least === undefined ? [] : this.#of(asTx(least));
  }

  /** All there is of the newest transaction with a tx at or below `tx`. */
  lastUpTo(tx: Tx): readonly LiveTransaction[] {
    let greatest: bigint | undefined;
    for (const chunk of this.#chunks) {
      const at = positionAbove(chunk, tx);
      if (at === 0) continue;
      const found = chunk.txs[at - 1] as bigint;
      if (greatest === undefined || found > greatest) greatest = found;
    }
    return greatest === undefined ? [] : this.#of(asTx(greatest));
  }

  #of(tx: Tx): readonly LiveTransaction[] {
    const found: LiveTransaction[] = [];
    for (const { facts, txs, from, to, ...chunk } of this.#chunks) {
      const end = positionAbove({ txs, count: chunk.count }, tx);
      for (let at = end - 1; at >= 0 && txs[at] === tx; at--)
        found.push({ tx, facts, from: from[at] as number, to: to[at] as number });
    }
    return found;
  }
}

function newChunk(facts: FactColumns, last: LogOffset): Chunk {
  return {
    facts,
    txs: new BigInt64Array(64),
    from: new Uint32Array(64),
    to: new Uint32Array(64),
    count: 0,
    last,
  };
}

/** Mostly it is the newest; what is decided later lies a few places before the end. */
function insert(chunk: Chunk, tx: Tx, from: number, to: number): void {
  if (chunk.count === chunk.txs.length) grow(chunk);
  const { txs, count } = chunk;
  const isNewest = count === 0 || (txs[count - 1] as bigint) <= tx;
  const at = isNewest ? count : positionAbove(chunk, tx);
  if (!isNewest) {
    txs.copyWithin(at + 1, at, count);
    chunk.from.copyWithin(at + 1, at, count);
    chunk.to.copyWithin(at + 1, at, count);
  }
  txs[at] = tx;
  chunk.from[at] = from;
  chunk.to[at] = to;
  chunk.count++;
}

function grow(chunk: Chunk): void {
  const length = chunk.txs.length * 2;
  const { txs, from, to } = chunk;
  chunk.txs = new BigInt64Array(length);
  chunk.txs.set(txs);
  chunk.from = new Uint32Array(length);
  chunk.from.set(from);
  chunk.to = new Uint32Array(length);
  chunk.to.set(to);
}

/** Number of the first transaction above `tx`. */
function positionAbove({ txs, count }: Pick<Chunk, 'txs' | 'count'>, tx: Tx): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((txs[middle] as bigint) <= tx) low = middle + 1;
    else high = middle;
  }
  return low;
}
