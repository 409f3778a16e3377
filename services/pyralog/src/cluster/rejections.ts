import { must, utf8Encode } from '@pyralog/base';
import {
  advance,
  decodeCommitRecord,
  emptyLogState,
  type Item,
  type Rejection,
} from '@pyralog/format';
import type { Log, LogRecord, StoredRecord, TopicPartition } from '@pyralog/log';
import { type LogOffset, logOffset, type PartitionNo, type Tx } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';
import type { Bucket } from '@pyralog/reading';
import { headerOf, publishedOf } from './published.ts';

/** What the records of a topic of rejects say of themselves. */
const HEADERS = {
  code: 'pyralog-code',
  detail: 'pyralog-detail',
  hint: 'pyralog-hint',
  /** Of the input. */
  partition: 'pyralog-partition',
  offset: 'pyralog-offset',
  /** Offset in the commit log. */
  commit: 'pyralog-commit',
} as const;

/** A rejection of the commit log. */
interface Rejected {
  readonly commit: LogOffset;
  /** What was closed before it: about when it was. */
  readonly closed: Tx;
  readonly input: LogOffset;
  readonly rejection: Rejection;
}

/** Where a partition's rejections come from and go to. */
export interface RejectsOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly bucket: Bucket;
  readonly partition: PartitionNo;
  readonly commits: TopicPartition;
  readonly inputs: TopicPartition;
  readonly rejects: TopicPartition;
}

/**
 * Publishes what became no transaction: the bytes that were sent, and in headers why not, until the signal
 * aborts. Goes on behind the commit record of the last one that is in the topic, at least once.
 */
export async function publishRejects(
  options: RejectsOptions,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const { log, inputs, rejects } = options;
  const { last, expired } = await publishedOf(log, rejects, options.clock.nowNanos());
  const commit = last === undefined ? undefined : headerOf(last, HEADERS.commit);
  const from = logOffset(commit === undefined ? 0 : Number(commit) + 1);
  for await (const rejected of rejectionsFrom(options, from, signal)) {
    for (const each of rejected) {
      if (each.closed < expired) continue;
      const input = await recordAt(log, inputs, each.input);
      await log.append(rejects, [rejectRecord(each, input, inputs.partition)]);
    }
    working();
  }
}

/** The rejections of admitted records from an offset on, as they come: of segments first, then of the log. */
async function* rejectionsFrom(
  { log, bucket, partition, commits }: RejectsOptions,
  from: LogOffset,
  signal: AbortSignal,
): AsyncIterable<readonly Rejected[]> {
  const manifest = await bucket.newestManifest(partition);
  for (const segment of manifest?.segments ?? []) {
    if (segment.to <= from) continue;
    const isWanted = (_: LogOffset, to: LogOffset): boolean => to > from;
    for await (const records of bucket.segmentRecords(partition, segment, isWanted)) {
      if (signal.aborted) return;
      yield records.flatMap(({ offset, record }) =>
        offset < from || !('items' in record) ? [] : rejectionsOf(offset, record),
      );
    }
  }
  let state = manifest?.state ?? emptyLogState();
  for await (const batch of log.read(commits, state.next, { follow: true, signal })) {
    const found: Rejected[] = [];
    for (const { offset, value } of batch) {
      const bytes = must(value, 'a commit log has no tombstones');
      const record = decodeCommitRecord(bytes, `record ${offset} of ${commits.topic}`);
      const next = advance(state, offset, record);
      state = next.state;
      if (next.counts && record.kind === 'items' && offset >= from)
        found.push(...rejectionsOf(offset, record));
    }
    yield found;
  }
}

function rejectionsOf(
  commit: LogOffset,
  { closed, items }: { readonly closed: Tx; readonly items: readonly Item[] },
): Rejected[] {
  return items.flatMap((item) =>
    item.kind === 'rejected' || item.kind === 'refused'
      ? [{ commit, closed, input: item.offset, rejection: item.rejection }]
      : [],
  );
}

/** The record of an input; undefined where it is not kept any more. */
async function recordAt(
  log: Log,
  topic: TopicPartition,
  offset: LogOffset,
): Promise<StoredRecord | undefined> {
  const { start } = await log.bounds(topic);
  if (offset < start) return undefined;
  for await (const batch of log.read(topic, offset, { follow: false, batchBytesMax: 1 })) {
    const [first] = batch;
    return first?.offset === offset ? first : undefined;
  }
  return undefined;
}

function rejectRecord(
  { commit, input, rejection }: Rejected,
  record: StoredRecord | undefined,
  partition: PartitionNo,
): LogRecord {
  const { code, detail, hint } = rejection;
  const told: Record<string, string | undefined> = {
    [HEADERS.code]: code,
    [HEADERS.detail]: detail,
    [HEADERS.hint]: hint,
    [HEADERS.partition]: String(partition),
    [HEADERS.offset]: String(input),
    [HEADERS.commit]: String(commit),
  };
  const headers: Record<string, Uint8Array> = { ...record?.headers };
  for (const [name, text] of Object.entries(told))
    if (text !== undefined) headers[name] = utf8Encode(text);
  return { key: record?.key, value: record?.value ?? null, headers };
}
