import { PyralogError } from '@pyralog/model';
import { isDatabaseName } from '@pyralog/format';
import { serverAddress } from './address.ts';
import { readAnswer } from './answer-read.ts';
import type { CreateOptions, Database, DatabaseHost } from './database.ts';
import { HttpDatabase } from './http-database.ts';
import { bodyOf, type HttpOptions, type HttpRequest, send } from './transport.ts';

/** The databases of a server at `http://host:port`. */
export class HttpHost implements DatabaseHost {
  readonly #url: string;
  readonly #options: HttpOptions;

  /** @throws usage where the address is none */
  constructor(url: string, options: HttpOptions = {}) {
    this.#url = serverAddress(url);
    this.#options = options;
  }

  async create(name: string, options: CreateOptions = {}): Promise<'created' | 'exists'> {
    checkName(name);
    const { partitions, strict, mode } = options;
    const request: HttpRequest = {
      method: 'PUT',
      url: `${this.#url}/v1/${name}`,
      contentType: 'application/json',
      body: JSON.stringify({ partitions, strict, mode }),
    };
    const response = await send(request, this.#options);
    await bodyOf(response, request);
    return response.status === 201 ? 'created' : 'exists';
  }

  async list(): Promise<readonly string[]> {
    const request: HttpRequest = { method: 'GET', url: `${this.#url}/v1` };
    const response = await send(request, this.#options);
    return readAnswer(await bodyOf(response, request), (fields) => fields.texts('databases'));
  }

  async database(name: string): Promise<Database> {
    checkName(name);
    const database = new HttpDatabase(`${this.#url}/v1/${name}`, this.#options);
    await database.status();
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Checked here too: a name with a slash or dots would become another address. */
function checkName(name: string): void {
  if (isDatabaseName(name)) return;
  throw new PyralogError(
    'database-name-invalid',
    `${JSON.stringify(name)} is not the name of a database.`,
    {
      hint: 'A name has 1 to 48 characters: a-z, 0-9 and -, and begins with a letter.',
    },
  );
}
