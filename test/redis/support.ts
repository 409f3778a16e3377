import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { must } from '@pyralog/base';
import { isPyralogError, type PyralogError } from '@pyralog/model';
import { Redis } from 'ioredis';
import { expect } from 'vitest';

/** Names of this run: a server keeps what earlier ones have made. */
const run = `t${process.pid.toString(36)}${Date.now().toString(36)}`;
let names = 0;

/** A prefix of keys, and name of a database, that no other test has. */
export function freshName(): string {
  return `${run}-${names++}`;
}

/** All keys that a pattern fits. */
export async function keysOf(redis: Redis, pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const keys of redis.scanStream({ match: pattern, count: 1_000 }))
    for (const key of keys as string[]) found.add(key);
  return [...found];
}

/** A process of its own that runs a file of the tests. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  constructor(file: URL, ...args: readonly string[]) {
    const source = ['--conditions=source', '--import', 'tsx', fileURLToPath(file)];
    this.#process = spawn(process.execPath, [...source, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#exited = once(this.#process, 'exit');
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** The next line that it prints; undefined when it has ended. */
  async line(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done === true ? undefined : next.value;
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal);
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** A promise that somebody opens. */
export class Gate {
  open: () => void = () => undefined;
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });
}

/** @returns the error that a call is refused with */
export async function refused(code: string, call: () => Promise<unknown>): Promise<PyralogError> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) ? error.code : error).toBe(code);
  return error as PyralogError;
}

/** A client that knows nothing of the adapter under test. */
export function outsiderOf(url: string): AsyncDisposable & { readonly client: Redis } {
  const client = new Redis(url);
  client.on('error', () => undefined);
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

/** A way to a server on which the first request with a text in it waits until it is let go. */
export class LatePath implements AsyncDisposable {
  readonly url: string;
  /** Resolves when the request waits. */
  readonly waits: Promise<void>;
  readonly #letGo: Gate;
  readonly #answered: Promise<void>;
  readonly #server: Server;

  private constructor(url: string, server: Server, [waits, letGo, answered]: readonly Gate[]) {
    this.url = url;
    this.#server = server;
    this.waits = must(waits, 'it waits').opened;
    this.#letGo = must(letGo, 'it goes on');
    this.#answered = must(answered, 'it is answered').opened;
  }

  static async to(url: string, text: string): Promise<LatePath> {
    const { hostname, port } = new URL(url);
    const [waits, letGo, answered] = [new Gate(), new Gate(), new Gate()];
    let passed = false;
    const server = createServer((client) => {
      const onward = connect(Number(port), hostname);
      let before = Promise.resolve();
      client.on('data', (bytes) => {
        const late = !passed && bytes.includes(text);
        passed ||= late;
        if (late) waits.open();
        before = before.then(async () => {
          if (late) {
            await letGo.opened;
            onward.once('data', () => answered.open());
          }
          onward.write(bytes);
        });
      });
      // Whoever has given up has sent it all the same.
      client.on('error', () => undefined);
      client.on('close', () => void before.then(() => onward.end()));
      onward.on('data', (bytes) => client.write(bytes));
      onward.on('error', () => client.destroy());
      onward.on('close', () => client.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const own = (server.address() as AddressInfo).port;
    return new LatePath(`redis://127.0.0.1:${own}`, server, [waits, letGo, answered]);
  }

  /** Resolves when it has been answered. */
  async letGo(): Promise<void> {
    this.#letGo.open();
    await this.#answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#letGo.open();
    this.#server.close();
  }
}
