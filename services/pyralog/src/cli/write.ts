import { type CommitResult, type Database, printCommit } from '@pyralog/client';
import { formatNanos, isPyralogError } from '@pyralog/model';
import { InFlight } from '../in-flight.ts';
import {
  EXIT,
  type GlobalOptions,
  inFlightMax,
  openHost,
  report,
  withDatabase,
} from './context.ts';
import { documentsIn, type GivenDocument, openInput } from './documents.ts';
import { counted, factTable, harmless, line, note, out } from './print.ts';

const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;

export interface CreateDatabaseOptions extends GlobalOptions {
  readonly strict?: boolean | undefined;
  readonly import?: boolean | undefined;
  readonly partitions?: number | undefined;
}

export async function create(name: string, options: CreateDatabaseOptions): Promise<void> {
  await using host = await openHost(options, true);
  const made = await host.create(name, {
    partitions: options.partitions,
    strict: options.strict,
    mode: options.import === true ? 'import' : 'live',
  });
  if (options.json === true) line(JSON.stringify({ name, created: made === 'created' }));
  else line(made === 'created' ? `Created ${name}.` : `${name} exists with these settings.`);
}

export async function live(options: GlobalOptions): Promise<void> {
  await withDatabase(options, async (database) => {
    const { tx } = await database.goLive();
    line(
      options.json === true
        ? JSON.stringify({ tx: String(tx) })
        : `${options.db} is live since ${formatNanos(tx)}.`,
    );
  });
}

export interface TransactOptions extends GlobalOptions {
  readonly keepGoing?: boolean | undefined;
  readonly facts?: boolean | undefined;
  readonly explain?: boolean | undefined;
}

/**
 * Commits what a file or standard input holds: one document, a JSON array of them, or one a line; each is a transaction of
 * its own. Stops at the first that is refused, or tells each of them and goes on.
 */
export async function transact(
  file: string | undefined,
  options: TransactOptions,
): Promise<number> {
  const input = await openInput(file);
  return withDatabase(options, async (database) => {
    const tally = new Tally(database, options);
    // To stop behind a refused document the next one waits for its answer.
    const flight = new InFlight({
      countMax: options.keepGoing === true ? inFlightMax(options) : 1,
      bytesMax: IN_FLIGHT_BYTES_MAX,
    });
    try {
      for await (const given of documentsIn(input)) {
        if (!(await flight.send(given.document.length, () => tally.commit(given)))) break;
      }
    } finally {
      input.destroy();
    }
    // What went wrong is told already.
    await flight.settle().catch(() => {});
    return tally.finish();
  });
}

/** What became of the documents. */
class Tally {
  readonly #database: Database;
  readonly #options: TransactOptions;
  #committed = 0;
  #refused = 0;
  #facts = 0;
  #last: CommitResult | undefined;
  #status: number = EXIT.ok;

  constructor(database: Database, options: TransactOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** @throws where nothing more shall be sent */
  async commit({ document, place }: GivenDocument): Promise<void> {
    const { json, facts, keepGoing, explain } = this.#options;
    try {
      const result = await this.#database.transact(document, { explain });
      this.#committed++;
      this.#facts += result.facts.length;
      this.#last = result;
      if (json === true) line(printCommit(result, place === undefined || facts === true));
      else {
        if (place === undefined || facts === true) show(result);
        if (explain === true) showExplanation(result, place);
      }
    } catch (error) {
      this.#refused++;
      if (place !== undefined) note(`${place}:`);
      this.#status = report(error, json);
      const refused =
        isPyralogError(error) &&
        error.row.category !== 'unavailable' &&
        error.row.category !== 'interrupted';
      if (keepGoing !== true || !refused) throw error;
    }
  }

  finish(): number {
    const { json } = this.#options;
    const several = this.#committed + this.#refused !== 1;
    if (several && json !== true) {
      const until = this.#last === undefined ? '' : `, the last at tx ${this.#last.tx}`;
      line(
        `${counted(this.#committed, 'transaction')} committed (${counted(this.#facts, 'fact')})${until}${this.#refused === 0 ? '' : `; ${this.#refused} refused`}.`,
      );
    }
    return this.#status;
  }
}

/** On one line each where there are several, so that they can be compared. */
function showExplanation({ tx, explain }: CommitResult, place: string | undefined): void {
  // A duplicate was not done.
  if (explain === undefined) return;
  const { partitions, attempts, millis } = explain;
  const [coordinator, ...others] = partitions;
  const where =
    others.length === 0
      ? `partition ${coordinator}`
      : `partition ${coordinator} with ${others.join(', ')}`;
  const tries = attempts === 1 ? '' : `, ${attempts} attempts`;
  const stages = [
    stage(millis.publish, 'publish'),
    stage(millis.wait, 'wait'),
    stage(millis.prepare, 'prepare'),
    stage(millis.commit, 'commit'),
  ].filter((each) => each !== undefined);
  const name = place === undefined ? '' : `tx ${tx}  `;
  line(`${name}${millisText(millis.total)} on ${where}${tries}: ${stages.join(' + ')}`);
}

/** What took no time is left out, as what is not known. */
function stage(millis: number | undefined, name: string): string | undefined {
  return millis === undefined || millis === 0 ? undefined : `${name} ${millisText(millis)}`;
}

function millisText(millis: number): string {
  return `${millis < 10 ? millis.toFixed(2) : Math.round(millis)} ms`;
}

function show(result: CommitResult): void {
  line(
    `tx ${result.tx}  ${formatNanos(result.tx)}${result.duplicate ? '  (sent before; this is the first result)' : ''}`,
  );
  for (const [temporary, entity] of result.ids)
    line(`${harmless(temporary)} is ${harmless(entity)}`);
  out(factTable(result.facts, false));
}
