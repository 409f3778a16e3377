import type { DatabaseHost } from '@pyralog/client';
import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { SingleBar } from 'cli-progress';
import { databaseNameFor, openRepository, type Repository } from '../git/repository.ts';
import { type GitImportProgress, type GitImportSummary, importGit } from '../import-git.ts';
import { EXIT, type GlobalOptions, inFlightMax, openHost } from './context.ts';
import { counted, line, note } from './print.ts';

export interface ImportOptions extends Omit<GlobalOptions, 'db'> {
  /** Default: named after the repository. */
  readonly db?: string | undefined;
  readonly ref: string;
  readonly live?: boolean | undefined;
}

/** `pyralog import git PATH`: resumable, incremental; Ctrl-C ends it behind a whole commit. */
export async function importCommand(path: string, options: ImportOptions): Promise<number> {
  const repository = await openRepository(path);
  const name = options.db ?? databaseNameFor(repository);
  await using host = await openHost(options, true);
  const made = await prepare(host, name);
  if (repository.shallow)
    note(`${repository.name} is a shallow clone: its history begins where the clone does.`);
  if (options.json !== true)
    note(
      `Importing ${repository.name} (${options.ref}) into database ${name}${made ? ', which is new' : ''}.`,
    );
  const bar = options.json !== true && process.stderr.isTTY ? new ProgressBar() : undefined;
  const stop = stopOnInterrupt(() => bar?.stop());
  const started = performance.now();
  const database = await host.database(name);
  let summary: GitImportSummary;
  try {
    summary = await importGit(database, repository, {
      ref: options.ref,
      signal: stop,
      inFlightMax: inFlightMax(options),
      clock: new SystemClock(),
      timers: new SystemTimers(),
      onProgress: bar && ((progress) => bar.show(progress)),
    });
  } finally {
    bar?.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  if (options.live === true && summary.complete && (await database.status()).mode === 'import')
    await database.goLive();
  if (options.json === true) line(JSON.stringify({ database: name, ...summary, seconds }));
  else tell(repository, summary, seconds);
  return summary.complete ? EXIT.ok : EXIT.interrupted;
}

/** Makes the database in import mode unless there is one. @returns whether it was made */
async function prepare(host: DatabaseHost, name: string): Promise<boolean> {
  const there = (await host.list()).includes(name);
  return !there && (await host.create(name, { mode: 'import' })) === 'created';
}

function tell(repository: Repository, summary: GitImportSummary, seconds: number): void {
  line(sentenceOf(repository, summary, seconds));
  if (summary.datedAhead > 0) {
    note(
      `${counted(summary.datedAhead, 'commit')} dated in the future got the time after the one before; commit/committed keeps the date.`,
    );
  }
  if (!summary.complete) note('Stopped behind a whole commit. The same command goes on from here.');
}

export function sentenceOf(
  { name }: Pick<Repository, 'name'>,
  summary: GitImportSummary,
  seconds: number,
): string {
  const { transactions, commits, changes, facts, resumedAfter } = summary;
  if (transactions === 0) return `${name}: nothing new; the database has every commit.`;
  const rate = Math.round(transactions / Math.max(seconds, 0.001)).toLocaleString('en-US');
  const since = resumedAfter === undefined ? '' : ` after ${resumedAfter.slice(0, 10)}`;
  const parts = [
    counted(commits, 'commit'),
    counted(changes, 'changed path'),
    counted(facts, 'fact'),
  ];
  return `${name}: ${counted(transactions, 'transaction')}${since} (${parts.join(', ')}) in ${seconds.toFixed(1)} s, ${rate} a second.`;
}

/** The first Ctrl-C asks, the second ends the process at once. */
function stopOnInterrupt(onStop: () => void): AbortSignal {
  const stop = new AbortController();
  process.once('SIGINT', () => {
    onStop();
    note('Stopping behind the commits that are on their way; Ctrl-C again stops at once.');
    process.once('SIGINT', () => process.exit(EXIT.interrupted));
    stop.abort();
  });
  process.once('SIGTERM', () => stop.abort());
  return stop.signal;
}

/** A bar on stderr, for a person who watches. */
class ProgressBar {
  readonly #bar = new SingleBar({
    format:
      '{bar} {percentage}%  {value}/{total} commits  {facts} facts  {rate}/s  {eta_formatted} left',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
    barsize: 24,
    fps: 10,
    // SIGINT is ours: the import ends in good order.
    gracefulExit: false,
  });
  readonly #started = performance.now();
  #state: 'new' | 'running' | 'stopped' = 'new';

  show({ done, total, facts }: GitImportProgress): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'new') this.#bar.start(total, 0, { facts: 0, rate: 0 });
    this.#state = 'running';
    this.#bar.setTotal(total);
    this.#bar.update(done, {
      facts: facts.toLocaleString('en-US'),
      rate: Math.round((done * 1000) / Math.max(1, performance.now() - this.#started)),
    });
  }

  stop(): void {
    if (this.#state === 'running') this.#bar.stop();
    this.#state = 'stopped';
  }
}
