import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../services/pyralog/dist/bin.js', import.meta.url));

/**
 * Ends with the test the processes that it was told of, however that ends: nobody holds its pipe then. A process
 * that has ended is taken off the list, or another might have its number.
 */
const GUARD = `pids=' '
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) pids=$(printf %s "$pids" | sed "s/ $pid / /") ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done`;

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Processes of the command line as it is built, none of which outlives this one. */
export class Processes implements AsyncDisposable {
  readonly #running = new Set<Child>();
  // A group of its own, or an interrupt at the terminal would end it before its work.
  readonly #guard = spawn('sh', ['-c', GUARD], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });

  /** Starts a process that runs until it is ended. */
  start(args: readonly string[], env: Readonly<Record<string, string>>): ClusterProcess {
    return new ClusterProcess(args.join(' '), this.#spawn(args, env));
  }

  /** Runs a command to its end. @returns its stdout; rejects with its stderr where it does not end well */
  async run(args: readonly string[]): Promise<string> {
    const child = this.#spawn(args, {});
    const [output, errors, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    if (status === 0) return output;
    throw new Error(`pyralog ${args.join(' ')} ended with ${status}:\n${errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((child) => end(child, 'SIGKILL')));
    const ended = once(this.#guard, 'exit');
    this.#guard.stdin.end();
    await ended;
  }

  #spawn(args: readonly string[], env: Readonly<Record<string, string>>): Child {
    const child = spawn(process.execPath, [BIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const { pid } = child;
    this.#guard.stdin.write(`+ ${pid}\n`);
    this.#running.add(child);
    child.once('exit', () => {
      this.#running.delete(child);
      this.#guard.stdin.write(`- ${pid}\n`);
    });
    return child;
  }
}

/** One process of a cluster. */
export class ClusterProcess {
  readonly #what: string;
  readonly #child: Child;
  readonly #listening: Promise<string>;
  readonly #ready: Promise<void>;
  #url = '';
  #errors = '';
  #waiting: (() => void)[] = [];

  constructor(what: string, child: Child) {
    this.#what = what;
    this.#child = child;
    child.stderr.on('data', (bytes: Buffer) => {
      this.#errors += bytes.toString();
      for (const look of this.#waiting.splice(0)) look();
    });
    const lines = createInterface({ input: child.stdout });
    const line = (pattern: RegExp): Promise<RegExpExecArray> =>
      new Promise((resolve, reject) => {
        lines.on('line', (said) => {
          const found = pattern.exec(said);
          if (found !== null) resolve(found);
        });
        lines.once('close', () => reject(this.#failed(`ended before it said ${pattern.source}`)));
      });
    this.#listening = line(/(http:\/\/127\.0\.0\.1:[0-9]+)\/healthz\/ready/).then(
      ([, url = '']) => (this.#url = url),
    );
    this.#ready = line(/^Ready/).then(() => undefined);
    // Who looks for it is told.
    this.#listening.catch(() => undefined);
    this.#ready.catch(() => undefined);
  }

  /** Where it serves, once it does. */
  get url(): string {
    return this.#url;
  }

  /** Resolves when its health can be asked for. */
  async listening(): Promise<void> {
    await this.#listening;
  }

  /** Resolves when it has said that it does its work. */
  ready(): Promise<void> {
    return this.#ready;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** What it has written to stderr. */
  get errors(): string {
    return this.#errors;
  }

  /** Resolves when it has written to stderr what a pattern fits, behind so many characters. */
  async says(pattern: RegExp, from = 0): Promise<void> {
    while (!pattern.test(this.#errors.slice(from))) {
      if (this.#ended) throw this.#failed(`ended without saying ${pattern.source}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        this.#child.once('exit', () => resolve());
      });
    }
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL');
  }

  /** SIGTERM. @returns its exit status; null where a signal ended it */
  stop(): Promise<number | null> {
    return end(this.#child, 'SIGTERM');
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** What `/healthz/ready` says. */
  async health(): Promise<{ readonly status: number; readonly reasons: readonly string[] }> {
    const response = await fetch(`${this.#url}/healthz/ready`);
    const { reasons } = (await response.json()) as { readonly reasons: readonly string[] };
    return { status: response.status, reasons };
  }

  /** The sum of a metric over its labels, or over those lines that have a text. */
  async metric(name: string, having = ''): Promise<number> {
    const response = await fetch(`${this.#url}/metrics`);
    return (await response.text())
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => line.includes(having))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Whether it works on the partition of a database. */
  async worksOn(database: string): Promise<boolean> {
    return (await this.metric('pyralog_partitions', `"${database}/0"`)) === 1;
  }

  get #ended(): boolean {
    return hasEnded(this.#child);
  }

  #failed(how: string): Error {
    return new Error(`pyralog ${this.#what} ${how}:\n${this.#errors}`);
  }
}

const hasEnded = ({ exitCode, signalCode }: Child): boolean =>
  exitCode !== null || signalCode !== null;

/** @returns the exit status; null where the signal itself ended it */
async function end(child: Child, signal: NodeJS.Signals): Promise<number | null> {
  if (!hasEnded(child)) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}
