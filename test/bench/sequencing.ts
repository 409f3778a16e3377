/**
 * The sequencer's core alone, in memory: documents that are already parsed become outcomes and draft records.
 * No JSON is read, no record encoded, nothing written.
 *
 *   node --conditions=source --import tsx test/bench/sequencing.ts [--entities 50000] [--updates 10000] [--rounds 5]
 */
import { parseArgs } from 'node:util';
import { logOffset, parseDocument, type TransactionDocument } from '@pyralog/model';
import { inputsFrom, type PartitionSequencer } from '@pyralog/sequencing';
import { figure, median } from './measure.ts';
import { leader } from './sequencing-support.ts';
import { generate, SCHEMA_DOCUMENT, toDocument, transactions } from './workload.ts';

const { values } = parseArgs({
  options: {
    entities: { type: 'string', default: '50000' },
    updates: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
  },
});
const size = { entities: Number(values.entities), updates: Number(values.updates), draws: 100 };
const folder = generate('.cache/bench', size);
const line = (text: string): void => void process.stdout.write(`${text}\n`);

const inserts = await documentsOf('w1');
const updates = await documentsOf('w2');
const schema = parseDocument(Buffer.from(JSON.stringify(SCHEMA_DOCUMENT)));

const rates: Record<'inserts' | 'updates', number[]> = { inserts: [], updates: [] };
for (let round = 0; round < Number(values.rounds); round++) {
  const sequencer = leader();
  run(sequencer, [schema], 1);
  rates.inserts.push((inserts.length * 1000 * 1000) / run(sequencer, inserts, 4));
  rates.updates.push((updates.length * 10 * 1000) / run(sequencer, updates, 20));
}
line(`1,000-fact inserts: ${figure(median(rates.inserts))} facts/s, median of ${values.rounds}`);
line(`10-fact updates: ${figure(median(rates.updates))} facts/s, median of ${values.rounds}`);

async function documentsOf(part: string): Promise<TransactionDocument[]> {
  const documents: TransactionDocument[] = [];
  for await (const transaction of transactions(folder, part))
    documents.push(parseDocument(toDocument(transaction)));
  return documents;
}

/** @returns milliseconds */
function run(
  sequencer: PartitionSequencer,
  documents: readonly TransactionDocument[],
  group: number,
): number {
  let now = 1_800_000_000_000_000_000n;
  const started = performance.now();
  for (let at = 0; at < documents.length; at += group) {
    now += 1_000_000n;
    const batch = inputsFrom(sequencer.state.lowWater, documents.slice(at, at + group));
    const taken = { inputs: batch, messages: [] };
    if (sequencer.needs(taken).length > 0) throw new Error('all is in memory');
    const { outcomes } = sequencer.step(taken, now);
    for (const { outcome } of outcomes)
      if (outcome.kind !== 'committed') throw new Error(`refused: ${JSON.stringify(outcome)}`);
    sequencer.durable(logOffset(sequencer.state.next - 1));
  }
  return performance.now() - started;
}
