import { compareUtf8, toHex, utf8Decode, utf8Encode } from '@pyralog/base';
import type {
  AttributeValues,
  CommitResult,
  CreateOptions,
  Database,
  DatabaseHost,
  DiffPage,
  DiffQuery,
  EntityAnswer,
  FactsPage,
  FactsQuery,
  FeedEvent,
  FeedQuery,
  HistoryQuery,
  PageOptions,
  ReadOptions,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionInfo,
  TransactionsPage,
  TransactionsQuery,
  TransactOptions,
} from '@pyralog/client';
import {
  decodeCursor,
  decodeFeedOffset,
  encodeCursor,
  encodeFeedOffset,
  isDatabaseName,
} from '@pyralog/format';
import {
  checkEntity,
  CLOCK_SKEW_MAX,
  coerceValue,
  equalValues,
  type Fact,
  foldSchema,
  HybridClock,
  initialSchema,
  mintEntity,
  parseDocument,
  partitionNo,
  parseTx,
  PyralogError,
  type Schema,
  settingsFacts,
  TX_NONE,
  type Tx,
  txEntity,
  txOfEntity,
  type Value,
} from '@pyralog/model';
import { indexOrder, valueOrder } from '../oracle/order.ts';
import { meaningOf } from '../oracle/rules.ts';

interface Committed {
  readonly tx: Tx;
  readonly facts: readonly Fact[];
}

const COMPONENTS = {
  eavt: ['entity', 'attribute', 'value'],
  aevt: ['attribute', 'entity', 'value'],
  avet: ['attribute', 'value', 'entity'],
  vaet: ['value', 'attribute', 'entity'],
} as const;

/**
 * A database that keeps its log in an array and answers by going through all of it. Slow, small, and real: the HTTP door and
 * its client are proven against each other on it, and the contract suite on its plainness.
 */
export class MemoryDatabase implements Database {
  readonly name: string;
  readonly #id = toHex(crypto.getRandomValues(new Uint8Array(16)));
  readonly #settings: Required<{ [K in keyof CreateOptions]: NonNullable<CreateOptions[K]> }>;
  readonly #clock = new HybridClock(partitionNo(0));
  readonly #log: Committed[] = [];
  readonly #keys = new Map<
    string,
    { readonly hash: string; readonly tx: Tx; readonly ids: ReadonlyMap<string, string> }
  >();
  #schema: Schema;
  /** Moments up to here were answered: nothing is committed at or below. */
  #closed: Tx = TX_NONE;
  #waiting: (() => void)[] = [];

  constructor(name: string, { partitions = 1, strict = false, mode = 'live' }: CreateOptions = {}) {
    this.name = name;
    this.#settings = { partitions, strict, mode };
    this.#schema = initialSchema(this.#settings);
  }

  hasSettings({ partitions = 1, strict = false, mode = 'live' }: CreateOptions): boolean {
    return (
      partitions === this.#settings.partitions &&
      strict === this.#settings.strict &&
      mode === this.#settings.mode
    );
  }

  async transact(
    bytes: Uint8Array,
    { explain = false }: TransactOptions = {},
  ): Promise<CommitResult> {
    const since = performance.now();
    const document = parseDocument(bytes);
    const known = document.id === undefined ? undefined : this.#keys.get(document.id);
    if (known !== undefined) {
      if (known.hash !== document.contentHash)
        throw new PyralogError('key-reused', 'The idempotency key was used with other content.');
      const first = this.#log.find(({ tx }) => tx === known.tx) as Committed;
      return { ...first, ids: known.ids, duplicate: true };
    }
    const tx = this.#stamp(document.at);
    const log = this.#facts(this.#closed);
    const before = { log, inForce: this.#inForce(this.#closed), settings: this.#settings };
    const meaning = meaningOf(document, before, {
      tx,
      mint: ([first = ''], ordinal) => mintEntity(first, tx, ordinal, partitionNo(0), 1),
    });
    if (meaning.kind === 'refused') throw meaning.reasons[0] as PyralogError;
    const { facts, ids } = meaning;
    if (document.id !== undefined)
      this.#keys.set(document.id, { hash: document.contentHash, tx, ids });
    this.#commit({ tx, facts }, foldSchema(this.#schema, facts));
    const total = Math.round((performance.now() - since) * 1_000) / 1_000;
    const millis = { publish: 0, wait: 0, prepare: 0, commit: total, total };
    const explained = explain ? { partitions: [0], attempts: 1, millis } : undefined;
    return { tx, facts, ids, duplicate: false, explain: explained };
  }

  async entity(id: string, options: ReadOptions = {}): Promise<EntityAnswer> {
    checkEntity(id);
    const basis = await this.#basis(options);
    const schema = this.#schemaAt(basis);
    const attributes = new Map<string, { cardinality: 'one' | 'many'; values: Value[] }>();
    for (const { attribute, value } of this.#inForce(basis)
      .filter(({ entity }) => entity === id)
      .toSorted((a, b) => indexOrder('eavt', a, b))) {
      const cardinality = schema.attribute(attribute)?.cardinality ?? 'one';
      attributes.set(attribute, {
        cardinality,
        values: [...(attributes.get(attribute)?.values ?? []), value],
      });
    }
    const own = txOfEntity(id);
    if (own !== undefined && own <= basis && this.#log.some(({ tx }) => tx === own))
      attributes.set('tx/timestamp', {
        cardinality: 'one',
        values: [{ type: 'instant', value: own / 1000n }],
      });
    return {
      entity: id,
      basis,
      closed: true,
      attributes: new Map([...attributes].toSorted(([a], [b]) => compareUtf8(a, b))),
    };
  }

  async history(
    id: string,
    query: HistoryQuery = {},
    options: ReadOptions = {},
  ): Promise<FactsPage> {
    checkEntity(id);
    const { from, to, attribute } = query;
    return this.#factsPage(query, options, ['history', id, attribute, from, to], (basis) =>
      this.#facts(basis)
        .filter(
          (fact) =>
            fact.entity === id &&
            (attribute === undefined || fact.attribute === attribute) &&
            (from === undefined || fact.tx >= from) &&
            (to === undefined || fact.tx <= to),
        )
        .toSorted((a, b) => Number(a.tx - b.tx) || indexOrder('eavt', a, b)),
    );
  }

  async state(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#factsPage(query, options, listing('state', query), (basis) =>
      this.#select(query, this.#inForce(basis), basis),
    );
  }

  async facts(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#factsPage(query, options, listing('facts', query), (basis) =>
      this.#select(query, this.#facts(basis), basis),
    );
  }

  async transaction(tx: Tx, options: ReadOptions = {}): Promise<TransactionAnswer> {
    const basis = await this.#basis(options);
    const found = this.#log.find((each) => each.tx === tx && tx <= basis);
    if (found === undefined)
      throw new PyralogError('transaction-not-found', `There is no transaction ${tx}.`);
    return { basis, closed: true, ...infoOf(found, this.#schema), facts: found.facts };
  }

  async transactions(
    query: TransactionsQuery = {},
    options: ReadOptions = {},
  ): Promise<TransactionsPage> {
    const { from, to, author } = query;
    const page = await this.#page(query, options, ['transactions', from, to, author], (basis) =>
      this.#log
        .filter(
          ({ tx }) =>
            tx <= basis && (from === undefined || tx >= from) && (to === undefined || tx <= to),
        )
        .map((committed) => infoOf(committed, this.#schema))
        .filter(
          ({ meta }) =>
            author === undefined ||
            meta.get('author')?.values.some(({ value }) => value === author) === true,
        )
        .toReversed(),
    );
    return { basis: page.basis, closed: true, transactions: page.rows, next: page.next };
  }

  async diff(query: DiffQuery, options: ReadOptions = {}): Promise<DiffPage> {
    const { from, to } = query;
    const page = await this.#page(query, options, ['diff', from, to], (basis) => {
      const before = this.#inForce(least(from, basis));
      const after = this.#inForce(least(to, basis));
      const without = (all: readonly Fact[], others: readonly Fact[]): readonly Fact[] =>
        all.filter((fact) => !others.some((other) => sameThing(fact, other)));
      const changed = [
        ...without(after, before).map((fact) => ({ fact, added: true })),
        ...without(before, after).map((fact) => ({ fact, added: false })),
      ];
      return changed.toSorted((a, b) => indexOrder('eavt', a.fact, b.fact));
    });
    const side = (added: boolean): readonly Fact[] =>
      page.rows.filter((row) => row.added === added).map(({ fact }) => fact);
    return {
      basis: page.basis,
      closed: true,
      added: side(true),
      removed: side(false),
      next: page.next,
    };
  }

  async schema(options: ReadOptions = {}): Promise<SchemaAnswer> {
    const basis = await this.#basis(options);
    const schema = this.#schemaAt(basis);
    return {
      basis,
      closed: true,
      strict: schema.strict,
      mode: schema.mode,
      // Its facts hold their values whole, and so does what is folded of them.
      attributes: Array.from(schema.attributes(), ({ doc, ...definition }) => ({
        ...definition,
        doc: typeof doc === 'string' ? doc : undefined,
      })),
    };
  }

  async *feed({
    offset,
    follow,
    entity,
    attribute,
    prefix,
    signal,
  }: FeedQuery): AsyncGenerator<FeedEvent> {
    let position = this.#feedStart(offset);
    const stopped = (): boolean => signal?.aborted === true;
    while (!stopped()) {
      for (const committed of this.#log.filter(({ tx }) => tx > position)) {
        position = committed.tx;
        const facts = committed.facts.filter(
          (fact) =>
            (entity === undefined || fact.entity === entity) &&
            (attribute === undefined || fact.attribute === attribute) &&
            (prefix === undefined || fact.entity.startsWith(prefix)),
        );
        if (facts.length === 0 && (entity ?? attribute ?? prefix) !== undefined) continue;
        yield {
          kind: 'transaction',
          offset: encodeFeedOffset(this.#id, position),
          ...infoOf(committed, this.#schema),
          facts,
        };
        if (stopped()) return;
      }
      yield {
        kind: 'progress',
        offset: encodeFeedOffset(this.#id, position),
        tx: position,
        upToDate: (this.#log.at(-1)?.tx ?? TX_NONE) <= position,
      };
      if (!follow) return;
      while ((this.#log.at(-1)?.tx ?? TX_NONE) <= position && !stopped())
        await this.#change(60_000, signal);
    }
  }

  async status(): Promise<StatusAnswer> {
    const { strict, mode } = this.#schema;
    const partition = {
      partition: 0,
      epoch: 1,
      owner: '0'.repeat(32),
      logEnd: this.#log.length,
      indexed: 0,
      closed: this.#closed,
      liveFacts: this.#log.flatMap(({ facts }) => facts).length,
      manifest: 0,
      runs: 0,
      open: [],
      troubles: [],
    };
    return {
      database: this.name,
      id: this.#id,
      mode,
      strict,
      version: '0.0.0',
      durable: false,
      partitions: [partition],
      bytes: { segments: 0 },
    };
  }

  async goLive(): Promise<CommitResult> {
    const tx = this.#stamp(undefined);
    const facts =
      this.#schema.mode === 'live'
        ? []
        : settingsFacts({ mode: 'live' }).map((fact): Fact => ({
            ...fact,
            tx,
            operation: 'assert',
          }));
    this.#commit({ tx, facts }, foldSchema(this.#schema, facts));
    return { tx, facts, ids: new Map(), duplicate: false };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The commit time. @throws import-time-invalid */
  #stamp(at: bigint | undefined): Tx {
    const wall = BigInt(Date.now()) * 1_000_000n;
    if (this.#schema.mode === 'live') {
      if (at !== undefined)
        throw new PyralogError(
          'import-time-invalid',
          'A live database gives transactions its own time.',
        );
      return this.#clock.tick(wall);
    }
    if (at === undefined) return this.#clock.tick(0n);
    if ((at | 1023n) < this.#closed || at > wall)
      throw new PyralogError(
        'import-time-invalid',
        'The time is before the last transaction, or in the future.',
      );
    return this.#clock.tick(at);
  }

  #commit(committed: Committed, schema: Schema): void {
    this.#log.push(committed);
    this.#schema = schema;
    this.#closed = committed.tx;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  async #basis({ asOf, await: awaited, timeoutMillis = 5_000, signal }: ReadOptions): Promise<Tx> {
    const end = performance.now() + timeoutMillis;
    while (awaited !== undefined && this.#closed < awaited) {
      const left = end - performance.now();
      if (left <= 0 || signal?.aborted === true)
        throw new PyralogError(
          'await-timeout',
          `${awaited} has not arrived within ${timeoutMillis} ms.`,
        );
      await this.#change(left, signal);
    }
    if (asOf === undefined || asOf <= this.#closed) return asOf ?? this.#closed;
    if (this.#schema.mode === 'import') return this.#closed;
    if (asOf - BigInt(Date.now()) * 1_000_000n > CLOCK_SKEW_MAX)
      throw new PyralogError('as-of-future', `The moment ${asOf} lies ahead of the clock.`);
    this.#clock.raise(asOf);
    this.#closed = asOf;
    return asOf;
  }

  #change(millis: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, millis);
      signal?.addEventListener('abort', done);
      this.#waiting.push(done);
    });
  }

  #facts(basis: Tx): readonly Fact[] {
    return this.#log.filter(({ tx }) => tx <= basis).flatMap(({ facts }) => facts);
  }

  #inForce(basis: Tx): readonly Fact[] {
    let current: Fact[] = [];
    for (const fact of this.#facts(basis)) {
      current = current.filter((other) => !sameThing(fact, other));
      if (fact.operation === 'assert') current.push(fact);
    }
    return current;
  }

  #schemaAt(basis: Tx): Schema {
    return foldSchema(initialSchema(this.#settings), this.#facts(basis));
  }

  #select(query: FactsQuery, facts: readonly Fact[], basis: Tx): readonly Fact[] {
    const schema = this.#schemaAt(basis);
    const typed = (value: Value | undefined): Value | undefined => {
      const definition =
        query.attribute === undefined ? undefined : schema.attribute(query.attribute);
      return value === undefined || definition === undefined
        ? value
        : coerceValue({ value, plain: true }, definition);
    };
    const [value, from, to] = [typed(query.value), typed(query.valueFrom), typed(query.valueTo)];
    const listed = (fact: Fact): boolean =>
      query.index === 'avet'
        ? schema.attribute(fact.attribute)?.index === true
        : query.index !== 'vaet' || fact.value.type === 'ref';
    return facts
      .filter(
        (fact) =>
          listed(fact) &&
          (query.entity === undefined || fact.entity === query.entity) &&
          (query.attribute === undefined || fact.attribute === query.attribute) &&
          (value === undefined || equalValues(fact.value, value)) &&
          (from === undefined || valueOrder(fact.value, from) >= 0) &&
          (to === undefined || valueOrder(fact.value, to) < 0),
      )
      .toSorted((a, b) => indexOrder(query.index, a, b));
  }

  async #factsPage(
    query: PageOptions,
    options: ReadOptions,
    question: readonly unknown[],
    rows: (basis: Tx) => readonly Fact[],
  ): Promise<FactsPage> {
    const page = await this.#page(query, options, question, rows);
    return { basis: page.basis, closed: true, facts: page.rows, next: page.next };
  }

  /** Pages are positions in the list at the first page's basis, which never changes. */
  async #page<T>(
    { limit = 1_000, cursor }: PageOptions,
    options: ReadOptions,
    question: readonly unknown[],
    rows: (basis: Tx) => readonly T[],
  ): Promise<{ basis: Tx; rows: readonly T[]; next: string | undefined }> {
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
      throw new PyralogError('parameter-invalid', `limit: ${limit} is not from 1 to 10,000.`);
    const name = question.map(String).join(' ');
    const at = cursor === undefined ? undefined : decodeCursor(cursor, this.#id, name);
    const basis = at?.basis ?? (await this.#basis(options));
    const start = at === undefined ? 0 : Number(utf8Decode(at.key));
    const all = rows(basis);
    const end = start + limit;
    const next =
      end < all.length
        ? encodeCursor(this.#id, { listing: name, basis, key: utf8Encode(String(end)) })
        : undefined;
    return { basis, rows: all.slice(start, end), next };
  }

  #feedStart(offset: string): Tx {
    if (offset === '-1') return TX_NONE;
    if (offset === 'now') return this.#log.at(-1)?.tx ?? TX_NONE;
    if (!offset.startsWith('tx:')) return decodeFeedOffset(offset, this.#id);
    const tx = parseTx(offset.slice(3));
    if (tx === undefined)
      throw new PyralogError('offset-invalid', `${offset} names no transaction.`);
    return tx;
  }
}

/** A leading part of the index, and a range of what comes next. @throws parameter-invalid */
function listing(what: string, query: FactsQuery): readonly unknown[] {
  const { index, entity, attribute, value, valueFrom, valueTo } = query;
  const given = COMPONENTS[index].map((component) => query[component] !== undefined);
  const leading = given.indexOf(false) < 0 ? 3 : given.indexOf(false);
  const ranged = valueFrom !== undefined || valueTo !== undefined;
  if (given.lastIndexOf(true) >= leading || (ranged && COMPONENTS[index][leading] !== 'value')) {
    throw new PyralogError('parameter-invalid', `What is given is no leading part of ${index}.`);
  }
  return [
    what,
    index,
    entity,
    attribute,
    ...[value, valueFrom, valueTo].map((each) =>
      each === undefined ? '' : `${each.type}:${each.value}`,
    ),
  ];
}

function infoOf({ tx, facts }: Committed, schema: Schema): TransactionInfo {
  const meta = new Map<string, AttributeValues>();
  for (const { entity, attribute, value, operation } of facts) {
    if (entity !== txEntity(tx) || operation !== 'assert') continue;
    const name = attribute.replace(/^tx\//, '');
    const values = [...(meta.get(name)?.values ?? []), value];
    const cardinality = schema.attribute(attribute)?.cardinality ?? 'one';
    meta.set(name, { cardinality, values });
  }
  return { tx, meta };
}

function sameThing(a: Fact, b: Fact): boolean {
  return a.entity === b.entity && a.attribute === b.attribute && equalValues(a.value, b.value);
}

function least(a: Tx, b: Tx): Tx {
  return a < b ? a : b;
}

/** Databases in memory. */
export class MemoryHost implements DatabaseHost {
  readonly #databases = new Map<string, MemoryDatabase>();

  async create(name: string, options: CreateOptions = {}): Promise<'created' | 'exists'> {
    if (!isDatabaseName(name))
      throw new PyralogError(
        'database-name-invalid',
        `${JSON.stringify(name)} is not the name of a database.`,
      );
    const known = this.#databases.get(name);
    if (known === undefined) {
      this.#databases.set(name, new MemoryDatabase(name, options));
      return 'created';
    }
    if (known.hasSettings(options)) return 'exists';
    throw new PyralogError('database-exists', `The database ${name} exists with other settings.`);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#databases.keys()].toSorted();
  }

  async database(name: string): Promise<Database> {
    const found = this.#databases.get(name);
    if (found === undefined)
      throw new PyralogError('database-not-found', `There is no database ${JSON.stringify(name)}.`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
