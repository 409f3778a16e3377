/**
 * `npm run bench`: the workload of workload.ts on Pyralog (embedded and over HTTP, durable) and, where it
 * can be installed, on PostgreSQL in the same run. Prints one table; every answer is checked.
 *
 *   npm run bench -- [--entities 100000] [--updates 20000] [--draws 5000] [--rounds 3] [--no-postgres]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { figure } from './measure.ts';
import { benchPostgres } from './bench-postgres.ts';
import { benchPyralog } from './bench-pyralog.ts';
import { generate, type WorkloadSize } from './workload.ts';

const { values } = parseArgs({
  options: {
    entities: { type: 'string', default: '100000' },
    updates: { type: 'string', default: '20000' },
    draws: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '1' },
    postgres: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const size: WorkloadSize = {
  entities: Number(values.entities),
  updates: Number(values.updates),
  draws: Number(values.draws),
};
const folder = generate('.cache/bench', size);
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown cpu'}, Node ${process.version}`;
process.stdout.write(`${machine}\n${JSON.stringify(size)}, fdatasync before every answer\n\n`);

const rows = new Map<string, { pyralog: number[]; postgres: number[] }>();
const note = (side: 'pyralog' | 'postgres') => (name: string, value: number) => {
  let row = rows.get(name);
  if (row === undefined) rows.set(name, (row = { pyralog: [], postgres: [] }));
  row[side].push(value);
  process.stderr.write(`${side} ${name}: ${figure(value)}\n`);
};
for (let round = 0; round < Number(values.rounds); round++) {
  await benchPyralog(folder, size, note('pyralog'));
  if (values.postgres) await benchPostgres(folder, size, note('postgres'));
}

const median = (list: readonly number[]): number | undefined =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
process.stdout.write('| figure (median of rounds) | Pyralog | PostgreSQL | ratio |\n|---|---|---|---|\n');
for (const [name, { pyralog, postgres }] of rows) {
  const ours = median(pyralog);
  const theirs = median(postgres);
  const cell = (value: number | undefined): string => (value === undefined ? '–' : figure(value));
  // Above 1 is better for us, whether the figure is a rate or a duration.
  const better = ours === undefined || theirs === undefined ? undefined : name.includes('/s') ? ours / theirs : theirs / ours;
  process.stdout.write(`| ${name} | ${cell(ours)} | ${cell(theirs)} | ${cell(better)} |\n`);
}
