import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';

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

/** Of the last minute. */
export function loadAverage(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
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
