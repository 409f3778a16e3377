import type { AttributeDefinition, ErrorCode, Fact, IndexOrder, Tx, Value } from '@pyralog/model';

/** A moment to read at: a tx, or an instant whose end is meant (nanoseconds, decisions.md "Time"). Undefined: now. */
export interface ReadOptions {
  readonly asOf?: Tx | undefined;
  /** Wait until this transaction is in the answer. */
  readonly await?: Tx | undefined;
  /** How long to wait for `await` or a basis ahead of the data; milliseconds, default 5,000. */
  readonly timeoutMillis?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which part of a listing. */
export interface PageOptions {
  /**
   * Rows of a page, 1 to 10,000; default 1,000. A page also ends before more than 16 MiB of values above 64 KiB are on it.
   */
  readonly limit?: number | undefined;
  /** `next` of the page before; later pages stay at the first page's basis. */
  readonly cursor?: string | undefined;
}

/** Every answer says the tx it was read at: the same basis gives the same answer for ever. */
export interface Answer {
  readonly basis: Tx;
  /** Whether `basis` is a moment that can no longer change, so that the answer may be cached. */
  readonly closed: boolean;
}

/** Values of one attribute in value order, those above 64 KiB by their first 256 bytes and then by SHA-256: `one` has exactly one, `many` at least one. */
export interface AttributeValues {
  readonly cardinality: 'one' | 'many';
  readonly values: readonly Value[];
}

/** An entity at a moment. */
export interface EntityAnswer extends Answer {
  readonly entity: string;
  /** What is in force, by attribute in UTF-8 order; empty: nothing. */
  readonly attributes: ReadonlyMap<string, AttributeValues>;
}

/** A page of a listing of facts; `next` is the cursor of the page behind it. */
export interface FactsPage extends Answer {
  readonly facts: readonly Fact[];
  readonly next: string | undefined;
}

/** A leading part of an index, and a range of values under it. */
export interface FactsQuery extends PageOptions {
  readonly index: IndexOrder;
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  /** Value as a writer would give it; takes the type of the attribute. */
  readonly value?: Value | undefined;
  /** Inclusive. */
  readonly valueFrom?: Value | undefined;
  /** Exclusive. */
  readonly valueTo?: Value | undefined;
}

/** Which facts of an entity: those of an attribute, of a span of time. */
export interface HistoryQuery extends PageOptions {
  readonly attribute?: string | undefined;
  /** Inclusive. */
  readonly from?: Tx | undefined;
  /** Inclusive. */
  readonly to?: Tx | undefined;
}

/** A transaction, without its facts. */
export interface TransactionInfo {
  readonly tx: Tx;
  /** What the transaction said of itself, by attribute without `tx/`. */
  readonly meta: ReadonlyMap<string, AttributeValues>;
}

/** A transaction with every fact that it wrote. */
export interface TransactionAnswer extends Answer, TransactionInfo {
  readonly facts: readonly Fact[];
}

/** Which transactions: of an inclusive span of time, of an author. */
export interface TransactionsQuery extends PageOptions {
  readonly from?: Tx | undefined;
  readonly to?: Tx | undefined;
  readonly author?: string | undefined;
}

/** A page of transactions; `next` is the cursor of the page behind it. */
export interface TransactionsPage extends Answer {
  /** Newest first. */
  readonly transactions: readonly TransactionInfo[];
  readonly next: string | undefined;
}

/** Two moments to compare, in either order. */
export interface DiffQuery extends PageOptions {
  /** The facts in force after `from` … */
  readonly from: Tx;
  /** … and after `to`. */
  readonly to: Tx;
}

/** Net difference in eavt order; a page holds both kinds up to its last key. */
export interface DiffPage extends Answer {
  readonly added: readonly Fact[];
  readonly removed: readonly Fact[];
  readonly next: string | undefined;
}

/** The schema at a moment: what is built in, declared and inferred. */
export interface SchemaAnswer extends Answer {
  readonly strict: boolean;
  readonly mode: 'import' | 'live';
  readonly attributes: readonly AttributeDefinition[];
}

/** What a document became, with every fact that it wrote. */
export interface CommitResult {
  readonly tx: Tx;
  readonly facts: readonly Fact[];
  /** Temporary id to the entity it became. */
  readonly ids: ReadonlyMap<string, string>;
  /** The idempotency key was seen before: this is the first result. */
  readonly duplicate: boolean;
  /** Where it was asked for, and not of a duplicate: nothing was done for that. */
  readonly explain?: CommitExplanation | undefined;
}

/** What is told of a commit besides its result. */
export interface TransactOptions {
  /** Where its time went; default false. */
  readonly explain?: boolean | undefined;
}

/** Where the time of a commit went. */
export interface CommitExplanation {
  /** Those that it reads or writes: the coordinator, where it arrived, and then the others, rising. */
  readonly partitions: readonly number[];
  /** The one that was committed, and those before it that gave way to other transactions. */
  readonly attempts: number;
  readonly millis: CommitMillis;
}

/**
 * Milliseconds by stage, to a thousandth. `wait` and `prepare` are by the clock of the coordinator, the others by that of who
 * answers.
 */
export interface CommitMillis {
  /** Until the document was in the input of its partition; 0 in one process. */
  readonly publish: number;
  /**
   * In line behind others that use the same, for what other partitions know of the schema, and in attempts that gave way.
   * Undefined where it is not known, and a part of `commit`: of one partition in a cluster, and in import mode.
   */
  readonly wait?: number | undefined;
  /** Asking the other partitions, until all had promised; 0 where there are none. Undefined in import mode. */
  readonly prepare?: number | undefined;
  /** The rest: taking turns with all that arrives, and until it was durable and known to who answers. */
  readonly commit: number;
  /** All of it. */
  readonly total: number;
}

/** Where a feed begins and what it tells. */
export interface FeedQuery {
  /** `-1` (beginning), `now`, `tx:<tx>` (after it), or an offset from an event. */
  readonly offset: string;
  /** Go on when the end is reached. */
  readonly follow: boolean;
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  /** Of entities. */
  readonly prefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whole transactions in tx order; `progress` says how far the feed is when filters leave nothing to tell, and at the end. */
export type FeedEvent =
  | {
      readonly kind: 'transaction';
      readonly offset: string;
      readonly tx: Tx;
      readonly meta: ReadonlyMap<string, AttributeValues>;
      readonly facts: readonly Fact[];
    }
  | {
      readonly kind: 'progress';
      readonly offset: string;
      readonly tx: Tx;
      /** Nothing more was there when this was made. */ readonly upToDate: boolean;
    };

/** Something that does not work at the moment. It goes on by itself when its cause is over. */
export interface Trouble {
  /** The commit log takes every write; the index is what is written of it to the bucket. */
  readonly part: 'log' | 'index';
  readonly code: ErrorCode;
  readonly detail: string;
  /** RFC 3339. */
  readonly since: string;
}

/** A transaction over partitions that is not over on a partition. */
export interface OpenTransaction {
  /** Where its document arrived. */
  readonly coordinator: number;
  /** Of its document in the input of the coordinator. */
  readonly offset: number;
  /** RFC 3339. */
  readonly since: string;
  /**
   * Of this partition: it coordinates it, and is to hear from the others; or it has promised a part of it, and is to hear
   * from the coordinator what was decided: until then it can close no later time.
   */
  readonly role: 'coordinator' | 'participant';
}

/** Most that a status tells of a partition. */
export const OPEN_MAX = 10;

/** Where one partition stands. */
export interface PartitionStatus {
  readonly partition: number;
  readonly epoch: number;
  readonly owner: string;
  /** Next offset of the commit log. */
  readonly logEnd: number;
  /** Offset up to which the bucket holds segments and indexes. */
  readonly indexed: number;
  readonly closed: Tx;
  /** Facts that only the log and memory hold so far. */
  readonly liveFacts: number;
  readonly manifest: number;
  readonly runs: number;
  /**
   * Transactions over partitions that are not over, the oldest first and at most {@link OPEN_MAX}. One that stays is stuck: a
   * partition that takes part in it has no sequencer.
   */
  readonly open: readonly OpenTransaction[];
  /** Empty while all is well. */
  readonly troubles: readonly Trouble[];
}

/** What a database is and where it stands. */
export interface StatusAnswer {
  readonly database: string;
  readonly id: string;
  readonly mode: 'import' | 'live';
  readonly strict: boolean;
  readonly version: string;
  readonly durable: boolean;
  readonly partitions: readonly PartitionStatus[];
  /** Bytes in the bucket by kind: `segments`, `runs`, …. */
  readonly bytes: Readonly<Record<string, number>>;
}

/**
 * What can be asked of one database, wherever it runs: in this process (libs/reading and the roles) or
 * behind HTTP (http-database.ts). The HTTP door serves any implementation; the command line and
 * KnowledgeBase use any. Errors are {@link PyralogError}s of model's table.
 */
export interface Database extends AsyncDisposable {
  readonly name: string;
  /**
   * Commits one transaction document (UTF-8 JSON, design section 3) and resolves when it is durable.
   * Calls are taken in order; any number may be in flight.
   */
  transact(document: Uint8Array, options?: TransactOptions): Promise<CommitResult>;
  entity(id: string, options?: ReadOptions): Promise<EntityAnswer>;
  history(id: string, query?: HistoryQuery, options?: ReadOptions): Promise<FactsPage>;
  /** Facts in force, in index order. */
  state(query: FactsQuery, options?: ReadOptions): Promise<FactsPage>;
  /** Every fact of the log up to the basis, in index order. */
  facts(query: FactsQuery, options?: ReadOptions): Promise<FactsPage>;
  transaction(tx: Tx, options?: ReadOptions): Promise<TransactionAnswer>;
  transactions(query?: TransactionsQuery, options?: ReadOptions): Promise<TransactionsPage>;
  diff(query: DiffQuery, options?: ReadOptions): Promise<DiffPage>;
  schema(options?: ReadOptions): Promise<SchemaAnswer>;
  feed(query: FeedQuery): AsyncIterable<FeedEvent>;
  status(): Promise<StatusAnswer>;
  /** Ends import mode. */
  goLive(): Promise<CommitResult>;
}

/** What a database is made with. */
export interface CreateOptions {
  readonly partitions?: number | undefined;
  readonly strict?: boolean | undefined;
  readonly mode?: 'import' | 'live' | undefined;
}

/** The databases of one server or data directory. */
export interface DatabaseHost extends AsyncDisposable {
  /** Idempotent; other settings than at creation are refused with `database-exists`. */
  create(name: string, options?: CreateOptions): Promise<'created' | 'exists'>;
  list(): Promise<readonly string[]>;
  /** @throws database-not-found */
  database(name: string): Promise<Database>;
}
