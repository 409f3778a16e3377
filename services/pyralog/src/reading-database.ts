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
  PartitionStatus,
  ReadOptions,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionsPage,
  TransactionsQuery,
  Trouble,
} from '@pyralog/client';
import type { DatabaseInfo, Rejection } from '@pyralog/format';
import {
  type Fact,
  isPyralogError,
  partitionNo,
  PyralogError,
  type StoredFact,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import { DatabaseReader, type PartitionReader } from '@pyralog/reading';
import type { Clock } from '@pyralog/runtime';
import type { Contents } from '@pyralog/sequencing';
import { firstIds } from './first-result.ts';
import { VERSION } from './version.ts';

const PARTITION = partitionNo(0);

/** What a database answers of its reader alone, whoever writes to it. */
export abstract class ReadingDatabase implements Database {
  readonly name: string;
  protected readonly info: DatabaseInfo;
  protected readonly partition: PartitionReader;
  protected readonly reader: DatabaseReader;
  /** Ends what follows it. */
  protected readonly stop: AbortController = new AbortController();

  protected constructor(
    info: DatabaseInfo,
    partition: PartitionReader,
    clock: Clock,
    requestClosed: () => void,
  ) {
    this.name = info.name;
    this.info = info;
    this.partition = partition;
    this.reader = new DatabaseReader({ reader: partition, clock, requestClosed });
  }

  abstract transact(document: Uint8Array): Promise<CommitResult>;

  /** What does not work at the moment; it is tried again until it does. */
  abstract troubles(): readonly Trouble[];

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
    const signal =
      query.signal === undefined
        ? this.stop.signal
        : AbortSignal.any([query.signal, this.stop.signal]);
    return this.reader.feed({ ...query, signal });
  }

  async status(): Promise<StatusAnswer> {
    const { schema, index } = this.partition;
    const sum = (sizes: readonly { readonly bytes: number }[] | undefined): number =>
      sizes?.reduce((all, { bytes }) => all + bytes, 0) ?? 0;
    return {
      database: this.name,
      id: this.info.id,
      mode: schema.mode,
      strict: schema.strict,
      version: VERSION,
      durable: this.isDurable,
      partitions: [this.#partitionStatus()],
      bytes: { segments: sum(index.manifest?.segments), runs: sum(index.manifest?.runs) },
    };
  }

  async goLive(): Promise<CommitResult> {
    const document = {
      ops: [{ op: 'assert', entity: 'attribute:db/settings', attribute: 'db/mode', value: 'live' }],
    };
    return this.transact(Buffer.from(JSON.stringify(document)));
  }

  /** What temporary ids became in the transaction `tx` of a document. */
  protected idsOf(document: TransactionDocument, tx: Tx): Promise<ReadonlyMap<string, string>> {
    const placement = { tx, partition: PARTITION, partitions: this.info.partitions };
    return firstIds(document, placement, this.reader);
  }

  /** What the writer of a rejected document is told. */
  protected refusalOf({ code, detail, hint, extra }: Rejection): PyralogError {
    return new PyralogError(code, detail, { hint, extra });
  }

  /**
   * The facts of a transaction that was just committed.
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
    const { facts } = await this.reader.transaction(tx);
    return { tx, facts, ids: await this.idsOf(document, tx), duplicate: true };
  }

  #partitionStatus(): PartitionStatus {
    const { state, closed, liveFacts, index } = this.partition;
    return {
      partition: PARTITION,
      epoch: state.admission.epoch,
      owner: state.admission.owner ?? '',
      logEnd: state.next,
      indexed: index.state.next,
      closed,
      liveFacts,
      manifest: index.manifest?.number ?? 0,
      runs: index.runs.length,
      troubles: this.troubles(),
    };
  }
}
