import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Database, TransactionInfo } from '@pyralog/client';
import type { Fact } from '@pyralog/model';
import { SystemClock, SystemTimers } from '@pyralog/runtime';
import { openEmbedded } from '../embedded.ts';
import { openRepository } from '../git/repository.ts';
import { importGit } from '../import-git.ts';
import { EXIT } from './context.ts';
import { sentenceOf } from './import.ts';
import { colours, line, moment, out, shown, table } from './print.ts';
import { describe } from './read.ts';

const DATABASE = 'repo';
const ROWS = 12;

/** The history of a repository in, and questions of its past out. */
export async function demo(path: string | undefined, data: string | undefined): Promise<number> {
  const source = path ?? fileURLToPath(new URL('../../../..', import.meta.url));
  const dir = data ?? (await mkdtemp(join(tmpdir(), 'pyralog-demo-')));
  const repository = await openRepository(source);
  await using host = await openEmbedded({ dir });
  const names = await host.list();
  if (!names.includes(DATABASE)) await host.create(DATABASE, { mode: 'import' });
  const database = await host.database(DATABASE);

  title('1. A history goes in: every commit one transaction');
  const started = performance.now();
  const summary = await importGit(database, repository, {
    inFlightMax: 256,
    clock: new SystemClock(),
    timers: new SystemTimers(),
  });
  line(sentenceOf(repository, summary, (performance.now() - started) / 1000));

  const commits = await commitsOf(database);
  const [middle, newest] = [commits[Math.floor(commits.length / 2)], commits.at(-1)];
  if (middle === undefined || newest === undefined) {
    line('The repository has no commits.');
    return EXIT.ok;
  }
  title(`2. The tree as it was at ${moment(middle.tx)}`);
  line(describe(middle));
  const tree = await treeAt(database, middle);
  out(
    table(
      ['path', 'blob'],
      tree
        .slice(0, ROWS)
        .map(({ entity, value }) => [entity.slice('path:'.length), shown(value).slice(0, 10)]),
    ),
  );
  if (tree.length > ROWS) line(colours.dim(`… and ${tree.length - ROWS} more`));

  const file = await mostChanged(database, tree);
  if (file !== undefined) {
    title(`3. The history of one file, with who and why: ${file.slice('path:'.length)}`);
    await fileHistory(database, file);
  }

  title('4. What changed between then and the newest commit');
  const diff = await database.diff({ from: middle.tx, to: newest.tx, limit: 10_000 });
  const blobs = diff.added
    .filter(({ attribute }) => attribute === 'git/blob')
    .map(({ entity }) => entity);
  const gone = diff.removed.filter(
    ({ attribute, entity }) => attribute === 'git/blob' && !blobs.includes(entity),
  );
  line(`${blobs.length} paths new or changed, ${gone.length} gone`);
  for (const entity of blobs.slice(0, ROWS))
    line(`  ${colours.green('+')} ${entity.slice('path:'.length)}`);
  for (const { entity } of gone.slice(0, ROWS))
    line(`  ${colours.red('-')} ${entity.slice('path:'.length)}`);

  title('5. The change feed, resumed from the middle');
  let told = 0;
  for await (const event of database.feed({ offset: `tx:${middle.tx}`, follow: false })) {
    if (event.kind === 'transaction' && told++ < 5)
      line(
        `${describe(event)}  ${colours.dim(`${event.facts.length} facts, offset ${event.offset.slice(0, 12)}…`)}`,
      );
  }
  line(`${told} transactions since.`);

  title('Go on');
  line(
    `./pyralog dev --data ${dir} --db ${DATABASE}      serves this database; then, in another terminal:`,
  );
  line(`./pyralog history ${file ?? 'path:README.md'} --db ${DATABASE}`);
  line(`./pyralog entity ${file ?? 'path:README.md'} --db ${DATABASE} --as-of ${middle.tx}`);
  return EXIT.ok;
}

function title(text: string): void {
  line(`\n${colours.bold(text)}`);
}

/** Transactions that stand for commits, oldest first. */
async function commitsOf(database: Database): Promise<TransactionInfo[]> {
  const commits: TransactionInfo[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await database.transactions({ limit: 10_000, cursor });
    commits.push(...page.transactions.filter(({ meta }) => meta.has('commit')));
    cursor = page.next;
    if (cursor === undefined) return commits.reverse();
  }
}

/** The paths in force at a commit: what `git ls-tree -r` shows of it. */
async function treeAt(database: Database, { tx }: TransactionInfo): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await database.state(
      { index: 'aevt', attribute: 'git/blob', limit: 10_000, cursor },
      { asOf: tx },
    );
    facts.push(...page.facts);
    cursor = page.next;
    if (cursor === undefined) return facts;
  }
}

async function mostChanged(database: Database, tree: readonly Fact[]): Promise<string | undefined> {
  let most: string | undefined;
  let count = 0;
  for (const { entity } of tree.slice(0, 200)) {
    const { facts } = await database.history(entity, { attribute: 'git/blob' });
    if (facts.length > count) [most, count] = [entity, facts.length];
  }
  return most;
}

async function fileHistory(database: Database, file: string): Promise<void> {
  const { facts } = await database.history(file, { attribute: 'git/blob' });
  for (const fact of facts.filter(({ operation }) => operation === 'assert').slice(-ROWS)) {
    line(
      `${describe(await database.transaction(fact.tx))}  ${colours.dim(shown(fact.value).slice(0, 10))}`,
    );
  }
}
