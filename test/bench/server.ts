import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The command line of a clone, which runs from source, and the one that is built and published. */
export const COMMANDS = {
  clone: [path('../../pyralog')],
  built: [process.execPath, path('../../services/pyralog/dist/bin.js')],
} as const;

/** A `pyralog dev`, or a role of a cluster, in a process of its own. Disposing ends it as Ctrl-C does. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** From its start to the line `Ready`. */
  readonly readyMillis: number;
  /** Resolves when the signal has ended it. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Starts `pyralog dev` on a free port, on a folder, and waits for Ready. */
export function startServer(command: keyof typeof COMMANDS, dir: string): Promise<Server> {
  return startProcess(command, ['dev', '--port', '0', '--data', dir]);
}

/** Starts a command that serves, and waits for Ready. */
export async function startProcess(
  command: keyof typeof COMMANDS,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const [program, ...before] = COMMANDS[command];
  const started = performance.now();
  const child = spawn(program, [...before, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  tellErrors(child);
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const url = await readyUrl(child);
  const readyMillis = performance.now() - started;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url,
    readyMillis,
    pid: child.pid as number,
    end,
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

/** What a server says on stderr, but for its farewell. */
function tellErrors(child: ChildProcess): void {
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  lines.on('line', (line) => {
    if (line !== 'Stopping …') process.stderr.write(`${line}\n`);
  });
}

async function readyUrl(child: ChildProcess): Promise<string> {
  let url: string | undefined;
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    lines.push(line);
    url ??= /(http:\/\/127\.0\.0\.1:[0-9]+)\/(?:v1|healthz)\//.exec(line)?.[1];
    if (url !== undefined && line.includes('Ready')) {
      child.stdout?.resume();
      return url;
    }
  }
  throw new Error(`pyralog ended before Ready:\n${lines.join('\n')}`);
}

/** Resident memory of a process in MiB; undefined where the system does not tell (other than Linux). */
export function residentMib(pid: number): number | undefined {
  return told(() => numberOf(`/proc/${pid}/status`, 'VmRSS') / 1024);
}

/** The most that a process has had resident so far, in MiB; undefined as above. */
export function peakResidentMib(pid: number): number | undefined {
  return told(() => numberOf(`/proc/${pid}/status`, 'VmHWM') / 1024);
}

/** Hundredths of a second of processor time: what Linux counts in, on every machine. */
const TICKS = 100;

/** Seconds of processor time that a process has used, of all its threads; undefined as above. */
export function cpuSeconds(pid: number): number | undefined {
  return told(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: the state, and ten numbers before the two.
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return (Number(user) + Number(system)) / TICKS;
  });
}

/** Memory of a process and its children in MiB, with what they share counted once; undefined as above. */
export function memoryOfAllMib(pid: number): number | undefined {
  return told(() => {
    const pids = [pid, ...childrenOf(pid)];
    return (
      pids.reduce((sum, each) => sum + numberOf(`/proc/${each}/smaps_rollup`, 'Pss'), 0) / 1024
    );
  });
}

function told(read: () => number): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function childrenOf(parent: number): number[] {
  return (
    readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number)
      // One that has ended meanwhile is nobody's child.
      .filter((pid) => told(() => numberOf(`/proc/${pid}/status`, 'PPid')) === parent)
  );
}

/** The number behind a name in a file of /proc. */
function numberOf(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+([0-9]+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  return Number(found ?? 0);
}
