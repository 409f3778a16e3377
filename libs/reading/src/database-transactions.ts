import {
  isVisible,
  type PartitionNo,
  partitionNo,
  partitionOfTx,
  type StoredFact,
  type Tx,
} from '@pyralog/model';
import { type Direction, nearest } from './merge.ts';
import type { Partitions } from './partitions.ts';
import { type CommittedTransaction, joined, TransactionLog } from './transaction-log.ts';

/** All transactions of a database by tx, each whole, whatever partitions its parts lie on. */
export class DatabaseTransactions {
  readonly #logs: readonly TransactionLog[];

  constructor({ all }: Partitions) {
    this.#logs = all.map((reader) => new TransactionLog(reader));
  }

  /** @param tx at most what is closed on all */
  async find(tx: Tx): Promise<CommittedTransaction | undefined> {
    const [only] = this.#logs;
    if (only !== undefined && this.#logs.length === 1) return only.find(tx);
    return this.findOn(
      tx,
      this.#logs.map((_, p) => partitionNo(p)),
    );
  }

  /** What a transaction wrote on some partitions. @param tx of which all is there on these */
  async findOn(
    tx: Tx,
    partitions: readonly PartitionNo[],
  ): Promise<CommittedTransaction | undefined> {
    const parts: (readonly StoredFact[])[] = [];
    const found = await Promise.all(partitions.map(async (p) => this.#logs[p]?.find(tx)));
    for (const [i, partition] of partitions.entries()) {
      const part = found[i];
      if (part !== undefined) parts.push(visible(part.facts, partition));
    }
    return parts.length === 0 ? undefined : { tx, facts: joined(parts) };
  }

  /**
   * Transactions with `after` < tx ≤ `upTo`, oldest first.
   * @param upTo at most what is closed on all
   * @param coordinator only those that this partition has coordinated
   */
  after(after: Tx, upTo: Tx, coordinator?: PartitionNo): AsyncIterable<CommittedTransaction> {
    const partitions = this.#logs.length;
    const isWanted = (tx: Tx): boolean =>
      coordinator === undefined || partitionOfTx(tx) % partitions === coordinator;
    return this.#merged(
      'up',
      this.#logs.map((log) => log.after(after, upTo, isWanted)),
    );
  }

  /** Transactions with a tx ≤ `newest`, newest first. @param newest at most what is closed on all */
  before(newest: Tx): AsyncIterable<CommittedTransaction> {
    return this.#merged(
      'down',
      this.#logs.map((log) => log.before(newest)),
    );
  }

  async *#merged(
    direction: Direction,
    sources: readonly AsyncIterable<CommittedTransaction>[],
  ): AsyncIterable<CommittedTransaction> {
    const [only] = sources;
    if (only !== undefined && sources.length === 1) return yield* only;
    const readers = sources.map((source) => source[Symbol.asyncIterator]());
    try {
      const heads = await Promise.all(readers.map((reader) => reader.next()));
      for (;;) {
        let next: Tx | undefined;
        for (const head of heads)
          if (head.done !== true) next = nearest(direction, next, head.value.tx);
        if (next === undefined) return;
        const parts: (readonly StoredFact[])[] = [];
        for (const [p, head] of heads.entries()) {
          if (head.done === true || head.value.tx !== next) continue;
          parts.push(visible(head.value.facts, p as PartitionNo));
        }
        yield { tx: next, facts: joined(parts) };
        await Promise.all(
          heads.map(async (head, p) => {
            const reader = readers[p];
            if (head.done !== true && head.value.tx === next && reader !== undefined)
              heads[p] = await reader.next();
          }),
        );
      }
    } finally {
      for (const reader of readers) await reader.return?.();
    }
  }
}

function visible(facts: readonly StoredFact[], partition: PartitionNo): readonly StoredFact[] {
  const isAll = facts.every(({ entity }) => isVisible(entity, partition));
  return isAll ? facts : facts.filter(({ entity }) => isVisible(entity, partition));
}
