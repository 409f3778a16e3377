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
  type DiffResult,
  entityAsOf,
  entityHistory,
  entityNow,
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
  type PartitionNo,
  partitionOfTx,
  parseTx,
  PyralogError,
  type Schema,
  type StoredDefinition,
  type StoredFact,
  type StoredValue,
  storedValue,
  TX_LAST,
  TX_NAMESPACE,
  TX_NONE,
  type Tx,
  tx as asTx,
  txEntity,
  type Value,
} from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';
import { type Blobs, factsOnPage, type KnownBlobs, PageBytes } from './blobs.ts';
import { afterKey, diffPage, scanPage } from './database-pages.ts';
import { DatabaseTransactions } from './database-transactions.ts';
import { basisOf, newestBasis, type Timed } from './moments.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { Partitions } from './partitions.ts';
import { SchemaHistory } from './schema-history.ts';
import type { CommittedTransaction } from './transaction-log.ts';

/** Rows of a page where none are asked for, and the most that may be. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;
/** How long a feed that follows waits before it tells its progress again. */
const FEED_PROGRESS_MILLIS = 15_000;
/** How long a writer waits for the parts of what was decided. */
const DECIDED_MILLIS_MAX = 5_000;

interface PageStart {
  /** The question, without what differs between its pages. */
  readonly listing: string;
  readonly basis: Tx;
  /** Key of the last row of the page before. */
  readonly after: Uint8Array | undefined;
}

/** What a reader of a database stands on. */
export interface DatabaseReaderOptions {
  readonly partitions: Partitions;
  readonly clock: Clock;
  /** Asks the owner of a partition for a CLOSED record at once, at `upTo` or above. */
  readonly requestClosed: (partition: PartitionNo, upTo: Tx) => void;
}

/** Answers to everything that can be asked of a database, at a basis. */
export class DatabaseReader {
  readonly #options: DatabaseReaderOptions;
  readonly #partitions: Partitions;
  readonly #transactions: DatabaseTransactions;
  /** By partition: each has what it goes by. */
  readonly #schemas: readonly SchemaHistory[];
  /** The newest transactions that writers were told of here, by the partitions that they wrote on. */
  readonly #acknowledged: Tx[];

  constructor(options: DatabaseReaderOptions) {
    this.#options = options;
    this.#partitions = options.partitions;
    this.#transactions = new DatabaseTransactions(options.partitions);
    this.#acknowledged = options.partitions.all.map(() => TX_NONE);
    this.#schemas = options.partitions.all.map(
      ({ info }) => new SchemaHistory(initialSchema(info)),
    );
  }

  /**
   * A writer is told of a transaction here: reads of the newest state wait for it, of all partitions too, though those
   * without data may be behind.
   * @param partitions that it wrote on
   */
  acknowledged(tx: Tx, partitions: readonly PartitionNo[]): void {
    for (const partition of partitions)
      if (tx > (this.#acknowledged[partition] ?? tx)) this.#acknowledged[partition] = tx;
  }

  /**
   * The facts of a transaction that was decided just now: as soon as all of it is here, though promises of others may still
   * hold back what is closed.
   * @param partitions that it wrote on
   * @throws await-timeout, telling that it is committed
   */
  async decided(tx: Tx, partitions: readonly PartitionNo[]): Promise<readonly StoredFact[]> {
    const missing: PartitionNo[] = [];
    const { all } = this.#partitions;
    await Promise.all(
      partitions.map(async (partition) => {
        const isHere = await all[partition]?.waitCommitted(tx, DECIDED_MILLIS_MAX);
        if (isHere !== true) missing.push(partition);
      }),
    );
    if (missing.length === 0) return (await this.#transactions.findOn(tx, partitions))?.facts ?? [];
    throw new PyralogError(
      'await-timeout',
      `The transaction is committed, as ${tx}. What it wrote on partition ${missing.toSorted((a, b) => a - b).join(', ')} is not there yet.`,
      { hint: `It will be: read it with await=${tx}.`, extra: { tx: String(tx) } },
    );
  }

  async entity(id: string, options: ReadOptions = {}): Promise<EntityAnswer> {
    checkEntity(id);
    const reader = this.#partitions.of(id);
    const basis = await this.#basisAt(reader, options);
    const schema = await this.#schemaOf(reader, basis);
    const view = reader.view();
    const now = reader.isNow(basis);
    const stored = await reader.run(now ? entityNow(view, id) : entityAsOf(view, id, basis));
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
    const reader = this.#partitions.of(id);
    const page = await this.#page(
      ['history', id, query.attribute, query.from, query.to],
      query,
      () => this.#basisAt(reader, options),
    );
    const { attribute, from: fromTx, to = page.basis } = query;
    const toTx = least(page.basis, to);
    const found = await reader.run(
      entityHistory(reader.view(), id, {
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
    const basis = await this.#basis(options);
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
    const page = await this.#page(['transactions', query.from, query.to, query.author], query, () =>
      this.#basis(options),
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
    await this.#basis(read);
    const page = await this.#page(['diff', query.from, query.to], query, () =>
      this.#basis(options),
    );
    const { basis, after } = page;
    const [from, to] = [least(query.from, basis), least(query.to, basis)];
    const found = await diffPage(this.#partitions.all, from, to, {
      after: afterKey('eavt', after),
      limit: limitOf(query),
    });
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
    const { first } = this.#partitions;
    const basis = await this.#basisAt(first, options);
    const schema = await this.#schemaOf(first, basis);
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
    const basis = await this.#basis(options);
    const bounds = { attribute, value };
    const read = { basis, mode: 'state', limit: 1 } as const;
    const found = await scanPage(this.#partitions.all, 'avet', bounds, () => read);
    return found.facts[0]?.entity;
  }

  /**
   * Facts as they are answered, of facts as they are stored.
   * @param known blobs that need not be fetched
   */
  wholeFacts(stored: readonly StoredFact[], known?: KnownBlobs): Promise<readonly Fact[]> {
    return this.#blobs.facts(stored, known);
  }

  /** The schema as it was, on the partition that a transaction was coordinated by. @param tx not above closed */
  schemaAt(tx: Tx): Promise<Schema> {
    const { all } = this.#partitions;
    return this.#schemaOf(must(all[partitionOfTx(tx) % all.length], 'a partition'), tx);
  }

  /** The newest schema where it is old enough, else as it was. @param basis not above closed */
  async #schemaOf(reader: PartitionReader, basis: Tx): Promise<Schema> {
    const { schema, closed } = reader;
    if (schema.tx <= basis) return schema;
    const schemas = must(this.#schemas[reader.index.partition], 'each partition has a schema');
    return reader.run(schemas.at(basis, reader.view(), closed));
  }

  /** The basis of a read of all partitions. */
  #basis(options: ReadOptions): Promise<Tx> {
    const partitions = this.#partitions;
    const { clock, requestClosed } = this.#options;
    const timed: Timed = {
      get closed() {
        return partitions.closed;
      },
      get latest() {
        return partitions.latest;
      },
      get mode() {
        return partitions.first.schema.mode;
      },
      waitClosed: (tx, timeoutMillis, signal) => partitions.waitClosed(tx, timeoutMillis, signal),
      requestClosed: (tx) => {
        for (const { closed, index } of partitions.all)
          if (closed < tx) requestClosed(index.partition, tx);
      },
    };
    return isNewest(options)
      ? newestBasis(timed, clock, this.#newestAcknowledged, options)
      : basisOf(timed, clock, options);
  }

  get #newestAcknowledged(): Tx {
    let newest: Tx = TX_NONE;
    for (const tx of this.#acknowledged) if (tx > newest) newest = tx;
    return newest;
  }

  /** The basis of a read of one partition. */
  #basisAt(reader: PartitionReader, options: ReadOptions): Promise<Tx> {
    const partitions = this.#partitions;
    const { clock, requestClosed } = this.#options;
    const timed: Timed = {
      get closed() {
        return reader.closed;
      },
      get latest() {
        return partitions.latest;
      },
      get mode() {
        return reader.schema.mode;
      },
      waitClosed: (tx, timeoutMillis, signal) => reader.waitClosed(tx, timeoutMillis, signal),
      requestClosed: (tx) => requestClosed(reader.index.partition, tx),
    };
    const acknowledged = this.#acknowledged[reader.index.partition] ?? TX_NONE;
    return isNewest(options)
      ? newestBasis(timed, clock, acknowledged, options)
      : basisOf(timed, clock, options);
  }

  /** @param coordinator only what this partition has coordinated: of all of them each transaction is told once */
  async *feed(query: FeedQuery, coordinator?: PartitionNo): AsyncIterable<FeedEvent> {
    const partitions = this.#partitions;
    const { id } = partitions.info;
    const start = parseFeedStart(query.offset, id);
    await this.#basis({});
    let position = start.kind === 'now' ? partitions.closed : start.tx;
    const stopped = (): boolean => query.signal?.aborted === true;
    while (!stopped()) {
      const upTo = partitions.closed;
      for await (const transaction of this.#transactions.after(position, upTo, coordinator)) {
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
        upToDate: partitions.closed <= position && this.#newestAcknowledged <= position,
      };
      if (!query.follow) return;
      await partitions.waitClosed(asTx(position + 1n), FEED_PROGRESS_MILLIS, query.signal);
    }
  }

  async #scan(
    what: 'state' | 'facts',
    query: FactsQuery,
    options: ReadOptions,
  ): Promise<FactsPage> {
    const bounds = this.#boundsOf(query);
    const { index, entity } = query;
    const home = entity === undefined ? undefined : this.#partitions.of(entity);
    const page = await this.#page(
      [what, index, ...BOUNDS.map((name) => shown(bounds[name]))],
      query,
      () => (home === undefined ? this.#basis(options) : this.#basisAt(home, options)),
    );
    const { basis, after } = page;
    const limit = limitOf(query);
    const readers = home === undefined ? this.#partitions.all : [home];
    const found = await scanPage(readers, index, bounds, (reader) => ({
      basis,
      mode: what === 'state' && reader.isNow(basis) ? 'now' : what,
      after: afterKey(index, after),
      limit,
      listed: (attribute) => reader.schema.attribute(attribute)?.index === true,
    }));
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
      attribute === undefined ? undefined : this.#partitions.first.schema.attribute(attribute);
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
    basis: () => Promise<Tx>,
  ): Promise<PageStart> {
    const listing = question.map((part) => part?.toString() ?? '').join('\u0000');
    if (query.cursor === undefined) return { listing, basis: await basis(), after: undefined };
    const found = decodeCursor(query.cursor, this.#partitions.info.id, listing);
    return { listing, basis: found.basis, after: found.key };
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
    return encodeCursor(this.#partitions.info.id, { listing, basis, key });
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
    return this.#partitions.first.index.blobs;
  }

  /** `tx/timestamp` is computed from the tx, for every transaction there is. */
  async #timestampOf(id: string, basis: Tx): Promise<Value | undefined> {
    const tx = id.startsWith('tx:') ? parseTx(id.slice(3)) : undefined;
    if (tx === undefined || tx > basis || (await this.#transactions.find(tx)) === undefined)
      return undefined;
    return instantValue(tx / 1000n);
  }
}

function isNewest({ asOf, await: awaited }: ReadOptions): boolean {
  return asOf === undefined && awaited === undefined;
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
