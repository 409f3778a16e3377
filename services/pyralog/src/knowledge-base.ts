import {
  type AttributeValues,
  type CommitExplanation,
  type Database,
  databaseAddress,
  type DatabaseHost,
  type FactsPage,
  type FactsQuery,
  type FeedQuery,
  HttpHost,
  type PageOptions,
  type ReadOptions,
  type SchemaAnswer,
  type StatusAnswer,
  type TransactOptions,
} from '@pyralog/client';
import {
  type AttributeDefinition,
  PyralogError,
  type Tx,
  TX_NONE,
  type Value,
} from '@pyralog/model';
import {
  type AttributeOptions,
  definitionOperation,
  type EntityAttributes,
  isDefined,
  type SchemaDefinition,
} from './attribute-types.ts';
import { type Moment, toTx } from './moment.ts';
import {
  printTransaction,
  resolveIds,
  type ReturnedEntities,
  type ReturnedIds,
  TransactionBuilder,
  type TransactionInput,
} from './transaction.ts';
import {
  instantOfTx,
  type KnowledgeFact,
  readFact,
  type ReadValue,
  readValue,
  type Ref,
} from './values.ts';

export interface OpenOptions<S extends SchemaDefinition = SchemaDefinition> {
  /** Default `main`; made where it does not exist. */
  readonly database?: string | undefined;
  /** Attributes that the program relies on: defined where they are missing, refused where they are otherwise. */
  readonly schema?: S | undefined;
}

export interface ConnectOptions<S extends SchemaDefinition = SchemaDefinition> {
  readonly schema?: S | undefined;
}

/** Facts of a page where all pages are wanted: the most that a page may have. */
const WHOLE_PAGE = 10_000;

/** When to read. Without `asOf` a read sees at least what this object has written. */
export interface ReadAt {
  readonly asOf?: Moment | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An entity at a moment. */
export interface Entity<S extends SchemaDefinition = SchemaDefinition> {
  readonly entity: string;
  /** The tx it was read at: the same basis gives the same answer for ever. */
  readonly basis: Tx;
  readonly attributes: EntityAttributes<S>;
}

export interface TransactionResult<Ids> {
  readonly tx: Tx;
  /** RFC 3339 with nine decimals. */
  readonly instant: string;
  /** Every fact that was written, implicit retractions and meta included. */
  readonly facts: readonly KnowledgeFact[];
  readonly ids: Ids;
  /** The key was used before for the same content: this is the first result. */
  readonly duplicate: boolean;
  /** Where the time went, when that was asked for; not of a duplicate. */
  readonly explain?: CommitExplanation | undefined;
}

export interface HistoryOptions extends ReadAt {
  readonly attribute?: string | undefined;
  /** Inclusive, as is `to`. */
  readonly from?: Moment | undefined;
  readonly to?: Moment | undefined;
}

/** A leading part of an index (its letters name the order), and a range of values under it. */
export interface FactsOptions
  extends
    ReadAt,
    Pick<FactsQuery, 'index' | 'entity' | 'attribute' | 'value' | 'valueFrom' | 'valueTo'> {}

export interface FeedOptions {
  /** Default `beginning`; an offset of an earlier change goes on after it, `{ after: tx }` after that transaction. */
  readonly from?:
    | 'beginning'
    | 'now'
    | { readonly offset: string }
    | { readonly after: Tx }
    | undefined;
  /** Wait for what comes; default true. */
  readonly follow?: boolean | undefined;
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  /** Of entities. */
  readonly prefix?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One whole transaction. */
export interface Change {
  /** Where a feed goes on after this change. */
  readonly offset: string;
  readonly tx: Tx;
  readonly instant: string;
  /** Provenance by name without `tx/`. */
  readonly meta: Readonly<Record<string, ReadValue | readonly ReadValue[]>>;
  readonly facts: readonly KnowledgeFact[];
}

/**
 * A database with the values of JavaScript: embedded in this process (`open`) or on a server (`connect`), alike.
 * Errors are {@link PyralogError}s with a `code` and mostly a `hint`.
 *
 * With a schema (`open(dir, { schema: defineSchema({…}) })`) entities and transactions have its types, and
 * opening makes sure that the database has them too.
 */
export class KnowledgeBase<
  S extends SchemaDefinition = SchemaDefinition,
> implements AsyncDisposable {
  readonly #host: DatabaseHost;
  readonly #database: Database;
  /** The newest transaction of this object: later reads wait for it. */
  #written: Tx = TX_NONE;

  private constructor(host: DatabaseHost, database: Database) {
    this.#host = host;
    this.#database = database;
  }

  /**
   * Opens a data directory in this process, or a database in memory that goes with it.
   * @throws PyralogError `data-locked` while another process has the directory
   */
  static async open<const S extends SchemaDefinition = SchemaDefinition>(
    dir?: string,
    options: OpenOptions<S> = {},
  ): Promise<KnowledgeBase<S>> {
    const { openEmbedded } = await import('./embedded.ts');
    const name = options.database ?? 'main';
    return KnowledgeBase.#prepare(await openEmbedded({ dir }), name, true, options.schema);
  }

  /**
   * Connects to a database of a server: `http://127.0.0.1:4000/v1/main`.
   * @throws PyralogError `unreachable`, `database-not-found`
   */
  static async connect<const S extends SchemaDefinition = SchemaDefinition>(
    url: string,
    options: ConnectOptions<S> = {},
  ): Promise<KnowledgeBase<S>> {
    const { server, name } = databaseAddress(url);
    return KnowledgeBase.#prepare(new HttpHost(server), name, false, options.schema);
  }

  /** Takes any host; it is disposed with the knowledge base. */
  static async on<const S extends SchemaDefinition = SchemaDefinition>(
    host: DatabaseHost,
    options: OpenOptions<S> = {},
  ): Promise<KnowledgeBase<S>> {
    return KnowledgeBase.#prepare(host, options.database ?? 'main', true, options.schema);
  }

  static async #prepare<S extends SchemaDefinition>(
    host: DatabaseHost,
    name: string,
    create: boolean,
    schema: S | undefined,
  ): Promise<KnowledgeBase<S>> {
    try {
      if (create) await host.create(name);
      const kb = new KnowledgeBase<S>(host, await host.database(name));
      if (schema !== undefined) await kb.#ensure(schema);
      return kb;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Defines an attribute; quietly where it is defined so already. @throws PyralogError `schema-change-refused` */
  async defineAttribute(ident: string, options: AttributeOptions): Promise<void> {
    await this.#ensure({ [ident.replace(/^:/, '')]: options });
  }

  /**
   * Commits what the callback collects, whole or not at all, and resolves when it is durable. `ids` has the ids
   * of the entities that the callback returns.
   */
  transact<const R extends ReturnedEntities>(
    build: (t: TransactionBuilder<S>) => R,
    options?: TransactOptions,
  ): Promise<TransactionResult<ReturnedIds<R>>>;
  /** Commits a transaction document; `ids` has the ids of its temporary ids. */
  transact(
    document: TransactionInput,
    options?: TransactOptions,
  ): Promise<TransactionResult<Readonly<Record<string, string>>>>;
  async transact<R extends ReturnedEntities>(
    given: TransactionInput | ((t: TransactionBuilder<S>) => R),
    options?: TransactOptions,
  ): Promise<TransactionResult<unknown>> {
    if (typeof given !== 'function')
      return this.#commit(given, (ids) => Object.fromEntries(ids), options);
    const builder = new TransactionBuilder<S>();
    const returned = given(builder);
    if (returned instanceof Promise) {
      throw new PyralogError(
        'usage',
        'The callback of transact() is asynchronous, so nothing was committed.',
        { hint: 'Read first, then collect the operations in a plain function.' },
      );
    }
    return this.#commit(builder.build(), (ids) => resolveIds(returned, ids), options);
  }

  /** What is in force of an entity now; undefined where that is nothing. */
  async entity(entity: string | Ref, at: ReadAt = {}): Promise<Entity<S> | undefined> {
    const answer = await this.#database.entity(String(entity), this.#readOptions(at));
    if (answer.attributes.size === 0) return undefined;
    return {
      entity: answer.entity,
      basis: answer.basis,
      attributes: readAttributes(answer.attributes) as EntityAttributes<S>,
    };
  }

  /** As {@link entity}, at a moment of the past. */
  entityAtTime(entity: string | Ref, moment: Moment): Promise<Entity<S> | undefined> {
    return this.entity(entity, { asOf: moment });
  }

  /** Every fact about an entity, oldest first. */
  async history(
    entity: string | Ref,
    options: HistoryOptions = {},
  ): Promise<readonly KnowledgeFact[]> {
    const { attribute, from, to, ...at } = options;
    const query = {
      attribute,
      from: from === undefined ? undefined : toTx(from),
      to: to === undefined ? undefined : toTx(to),
    };
    const read = this.#readOptions(at);
    return collect(
      this.#pages((page) =>
        this.#database.history(String(entity), { ...query, ...page, limit: WHOLE_PAGE }, read),
      ),
    );
  }

  /** Facts in force, in the order of an index, all at one basis. */
  state({ asOf, signal, ...query }: FactsOptions): AsyncIterable<KnowledgeFact> {
    const read = this.#readOptions({ asOf, signal });
    return this.#pages((page) => this.#database.state({ ...query, ...page }, read));
  }

  /** Every fact ever, in the order of an index, all at one basis. */
  facts({ asOf, signal, ...query }: FactsOptions): AsyncIterable<KnowledgeFact> {
    const read = this.#readOptions({ asOf, signal });
    return this.#pages((page) => this.#database.facts({ ...query, ...page }, read));
  }

  /** What is in force at `to` and was not at `from`, and the other way round. */
  async diff(
    from: Moment,
    to: Moment,
  ): Promise<{
    readonly added: readonly KnowledgeFact[];
    readonly removed: readonly KnowledgeFact[];
  }> {
    const added: KnowledgeFact[] = [];
    const removed: KnowledgeFact[] = [];
    let cursor: string | undefined;
    do {
      const asked = { from: toTx(from), to: toTx(to), cursor, limit: WHOLE_PAGE };
      const page = await this.#database.diff(asked);
      for (const fact of page.added) added.push(readFact(fact));
      for (const fact of page.removed) removed.push(readFact(fact));
      cursor = page.next;
    } while (cursor !== undefined);
    return { added, removed };
  }

  /** The attributes, built-in ones included, by name. */
  schema(at: ReadAt = {}): Promise<SchemaAnswer> {
    return this.#database.schema(this.#readOptions(at));
  }

  schemaAtTime(moment: Moment): Promise<SchemaAnswer> {
    return this.schema({ asOf: moment });
  }

  /** Whole transactions in the order of their tx. Ends by its signal, by `break`, or without `follow` at the end. */
  async *feed(options: FeedOptions = {}): AsyncGenerator<Change> {
    const { from, follow = true, ...filters } = options;
    for await (const event of this.#database.feed({ ...filters, follow, offset: offsetOf(from) })) {
      if (event.kind !== 'transaction') continue;
      const { offset, tx, meta, facts } = event;
      yield {
        offset,
        tx,
        instant: instantOfTx(tx),
        meta: readAttributes(meta),
        facts: facts.map(readFact),
      };
    }
  }

  status(): Promise<StatusAnswer> {
    return this.#database.status();
  }

  /** Lets go of the data directory or the connections. */
  async close(): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
    await this.#host[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ensure(schema: SchemaDefinition): Promise<void> {
    const { attributes } = await this.schema();
    const existing = new Map<string, AttributeDefinition>(
      attributes.map((attribute) => [attribute.ident, attribute]),
    );
    const missing = Object.entries(schema).filter(
      ([ident, options]) => !isDefined(options, existing.get(ident)),
    );
    if (missing.length === 0) return;
    await this.transact({
      ops: missing.map(([ident, options]) => definitionOperation(ident, options)),
    });
  }

  async #commit<Ids>(
    document: TransactionInput,
    idsOf: (ids: ReadonlyMap<string, string>) => Ids,
    options: TransactOptions | undefined,
  ): Promise<TransactionResult<Ids>> {
    const { tx, facts, ids, duplicate, explain } = await this.#database.transact(
      new TextEncoder().encode(printTransaction(document)),
      options,
    );
    if (tx > this.#written) this.#written = tx;
    return {
      tx,
      instant: instantOfTx(tx),
      facts: facts.map(readFact),
      ids: idsOf(ids),
      duplicate,
      ...(explain === undefined ? {} : { explain }),
    };
  }

  #readOptions({ asOf, signal }: ReadAt): ReadOptions {
    if (asOf !== undefined) return { asOf: toTx(asOf), signal };
    return { await: this.#written === TX_NONE ? undefined : this.#written, signal };
  }

  async *#pages(ask: (page: PageOptions) => Promise<FactsPage>): AsyncGenerator<KnowledgeFact> {
    let cursor: string | undefined;
    do {
      const page = await ask({ cursor });
      for (const fact of page.facts) yield readFact(fact);
      cursor = page.next;
    } while (cursor !== undefined);
  }
}

function offsetOf(from: FeedOptions['from']): FeedQuery['offset'] {
  if (from === undefined || from === 'beginning') return '-1';
  if (from === 'now') return 'now';
  return 'after' in from ? `tx:${from.after}` : from.offset;
}

function readAttributes(
  attributes: ReadonlyMap<string, AttributeValues>,
): Record<string, ReadValue | readonly ReadValue[]> {
  const read = Object.create(null) as Record<string, ReadValue | readonly ReadValue[]>;
  for (const [name, { cardinality, values }] of attributes)
    read[name] = cardinality === 'one' ? readValue(values[0] as Value) : values.map(readValue);
  return read;
}

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
