import { assert } from '@pyralog/base';
import { type ErrorCode, isPyralogError, type LogOffset, PyralogError } from '@pyralog/model';
import type { Log, LogReadOptions, LogRecord, StoredRecord, TopicPartition } from './log.ts';

/** What a remote log needs of a channel: one end of a pair of threads. */
export interface LogChannel {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  listen(listener: (message: unknown) => void): void;
  onClose(listener: (error: Error | undefined) => void): void;
}

/** Batches that may be on their way to a reader: one in its hands, one behind it (I13). */
const CREDITS = 2;

type Request =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly method: 'createTopic' | 'append' | 'bounds';
      readonly args: readonly unknown[];
    }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly at: TopicPartition;
      readonly from: LogOffset;
      readonly options: Omit<LogReadOptions, 'signal'>;
    }
  | { readonly kind: 'credit'; readonly id: number }
  | { readonly kind: 'stop'; readonly id: number };

type Reply =
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'batch'; readonly id: number; readonly records: readonly StoredRecord[] }
  | { readonly kind: 'end'; readonly id: number }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly code: ErrorCode;
      readonly detail: string;
      readonly hint: string | undefined;
    };

/** Serves a log to another thread. */
export function serveLog(channel: LogChannel, log: Log): void {
  const reads = new Map<number, { readonly stop: AbortController; credit: () => void }>();
  const fail = (id: number, error: unknown): void => {
    const known = isPyralogError(error) ? error : new PyralogError('internal', String(error));
    channel.post({
      kind: 'failed',
      id,
      code: known.code,
      detail: known.message,
      hint: known.hint,
    } satisfies Reply);
  };
  const read = async (
    id: number,
    at: TopicPartition,
    from: LogOffset,
    options: Omit<LogReadOptions, 'signal'>,
  ): Promise<void> => {
    const stop = new AbortController();
    let credits = CREDITS;
    let wake = (): void => undefined;
    reads.set(id, {
      stop,
      credit: () => {
        credits++;
        wake();
      },
    });
    stop.signal.addEventListener('abort', () => wake());
    try {
      for await (const records of log.read(at, from, { ...options, signal: stop.signal })) {
        while (credits === 0 && !stop.signal.aborted)
          await new Promise<void>((resolve) => (wake = resolve));
        if (stop.signal.aborted) break;
        credits--;
        channel.post({ kind: 'batch', id, records } satisfies Reply);
      }
      channel.post({ kind: 'end', id } satisfies Reply);
    } catch (error) {
      fail(id, error);
    } finally {
      reads.delete(id);
    }
  };
  const call = async (
    id: number,
    method: 'createTopic' | 'append' | 'bounds',
    args: readonly unknown[],
  ): Promise<void> => {
    try {
      const target = log[method] as (...args: readonly unknown[]) => Promise<unknown>;
      channel.post({
        kind: 'result',
        id,
        result: await target.apply(log, [...args]),
      } satisfies Reply);
    } catch (error) {
      fail(id, error);
    }
  };
  channel.listen((message) => {
    const request = message as Request;
    switch (request.kind) {
      case 'call':
        void call(request.id, request.method, request.args);
        break;
      case 'read':
        void read(request.id, request.at, request.from, request.options);
        break;
      case 'credit':
        reads.get(request.id)?.credit();
        break;
      case 'stop':
        reads.get(request.id)?.stop.abort();
        break;
    }
  });
  channel.onClose(() => {
    for (const { stop } of reads.values()) stop.abort();
  });
}

/** A log on another thread. */
export class RemoteLog implements Log {
  readonly #channel: LogChannel;
  readonly #replies = new Map<number, (reply: Reply) => void>();
  #ids = 0;
  #closed = false;

  constructor(channel: LogChannel) {
    this.#channel = channel;
    channel.listen((message) => {
      const reply = message as Reply;
      this.#replies.get(reply.id)?.(reply);
    });
    channel.onClose(() => this.#close());
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.#call('createTopic', [topic, partitions]);
  }

  async append(at: TopicPartition, records: readonly LogRecord[]): Promise<LogOffset> {
    return (await this.#call('append', [at, records])) as LogOffset;
  }

  async bounds(
    at: TopicPartition,
  ): Promise<{ readonly start: LogOffset; readonly end: LogOffset }> {
    return (await this.#call('bounds', [at])) as { start: LogOffset; end: LogOffset };
  }

  async *read(
    at: TopicPartition,
    from: LogOffset,
    { signal, ...options }: LogReadOptions,
  ): AsyncIterable<readonly StoredRecord[]> {
    const id = this.#ids++;
    const arrived: Reply[] = [];
    let wake = (): void => undefined;
    const listener = (reply: Reply): void => {
      arrived.push(reply);
      wake();
    };
    const stop = (): void => {
      this.#channel.post({ kind: 'stop', id } satisfies Request);
      wake();
    };
    this.#replies.set(id, listener);
    signal?.addEventListener('abort', stop);
    try {
      if (this.#closed) throw closed();
      this.#channel.post({ kind: 'read', id, at, from, options } satisfies Request);
      while (!signal?.aborted) {
        const reply = arrived.shift();
        if (reply === undefined) {
          if (this.#closed) return;
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        if (this.#closed || reply.kind === 'end') return;
        if (reply.kind === 'failed') throw errorOf(reply);
        assert(reply.kind === 'batch', 'a read has batches');
        yield reply.records;
        this.#channel.post({ kind: 'credit', id } satisfies Request);
      }
    } finally {
      this.#replies.delete(id);
      signal?.removeEventListener('abort', stop);
      this.#channel.post({ kind: 'stop', id } satisfies Request);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  #call(method: 'createTopic' | 'append' | 'bounds', args: readonly unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed());
    const id = this.#ids++;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, (reply) => {
        this.#replies.delete(id);
        if (reply.kind === 'failed') reject(errorOf(reply));
        else {
          assert(reply.kind === 'result', 'a call has a result');
          resolve(reply.result);
        }
      });
      this.#channel.post({ kind: 'call', id, method, args } satisfies Request);
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const [id, reply] of this.#replies)
      reply({
        kind: 'failed',
        id,
        code: 'stopping',
        detail: 'The log is closed.',
        hint: undefined,
      });
  }
}

function closed(): PyralogError {
  return new PyralogError('stopping', 'The log is closed.');
}

function errorOf({ code, detail, hint }: Reply & { readonly kind: 'failed' }): PyralogError {
  return new PyralogError(code, detail, { hint });
}
