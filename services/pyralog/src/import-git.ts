import type { Database } from '@pyralog/client';
import {
  DOCUMENT_BYTES_MAX,
  isPyralogError,
  OPERATIONS_MAX,
  PyralogError,
  TX_NONE,
} from '@pyralog/model';
import type { Clock, Timers } from '@pyralog/runtime';
import {
  commitDocument,
  commitEntity,
  GIT_ATTRIBUTES,
  HEAD_ATTRIBUTE,
  HEAD_ENTITY,
  schemaDocument,
} from './git/documents.ts';
import { planHistory, type Plan, readHistory } from './git/history.ts';
import { ImportClock } from './git/import-clock.ts';
import { InFlight } from './in-flight.ts';
import type { Sha } from './git/objects.ts';
import { type Repository, resolveCommit, treeOf } from './git/repository.ts';

export interface GitImportOptions {
  /** Branch, tag or commit whose first-parent chain is loaded; default `HEAD`. */
  readonly ref?: string | undefined;
  /** Stops the import when the transactions on their way are answered; the next run goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Transactions sent before the first is answered: 1 where the way to the database may change their order. */
  readonly inFlightMax: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Called after each commit that is durable. */
  readonly onProgress?: ((progress: GitImportProgress) => void) | undefined;
}

export interface GitImportProgress {
  /** Commits of the chain that this run has loaded, of those it has to load. */
  readonly done: number;
  readonly total: number;
  readonly facts: number;
}

export interface GitImportSummary {
  /** The newest commit of the chain that the database has now. */
  readonly head: Sha | undefined;
  /** Commits of the chain that this run loaded, each one transaction. */
  readonly transactions: number;
  /** With the commits of side branches. */
  readonly commits: number;
  /** Paths added, changed and deleted, over all commits. */
  readonly changes: number;
  readonly facts: number;
  /** Commits that the database had already. */
  readonly resumedAfter: Sha | undefined;
  /** Commits dated in the future, which got the time after the commit before them. */
  readonly datedAhead: number;
  /** False where the signal stopped it. */
  readonly complete: boolean;
}

/** What an import needs of a database. */
export type GitImportTarget = Pick<Database, 'transact' | 'entity' | 'schema' | 'transactions'>;

const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** Attempts without progress before a failure that may pass is taken for final. */
const ATTEMPTS_MAX = 5;
const PAUSE_MILLIS = 250;

/**
 * Loads the history of a repository as facts: each commit of the first-parent chain is one transaction.
 * What is there already is left out, whoever loaded it; a run that was cut off at any point goes on.
 *
 * The facts of a commit move `git/head` from its parent to itself (compare and set), so commits can
 * be sent without waiting for each other: behind one that is refused nothing gets in.
 *
 * @throws PyralogError `import-diverged` where the chain does not continue what is there,
 *   `transaction-too-large` for a commit beyond the limits, `import-source-failed` where git fails
 */
export async function importGit(
  database: GitImportTarget,
  repository: Repository,
  options: GitImportOptions,
): Promise<GitImportSummary> {
  const head = await resolveCommit(repository, options.ref ?? 'HEAD');
  const run = new Run(database, repository, options);
  let attempt = 0;
  for (;;) {
    const before = run.transactions;
    try {
      return await run.load(head);
    } catch (error) {
      attempt = run.transactions > before ? 1 : attempt + 1;
      if (!mayPass(error) || attempt >= ATTEMPTS_MAX || options.signal?.aborted === true)
        throw error;
      // Nothing else may be under way that keeps the process.
      await options.timers.sleep(PAUSE_MILLIS * 2 ** attempt, undefined, true);
    }
  }
}

class Run {
  readonly #database: GitImportTarget;
  readonly #repository: Repository;
  readonly #options: GitImportOptions;
  readonly #done = { commits: 0, changes: 0, facts: 0 };
  #resumedAfter: Sha | undefined;
  #datedAhead = 0;
  #head: Sha | undefined;
  transactions = 0;

  constructor(database: GitImportTarget, repository: Repository, options: GitImportOptions) {
    this.#database = database;
    this.#repository = repository;
    this.#options = options;
  }

  async load(head: Sha): Promise<GitImportSummary> {
    const stored = await storedHead(this.#database);
    if (this.transactions === 0) this.#resumedAfter = stored;
    this.#head = stored;
    if (stored === head) return this.#summary(true);
    const plan = await this.#plan(head, stored);
    const { mode, attributes } = await this.#database.schema();
    const clock =
      mode === 'import'
        ? new ImportClock(await newestTx(this.#database), this.#options.clock)
        : undefined;
    const known = new Set(attributes.map(({ ident }) => ident));
    const missing = GIT_ATTRIBUTES.filter(
      (attribute) => !known.has(attribute['db/ident'] as string),
    );
    return this.#send(plan, stored, missing, clock);
  }

  async #plan(head: Sha, stored: Sha | undefined): Promise<Plan> {
    if (stored !== undefined && (await treeOf(this.#repository, stored)) === undefined) {
      throw diverged(
        `${this.#repository.name} does not have commit ${stored}, which was imported last.`,
      );
    }
    const plan = await planHistory(this.#repository, head, stored);
    if (plan.base !== stored || plan.chain.length === 0) {
      throw diverged(
        `Commit ${stored ?? 'none'}, which was imported last, is not in the first-parent history of ${head}.`,
      );
    }
    return plan;
  }

  async #send(
    plan: Plan,
    stored: Sha | undefined,
    missing: typeof GIT_ATTRIBUTES,
    clock: ImportClock | undefined,
  ): Promise<GitImportSummary> {
    const { signal } = this.#options;
    const flight = new InFlight({
      countMax: this.#options.inFlightMax,
      bytesMax: IN_FLIGHT_BYTES_MAX,
    });
    const baseTree =
      (stored === undefined ? undefined : await treeOf(this.#repository, stored)) ??
      this.#repository.emptyTree;
    let previous = stored;
    let position = 0;
    let newest = -1;
    let declared = missing.length === 0;
    const total = this.transactions + plan.chain.length;
    let stopped: unknown;
    try {
      for await (const step of readHistory(this.#repository, plan, baseTree)) {
        if (signal?.aborted === true) break;
        const { commit, brings, changes } = step;
        if (!declared) {
          // A second before the first commit, so that every commit has its own time.
          await this.#database.transact(schemaDocument(missing, clock?.at(commit.committed - 1n)));
          declared = true;
        }
        const at = clock?.at(commit.committed);
        const here = position;
        const { document, operations } = commitDocument(step, previous, at);
        checkSize(commit.sha, operations, document.length);
        const sent = await flight.send(document.length, async () => {
          const { facts } = await this.#database.transact(document);
          if (here > newest) this.#head = commit.sha;
          newest = Math.max(newest, here);
          this.transactions++;
          this.#done.commits += 1 + brings.length;
          this.#done.changes += changes.length;
          this.#done.facts += facts.length;
          this.#options.onProgress?.({ done: this.transactions, total, facts: this.#done.facts });
        });
        if (!sent) break;
        position++;
        previous = commit.sha;
      }
    } catch (error) {
      stopped = error;
    }
    // What is on its way is answered first, so that the database's own refusal is the one told.
    await flight.settle();
    if (stopped !== undefined) throw stopped;
    this.#datedAhead += clock?.ahead ?? 0;
    return this.#summary(signal?.aborted !== true || this.transactions === total);
  }

  #summary(complete: boolean): GitImportSummary {
    return {
      head: this.#head,
      transactions: this.transactions,
      ...this.#done,
      resumedAfter: this.#resumedAfter,
      datedAhead: this.#datedAhead,
      complete,
    };
  }
}

/** The newest commit of the chain that the database has. */
export async function storedHead(database: Pick<Database, 'entity'>): Promise<Sha | undefined> {
  const { attributes } = await database.entity(HEAD_ENTITY);
  const [value] = attributes.get(HEAD_ATTRIBUTE)?.values ?? [];
  return value?.type === 'ref' ? value.value.slice(commitEntity('').length) : undefined;
}

async function newestTx(database: GitImportTarget): Promise<bigint> {
  const { transactions } = await database.transactions({ limit: 1 });
  return transactions[0]?.tx ?? TX_NONE;
}

function checkSize(sha: Sha, operations: number, bytes: number): void {
  const over =
    operations > OPERATIONS_MAX
      ? `${operations} operations, and a transaction takes at most ${OPERATIONS_MAX}`
      : bytes > DOCUMENT_BYTES_MAX
        ? `${bytes} bytes as a transaction, which takes at most ${DOCUMENT_BYTES_MAX}`
        : undefined;
  if (over === undefined) return;
  throw new PyralogError('transaction-too-large', `Commit ${sha} has ${over}.`, {
    hint: 'A commit is one transaction and is not split. The commits before it are loaded; it and what follows cannot be.',
  });
}

function diverged(detail: string): PyralogError {
  return new PyralogError('import-diverged', detail, {
    hint: 'The history was rewritten, or this is another repository or branch. Import it into a database of its own (--db NAME).',
  });
}

/**
 * A failure of the moment, or another import at the same time: what was sent may be there or not,
 * and the next attempt asks first.
 */
function mayPass(error: unknown): boolean {
  if (!isPyralogError(error)) return false;
  return error.row.retry !== 'never' || error.code === 'key-reused';
}
