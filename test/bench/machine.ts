import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { figure, latency } from './measure.ts';

/** What figures depend on beside the program. */
export interface Machine {
  readonly hardware: string;
  readonly system: string;
  /** Version and commit of this repository; `+` where files differ from it. */
  readonly pyralog: string;
}

/** The machine and the state of the code that are measured. */
export function describeMachine(): Machine {
  const [cpu] = cpus();
  return {
    hardware: `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${nameOfSystem()} (${type()} ${release()})`,
    pyralog: versionOfTree(),
  };
}

/** What other work leaves of the machine: processes that want to run, and what the disk takes to keep 4 KiB. */
export function describeLoad(): string {
  const { p50, p99 } = latency(syncTimes());
  return `load average ${(loadavg()[0] ?? 0).toFixed(1)}, \`fdatasync\` of 4 KiB p50 ${figure(p50)} ms, p99 ${figure(p99)} ms`;
}

/** Milliseconds of appends to a file where the databases will lie, each on the disk before the next. */
function syncTimes(): number[] {
  const dir = mkdtempSync(join(tmpdir(), 'pyralog-bench-disk-'));
  const file = openSync(join(dir, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const started = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(performance.now() - started);
  }
  closeSync(file);
  rmSync(dir, { recursive: true });
  return times;
}

function nameOfSystem(): string {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

function versionOfTree(): string {
  const root = new URL('../../', import.meta.url);
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    version: string;
  };
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
    const changed = git('status', '--porcelain') === '' ? '' : '+';
    return `${version} (${git('rev-parse', '--short', 'HEAD')}${changed})`;
  } catch {
    return version;
  }
}
