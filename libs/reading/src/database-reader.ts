import { compareUtf8 } from '@pyralog/base';
import type {
  AttributeValues,
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
import {
  decodeCursor,
  encodeCursor,
  factKey,
  KEY_COMPONENTS,
  readSearchKey,
} from '@pyralog/format';
import { diff, entityAsOf, entityHistory, entityNow, scan } from '@pyralog/indexing';
import {
  checkEntity,
  coerceValue,
  type Fact,
  formatValue,
  initialSchema,
  instantValue,
  parseTx,
  PyralogError,
  type Schema,
  TX_NAMESPACE,
  type Tx,
  tx as asTx,
  txEntity,
  type Value,
} from '@pyralog/model';
import { basisOf, type MomentDeps } from './moments.ts';
import type { PartitionReader } from './partition-reader.ts';
import { SchemaHistory } from './schema-history.ts';
import { type CommittedTransaction, TransactionLog } from './transaction-log.ts';

/** Rows of a page where none are asked for, and the most that may be. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;
/** How long a feed that follows waits before it tells its progress again. */
const FEED_PROGRESS_MILLIS = 15_000;

interface PageStart {
  /** The question, without what differs between its pages. */
  readonly listing: string;
  readonly basis: Tx;
  /** Key of the last row of the page before. */
  readonly after: Uint8Array | undefined;
}

/** What a reader of a database stands on. */
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
  readonly #schemas: SchemaHistory;

  constructor(options: DatabaseReaderOptions) {
    this.#options = options;
    this.#reader = options.reader;
    this.#transactions = new TransactionLog(options.reader);
    this.#schemas = new SchemaHistory(initialSchema(options.reader.info));
  }

  async entity(id: string, options: ReadOptions = {}): Promise<EntityAnswer> {
    checkEntity(id);
    const basis = await basisOf(this.#options, options);
    const schema = await this.schemaAt(basis);
    const view = this.#reader.view();
    const now = basis === this.#reader.closed;
    const facts = await this.#reader.run(now ? entityNow(view, id) : entityAsOf(view, id, basis));
    const attributes = valuesByAttribute(facts, schema);
    const timestamp = await this.#timestampOf(id, basis);
    if (timestamp === undefined) return { entity: id, basis, closed: true, attributes };
    attributes.set('tx/timestamp', { cardinality: 'one', values: [timestamp] });
    const sorted = new Map([...attributes].toSorted(([a], [b]) => compareUtf8(a, b)));
    return { entity: id, basis, closed: true, attributes: sorted };
  }

  async history(
    id: string,
    query: HistoryQuery = {},
    options: ReadOptions = {},
  ): Promise<FactsPage> {
    checkEntity(id);
    const page = await this.#page(
      ['history', id, query.attribute, query.from, query.to],
      query,
      options,
    );
    const { attribute, from: fromTx, to = page.basis } = query;
    const toTx = least(page.basis, to);
    const found = await this.#reader.run(
      entityHistory(this.#reader.view(), id, {
        attribute,
        fromTx,
        toTx,
        after: page.after === undefined ? undefined : readSearchKey('eavt', page.after),
        limit: limitOf(query),
      }),
    );
    return this.#factsPage(page, found, (fact) => factKey('eavt', fact));
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
      throw new PyralogError(
        'transaction-not-found',
        `No transaction ${tx} is known at basis ${basis}.`,
        {
          hint: 'A tx is given by the answer to a commit; give await=<tx> to wait for a new one.',
        },
      );
    }
    return { basis, closed: true, ...(await this.#infoOf(found)), facts: found.facts };
  }

  async transactions(
    query: TransactionsQuery = {},
    options: ReadOptions = {},
  ): Promise<TransactionsPage> {
    const page = await this.#page(
      ['transactions', query.from, query.to, query.author],
      query,
      options,
    );
    const { basis, after } = page;
    const limit = limitOf(query);
    const newest = least(
      basis,
      query.to,
      after === undefined ? undefined : asTx(txOfKey(after) - 1n),
    );
    const transactions: TransactionInfo[] = [];
    for await (const transaction of this.#transactions.before(newest)) {
      if (query.from !== undefined && transaction.tx < query.from) break;
      const info = await this.#infoOf(transaction);
      if (query.author !== undefined && !isAuthor(info, query.author)) continue;
      if (transactions.length === limit) {
        const last = transactions.at(-1) as TransactionInfo;
        return { basis, closed: true, transactions, next: this.#next(page, keyOfTx(last.tx)) };
      }
      transactions.push(info);
    }
    return { basis, closed: true, transactions, next: undefined };
  }

  async diff(query: DiffQuery, options: ReadOptions = {}): Promise<DiffPage> {
    const later = query.from > query.to ? query.from : query.to;
    // A moment ahead of what is closed is waited for, or refused, as any other read's.
    const read = query.cursor === undefined ? { ...options, asOf: later } : options;
    await basisOf(this.#options, read);
    const page = await this.#page(['diff', query.from, query.to], query, options);
    const { basis, after } = page;
    const [from, to] = [least(query.from, basis), least(query.to, basis)];
    const found = await this.#reader.run(
      diff(this.#reader.view(), from, to, {
        after: after === undefined ? undefined : readSearchKey('eavt', after),
        limit: limitOf(query),
      }),
    );
    const next = found.next === undefined ? undefined : this.#next(page, found.next);
    return { basis, closed: true, added: found.added, removed: found.removed, next };
  }

  async schema(options: ReadOptions = {}): Promise<SchemaAnswer> {
    const basis = await basisOf(this.#options, options);
    const schema = await this.schemaAt(basis);
    return {
      basis,
      closed: true,
      strict: schema.strict,
      mode: schema.mode,
      attributes: [...schema.attributes()],
    };
  }

  /** The newest schema where it is old enough, else as it was. @param basis not above closed */
  async schemaAt(basis: Tx): Promise<Schema> {
    const { schema, closed } = this.#reader;
    if (schema.tx <= basis) return schema;
    return this.#reader.run(this.#schemas.at(basis, this.#reader.view(), closed));
  }

  async *feed(query: FeedQuery): AsyncIterable<FeedEvent> {
    const { reader } = this.#options;
    const { id } = reader.info;
    const start = parseFeedStart(query.offset, id);
    let position = start.kind === 'now' ? reader.closed : start.tx;
    const stopped = (): boolean => query.signal?.aborted === true;
    while (!stopped()) {
      const upTo = reader.closed;
      for await (const transaction of this.#transactions.after(position, upTo)) {
        position = transaction.tx;
        const facts = filterFacts(filterOf(query), transaction.facts);
        if (facts === undefined) continue;
        const { meta } = await this.#infoOf(transaction);
        yield { kind: 'transaction', offset: feedOffset(position, id), tx: position, meta, facts };
        if (stopped()) return;
      }
      // A position ahead of this reader (a tx just committed elsewhere) stays where it is.
      if (upTo > position) position = upTo;
      yield {
        kind: 'progress',
        offset: feedOffset(position, id),
        tx: position,
        upToDate: reader.closed <= position,
      };
      if (!query.follow) return;
      await reader.waitClosed(asTx(position + 1n), FEED_PROGRESS_MILLIS, query.signal);
    }
  }

  async #scan(
    what: 'state' | 'facts',
    query: FactsQuery,
    options: ReadOptions,
  ): Promise<FactsPage> {
    const bounds = this.#boundsOf(query);
    const { index } = query;
    const page = await this.#page(
      [what, index, ...BOUNDS.map((name) => shown(bounds[name]))],
      query,
      options,
    );
    const { basis, after } = page;
    const mode = what === 'state' && basis === this.#reader.closed ? 'now' : what;
    const schema = this.#reader.schema;
    const listed = (attribute: string): boolean => schema.attribute(attribute)?.index === true;
    const found = await this.#reader.run(
      scan(this.#reader.view(), index, bounds, {
        basis,
        mode,
        after: after === undefined ? undefined : readSearchKey(index, after),
        limit: limitOf(query),
        listed,
      }),
    );
    return this.#factsPage(page, found, (fact) => factKey(index, fact));
  }

  /** The bounds of a scan, checked: a leading part of the index, values of the attribute's type. */
  #boundsOf(query: FactsQuery): Bounds {
    const { index, attribute } = query;
    const order = KEY_COMPONENTS[index].filter((name) => name !== 'tx');
    const given = (name: 'entity' | 'attribute' | 'value'): boolean =>
      query[name] !== undefined ||
      (name === 'value' && (query.valueFrom !== undefined || query.valueTo !== undefined));
    const missing = order.findIndex((name) => !given(name));
    const beyond = missing < 0 ? undefined : order.slice(missing + 1).find(given);
    if (beyond !== undefined) {
      throw new PyralogError(
        'parameter-invalid',
        `${beyond}: the index ${index} needs ${order[missing]} before it.`,
        {
          hint: 'Give a leading part of the index, or choose another: eavt, aevt, avet (by value), vaet (by reference).',
        },
      );
    }
    if (
      query.value !== undefined &&
      (query.valueFrom !== undefined || query.valueTo !== undefined)
    ) {
      throw new PyralogError('parameter-invalid', 'value: give either a value or a range.');
    }
    const definition =
      attribute === undefined ? undefined : this.#reader.schema.attribute(attribute);
    if (
      index === 'avet' &&
      attribute !== undefined &&
      definition !== undefined &&
      !definition.index
    ) {
      throw new PyralogError(
        'parameter-invalid',
        `attribute: ${attribute} is not indexed by value.`,
        {
          hint: 'Define it with db/index true before its first use, or list it by index=aevt.',
        },
      );
    }
    const typed = (value: Value | undefined): Value | undefined =>
      value === undefined || definition === undefined
        ? value
        : coerceValue({ value, plain: true }, definition);
    return {
      entity: query.entity,
      attribute,
      value: typed(query.value),
      valueFrom: typed(query.valueFrom),
      valueTo: typed(query.valueTo),
    };
  }

  /** Basis and start of a page: the first page's where a cursor is given. */
  async #page(
    question: readonly (string | Tx | undefined)[],
    query: { readonly cursor?: string | undefined },
    options: ReadOptions,
  ): Promise<PageStart> {
    const listing = question.map((part) => part?.toString() ?? '').join('\u0000');
    if (query.cursor === undefined)
      return { listing, basis: await basisOf(this.#options, options), after: undefined };
    const { basis, key } = decodeCursor(query.cursor, this.#reader.info.id, listing);
    return { listing, basis, after: key };
  }

  #factsPage(
    page: PageStart,
    { facts, more }: { readonly facts: readonly Fact[]; readonly more: boolean },
    keyOf: (fact: Fact) => Uint8Array,
  ): FactsPage {
    const last = more ? facts.at(-1) : undefined;
    return {
      basis: page.basis,
      closed: true,
      facts,
      next: last === undefined ? undefined : this.#next(page, keyOf(last)),
    };
  }

  #next({ listing, basis }: PageStart, key: Uint8Array): string {
    return encodeCursor(this.#reader.info.id, { listing, basis, key });
  }

  /** The facts on the transaction's own entity are its meta. */
  async #infoOf({ tx, facts }: CommittedTransaction): Promise<TransactionInfo> {
    const entity = txEntity(tx);
    const own = facts.filter((fact) => fact.entity === entity && fact.operation === 'assert');
    return { tx, meta: valuesByAttribute(own, await this.schemaAt(tx), nameInMeta) };
  }

  /** `tx/timestamp` is computed from the tx, for every transaction there is. */
  async #timestampOf(id: string, basis: Tx): Promise<Value | undefined> {
    const tx = id.startsWith('tx:') ? parseTx(id.slice(3)) : undefined;
    if (tx === undefined || tx > basis || (await this.#transactions.find(tx)) === undefined)
      return undefined;
    return instantValue(tx / 1000n);
  }
}

function limitOf({ limit = LIMIT_DEFAULT }: { readonly limit?: number | undefined }): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new PyralogError(
    'parameter-invalid',
    `limit: ${limit} is not a whole number from 1 to ${LIMIT_MAX}.`,
  );
}

function least(a: Tx, ...others: readonly (Tx | undefined)[]): Tx {
  let result = a;
  for (const other of others) if (other !== undefined && other < result) result = other;
  return result;
}

/** Values by attribute, with the cardinality that a schema gives each. */
function valuesByAttribute(
  facts: Iterable<Fact>,
  schema: Schema,
  nameOf: (attribute: string) => string = (attribute) => attribute,
): Map<string, AttributeValues> {
  const attributes = new Map<string, AttributeValues & { readonly values: Value[] }>();
  for (const { attribute, value } of facts) {
    const name = nameOf(attribute);
    const known = attributes.get(name);
    if (known !== undefined) known.values.push(value);
    else {
      const cardinality = schema.attribute(attribute)?.cardinality ?? 'one';
      attributes.set(name, { cardinality, values: [value] });
    }
  }
  return attributes;
}

function nameInMeta(attribute: string): string {
  return attribute.startsWith(TX_NAMESPACE) ? attribute.slice(TX_NAMESPACE.length) : attribute;
}

function isAuthor({ meta }: TransactionInfo, author: string): boolean {
  return meta.get('author')?.values.some(({ value }) => value === author) ?? false;
}

function filterOf({ entity, attribute, prefix }: FeedQuery): FeedFilter {
  return { entity, attribute, prefix };
}

type Bounds = Pick<FactsQuery, 'entity' | 'attribute' | 'value' | 'valueFrom' | 'valueTo'>;

const BOUNDS = ['entity', 'attribute', 'value', 'valueFrom', 'valueTo'] as const;

function shown(bound: string | Value | undefined): string | undefined {
  return typeof bound === 'object' ? `${bound.type} ${formatValue(bound)}` : bound;
}

function keyOfTx(tx: Tx): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, tx);
  return key;
}

function txOfKey(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(0);
}
