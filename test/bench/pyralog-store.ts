import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_CUT } from '@pyralog/indexing';
import { type Database, type DatabaseHost, Instant, KnowledgeBase, Ref, type Tx } from 'pyralog';
import type { HistoryShape, Reading, Scalar, Send, Store, TransactionShape } from './store.ts';
import {
  ATTRIBUTES,
  person as personId,
  personNumber,
  type PersonRow,
  SCHEMA_DOCUMENT,
  toDocument,
  toOperations,
  type WorkloadDocument,
  type WorkloadTransaction,
} from './workload.ts';

const NAME = 'main';
/** Facts of a page of a scan, as many as the door gives. */
const PAGE = 10_000;
const SETTLE_POLL_MILLIS = 5;

/**
 * Pyralog, in this process or behind HTTP: reads and single commits through `KnowledgeBase`, documents that
 * are bytes already through the `Database` below it.
 */
export class PyralogStore implements Store {
  readonly keepsOrder: boolean;
  readonly #kb: KnowledgeBase;
  readonly #database: Database;
  /** tx by number of the workload. */
  readonly #txs: Tx[];

  private constructor(kb: KnowledgeBase, database: Database, keepsOrder: boolean, txs: Tx[]) {
    this.#kb = kb;
    this.#database = database;
    this.keepsOrder = keepsOrder;
    this.#txs = txs;
  }

  /** The database of a host, which is disposed with it; makes it where it is not there. */
  static async open(host: DatabaseHost, where: 'embedded' | 'http'): Promise<PyralogStore> {
    const store = await PyralogStore.reopen(host, where, []);
    await store.#database.transact(Buffer.from(JSON.stringify(SCHEMA_DOCUMENT)));
    return store;
  }

  /** A database that was loaded before: `txs` are those of its transactions. */
  static async reopen(
    host: DatabaseHost,
    where: 'embedded' | 'http',
    txs: readonly Tx[],
  ): Promise<PyralogStore> {
    const kb = await KnowledgeBase.on(host, { database: NAME });
    return new PyralogStore(kb, await host.database(NAME), where === 'embedded', [...txs]);
  }

  get txs(): readonly Tx[] {
    return this.#txs;
  }

  load(transaction: WorkloadTransaction): Send {
    const bytes = toDocument(transaction);
    return async () => {
      const { tx, facts } = await this.#database.transact(bytes);
      this.#txs[transaction.tx] = tx;
      return facts.length;
    };
  }

  loadDocuments(documents: readonly WorkloadDocument[]): Send {
    const ops = documents.map(({ id, ...attributes }) => ({
      entity: `document:${id}`,
      ...attributes,
    }));
    const bytes = Buffer.from(JSON.stringify({ ops }));
    return async () => (await this.#database.transact(bytes)).facts.length;
  }

  commit(transaction: WorkloadTransaction): Send {
    const ops = toOperations(transaction);
    return async () => (await this.#kb.transact({ ops })).facts.length;
  }

  /** Everything but the part of the live index that is still filling is in runs. */
  async settle(): Promise<void> {
    for (;;) {
      const { partitions } = await this.#kb.status();
      if (partitions.every(({ liveFacts }) => liveFacts < DEFAULT_CUT.factsMax)) return;
      await sleep(SETTLE_POLL_MILLIS);
    }
  }

  async value(person: number, attribute: string): Promise<Reading<Scalar>> {
    for await (const { value } of this.#kb.state({
      index: 'eavt',
      entity: personId(person),
      attribute,
    }))
      return () => scalarOf(value);
    return () => '';
  }

  async person(person: number, after?: number): Promise<Reading<PersonRow>> {
    const id = personId(person);
    const entity = await (after === undefined
      ? this.#kb.entity(id)
      : this.#kb.entityAtTime(id, this.#txOf(after)));
    return () => ATTRIBUTES.map((name) => scalarOf(entity?.attributes[name]));
  }

  async history(person: number): Promise<Reading<HistoryShape>> {
    const facts = await this.#kb.history(personId(person));
    return () => ({ datoms: facts.length, versions: new Set(facts.map(({ tx }) => tx)).size });
  }

  async nameByEmail(email: string): Promise<Reading<Scalar>> {
    for await (const { entity } of this.#kb.state({
      index: 'avet',
      attribute: 'email',
      value: { type: 'string', value: email },
    })) {
      const found = await this.#kb.entity(entity);
      return () => scalarOf(found?.attributes['name']);
    }
    return () => '';
  }

  /** There is no door that counts yet: all cities are read from the index by value, page by page. */
  async peopleByCity(after?: number): Promise<Reading<Readonly<Record<string, number>>>> {
    const asOf = after === undefined ? undefined : this.#txOf(after);
    const counts: Record<string, number> = {};
    let cursor: string | undefined;
    do {
      const page = await this.#database.state(
        { index: 'avet', attribute: 'city', limit: PAGE, cursor },
        { asOf },
      );
      for (const { value } of page.facts) {
        const city = value.value as string;
        counts[city] = (counts[city] ?? 0) + 1;
      }
      cursor = page.next;
    } while (cursor !== undefined);
    return () => counts;
  }

  /** There is no door that joins yet: three entities are read, two of them at a time. */
  async twoHops(person: number): Promise<Reading<number>> {
    const linksOf = async (id: string): Promise<string[]> => {
      const { boss, friend } = (await this.#kb.entity(id))?.attributes ?? {};
      return [boss, friend].flatMap((link) => (link instanceof Ref ? link.entity : []));
    };
    const second = await Promise.all((await linksOf(personId(person))).map(linksOf));
    return () => new Set(second.flat()).size;
  }

  async transaction(number: number): Promise<Reading<TransactionShape>> {
    const { facts } = await this.#database.transaction(this.#txOf(number));
    return () => ({
      datoms: facts.length,
      ents: new Set(facts.map(({ entity }) => entity)).size,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#kb.close();
  }

  #txOf(number: number): Tx {
    const tx = this.#txs[number];
    if (tx === undefined) throw new Error(`transaction ${number} of the workload was not loaded`);
    return tx;
  }
}

/** A value as the workload writes it: people by number, instants in milliseconds. */
function scalarOf(value: unknown): Scalar {
  if (value instanceof Ref) return personNumber(value.entity);
  if (value instanceof Instant) return Number(value.epochMicros / 1000n);
  return value as Scalar;
}
