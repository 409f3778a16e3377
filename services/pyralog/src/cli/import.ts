import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { SingleBar } from 'cli-progress';
import { openRepository, type Repository } from '../git/repository.ts';
import { type GitImportProgress, type GitImportSummary, importGit } from '../import-git.ts';
import { EXIT, type GlobalOptions, openHost } from './context.ts';
import { line, note } from './print.ts';

/** Commits on their way: in one process they stay in order, over HTTP requests may overtake each other. */
const IN_FLIGHT_EMBEDDED = 256;
const IN_FLIGHT_HTTP = 1;

export interface ImportOptions extends GlobalOptions {
  readonly ref: string;
  readonly live?: boolean;
}

/** `pyralog import git PATH`: resumable, incremental; Ctrl-C ends it behind a whole commit. */
export async function importCommand(path: string, options: ImportOptions): Promise<number> {
  const repository = await openRepository(path);
  await using host = await openHost(options);
  const names = await host.list();
  if (!names.includes(options.db)) await host.create(options.db, { mode: 'import' });
  const database = await host.database(options.db);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const watched = options.json !== true && process.stderr.isTTY;
  const started = performance.now();
  const summary = await importGit(database, repository, {
    ref: options.ref,
    signal: stop.signal,
    inFlightMax: options.data === undefined ? IN_FLIGHT_HTTP : IN_FLIGHT_EMBEDDED,
    clock: new SystemClock(),
    timers: new SystemTimers(),
    onProgress: watched ? progressBar() : undefined,
  });
  const seconds = (performance.now() - started) / 1000;
  if (options.live === true && summary.complete) await database.goLive();
  if (options.json === true) line(JSON.stringify({ ...summary, seconds }));
  else line(sentenceOf(repository, summary, seconds));
  if (!summary.complete) note('Stopped. The same command goes on from here.');
  return summary.complete ? EXIT.ok : EXIT.refused;
}

export function sentenceOf({ name }: Repository, { transactions, commits, changes, facts, resumedAfter }: GitImportSummary, seconds: number): string {
  if (transactions === 0) return `${name}: nothing new; the database has every commit.`;
  const rate = Math.round(transactions / Math.max(seconds, 0.001));
  const since = resumedAfter === undefined ? '' : ` after ${resumedAfter.slice(0, 10)}`;
  return `${name}: ${transactions} transactions${since} (${commits} commits, ${changes} changed paths, ${facts} facts) in ${seconds.toFixed(1)} s, ${rate} a second.`;
}

/** A bar on stderr, for a person who watches. */
function progressBar(): (progress: GitImportProgress) => void {
  const bar = new SingleBar({
    format: '{bar} {percentage}%  {value}/{total} commits  {facts} facts  {rate}/s  {eta_formatted}',
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  });
  const started = performance.now();
  let running = false;
  return ({ done, total, facts }) => {
    if (!running) bar.start(total, 0, { facts: 0, rate: 0 });
    running = true;
    bar.setTotal(total);
    bar.update(done, { facts, rate: Math.round((done * 1000) / Math.max(1, performance.now() - started)) });
    if (done >= total) bar.stop();
  };
}
