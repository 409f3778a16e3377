import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../services/pyralog/dist/bin.js', import.meta.url));

/** Arguments of `node` that run the command line as it is built; `npm test` builds it first. */
const cli = (...args: string[]): string[] => [BIN, ...args];

/** A real `pyralog dev` in its own process. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** Milliseconds from start to Ready. */
  readonly readyMillis: number;
  readonly pid: number;
  /** What it has written to stderr. */
  errors(): string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Resolves with the exit status; null where the signal itself ended it. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
}

/** Starts `pyralog dev` on a free port and waits for Ready. Its errors go to this process's stderr too. */
export async function startServer(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Server> {
  const started = performance.now();
  const { child, errors } = spawnDev(args, env);
  const url = await readyUrl(child, errors);
  const readyMillis = performance.now() - started;
  return {
    url,
    readyMillis,
    pid: child.pid as number,
    errors,
    kill: async () => void (await end(child, 'SIGKILL')),
    stop: (signal = 'SIGTERM') => end(child, signal),
    [Symbol.asyncDispose]: async () => void (await end(child, 'SIGKILL')),
  };
}

/** Starts `pyralog dev` and kills it after a while, ready or not. @returns whether it had come so far */
export async function killWhileStarting(
  args: readonly string[],
  delayMillis: number,
): Promise<boolean> {
  const { child, errors } = spawnDev(args, {});
  let ready = false;
  const starting = readyUrl(child, errors).then(
    () => (ready = true),
    () => false,
  );
  await new Promise((resolve) => setTimeout(resolve, delayMillis));
  await end(child, 'SIGKILL');
  await starting;
  return ready;
}

function spawnDev(
  args: readonly string[],
  env: Record<string, string>,
): { readonly child: ChildProcess; readonly errors: () => string } {
  const child = spawn(process.execPath, cli('dev', '--port', '0', ...args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let errors = '';
  child.stderr?.on('data', (text: Buffer) => {
    errors += text.toString();
    process.stderr.write(text);
  });
  return { child, errors: () => errors };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}

async function readyUrl(child: ChildProcess, errors: () => string): Promise<string> {
  let url: string | undefined;
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    lines.push(line);
    url ??= /http:\/\/127\.0\.0\.1:[0-9]+/.exec(line)?.[0];
    if (url !== undefined && line.includes('Ready')) {
      child.stdout?.resume();
      return url;
    }
  }
  throw new Error(`pyralog dev ended before Ready:\n${lines.join('\n')}${errors()}`);
}
