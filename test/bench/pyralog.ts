/**
 * `npm run bench`: the workload on Pyralog embedded and over HTTP, durable. Prints medians with the command
 * that made them; every answer of a read is checked against what gen.mjs expects.
 *
 *   npm run bench -- [--entities 100000] [--updates 20000] [--draws 2000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Database } from '@pyralog/client';
import { HttpHost } from '@pyralog/client';
import { createApi } from '@pyralog/service-api';
import { type Tx, tx as asTx } from '@pyralog/model';
import { openEmbedded } from '../../services/pyralog/src/embedded.ts';
import { figure, inFlight, latency, timed } from './measure.ts';
import {
  type Draws,
  generate,
  person,
  readDraws,
  SCHEMA_DOCUMENT,
  toDocument,
  transactions,
} from './workload.ts';

const { values } = parseArgs({
  options: {
    entities: { type: 'string', default: '100000' },
    updates: { type: 'string', default: '20000' },
    draws: { type: 'string', default: '2000' },
  },
});
const size = {
  entities: Number(values.entities),
  updates: Number(values.updates),
  draws: Number(values.draws),
};
const folder = generate('.cache/bench', size);
const dir = mkdtempSync(join(tmpdir(), 'pyralog-bench-'));
const line = (text: string): void => void process.stdout.write(`${text}\n`);
const millis = (samples: readonly number[]): string => {
  const { p50, p99, count } = latency(samples);
  return `p50 ${figure(p50)} ms, p99 ${figure(p99)} ms (${count})`;
};

line(
  `npm run bench -- --entities ${size.entities} --updates ${size.updates} --draws ${size.draws}`,
);
line(
  `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}; fdatasync before every answer\n`,
);

await using host = await openEmbedded({ dir });
await host.create('main');
const database = await host.database('main');
await database.transact(Buffer.from(JSON.stringify(SCHEMA_DOCUMENT)));
/** tx by number of the workload. */
const txs: Tx[] = [];

await load('w1', 1_000, 4);
await load('w2', 10, 20);
await latencies(database, 'KnowledgeBase');
await reads(database, readDraws(folder), 'in process');

const api = await createApi({ host, version: 'bench', onError: (error) => line(error.message) });
const url = await api.listen('127.0.0.1', 0);
const remote = await new HttpHost(url).database('main');
await latencies(remote, 'HTTP');
await reads(remote, readDraws(folder), 'over HTTP');
line(`RSS ${figure(process.memoryUsage.rss() / 2 ** 20)} MiB`);
await api[Symbol.asyncDispose]();
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));

/** Loads a part with several transactions in flight, and waits until all but the live part is in runs. */
async function load(part: string, factsEach: number, concurrency: number): Promise<void> {
  const documents: { readonly tx: number; readonly bytes: Uint8Array }[] = [];
  for await (const transaction of transactions(folder, part))
    documents.push({ tx: transaction.tx, bytes: toDocument(transaction) });
  const commit = async ({
    tx,
    bytes,
  }: {
    readonly tx: number;
    readonly bytes: Uint8Array;
  }): Promise<void> => {
    txs[tx] = (await database.transact(bytes)).tx;
  };
  const loading = await timed(() => inFlight(documents, concurrency, commit));
  const flushing = await timed(async () => {
    for (;;) {
      const { partitions } = await database.status();
      if (partitions.every(({ liveFacts }) => liveFacts < 262_144 + 4_096)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const facts = documents.length * factsEach;
  const rate = (ms: number): string => figure((facts * 1000) / ms);
  line(
    `${part}: ${rate(loading)} facts/s acknowledged, ${rate(loading + flushing)} facts/s with indexes flushed (${factsEach} a transaction, ${concurrency} in flight)`,
  );
}

async function latencies(on: Database, door: string): Promise<void> {
  const bySize = new Map<number, number[]>();
  for await (const transaction of transactions(folder, 'w3')) {
    const rows = transaction.ops.length;
    const samples = bySize.get(rows) ?? [];
    bySize.set(rows, samples);
    if (samples.length >= 500) continue;
    const bytes = toDocument(transaction);
    samples.push(await timed(() => on.transact(bytes)));
  }
  for (const [rows, samples] of bySize)
    line(`commit of ${rows} facts, one in flight, ${door}: ${millis(samples)}`);
}

async function reads(on: Database, draws: Draws, door: string): Promise<void> {
  const { attrs } = draws;
  const now: number[] = [];
  for (const { e } of draws.R2) now.push(await timed(() => on.entity(person(e))));
  line(`entity now, ${door}: ${millis(now)}`);
  const past: number[] = [];
  for (const { e, t, x } of draws.R3) {
    const asOf = txs[t] ?? asTx(0n);
    let name: unknown;
    past.push(
      await timed(
        async () =>
          (name = (await on.entity(person(e), { asOf })).attributes.get(attrs[0] as string)
            ?.values[0]?.value),
      ),
    );
    if (name !== x[0])
      throw new Error(`R3: ${person(e)} as of ${t} is ${String(name)}, not ${String(x[0])}`);
  }
  line(`entity as of, ${door}: ${millis(past)}`);
  const history: number[] = [];
  for (const { e } of draws.R4) history.push(await timed(() => on.history(person(e))));
  line(`history, ${door}: ${millis(history)}`);
}
