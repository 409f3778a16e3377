/**
 * `npm run bench:cluster`: a process of each role on a real Kafka, S3 and Redis, side by side with `pyralog dev`, all
 * on this machine. Every transaction's facts are counted, and people at random are read and compared. Prints tables
 * in Markdown with the command and the machine that made them, and writes the raw figures to
 * .cache/bench/cluster.json.
 *
 *   npm run bench:cluster -- [--quick] [--entities 100000] [--rounds 3] [--only embedded|cluster|kafka]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { clusterTables } from './cluster-report.ts';
import { type ClusterBenchSize, ClusterRun, type Way, WAYS } from './cluster-run.ts';
import { describeLoad, describeMachine } from './machine.ts';
import { Results } from './report.ts';
import { CACHE } from './run.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    entities: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
  },
});
const size: ClusterBenchSize = {
  entities: Number(values.entities ?? (values.quick ? 1_000 : 100_000)),
  rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
  idleMillis: values.quick ? 1_000 : 5_000,
};
const ways = WAYS.filter((way) => values.only === undefined || values.only === way);
const command = ['npm run bench:cluster', ...(process.argv.length > 2 ? ['--'] : [])]
  .concat(process.argv.slice(2))
  .join(' ');

const line = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

const started = new Date();
const loadBefore = describeLoad();
// Whatever ends this process ends what it has started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const results = new Results<Way>();
await new ClusterRun(size, ways, results, progress).all();

const machine = describeMachine();
const loadAfter = describeLoad();
line(`\n${started.toISOString().slice(0, 16).replace('T', ' ')} UTC, \`${command}\`:`);
line(`${size.entities} people of 10 facts, rounds: ${size.rounds}.\n`);
line(`- ${machine.hardware}, ${machine.system}, Node ${process.version}`);
line(`- Pyralog ${machine.pyralog}`);
line(`- at the start: ${loadBefore}`);
line(`- at the end: ${loadAfter}\n`);
line(clusterTables(results));
const file = join(CACHE, 'cluster.json');
writeFileSync(
  file,
  JSON.stringify({ started, command, size, machine, loadBefore, loadAfter, results }),
);
progress(`\nRaw figures: ${file}`);
