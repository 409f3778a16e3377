import { readFileSync } from 'node:fs';
import { Client, type QueryArrayConfig, types } from 'pg';
import type { HistoryShape, Reading, Scalar, Send, Store, TransactionShape } from './store.ts';
import {
  ATTRIBUTES,
  type PersonRow,
  type WorkloadDocument,
  type WorkloadOperation,
  type WorkloadTransaction,
} from './workload.ts';

// A bigint of the workload fits a number; as text it would cost the client more.
types.setTypeParser(types.builtins.INT8, Number);

type Row = readonly (string | number | boolean | null)[];

/** Value columns of a row: v_int, v_double, v_text. */
type Columns = readonly [number | null, number | null, string | null];

/** Entities of W4 are numbered behind all people. */
const DOCUMENTS_FROM = 1_000_000_000;

/** Newest fact of an entity and attribute; `$n` of a moment is none where the question is about now. */
const newest = (columns: string, entity: string, attribute: string, moment: string): string => `
  SELECT ${columns}, f.operation FROM facts AS f
  WHERE f.entity = ${entity} AND f.attribute = ${attribute} ${moment}
  ORDER BY f.tx DESC, f.operation DESC LIMIT 1`;

const personSql = (moment: string): string => `
  SELECT a.attribute, v.v_int, v.v_double, v.v_text
  FROM generate_series(0, ${ATTRIBUTES.length - 1}) AS a (attribute)
  CROSS JOIN LATERAL (${newest('f.v_int, f.v_double, f.v_text', '$1', 'a.attribute::smallint', moment)}) AS v
  WHERE v.operation`;

const citiesSql = (moment: string): string => `
  SELECT city, count(*) FROM (
    SELECT DISTINCT ON (f.entity) f.v_text AS city, f.operation FROM facts AS f
    WHERE f.attribute = 8 ${moment}
    ORDER BY f.entity, f.tx DESC, f.operation DESC
  ) AS newest
  WHERE operation GROUP BY city`;

/** Boss and friend of each row of `of`, which has a column `entity`. */
const linked = (of: string): string => `
  SELECT DISTINCT v.v_int AS entity
  FROM (${of}) AS of CROSS JOIN (VALUES (6::smallint), (7::smallint)) AS a (attribute)
  CROSS JOIN LATERAL (${newest('f.v_int', 'of.entity', 'a.attribute', '')}) AS v
  WHERE v.operation`;

const STATEMENTS = {
  insert: 'SELECT insert_facts($1, $2, $3, $4, $5, $6)',
  replace: 'SELECT replace_facts($1, $2, $3, $4, $5, $6)',
  value: newest('f.v_int, f.v_double, f.v_text', '$1', '$2', ''),
  person: personSql(''),
  personAfter: personSql('AND f.tx <= $2'),
  history: `
    SELECT tx, attribute, v_int, v_double, v_text, operation FROM facts
    WHERE entity = $1 ORDER BY tx, attribute, operation`,
  nameByEmail: `
    SELECT name.v_text FROM facts AS email
    CROSS JOIN LATERAL (${newest('f.v_text', 'email.entity', '1::smallint', '')}) AS current
    CROSS JOIN LATERAL (${newest('f.v_text', 'email.entity', '0::smallint', '')}) AS name
    WHERE email.attribute = 1 AND email.operation AND email.v_text = $1
      AND current.operation AND current.v_text = $1 AND name.operation`,
  cities: citiesSql(''),
  citiesAfter: citiesSql('AND f.tx <= $1'),
  twoHops: `SELECT count(*) FROM (${linked(linked('SELECT $1::bigint AS entity'))}) AS second`,
  transaction:
    'SELECT entity, attribute, v_int, v_double, v_text, operation FROM facts WHERE tx = $1',
} as const;

/** A facts table in PostgreSQL (postgres.sql): one round trip a call, prepared statements, a connection for each writer in flight. */
export class PostgresStore implements Store {
  readonly keepsOrder = false;
  readonly #clients: readonly Client[];
  readonly #idle: Client[];

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
    this.#idle = [...clients];
  }

  /** Makes a database of its own at `url`, with as many connections as writers will be in flight. */
  static async open(url: string, name: string, connections: number): Promise<PostgresStore> {
    const admin = await connected(url);
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const store = await PostgresStore.reopen(url, name, connections);
    await store.#first.query(readFileSync(new URL('./postgres.sql', import.meta.url), 'utf8'));
    return store;
  }

  /** A database that {@link open} made. */
  static async reopen(url: string, name: string, connections: number): Promise<PostgresStore> {
    const address = new URL(name, url).href;
    return new PostgresStore(
      await Promise.all(Array.from({ length: connections }, () => connected(address))),
    );
  }

  static async drop(url: string, name: string): Promise<void> {
    const admin = await connected(url);
    await admin.query(`DROP DATABASE ${name}`);
    await admin.end();
  }

  load({ tx, ops, p }: WorkloadTransaction): Send {
    return this.#write(p === 'w1' ? 'insert' : 'replace', tx, ops.map(factOf));
  }

  loadDocuments(documents: readonly WorkloadDocument[]): Send {
    const [first] = documents;
    const rows = documents.flatMap(({ id, name, email, age }): FactRow[] => [
      [DOCUMENTS_FROM + id, 0, [null, null, name]],
      [DOCUMENTS_FROM + id, 1, [null, null, email]],
      [DOCUMENTS_FROM + id, 2, [age, null, null]],
    ]);
    return this.#write('insert', DOCUMENTS_FROM + (first?.id ?? 0), rows);
  }

  commit(transaction: WorkloadTransaction): Send {
    return this.load(transaction);
  }

  /** Indexes are written with the facts. */
  async settle(): Promise<void> {}

  /** Statistics, the map of what an index may answer alone, and no writes left for later; not timed. */
  async tidy(): Promise<void> {
    await this.#first.query('VACUUM (ANALYZE) facts');
    await this.#first.query('CHECKPOINT');
  }

  async value(person: number, attribute: string): Promise<Reading<Scalar>> {
    const [row] = await this.#ask('value', [person, numberOf(attribute)]);
    return () => scalarOf(numberOf(attribute), row as unknown as Columns);
  }

  async person(person: number, after?: number): Promise<Reading<PersonRow>> {
    const rows = await (after === undefined
      ? this.#ask('person', [person])
      : this.#ask('personAfter', [person, after]));
    return () => {
      const values: Scalar[] = [];
      for (const [attribute, ...columns] of rows)
        values[attribute as number] = scalarOf(attribute as number, columns as unknown as Columns);
      return values;
    };
  }

  async history(person: number): Promise<Reading<HistoryShape>> {
    const rows = await this.#ask('history', [person]);
    return () => ({ datoms: rows.length, versions: new Set(rows.map(([tx]) => tx)).size });
  }

  async nameByEmail(email: string): Promise<Reading<Scalar>> {
    const [row] = await this.#ask('nameByEmail', [email]);
    return () => row?.[0] ?? '';
  }

  async peopleByCity(after?: number): Promise<Reading<Readonly<Record<string, number>>>> {
    const rows = await (after === undefined
      ? this.#ask('cities', [])
      : this.#ask('citiesAfter', [after]));
    return () => Object.fromEntries(rows) as Record<string, number>;
  }

  async twoHops(person: number): Promise<Reading<number>> {
    const [row] = await this.#ask('twoHops', [person]);
    return () => row?.[0] as number;
  }

  async transaction(number: number): Promise<Reading<TransactionShape>> {
    const rows = await this.#ask('transaction', [number]);
    return () => ({
      datoms: rows.length,
      ents: new Set(rows.map(([entity]) => entity)).size,
    });
  }

  /** Bytes of the tables and their indexes. */
  async bytes(): Promise<Readonly<Record<'tables' | 'indexes', number>>> {
    const { rows } = await this.#first.query<Readonly<Record<'tables' | 'indexes', number>>>(`
      SELECT sum(pg_table_size(name))::bigint AS tables, sum(pg_indexes_size(name))::bigint AS indexes
      FROM (VALUES ('facts'::regclass), ('transactions')) AS relations (name)`);
    return rows[0] as Readonly<Record<'tables' | 'indexes', number>>;
  }

  async version(): Promise<string> {
    const { rows } = await this.#first.query<{ readonly server_version: string }>(
      'SHOW server_version',
    );
    return rows[0]?.server_version ?? 'unknown';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }

  get #first(): Client {
    return this.#clients[0] as Client;
  }

  #write(name: 'insert' | 'replace', tx: number, rows: readonly FactRow[]): Send {
    const values = [
      tx,
      arrayText(rows.map(([entity]) => entity)),
      arrayText(rows.map(([, attribute]) => attribute)),
      ...[0, 1, 2].map((i) => arrayText(rows.map(([, , columns]) => columns[i] ?? null))),
    ];
    return async () => {
      const client = this.#idle.pop();
      if (client === undefined) throw new Error('more writers in flight than connections');
      const { rows: answer } = await client.query<[number]>(statement(name, values));
      this.#idle.push(client);
      return answer[0]?.[0] ?? 0;
    };
  }

  async #ask(name: keyof typeof STATEMENTS, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#first.query<(string | number | null)[]>(statement(name, values))).rows;
  }
}

/** Entity, number of the attribute, value. */
type FactRow = readonly [number, number, Columns];

function factOf([entity, attribute, value]: WorkloadOperation): FactRow {
  const number = numberOf(attribute);
  return [entity, number, columnsOf(number, value)];
}

function numberOf(attribute: string): number {
  return ATTRIBUTES.indexOf(attribute);
}

const ACTIVE = ATTRIBUTES.indexOf('active');
const SCORE = ATTRIBUTES.indexOf('score');

function columnsOf(attribute: number, value: Scalar): Columns {
  if (typeof value === 'string') return [null, null, value];
  return attribute === SCORE ? [null, value as number, null] : [Number(value), null, null];
}

function scalarOf(attribute: number, [int, double, text]: Columns): Scalar {
  return attribute === ACTIVE ? int === 1 : ((int ?? double ?? text) as Scalar);
}

/** An array as the server reads it, made before the clock starts. */
function arrayText(items: readonly (string | number | null)[]): string {
  const texts = items.map((item) =>
    typeof item === 'string' ? `"${item.replaceAll(/["\\]/g, String.raw`\$&`)}"` : `${item}`,
  );
  return `{${texts.join(',')}}`;
}

function statement(name: keyof typeof STATEMENTS, values: readonly unknown[]): QueryArrayConfig {
  return { name, text: STATEMENTS[name], values: values as unknown[], rowMode: 'array' };
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}
