import { compareUtf8, must } from '@pyralog/base';
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
import {
  diff,
  type DiffResult,
  entityAsOf,
  entityHistory,
  entityNow,
  scan,
  type ScanBounds,
} from '@pyralog/indexing';
import {
  type AttributeDefinition,
  checkEntity,
  coerceValue,
  compareFacts,
  equalValues,
  type Fact,
  formatValue,
  initialSchema,
  instantValue,
  isReference,
  parseTx,
  PyralogError,
  type Schema,
  type StoredDefinition,
  type StoredFact,
  type StoredValue,
  storedValue,
  TX_LAST,
  TX_NAMESPACE,
  type Tx,
  tx as asTx,
  txEntity,
  type Value,
} from '@pyralog/model';
import { type Blobs, factsOnPage, type KnownBlobs, PageBytes } from './blobs.ts';
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
    const stored = await this.#reader.run(now ? entityNow(view, id) : entityAsOf(view, id, basis));
    const attributes = valuesByAttribute(await this.wholeFacts(stored), schema);
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
    const facts = await this.wholeFacts(found.facts);
    return { basis, closed: true, ...(await this.#infoOf(tx, facts)), facts };
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
    const author =
      query.author === undefined ? undefined : storedValue({ type: 'string', value: query.author });
    const found: CommittedTransaction[] = [];
    const room = new PageBytes();
    let next: string | undefined;
    for await (const transaction of this.#transactions.before(newest)) {
      if (query.from !== undefined && transaction.tx < query.from) break;
      const own = { tx: transaction.tx, facts: metaOf(transaction) };
      if (author !== undefined && !isAuthor(own, author)) continue;
      const last = found.at(-1);
      const fits = room.add(...own.facts.map(({ value }) => value));
      if (last !== undefined && (found.length === limit || !fits)) {
        next = this.#next(page, keyOfTx(last.tx));
        break;
      }
      found.push(own);
    }
    const transactions: TransactionInfo[] = [];
    for (const { tx, facts } of found)
      transactions.push(await this.#infoOf(tx, await this.wholeFacts(facts)));
    return { basis, closed: true, transactions, next };
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
    const { added, removed, next } = diffOnPage(found);
    return {
      basis,
      closed: true,
      added: await this.wholeFacts(added),
      removed: await this.wholeFacts(removed),
      next: next === undefined ? undefined : this.#next(page, next),
    };
  }

  async schema(options: ReadOptions = {}): Promise<SchemaAnswer> {
    const basis = await basisOf(this.#options, options);
    const schema = await this.schemaAt(basis);
    return {
      basis,
      closed: true,
      strict: schema.strict,
      mode: schema.mode,
      attributes: await this.#definitions([...schema.attributes()]),
    };
  }

  /** Who held a value of a unique attribute at a moment. */
  async holderOf(
    attribute: string,
    value: StoredValue,
    options: ReadOptions,
  ): Promise<string | undefined> {
    const basis = await basisOf(this.#options, options);
    const bounds = { attribute, value };
    const found = await this.#reader.run(
      scan(this.#reader.view(), 'avet', bounds, { basis, mode: 'state', limit: 1 }),
    );
    return found.facts[0]?.entity;
  }

  /**
   * Facts as they are answered, of facts as they are stored.
   * @param known blobs that need not be fetched
   */
  wholeFacts(stored: readonly StoredFact[], known?: KnownBlobs): Promise<readonly Fact[]> {
    return this.#blobs.facts(stored, known);
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
        const wanted = filterFacts(filterOf(query), transaction.facts);
        if (wanted === undefined) continue;
        const facts = await this.wholeFacts(wanted);
        const { meta } = await this.#infoOf(
          transaction.tx,
          await this.wholeFacts(metaOf(transaction)),
        );
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
    const typed = (value: Value | undefined): StoredValue | undefined => {
      if (value === undefined) return undefined;
      return storedValue(
        definition === undefined ? value : coerceValue({ value, plain: true }, definition),
      );
    };
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

  async #factsPage(
    page: PageStart,
    found: { readonly facts: readonly StoredFact[]; readonly more: boolean },
    keyOf: (fact: StoredFact) => Uint8Array,
  ): Promise<FactsPage> {
    const count = factsOnPage(found.facts);
    const stored = found.facts.slice(0, count);
    const more = found.more || count < found.facts.length;
    const last = more ? stored.at(-1) : undefined;
    return {
      basis: page.basis,
      closed: true,
      facts: await this.wholeFacts(stored),
      next: last === undefined ? undefined : this.#next(page, keyOf(last)),
    };
  }

  #next({ listing, basis }: PageStart, key: Uint8Array): string {
    return encodeCursor(this.#reader.info.id, { listing, basis, key });
  }

  async #infoOf(tx: Tx, facts: readonly Fact[]): Promise<TransactionInfo> {
    const own = metaOf({ tx, facts });
    return { tx, meta: valuesByAttribute(own, await this.schemaAt(tx), nameInMeta) };
  }

  /** Definitions with their docs whole. */
  async #definitions(stored: readonly StoredDefinition[]): Promise<readonly AttributeDefinition[]> {
    const docs = stored.flatMap(({ doc }) => (typeof doc === 'object' ? [doc] : []));
    const texts = (await this.#blobs.values(docs)).values();
    return stored.map(({ doc, ...definition }) => {
      if (typeof doc !== 'object') return { ...definition, doc };
      const text = must(texts.next().value, 'every doc was fetched');
      return { ...definition, doc: text.type === 'string' ? text.value : undefined };
    });
  }

  get #blobs(): Blobs {
    return this.#reader.index.blobs;
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

/** A page of a difference as far as there is room for its blobs; cut where a cursor can go on. */
function diffOnPage({ added, removed, next }: DiffResult): DiffResult {
  const all = [...added, ...removed].toSorted((a, b) => compareFacts('eavt', a, b));
  const count = factsOnPage(all);
  const last = all[count - 1];
  if (last === undefined || count === all.length) return { added, removed, next };
  const within = (fact: StoredFact): boolean => compareFacts('eavt', fact, last) <= 0;
  return {
    added: added.filter(within),
    removed: removed.filter(within),
    next: factKey('eavt', { ...last, tx: TX_LAST }),
  };
}

/** The facts on the transaction's own entity are its meta. */
function metaOf<F extends StoredFact>({
  tx,
  facts,
}: {
  readonly tx: Tx;
  readonly facts: readonly F[];
}): readonly F[] {
  const entity = txEntity(tx);
  return facts.filter((fact) => fact.entity === entity && fact.operation === 'assert');
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

function isAuthor({ facts }: CommittedTransaction, author: StoredValue): boolean {
  return facts.some(
    ({ attribute, value }) => attribute === 'tx/author' && equalValues(value, author),
  );
}

function filterOf({ entity, attribute, prefix }: FeedQuery): FeedFilter {
  return { entity, attribute, prefix };
}

type Bounds = Pick<ScanBounds, 'entity' | 'attribute' | 'value' | 'valueFrom' | 'valueTo'>;

const BOUNDS = ['entity', 'attribute', 'value', 'valueFrom', 'valueTo'] as const;

function shown(bound: string | StoredValue | undefined): string | undefined {
  if (typeof bound !== 'object') return bound;
  return `${bound.type} ${isReference(bound) ? bound.sha256 : formatValue(bound)}`;
}

function keyOfTx(tx: Tx): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, tx);
  return key;
}

function txOfKey(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(0);
}
