import { setTimeout as sleep } from 'node:timers/promises';
import { admit, decodeCommitRecord, NOTHING_ADMITTED } from '@pyralog/format';
import { DEFAULT_CUT } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { type LogOffset, partitionNo, TX_NONE, type Tx } from '@pyralog/model';
import type { Database } from 'pyralog';
import { DATABASE } from './cluster-deployment.ts';
import { inFlight } from './measure.ts';
import { toDocument, type WorkloadTransaction } from './workload.ts';

/** Of every transaction that is loaded. */
export const FACTS = 100;
const LOOK_MILLIS = 20;

const partition = partitionNo(0);
const TRANSACTIONS: TopicPartition = { topic: `${DATABASE}.transactions`, partition };
export const COMMITS: TopicPartition = { topic: `${DATABASE}.commits`, partition };

/** A transaction of W1 in such of {@link FACTS}, as bytes. */
export function documentsOf({ tx, p, ops }: WorkloadTransaction): Uint8Array[] {
  const documents: Uint8Array[] = [];
  for (let at = 0; at < ops.length; at += FACTS)
    documents.push(toDocument({ tx, p, ops: ops.slice(at, at + FACTS) }));
  return documents;
}

/** Sends documents through HTTP. Resolves when all are answered, with the newest tx. */
export async function loadByHttp(
  database: Database,
  documents: readonly Uint8Array[],
  concurrency: number,
): Promise<Tx> {
  let newest = TX_NONE;
  await inFlight(documents, concurrency, async (document) => {
    const { tx, facts } = await database.transact(document);
    checkFacts(facts.length);
    if (tx > newest) newest = tx;
  });
  return newest;
}

/** Publishes documents as any producer may. Resolves when the commit log has an outcome of each, with the newest tx. */
export async function loadByKafka(
  log: Log,
  documents: readonly Uint8Array[],
  concurrency: number,
): Promise<Tx> {
  const { end } = await log.bounds(COMMITS);
  const outcomes = readOutcomes(log, end, documents.length);
  const publishing = inFlight(documents, concurrency, (value) =>
    log.append(TRANSACTIONS, [{ value }]),
  );
  const [newest] = await Promise.all([outcomes, publishing]);
  return newest;
}

async function readOutcomes(log: Log, from: LogOffset, count: number): Promise<Tx> {
  const committed = new Set<LogOffset>();
  for await (const item of commitsFrom(log, from, true)) {
    checkFacts(item.facts);
    committed.add(item.offset);
    if (committed.size === count) return item.tx;
  }
  throw new Error('the commit log ended');
}

/** A commit as the log has it. */
export interface LoggedCommit {
  /** Of its input. */
  readonly offset: LogOffset;
  readonly tx: Tx;
  readonly facts: number;
  readonly epoch: number;
}

/**
 * What was committed from an offset of the commit log on, up to now or for ever. Other outcomes are none that
 * a benchmark has asked for.
 */
export async function* commitsFrom(
  log: Log,
  from: LogOffset,
  follow: boolean,
): AsyncIterable<LoggedCommit> {
  // Whoever begins in the middle takes the first owner that it meets at its word.
  let admission = NOTHING_ADMITTED;
  for await (const batch of log.read(COMMITS, from, { follow })) {
    for (const { offset, value } of batch) {
      const record = decodeCommitRecord(value ?? new Uint8Array(), `record ${offset}`);
      if (admission === NOTHING_ADMITTED && record.kind === 'items')
        admission = { epoch: record.epoch, owner: record.owner, seq: record.seq - 1 };
      const { after, counts } = admit(admission, record);
      admission = after;
      if (!counts || record.kind === 'epoch') continue;
      for (const item of record.items) {
        if (item.kind !== 'commit') throw new Error(`an input was not committed: ${item.kind}`);
        const { tx, from: first, to } = item;
        yield { offset: item.offset, tx, facts: to - first, epoch: record.epoch };
      }
    }
  }
}

function checkFacts(written: number): void {
  if (written !== FACTS) throw new Error(`a commit wrote ${written} facts, not ${FACTS}`);
}

/** Resolves when a node has all of a commit log, and all but the part that is still filling is in runs. */
export async function indexed(database: Database, end: number): Promise<void> {
  for (;;) {
    const { partitions } = await database.status();
    if (
      partitions.every(({ logEnd, liveFacts }) => logEnd >= end && liveFacts < DEFAULT_CUT.factsMax)
    )
      return;
    await sleep(LOOK_MILLIS);
  }
}
