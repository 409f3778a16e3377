/**
 * `npm run bench:partitions`: what transactions over partitions cost, embedded and on a real Kafka, S3 and Redis, all on this
 * machine. Every answer's facts are counted. Prints tables in Markdown with the command and the machine that made
 * them, and writes the raw figures to .cache/bench/partitions.json.
 *
 *   npm run bench:partitions -- [--quick] [--rounds 3] [--only embedded|cluster]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeLoad, describeMachine } from './machine.ts';
import { partitionTables } from './partitions-report.ts';
import { type PartitionColumn, PartitionsRun } from './partitions-run.ts';
import { Results } from './report.ts';
import { CACHE } from './run.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});
const size = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
  commits: values.quick ? 100 : 500,
  loaded: values.quick ? 2_000 : 20_000,
};
const command = ['npm run bench:partitions', ...(process.argv.length > 2 ? ['--'] : [])]
  .concat(process.argv.slice(2))
  .join(' ');
const line = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

const started = new Date();
const loadBefore = describeLoad();
// Whatever ends this process ends what it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const results = new Results<PartitionColumn>();
const run = new PartitionsRun(size, results, progress);
for (let round = 0; round < size.rounds; round++) {
  progress(`round ${round + 1}`);
  if (values.only !== 'cluster') await run.embedded();
  if (values.only !== 'embedded') await run.cluster();
}

const machine = describeMachine();
const loadAfter = describeLoad();
line(`\n${started.toISOString().slice(0, 16).replace('T', ' ')} UTC, \`${command}\`:`);
line(`transactions of two facts, or of two on each of two partitions; rounds: ${size.rounds}.\n`);
line(`- ${machine.hardware}, ${machine.system}, Node ${process.version}`);
line(`- Pyralog ${machine.pyralog}`);
line(`- at the start: ${loadBefore}`);
line(`- at the end: ${loadAfter}\n`);
line(partitionTables(results));
mkdirSync(CACHE, { recursive: true });
const file = join(CACHE, 'partitions.json');
writeFileSync(
  file,
  JSON.stringify({ started, command, size, machine, loadBefore, loadAfter, results }),
);
progress(`\nRaw figures: ${file}`);
