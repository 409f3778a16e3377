import { factKey, type SearchKey, readSearchKey } from '@pyralog/format';
import { isVisible, type Tx, tx as asTx } from '@pyralog/model';
import { scanPage } from './database-pages.ts';
import type { PartitionReader } from './partition-reader.ts';
import { TransactionLog } from './transaction-log.ts';

/** An entity, and the newest transaction that changed it. */
export interface ChangedEntity {
  readonly entity: string;
  readonly tx: Tx;
}

/** What happened on a partition: a transaction that changed entities of it, or that there is none up to a moment. */
export type HomeEvent =
  | { readonly kind: 'transaction'; readonly tx: Tx; readonly entities: ReadonlySet<string> }
  | { readonly kind: 'progress'; readonly tx: Tx };

/** Rows of a scan that are read at once. */
const PAGE = 10_000;
/** How long a follower waits before it is told of progress again. */
const PROGRESS_MILLIS = 15_000;

/**
 * The entities that are at home on one partition, for who keeps their state elsewhere: at the closed timestamp of this
 * partition, whatever the others do.
 */
export class HomeReader {
  readonly #reader: PartitionReader;
  readonly #transactions: TransactionLog;

  constructor(reader: PartitionReader) {
    this.#reader = reader;
    this.#transactions = new TransactionLog(reader);
  }

  /** The greatest moment that can no longer change here. */
  get closed(): Tx {
    return this.#reader.closed;
  }

  /** Every entity that has facts at a moment, in force or not, in byte order. @param at not above {@link closed} */
  async *entities(at: Tx): AsyncIterable<ChangedEntity> {
    let found: ChangedEntity | undefined;
    let after: SearchKey | undefined;
    for (let more = true; more;) {
      const options = { basis: at, mode: 'facts', limit: PAGE, after } as const;
      const page = await scanPage([this.#reader], 'eavt', {}, () => options);
      for (const { entity, tx } of page.facts) {
        if (found !== undefined && found.entity !== entity) {
          yield found;
          found = undefined;
        }
        if (found === undefined || tx > found.tx) found = { entity, tx };
      }
      const last = page.facts.at(-1);
      more = page.more && last !== undefined;
      if (last !== undefined) after = readSearchKey('eavt', factKey('eavt', last));
    }
    if (found !== undefined) yield found;
  }

  /**
   * Transactions above a moment that changed entities of this partition, oldest first, as they come, until the signal
   * aborts. Behind what there is, and now and then while there is nothing, comes progress.
   */
  async *follow(after: Tx, signal: AbortSignal): AsyncIterable<HomeEvent> {
    const { partition } = this.#reader.index;
    let position = after;
    while (!signal.aborted) {
      const upTo = this.closed;
      for await (const { tx, facts } of this.#transactions.after(position, upTo)) {
        position = tx;
        const entities = new Set<string>();
        for (const { entity } of facts) if (isVisible(entity, partition)) entities.add(entity);
        if (entities.size > 0) yield { kind: 'transaction', tx, entities };
        if (signal.aborted) return;
      }
      if (upTo > position) position = upTo;
      yield { kind: 'progress', tx: position };
      await this.#reader.waitClosed(asTx(position + 1n), PROGRESS_MILLIS, signal);
    }
  }
}
