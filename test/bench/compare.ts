/**
 * `npm run bench`: the workload on Pyralog, in this process and over HTTP, side by side with PostgreSQL. All of
 * them durable; the answer of every commit and read is checked. Prints tables in Markdown with the command and the
 * machine that made them, and writes the raw figures to .cache/bench/results.json.
 *
 *   npm run bench -- [--quick] [--entities 100000] [--updates 20000] [--draws 5000] [--documents 20000]
 *                    [--commits 5000] [--rounds 3] [--only-pyralog]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeLoad, describeMachine } from './machine.ts';
import { PostgresServer } from './postgres.ts';
import { Results, tables } from './report.ts';
import { type BenchSize, CACHE, WorkloadRun } from './run.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    entities: { type: 'string' },
    updates: { type: 'string' },
    draws: { type: 'string' },
    documents: { type: 'string' },
    commits: { type: 'string' },
    rounds: { type: 'string' },
    'only-pyralog': { type: 'boolean', default: false },
  },
});
const FULL = {
  entities: 100_000,
  updates: 20_000,
  draws: 5_000,
  documents: 20_000,
  commits: 5_000,
  rounds: 3,
};
const QUICK = {
  entities: 1_000,
  updates: 400,
  draws: 300,
  documents: 1_000,
  commits: 200,
  rounds: 1,
};
const given = (name: keyof typeof FULL): number =>
  Number(values[name] ?? (values.quick ? QUICK : FULL)[name]);
const size: BenchSize = {
  entities: given('entities'),
  updates: given('updates'),
  draws: given('draws'),
  documents: given('documents'),
  commits: given('commits'),
  rounds: given('rounds'),
  idleMillis: values.quick ? 1_000 : 5_000,
};
const command = ['npm run bench', ...(process.argv.length > 2 ? ['--'] : [])]
  .concat(process.argv.slice(2))
  .join(' ');

const line = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

const started = new Date();
const loadBefore = describeLoad();
const postgres = values['only-pyralog'] ? undefined : startPostgres();
// Whatever ends this process ends what it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const results = new Results();
const run = new WorkloadRun(size, postgres, results, progress);
process.on('exit', () => run.removeFiles());
await run.all();

const machine = describeMachine();
const loadAfter = describeLoad();
const versions = `Pyralog ${machine.pyralog}, PostgreSQL ${run.postgresVersion ?? 'left out'}`;
line(`\n${started.toISOString().slice(0, 16).replace('T', ' ')} UTC, \`${command}\`:`);
line(`${size.entities} people, ${size.updates} updates, rounds: ${size.rounds}.\n`);
line(`- ${machine.hardware}, ${machine.system}, Node ${process.version}`);
line(`- ${versions}`);
line(`- at the start: ${loadBefore}`);
line(`- at the end: ${loadAfter}\n`);
line(tables(results));
const file = join(CACHE, 'results.json');
writeFileSync(
  file,
  JSON.stringify({ started, command, size, machine, versions, loadBefore, loadAfter, results }),
);
progress(`\nRaw figures: ${file}`);

/** @returns undefined where there is none and none can be installed, which stderr tells */
function startPostgres(): PostgresServer | undefined {
  const server = PostgresServer.start();
  if (typeof server === 'string') {
    progress(`PostgreSQL is left out. ${server}`);
    return undefined;
  }
  process.on('exit', () => server[Symbol.dispose]());
  return server;
}
