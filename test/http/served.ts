import type { CreateOptions, Database, DatabaseHost } from '@pyralog/client';
import { HttpHost } from '@pyralog/client';
import type { PyralogError } from '@pyralog/model';
import { type Api, type ApiOptions, createApi } from '@pyralog/service-api';
import { expect } from 'vitest';

export interface Served extends DatabaseHost {
  readonly url: string;
  readonly api: Api;
  /** Errors that the operator would see. */
  readonly errors: readonly PyralogError[];
}

/** A client of a real server on a free port of loopback. A defect of the server fails the test that met it. */
export async function served(
  host: DatabaseHost,
  options: Partial<ApiOptions> = {},
): Promise<Served> {
  const errors: PyralogError[] = [];
  const api = await createApi({
    host,
    version: '0.0.0',
    onError: (error) => errors.push(error),
    ...options,
  });
  const url = await api.listen('127.0.0.1', 0);
  const client = new HttpHost(url);
  return {
    url,
    api,
    errors,
    create: (name: string, settings?: CreateOptions) => client.create(name, settings),
    list: () => client.list(),
    database: (name: string): Promise<Database> => client.database(name),
    async [Symbol.asyncDispose]() {
      await api.close();
      await host[Symbol.asyncDispose]();
      expect(errors.filter(({ code }) => code === 'internal').map(({ cause }) => cause)).toEqual(
        [],
      );
    },
  };
}
