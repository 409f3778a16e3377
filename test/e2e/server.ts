import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../services/pyralog/dist/bin.js', import.meta.url));

/** Arguments of `node` that run the command line as it is built; `npm test` builds it first. */
export const cli = (...args: string[]): string[] => [BIN, ...args];

/** A real `pyralog dev` in its own process. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** Milliseconds from start to Ready. */
  readonly readyMillis: number;
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>;
}

/** Starts `pyralog dev` on a free port and waits for Ready. Its errors go to this process's stderr. */
export async function startServer(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Server> {
  const started = performance.now();
  const child = spawn(process.execPath, cli('dev', '--port', '0', ...args), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const url = await readyUrl(child);
  const readyMillis = performance.now() - started;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  return {
    url,
    readyMillis,
    pid: child.pid as number,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  };
}

async function readyUrl(child: ChildProcess): Promise<string> {
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
  throw new Error(`pyralog dev ended before Ready:\n${lines.join('\n')}`);
}
