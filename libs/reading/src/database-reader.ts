import { compareUtf8 } from '@pyralog/base';
import type {
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
  TransactionAnswer,
  TransactionInfo,
  TransactionsPage,
  TransactionsQuery,
} from '@pyralog/client';
import { feedOffset, type FeedFilter, filterFacts, parseFeedStart } from '@pyralog/feed';
import { decodeCursor, encodeCursor } from '@pyralog/format';
import { diff, entityAsOf, entityHistory, entityNow, scan } from '@pyralog/indexing';
import {
  type Fact,
  initialSchema,
  instantOfTx,
  parseTx,
  PyralogError,
  type Schema,
  TX_LAST,
  TX_NONE,
  type Tx,
  tx as asTx,
  type Value,
} from '@pyralog/model';
import { basisOf, type MomentDeps } from './moments.ts';
import type { PartitionReader } from './partition-reader.ts';
import { readSchema } from './schema-read.ts';
import { type CommittedTransaction, TransactionLog } from './transaction-log.ts';

/** Rows of a page where none are asked for, and the most that may be. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;
/** Facts of transactions that a feed reads ahead of its reader, about. */
const FEED_FACTS = 10_000;
/** How long a feed that follows waits before it tells its progress again. */
const FEED_PROGRESS_MILLIS = 15_000;

export interface DatabaseReaderOptions extends MomentDeps {
  readonly reader: PartitionReader;
}

/**
 * Answers to everything that can be asked of a database, at a basis. One partition: answers over
 * several come with transactions over several.
 */
export class DatabaseReader {
  readonly #options: DatabaseReaderOptions;
  readonly #reader: PartitionReader;
  readonly #transactions: TransactionLog;

  constructor(options: DatabaseReaderOptions) {
    this.#options = options;
    this.#reader = options.reader;
    this.#transactions = new TransactionLog(options.reader);
  }

  async entity(id: string, options: ReadOptions = {}): Promise<EntityAnswer> {
    const basis = await basisOf(this.#options, options);
    const schema = await this.#schemaAt(basis);
    const view = this.#reader.view();
    const now = basis === this.#reader.closed;
    const facts = await this.#reader.run(now ? entityNow(view, id) : entityAsOf(view, id, basis));
    const attributes = new Map<string, { cardinality: 'one' | 'many'; values: Value[] }>();
    for (const { attribute, value } of facts) {
      const known = attributes.get(attribute);
      if (known !== undefined) known.values.push(value);
      else {
        const cardinality = schema.attribute(attribute)?.cardinality ?? 'one';
        attributes.set(attribute, { cardinality, values: [value] });
      }
    }
    const timestamp = await this.#timestampOf(id, basis);
    if (timestamp === undefined) return { entity: id, basis, closed: true, attributes };
    attributes.set('tx/timestamp', { cardinality: 'one', values: [timestamp] });
    const sorted = new Map([...attributes].toSorted(([a], [b]) => compareUtf8(a, b)));
    return { entity: id, basis, closed: true, attributes: sorted };
  }

  async history(id: string, query: HistoryQuery = {}, options: ReadOptions = {}): Promise<FactsPage> {
    const { basis, after, kind } = await this.#page(query, options, ['history', id, query.attribute, query.from, query.to]);
    const limit = limitOf(query);
    const to = query.to === undefined || query.to > basis ? basis : query.to;
    const page = await this.#reader.run(
      entityHistory(this.#reader.view(), id, { attribute: query.attribute, fromTx: query.from, toTx: to, after, limit }),
    );
    return this.#factsPage(kind, basis, page);
  }

  /** Facts in force in index order. */
  state(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#scan('state', query, options);
  }

  /** Every fact of the log up to the basis in index order. */
  facts(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#scan('facts', query, options);
  }

  async transaction(tx: Tx, options: ReadOptions = {}): Promise<TransactionAnswer> {
    const basis = await basisOf(this.#options, options);
    const found = tx <= basis ? await this.#transactions.find(tx) : undefined;
    if (found === undefined) {
      throw new PyralogError('transaction-not-found', `No transaction ${tx} is known at basis ${basis}.`, {
        hint: 'A tx is given by the answer to a commit; give await=<tx> to wait for a new one.',
      });
    }
    return { basis, closed: true, ...infoOf(found), facts: found.facts };
  }

  async transactions(query: TransactionsQuery = {}, options: ReadOptions = {}): Promise<TransactionsPage> {
    const { basis, position, kind } = await this.#page(query, options, ['transactions', query.from, query.to, query.author]);
    const limit = limitOf(query);
    const newest = least(basis, query.to, position === undefined ? undefined : asTx(position - 1n));
    const transactions: TransactionInfo[] = [];
    for await (const transaction of this.#transactions.before(newest)) {
      if (query.from !== undefined && transaction.tx < query.from) break;
      const info = infoOf(transaction);
      if (query.author !== undefined && !isAuthor(info, query.author)) continue;
      if (transactions.length === limit) {
        const last = transactions.at(-1) as TransactionInfo;
        return { basis, closed: true, transactions, next: this.#cursor(kind, basis, undefined, last.tx) };
      }
      transactions.push(info);
    }
    return { basis, closed: true, transactions, next: undefined };
  }

  async diff(query: DiffQuery, options: ReadOptions = {}): Promise<DiffPage> {
    const { basis, after, kind } = await this.#page(query, options, ['diff', query.from, query.to]);
    const to = query.to > basis ? basis : query.to;
    const page = await this.#reader.run(
      diff(this.#reader.view(), query.from > basis ? basis : query.from, to, { after, limit: limitOf(query) }),
    );
    const next = page.next === undefined ? undefined : this.#cursor(kind, basis, page.next, undefined);
    return { basis, closed: true, added: page.added, removed: page.removed, next };
  }

  async schema(options: ReadOptions = {}): Promise<SchemaAnswer> {
    const basis = await basisOf(this.#options, options);
    const schema = await this.#schemaAt(basis);
    return { basis, closed: true, strict: schema.strict, mode: schema.mode, attributes: [...schema.attributes()] };
  }

  async *feed(query: FeedQuery): AsyncIterable<FeedEvent> {
    const { reader } = this.#options;
    const { id } = reader.info;
    const start = parseFeedStart(query.offset, id);
    let position = start.kind === 'now' ? reader.closed : start.tx;
    const stopped = (): boolean => query.signal?.aborted === true;
    while (!stopped()) {
      const upTo = reader.closed;
      for await (const transaction of this.#transactions.after(position, upTo, FEED_FACTS)) {
        position = transaction.tx;
        const facts = filterFacts(filterOf(query), transaction.facts);
        if (facts === undefined) continue;
        const { meta } = infoOf(transaction);
        yield { kind: 'transaction', offset: feedOffset(position, id), tx: position, meta, facts };
        if (stopped()) return;
      }
      // A position ahead of this reader (a tx just committed elsewhere) stays where it is.
      if (upTo > position) position = upTo;
      yield { kind: 'progress', offset: feedOffset(position, id), tx: position, upToDate: reader.closed <= position };
      if (!query.follow) return;
      await reader.waitClosed(asTx(position + 1n), FEED_PROGRESS_MILLIS, query.signal);
    }
  }

  async #scan(mode: 'state' | 'facts', query: FactsQuery, options: ReadOptions): Promise<FactsPage> {
    const bounds = boundsOf(query);
    const { basis, after, kind } = await this.#page(query, options, [mode, query.index, ...Object.values(bounds)]);
    checkPrefix(query);
    const page = await this.#reader.run(
      scan(this.#reader.view(), query.index, bounds, { basis, mode, after, limit: limitOf(query) }),
    );
    return this.#factsPage(kind, basis, page);
  }

  /** Basis and start of a page: the first page's where a cursor is given. */
  async #page(
    query: { readonly cursor?: string | undefined },
    options: ReadOptions,
    question: readonly unknown[],
  ): Promise<{ basis: Tx; after: Fact | undefined; position: Tx | undefined; kind: string }> {
    const kind = question.map((part) => describe(part)).join(' ');
    if (query.cursor === undefined) {
      return { basis: await basisOf(this.#options, options), after: undefined, position: undefined, kind };
    }
    const cursor = decodeCursor(query.cursor, this.#reader.info.id, kind);
    return { basis: cursor.basis, after: cursor.after, position: cursor.position, kind };
  }

  #factsPage(kind: string, basis: Tx, page: { readonly facts: readonly Fact[]; readonly more: boolean }): FactsPage {
    const last = page.more ? page.facts.at(-1) : undefined;
    const next = last === undefined ? undefined : this.#cursor(kind, basis, last, undefined);
    return { basis, closed: true, facts: page.facts, next };
  }

  #cursor(kind: string, basis: Tx, after: Fact | undefined, position: Tx | undefined): string {
    return encodeCursor({ databaseId: this.#reader.info.id, kind, basis, after, position });
  }

  /** The newest schema where it is old enough, else as it was. */
  async #schemaAt(basis: Tx): Promise<Schema> {
    const { schema, info } = this.#reader;
    if (schema.tx <= basis) return schema;
    return this.#reader.run(readSchema(this.#reader.view(), initialSchema(info), basis));
  }

  /** `tx/timestamp` is computed from the tx, for every transaction there is. */
  async #timestampOf(id: string, basis: Tx): Promise<Value | undefined> {
    const tx = id.startsWith('tx:') ? parseTx(id.slice(3)) : undefined;
    if (tx === undefined || tx > basis || (await this.#transactions.find(tx)) === undefined) return undefined;
    return instantOfTx(tx);
  }
}

function limitOf({ limit = LIMIT_DEFAULT }: { readonly limit?: number | undefined }): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new PyralogError('parameter-invalid', `limit: ${limit} is not a whole number from 1 to ${LIMIT_MAX}.`);
}

function least(a: Tx, ...others: readonly (Tx | undefined)[]): Tx {
  let result = a;
  for (const other of others) if (other !== undefined && other < result) result = other;
  return result;
}

/** The facts on the transaction entity, as its meta: names without `tx/`. */
function infoOf({ tx, facts }: CommittedTransaction): TransactionInfo {
  const meta = new Map<string, Value[]>();
  const entity = `tx:${tx}`;
  for (const fact of facts) {
    if (fact.entity !== entity || fact.operation !== 'assert') continue;
    const name = fact.attribute.startsWith('tx/') ? fact.attribute.slice(3) : fact.attribute;
    const values = meta.get(name);
    if (values === undefined) meta.set(name, [fact.value]);
    else values.push(fact.value);
  }
  return { tx, meta };
}

function isAuthor({ meta }: TransactionInfo, author: string): boolean {
  return meta.get('author')?.some((value) => value.value === author) ?? false;
}

function filterOf({ entity, attribute, prefix }: FeedQuery): FeedFilter {
  return { entity, attribute, prefix };
}

type Bounds = Pick<FactsQuery, 'entity' | 'attribute' | 'value' | 'valueFrom' | 'valueTo'>;

function boundsOf({ entity, attribute, value, valueFrom, valueTo }: FactsQuery): Bounds {
  return { entity, attribute, value, valueFrom, valueTo };
}
