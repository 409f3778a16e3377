import type { Log, StoredRecord, TopicPartition } from '@pyralog/log';
import { logOffset, TX_NONE, type Tx, tx as asTx } from '@pyralog/model';

/**
 * How long topics for others are kept where nobody said otherwise. What is older was published and has
 * expired, where a topic was written to and is empty.
 */
const KEPT_NANOS = 7n * 24n * 60n * 60n * 1_000_000_000n;

/** Where a topic for others goes on. */
export interface Published {
  /** Its newest record that is kept; undefined where there is none. */
  readonly last: StoredRecord | undefined;
  /** What is not above it need not be published again: TX_NONE where all must be. */
  readonly expired: Tx;
}

/** @param now nanoseconds; undefined where txs do not follow the clock, as in import mode */
export async function publishedOf(
  log: Log,
  topic: TopicPartition,
  now: bigint | undefined,
): Promise<Published> {
  const last = await lastRecord(log, topic);
  const { end } = await log.bounds(topic);
  const hasExpired = last === undefined && end > 0 && now !== undefined;
  return { last, expired: hasExpired ? asTx(now - KEPT_NANOS) : TX_NONE };
}

async function lastRecord(log: Log, topic: TopicPartition): Promise<StoredRecord | undefined> {
  const { start, end } = await log.bounds(topic);
  // The offset before the end may hold none: brokers keep marks of their own in a log.
  for (let from = end - 1; from >= start; from = Math.max(start, from - 1_000)) {
    let last: StoredRecord | undefined;
    for await (const batch of log.read(topic, logOffset(from), { follow: false }))
      last = batch.at(-1);
    if (last !== undefined || from === start) return last;
  }
  return undefined;
}

/** A header as text; undefined where there is none. */
export function headerOf({ headers }: StoredRecord, name: string): string | undefined {
  const value = headers?.[name];
  return value === undefined ? undefined : Buffer.from(value).toString();
}
