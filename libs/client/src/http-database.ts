import { printValue, PyralogError, type Tx, type Value } from '@pyralog/model';
import { databaseAddress } from './address.ts';
import {
  type AnswerFields,
  readAnswer,
  readCommit,
  readDiff,
  readEntity,
  readFactsPage,
  readSchema,
  readStatus,
  readTransaction,
  readTransactions,
} from './answer-read.ts';
import type {
  Answer,
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
  ReadOptions,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionsPage,
  TransactionsQuery,
  TransactOptions,
} from './database.ts';
import { httpFeed } from './http-feed.ts';
import { bodyOf, type HttpOptions, type HttpRequest, send } from './transport.ts';
import { momentText, queryText } from './url.ts';

/**
 * A database behind HTTP, at `http://host:port/v1/<name>`. Connections are kept and shared by the platform's `fetch`, so any
 * number of calls may be in flight; disposing ends nothing but this object.
 *
 * Beside the errors of the server, calls throw `unreachable`, and `transact` and `goLive` throw `outcome-unknown` where the
 * connection broke after the request may have arrived.
 */
export class HttpDatabase implements Database {
  readonly name: string;
  readonly #url: string;
  readonly #options: HttpOptions;

  /** @throws usage where the address is none */
  constructor(url: string, options: HttpOptions = {}) {
    const { server, name } = databaseAddress(url);
    this.name = name;
    this.#url = `${server}/v1/${name}`;
    this.#options = options;
  }

  async transact(
    document: Uint8Array,
    { explain = false }: TransactOptions = {},
  ): Promise<CommitResult> {
    const url = `${this.#url}/transactions${explain ? '?explain=true' : ''}`;
    return this.#write({ method: 'POST', url, contentType: 'application/json', body: document });
  }

  async entity(id: string, options: ReadOptions = {}): Promise<EntityAnswer> {
    try {
      return await this.#read(this.#entityUrl(id, '', options), options, (fields, { closed }) =>
        readEntity(fields, closed),
      );
    } catch (error) {
      const nothing = error instanceof PyralogError ? nothingInForce(error, id) : undefined;
      if (nothing === undefined) throw error;
      return nothing;
    }
  }

  async history(
    id: string,
    query: HistoryQuery = {},
    options: ReadOptions = {},
  ): Promise<FactsPage> {
    const url = this.#entityUrl(id, '/history', options, {
      attribute: query.attribute,
      from: momentText(query.from),
      to: momentText(query.to),
      ...pageParameters(query),
    });
    return this.#read(url, options, (fields, { closed }) => readFactsPage(fields, closed));
  }

  async state(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#scan('state', query, options);
  }

  async facts(query: FactsQuery, options: ReadOptions = {}): Promise<FactsPage> {
    return this.#scan('facts', query, options);
  }

  transaction(tx: Tx, options: ReadOptions = {}): Promise<TransactionAnswer> {
    return this.#read(this.#urlOf(`/transactions/${tx}`, options), options, readTransaction);
  }

  transactions(
    query: TransactionsQuery = {},
    options: ReadOptions = {},
  ): Promise<TransactionsPage> {
    const parameters = {
      from: momentText(query.from),
      to: momentText(query.to),
      author: query.author,
      ...pageParameters(query),
    };
    return this.#read(
      this.#urlOf('/transactions', options, parameters),
      options,
      (fields, { closed }) => readTransactions(fields, closed),
    );
  }

  diff(query: DiffQuery, options: ReadOptions = {}): Promise<DiffPage> {
    const parameters = {
      from: momentText(query.from),
      to: momentText(query.to),
      ...pageParameters(query),
    };
    return this.#read(this.#urlOf('/diff', options, parameters), options, (fields, { closed }) =>
      readDiff(fields, closed),
    );
  }

  schema(options: ReadOptions = {}): Promise<SchemaAnswer> {
    return this.#read(this.#urlOf('/schema', options), options, (fields, { closed }) =>
      readSchema(fields, closed),
    );
  }

  /** Resumes by itself after a broken connection, from the last offset: nothing is lost or told twice. */
  feed(query: FeedQuery): AsyncIterable<FeedEvent> {
    return httpFeed(`${this.#url}/feed`, query, this.#options);
  }

  async status(): Promise<StatusAnswer> {
    const request: HttpRequest = { method: 'GET', url: `${this.#url}/status` };
    const response = await send(request, this.#options);
    return readAnswer(await bodyOf(response, request), readStatus);
  }

  goLive(): Promise<CommitResult> {
    return this.#write({ method: 'POST', url: `${this.#url}/live` });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #write(request: HttpRequest): Promise<CommitResult> {
    const response = await send(request, this.#options);
    return readAnswer(await bodyOf(response, request), readCommit);
  }

  async #read<T>(
    url: string,
    { signal }: ReadOptions,
    read: (fields: AnswerFields, answer: Answer) => T,
  ): Promise<T> {
    const request: HttpRequest = { method: 'GET', url, signal };
    const response = await send(request, this.#options);
    const answer = answerOf(response.headers);
    return readAnswer(await bodyOf(response, request), (fields) => read(fields, answer));
  }

  #scan(what: 'state' | 'facts', query: FactsQuery, options: ReadOptions): Promise<FactsPage> {
    const url = this.#urlOf(`/${what}`, options, {
      index: query.index,
      entity: query.entity,
      attribute: query.attribute,
      value: valueText(query.value),
      valueFrom: valueText(query.valueFrom),
      valueTo: valueText(query.valueTo),
      ...pageParameters(query),
    });
    return this.#read(url, options, (fields, { closed }) => readFactsPage(fields, closed));
  }

  #entityUrl(
    id: string,
    suffix: string,
    options: ReadOptions,
    parameters: Parameters = {},
  ): string {
    // encodeURIComponent throws at half a surrogate pair, which the server would not find either.
    if (!id.isWellFormed())
      throw new PyralogError(
        'entity-invalid',
        'An entity id has half of a surrogate pair, which no UTF-8 can hold.',
      );
    // URL parsers take `.` and `..` for steps on the path, even percent-encoded.
    const dots = id === '.' || id === '..';
    return this.#urlOf(`/entities/${dots ? '' : encodeURIComponent(id)}${suffix}`, options, {
      ...parameters,
      id: dots ? id : undefined,
    });
  }

  #urlOf(path: string, options: ReadOptions, parameters: Parameters = {}): string {
    return `${this.#url}${path}${queryText({
      ...parameters,
      asOf: momentText(options.asOf),
      await: options.await?.toString(),
      timeout: options.timeoutMillis?.toString(),
    })}`;
  }
}

type Parameters = Readonly<Record<string, string | undefined>>;

function pageParameters({
  limit,
  cursor,
}: {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}): Parameters {
  return { limit: limit?.toString(), cursor };
}

/** JSON, so that the type travels with the value. */
function valueText(value: Value | undefined): string | undefined {
  return value === undefined ? undefined : printValue(value);
}

/** An answer that cannot change any more has an ETag. */
function answerOf(headers: Headers): Answer {
  const basis = headers.get('pyralog-basis') ?? '0';
  return { basis: BigInt(basis) as Tx, closed: headers.has('etag') };
}

/** `entity` answers "nothing in force", where HTTP says 404. */
function nothingInForce(error: PyralogError, entity: string): EntityAnswer | undefined {
  const { basis, closed } = error.extra;
  if (error.code !== 'entity-not-found' || typeof basis !== 'string') return undefined;
  return { entity, basis: BigInt(basis) as Tx, closed: closed === true, attributes: new Map() };
}
