import type {
  CommitResult,
  Database,
  DiffPage,
  DiffQuery,
  EntityAnswer,
  FactsPage,
  FactsQuery,
  FeedEvent,
  FeedQuery,
  HistoryQuery,
  ReadOptions,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionsPage,
  TransactionsQuery,
  TransactOptions,
  Trouble,
} from '@pyralog/client';
import type { DatabaseInfo, Rejection } from '@pyralog/format';
import {
  type DatabaseMode,
  type Fact,
  isPyralogError,
  isReference,
  isVisible,
  type PartitionNo,
  partitionNo,
  partitionOfTx,
  PyralogError,
  type StoredFact,
  type TransactionDocument,
  tx as asTx,
  TX_START,
  type Tx,
  txEntity,
} from '@pyralog/model';
import { DatabaseReader, HomeReader, type Partitions } from '@pyralog/reading';
import type { Clock, Rand, Timers } from '@pyralog/runtime';
import type { Contents } from '@pyralog/sequencing';
import { firstIds } from './first-result.ts';
import { LevelClosing } from './level-closing.ts';
import { partitionStatus } from './partition-status.ts';
import { VERSION } from './version.ts';

/** What a database answers of its reader alone, whoever writes to it. */
export abstract class ReadingDatabase implements Database {
  readonly name: string;
  protected readonly info: DatabaseInfo;
  protected readonly partitions: Partitions;
  protected readonly reader: DatabaseReader;
  protected readonly levelClosing: LevelClosing;
  /** Ends what follows it. */
  protected readonly stop: AbortController = new AbortController();

  protected constructor(
    info: DatabaseInfo,
    partitions: Partitions,
    ports: { readonly clock: Clock; readonly timers: Timers; readonly rand: Rand },
    requestClosed: (partition: PartitionNo, upTo: Tx) => void,
  ) {
    this.name = info.name;
    this.info = info;
    this.partitions = partitions;
    this.reader = new DatabaseReader({ partitions, clock: ports.clock, requestClosed });
    this.levelClosing = new LevelClosing({ partitions, ...ports, requestClosed });
  }

  /** As far as this process has heard of it. */
  protected get mode(): DatabaseMode {
    return this.partitions.first.schema.mode;
  }

  abstract transact(document: Uint8Array, options?: TransactOptions): Promise<CommitResult>;

  /** What does not work at the moment; it is tried again until it does. */
  abstract troubles(): readonly Trouble[];

  /** The same of one partition. */
  protected abstract troublesOf(partition: PartitionNo): readonly Trouble[];

  /** Whether what it acknowledges survives the end of this process. */
  protected abstract readonly isDurable: boolean;

  abstract [Symbol.asyncDispose](): Promise<void>;

  entity(id: string, options?: ReadOptions): Promise<EntityAnswer> {
    return this.reader.entity(id, options);
  }

  history(id: string, query?: HistoryQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.reader.history(id, query, options);
  }

  state(query: FactsQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.reader.state(query, options);
  }

  facts(query: FactsQuery, options?: ReadOptions): Promise<FactsPage> {
    return this.reader.facts(query, options);
  }

  transaction(tx: Tx, options?: ReadOptions): Promise<TransactionAnswer> {
    return this.reader.transaction(tx, options);
  }

  transactions(query?: TransactionsQuery, options?: ReadOptions): Promise<TransactionsPage> {
    return this.reader.transactions(query, options);
  }

  diff(query: DiffQuery, options?: ReadOptions): Promise<DiffPage> {
    return this.reader.diff(query, options);
  }

  schema(options?: ReadOptions): Promise<SchemaAnswer> {
    return this.reader.schema(options);
  }

  feed(query: FeedQuery): AsyncIterable<FeedEvent> {
    return this.reader.feed(this.#untilClosed(query));
  }

  /** What lies on one partition, for who keeps it elsewhere. */
  home(partition: PartitionNo): HomeReader {
    return new HomeReader(this.partitions.at(partition));
  }

  /** As {@link feed}, of what a partition has coordinated: of all of them each transaction is told once. */
  feedOf(partition: PartitionNo, query: FeedQuery): AsyncIterable<FeedEvent> {
    return this.reader.feed(this.#untilClosed(query), partition);
  }

  async status(): Promise<StatusAnswer> {
    const { all, first } = this.partitions;
    const { strict } = first.schema;
    const sum = (of: 'segments' | 'runs'): number => {
      let bytes = 0;
      for (const { index } of all)
        for (const file of index.manifest?.[of] ?? []) bytes += file.bytes;
      return bytes;
    };
    return {
      database: this.name,
      id: this.info.id,
      mode: this.mode,
      strict,
      version: VERSION,
      durable: this.isDurable,
      partitions: all.map((reader) =>
        partitionStatus(reader, this.troublesOf(reader.index.partition)),
      ),
      bytes: { segments: sum('segments'), runs: sum('runs') },
    };
  }

  async goLive(): Promise<CommitResult> {
    const document = {
      ops: [{ op: 'assert', entity: 'attribute:db/settings', attribute: 'db/mode', value: 'live' }],
    };
    return this.transact(Buffer.from(JSON.stringify(document)));
  }

  /**
   * What temporary ids became in the transaction `tx` of a document.
   * @param facts that it wrote
   */
  protected async idsOf(
    document: TransactionDocument,
    tx: Tx,
    facts: readonly StoredFact[],
  ): Promise<ReadonlyMap<string, string>> {
    const { partitions } = this.info;
    const partition = partitionNo(partitionOfTx(tx) % partitions);
    const own = txEntity(tx);
    const start = facts.find(({ entity, attribute }) => entity === own && attribute === TX_START);
    const mintedAt = start?.value;
    const made =
      mintedAt !== undefined && !isReference(mintedAt) && mintedAt.type === 'int'
        ? asTx(mintedAt.value)
        : tx;
    return firstIds(document, { tx: made, partition, partitions }, tx, this.reader);
  }

  /** What the writer of a rejected document is told. */
  protected refusalOf({ code, detail, hint, extra }: Rejection): PyralogError {
    return new PyralogError(code, detail, { hint, extra });
  }

  /**
   * The facts of a transaction that was just committed, as they are answered.
   * @param stored of which answers have all
   * @param known the long values that it asserts; those that it retracts are fetched
   * @throws what keeps one of them from being read, telling that the transaction is committed
   */
  protected async writtenFacts(
    tx: Tx,
    stored: readonly StoredFact[],
    known: Contents,
  ): Promise<readonly Fact[]> {
    try {
      return await this.reader.wholeFacts(stored, known);
    } catch (error) {
      if (!isPyralogError(error)) throw error;
      const { code, message, hint } = error;
      throw new PyralogError(
        code,
        `The transaction is committed, as ${tx}. A value that it replaced or retracted cannot be told: ${message}`,
        { hint, extra: { tx: String(tx) }, cause: error },
      );
    }
  }

  /** The first result of a document that is committed already. */
  protected async firstResult(document: TransactionDocument, tx: Tx): Promise<CommitResult> {
    const { facts } = await this.reader.transaction(tx, { await: tx });
    return { tx, facts, ids: await this.idsOf(document, tx, facts), duplicate: true };
  }

  /** A feed ends when the database is closed. */
  #untilClosed(query: FeedQuery): FeedQuery {
    const { signal } = this.stop;
    return {
      ...query,
      signal: query.signal === undefined ? signal : AbortSignal.any([query.signal, signal]),
    };
  }
}

/** What answers have of what a transaction wrote on the partition that coordinated it. */
export function ownFacts(
  facts: readonly StoredFact[],
  tx: Tx,
  partitions: number,
): readonly StoredFact[] {
  if (partitions === 1) return facts;
  const partition = partitionNo(partitionOfTx(tx) % partitions);
  return facts.filter(({ entity }) => isVisible(entity, partition));
}
