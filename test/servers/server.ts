import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A server of its own process that tests may kill: always real, on loopback, its data in a folder of its own. */
export interface TestServer extends AsyncDisposable {
  /** `127.0.0.1:port` of Kafka; an http URL of S3; a redis:// URL. It stays over {@link kill} and {@link stop}. */
  readonly address: string;
  /** Of the process that runs now; another after every start. */
  readonly pid: number;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
  /** Again on the same folder and port, after {@link kill} or {@link stop}; resolves when it answers. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL after 10 s; resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay and nothing answers. None of its threads runs any more when this returns. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

/** There is no such server on this machine and none can be made; the message is one line that says what is missing. */
export class ServerUnavailable extends Error {
  override readonly name = 'ServerUnavailable';
  /** What the tools said that could not get it. */
  readonly details: string;

  constructor(output: string) {
    const end = output.lastIndexOf('\n') + 1;
    super(output.slice(end));
    this.details = output.slice(0, end);
  }
}

/** What the scripts of infra/scripts end with where a server cannot be had. */
const UNAVAILABLE = 3;

/**
 * Ends a server with the process of the test, however that ends: nobody holds the pipe to this shell then. A start
 * that is under way holds it too, since nothing may come up behind the guard.
 */
const GUARD = 'cat >/dev/null; sh "$1" stop "$2" && rm -rf "$2"';
// Not its last command, or the shell would become it.
const GUARDED = 'sh "$@" 3>&-; exit $?';

/** A server of one of the scripts of infra/scripts, which say how each is got and started. */
export class ScriptedServer implements TestServer {
  readonly #script: string;
  readonly #dir: string;
  readonly #guard: ChildProcess;
  #address = '';

  protected constructor(script: URL) {
    this.#script = fileURLToPath(script);
    this.#dir = mkdtempSync(join(tmpdir(), `pyralog-${basename(this.#script, '.sh')}-`));
    // A group of its own, or an interrupt at the terminal would end it with the test, before its work.
    this.#guard = spawn('sh', ['-c', GUARD, 'sh', this.#script, this.#dir], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.unref();
  }

  /** Its first start; nothing is left of one that fails. */
  protected static async started<S extends ScriptedServer>(server: S): Promise<S> {
    try {
      await server.start();
      return server;
    } catch (error) {
      // The reason counts, not that there is nothing to end either.
      await server[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }

  get address(): string {
    return this.#address;
  }

  get pid(): number {
    return Number(readFileSync(join(this.#dir, 'pid'), 'utf8'));
  }

  async start(): Promise<void> {
    const args = ['-c', GUARDED, 'sh', this.#script, 'start', this.#dir];
    this.#address = await result(args, this.#guard.stdin);
  }

  async stop(): Promise<void> {
    await run(this.#script, 'stop', this.#dir);
  }

  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    await this.stop();
    // A process has no command line any more when its first thread has ended; others may still hold its sockets.
    while (threadsOf(pid).some((state) => !'ZX'.includes(state)))
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
  }

  pause(): void {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    // The signal is sent, not yet obeyed; no longer than a turn of each thread.
    while (!threadsOf(pid).every((state) => 'TZX'.includes(state)));
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, stdin } = this.#guard;
    if (exitCode !== null || signalCode !== null) return;
    this.#guard.ref();
    const exit = once(this.#guard, 'exit');
    stdin?.end();
    const [status] = await exit;
    if (status !== 0) throw new Error(`The server in ${this.#dir} was not stopped.`);
  }
}

/** Letters of the states of all threads, but of those that end meanwhile. */
function threadsOf(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  const threads = existsSync(tasks) ? readdirSync(tasks) : [];
  return threads.flatMap((thread) => {
    try {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      return /^State:\s+(\S)/m.exec(status)?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

/** Resolves with what a script prints. */
export function run(script: string, ...args: readonly string[]): Promise<string> {
  return result([script, ...args]);
}

/** @param held what the shell keeps open as its third descriptor */
async function result(args: readonly string[], held: Writable | null = null): Promise<string> {
  // Of a group of its own: what it starts outlives an interrupt at the terminal until its test has ended.
  const child = spawn('sh', args, {
    stdio: ['ignore', 'pipe', 'pipe', held ?? 'ignore'],
    detached: true,
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stderr as Readable),
    once(child, 'exit'),
  ]);
  if (status === 0) return stdout.trim();
  const reason = stderr.trim() || `${args.join(' ')} ended with ${status}`;
  throw status === UNAVAILABLE ? new ServerUnavailable(reason) : new Error(reason);
}
