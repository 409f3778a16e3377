import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../infra/scripts/postgres.sh', import.meta.url));

/** A PostgreSQL server of our own, of the script beside install.sh. */
export class PostgresServer implements Disposable {
  readonly #dir: string;
  #url: string;

  private constructor(dir: string, url: string) {
    this.#dir = dir;
    this.#url = url;
  }

  /** @returns the reason where there is none and none can be installed */
  static start(): PostgresServer | string {
    const dir = mkdtempSync(join(tmpdir(), 'pyralog-bench-postgres-'));
    try {
      return new PostgresServer(dir, script('start', dir));
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      return error instanceof Error ? error.message : String(error);
    }
  }

  get url(): string {
    return this.#url;
  }

  get pid(): number {
    return Number(readFileSync(join(this.#dir, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  stop(): void {
    script('stop', this.#dir);
  }

  /** Goes on after {@link stop}. */
  startAgain(): void {
    this.#url = script('start', this.#dir);
  }

  [Symbol.dispose](): void {
    script('stop', this.#dir);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function script(command: 'start' | 'stop', dir: string): string {
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, command, dir], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim() || `postgres.sh ${command} failed`);
  return stdout.trim();
}
