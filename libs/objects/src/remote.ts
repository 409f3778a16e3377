import { type ErrorCode, isPyralogError, PyralogError } from '@pyralog/model';
import type { ObjectInfo, ObjectStore } from './objects.ts';

/** What a remote store needs of a channel: one end of a pair of threads. */
export interface ObjectsChannel {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  listen(listener: (message: unknown) => void): void;
  onClose(listener: (error: Error | undefined) => void): void;
}

type Method = 'put' | 'get' | 'getRange' | 'head' | 'delete' | 'page';

interface Request {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly code: ErrorCode;
      readonly detail: string;
      readonly hint: string | undefined;
    };

/** Objects of one page of a listing. */
const PAGE = 1_000;

/** Serves a store to another thread. */
export function serveObjects(channel: ObjectsChannel, store: ObjectStore): void {
  const page = async (prefix: string, after: string): Promise<ObjectInfo[]> => {
    const infos: ObjectInfo[] = [];
    for await (const info of store.list(prefix, { after })) {
      infos.push(info);
      if (infos.length === PAGE) break;
    }
    return infos;
  };
  const call = async ({ id, method, args }: Request): Promise<void> => {
    try {
      const target = (method === 'page' ? page : store[method].bind(store)) as (
        ...args: readonly unknown[]
      ) => Promise<unknown>;
      channel.post({ id, result: await target(...args) } satisfies Reply);
    } catch (error) {
      const known = isPyralogError(error) ? error : new PyralogError('internal', String(error));
      channel.post({
        id,
        code: known.code,
        detail: known.message,
        hint: known.hint,
      } satisfies Reply);
    }
  };
  channel.listen((message) => void call(message as Request));
  channel.onClose(() => undefined);
}

/** A store on another thread. */
export class RemoteObjects implements ObjectStore {
  readonly #channel: ObjectsChannel;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (result: unknown) => void; readonly reject: (error: PyralogError) => void }
  >();
  #ids = 0;
  #closed = false;

  constructor(channel: ObjectsChannel) {
    this.#channel = channel;
    channel.listen((message) => {
      const reply = message as Reply;
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('code' in reply)
        waiting?.reject(new PyralogError(reply.code, reply.detail, { hint: reply.hint }));
      else waiting?.resolve(reply.result);
    });
    channel.onClose(() => {
      this.#closed = true;
      for (const { reject } of this.#waiting.values()) reject(closed());
      this.#waiting.clear();
    });
  }

  async put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    return (await this.#call('put', [key, bytes])) as 'created' | 'exists';
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#call('get', [key])) as Uint8Array | undefined;
  }

  async getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return (await this.#call('getRange', [key, start, length])) as Uint8Array | undefined;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return (await this.#call('head', [key])) as ObjectInfo | undefined;
  }

  async *list(
    prefix: string,
    { after = '' }: { readonly after?: string | undefined } = {},
  ): AsyncIterable<ObjectInfo> {
    for (let last = after; ;) {
      const infos = (await this.#call('page', [prefix, last])) as readonly ObjectInfo[];
      yield* infos;
      if (infos.length < PAGE) return;
      last = infos.at(-1)?.key ?? last;
    }
  }

  async delete(key: string): Promise<void> {
    await this.#call('delete', [key]);
  }

  #call(method: Method, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed());
    const id = this.#ids++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#channel.post({ id, method, args } satisfies Request);
    });
  }
}

function closed(): PyralogError {
  return new PyralogError('stopping', 'The object store is closed.');
}
