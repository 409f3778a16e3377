/**
 * The flush alone, in memory: facts in log order become the runs of one part. Nothing is read or written.
 *
 *   node --conditions=source --import tsx test/bench/indexing.ts [--entities 50000] [--updates 30000] [--rounds 5]
 */
import { parseArgs } from 'node:util';
import { encodeCommitRecord, decodeCommitRecord, FactTable } from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import { buildRuns } from '@pyralog/indexing';
import { logOffset, parseDocument, type TransactionDocument } from '@pyralog/model';
import { figure, median } from './measure.ts';
import { inputsFrom } from '@pyralog/sequencing';
import { leader } from './sequencing-support.ts';
import { generate, SCHEMA_DOCUMENT, toDocument, transactions } from './workload.ts';

const { values } = parseArgs({
  options: {
    entities: { type: 'string', default: '50000' },
    updates: { type: 'string', default: '30000' },
    rounds: { type: 'string', default: '5' },
  },
});
const size = { entities: Number(values.entities), updates: Number(values.updates), draws: 100 };
const folder = generate('.cache/bench', size);
const PART_FACTS = 262_144;

const codec = await createCodec();
const sequencer = leader();
let now = 1_800_000_000_000_000_000n;
commit([parseDocument(Buffer.from(JSON.stringify(SCHEMA_DOCUMENT)))]);
const parts = { inserts: await partOf('w1', 4), updates: await partOf('w2', 20) };
for (const [name, table] of Object.entries(parts)) {
  const costs: number[] = [];
  let bytes = 0;
  let rows = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const started = process.cpuUsage();
    bytes = 0;
    rows = 0;
    for (const run of buildRuns(table, sequencer.schema, codec)) {
      bytes += run.bytes.length;
      rows += run.rows;
    }
    const { user, system } = process.cpuUsage(started);
    costs.push((user + system) / table.length);
  }
  process.stdout.write(
    `${name}: ${figure(median(costs))} µs of CPU a fact (${figure(rows / table.length)} rows, ${figure(bytes / table.length)} bytes), ${table.length} facts, median of ${costs.length}\n`,
  );
}

async function partOf(part: string, group: number): Promise<FactTable> {
  const table = new FactTable();
  let waiting: TransactionDocument[] = [];
  for await (const transaction of transactions(folder, part)) {
    waiting.push(parseDocument(toDocument(transaction)));
    if (waiting.length < group) continue;
    const record = decodeCommitRecord(encodeCommitRecord(commit(waiting)));
    waiting = [];
    if (table.length < PART_FACTS && record.kind === 'items') table.appendColumns(record.facts);
  }
  return table;
}

function commit(
  documents: readonly TransactionDocument[],
): Parameters<typeof encodeCommitRecord>[0] {
  now += 1_000_000n;
  const inputs = inputsFrom(sequencer.state.lowWater, documents);
  const { record } = sequencer.step({ inputs, messages: [] }, now);
  sequencer.durable(logOffset(sequencer.state.next - 1));
  if (record === undefined) throw new Error('nothing was written');
  return record;
}
