import { utf8Encode } from '@pyralog/base';
import { type FeedEvent, printFeedEvent } from '@pyralog/client';
import type { Log, LogRecord, TopicPartition } from '@pyralog/log';
import { TX_NONE } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';
import type { ReadingDatabase } from '../reading-database.ts';
import { headerOf, publishedOf } from './published.ts';

/** The tx of the transaction in a record: who reads a topic twice knows what it has seen. */
const TX_HEADER = 'pyralog-tx';
/** Bytes of an append; a larger transaction comes alone. */
const APPEND_BYTES_MAX = 512 * 1024;

/**
 * Publishes the transactions that a partition has coordinated as JSON, one a record, whole and in the order of their tx, as
 * lines of the feed have them, until the signal aborts. Goes on behind the last one that is in the topic; two that publish
 * at once write each at least once, and what is repeated is the same.
 */
export async function publishChanges(
  database: Pick<ReadingDatabase, 'feedOf' | 'status'>,
  {
    log,
    topic,
    clock,
  }: { readonly log: Log; readonly topic: TopicPartition; readonly clock: Clock },
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const { mode } = await database.status();
  const now = mode === 'live' ? clock.nowNanos() : undefined;
  const { last, expired } = await publishedOf(log, topic, now);
  const known = last === undefined ? undefined : headerOf(last, TX_HEADER);
  const tx = known ?? (expired === TX_NONE ? undefined : expired.toString());
  let records: LogRecord[] = [];
  let bytes = 0;
  const publish = async (): Promise<void> => {
    if (records.length > 0) await log.append(topic, records);
    records = [];
    bytes = 0;
    working();
  };
  const offset = tx === undefined ? '-1' : `tx:${tx}`;
  for await (const event of database.feedOf(topic.partition, {
    offset,
    follow: true,
    signal,
  })) {
    if (event.kind === 'progress') await publish();
    else {
      const record = recordOf(event);
      const size = record.value?.length ?? 0;
      if (bytes + size > APPEND_BYTES_MAX) await publish();
      records.push(record);
      bytes += size;
    }
  }
}

function recordOf(event: FeedEvent & { readonly kind: 'transaction' }): LogRecord {
  return {
    value: utf8Encode(printFeedEvent(event)),
    headers: { [TX_HEADER]: utf8Encode(event.tx.toString()) },
  };
}
