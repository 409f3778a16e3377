import { type DatabaseInfo, decodeCoordination, encodeCoordination } from '@pyralog/format';
import { partitionCut } from '@pyralog/indexing';
import type { Log, LogRecord } from '@pyralog/log';
import { isPyralogError, type PartitionNo, PyralogError } from '@pyralog/model';
import { Bucket, followManifests, IndexReader } from '@pyralog/reading';
import {
  type InputFormat,
  NO_MAILBOX,
  PartitionLeader,
  type Post,
  TopicInbox,
  TopicMailbox,
} from '@pyralog/service-sequencer';
import { type Health, type PauseRule, Supervisor } from '@pyralog/runtime';
import { IdleClosing } from '../idle-closing.ts';
import { leaderIndex } from '../leader-index.ts';
import type { ClusterPorts } from './ports.ts';
import { at, topicsOf } from './topics.ts';
import { WaitingCuts } from './waiting-cuts.ts';

/**
 * Memory for current values of a partition, beyond what is not in runs yet; and of all of a database, where one process leads
 * them all.
 */
const CURRENT_BYTES_MAX = { one: 128 * 1024 * 1024, all: 256 * 1024 * 1024 };

/** What can fail of an owner, each by itself. */
interface OwnerHealths {
  /** Whether its input can be read. */
  readonly input: Health;
  /** Whether its commit log can be written. */
  readonly log: Health;
  /** Whether what indexers write can be read. */
  readonly index: Health;
  /** Whether requests of readers can be read. */
  readonly requests: Health;
}

const PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };

/** Which partition a process owns, for as long as it is told to. */
export interface Ownership {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  /** Of records of the input topic whose headers do not say. */
  readonly format: InputFormat;
  readonly healths: OwnerHealths;
}

/**
 * Owns a partition until the signal aborts: claims it, and gives every record of its input topic its
 * outcome in the commit log. Ends when all that it has taken has its outcome; what it has not taken is
 * for the next owner. Rejects with what keeps it from going on; to go on is to run it again.
 */
export async function ownPartition(
  { info, partition, format, healths }: Ownership,
  ports: ClusterPorts,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const { log, objects, codec, cache, cutRule, clock, timers, rand, steps } = ports;
  const topics = topicsOf(info.name);
  const what = `${info.name}/${partition}`;
  const index = new IndexReader({
    info,
    partition,
    bucket: new Bucket(info.name, objects, codec),
    cache,
  });
  const newest = await index.bucket.newestManifest(partition);
  if (newest !== undefined) await index.adopt(newest);
  const begun = await index.bucket.begunSegment(partition, index.state.next);
  const cuts = new WaitingCuts(partitionCut(info, cutRule), index.state, begun?.footer.to);
  const idle = new IdleClosing({
    timers,
    next: () => cuts.state.next,
    mayClose: () => (leader.mode ?? index.schema.mode) === 'live',
    close: () => leader.requestClosed(),
  });
  await using leader = await PartitionLeader.lead({
    inbox: new TopicInbox({
      log,
      topic: at(topics.transactions, partition),
      format,
      codec,
      timers,
      rand,
      health: healths.input,
    }),
    topic: at(topics.commits, partition),
    mailbox:
      info.partitions === 1
        ? NO_MAILBOX
        : new TopicMailbox({
            log,
            topic: at(topics.coordination, partition),
            timers,
            rand,
            health: healths.requests,
          }),
    post: postTo(info, log, healths.requests),
    partition,
    partitions: info.partitions,
    log,
    index: leaderIndex(index),
    blobs: index.bucket,
    clock,
    timers,
    rand,
    cacheBytesMax: Math.min(CURRENT_BYTES_MAX.one, CURRENT_BYTES_MAX.all / info.partitions),
    publish: (offset, record) => {
      cuts.add(offset, record);
      if (record.kind === 'items' && record.items.length > 0) idle.busy();
    },
    hasRoom: () => cuts.hasRoom,
    noRoom: () => new PyralogError('busy', `The indexer of ${what} is behind.`),
    health: healths.log,
    onStep: (step) => steps?.step(what, step),
  });
  working();
  // By themselves: while the bucket is away, what is committed needs no more than room.
  await using _following = Supervisor.start(
    {
      run: (stop, told) =>
        followManifests(
          {
            index,
            whenDue: (until) => cuts.whenCut(until),
            adopt: async (manifest) => {
              await index.adopt(manifest);
              cuts.covered(manifest.state.next);
              leader.indexed(manifest.state.next);
              told();
            },
            timers,
            rand,
          },
          stop,
        ),
    },
    { ...ports, health: healths.index, pauses: PAUSES },
  );
  // Among several partitions they come with what these say to each other.
  if (info.partitions > 1) {
    await idle.run(signal);
    return;
  }
  await using _answering = Supervisor.start(
    { run: (stop, told) => answerCloseRequests(leader, partition, info, ports, stop, told) },
    { ...ports, health: healths.requests, pauses: PAUSES },
  );
  await idle.run(signal);
}

/** Appends messages to the topic that their receivers read. What is lost is sent again. */
function postTo({ name }: DatabaseInfo, log: Log, health: Health): Post {
  const { coordination } = topicsOf(name);
  return (sent) => {
    const byReceiver = new Map<PartitionNo, LogRecord[]>();
    for (const { to, message } of sent) {
      const record = { value: encodeCoordination(message) };
      const others = byReceiver.get(to);
      if (others === undefined) byReceiver.set(to, [record]);
      else others.push(record);
    }
    for (const [to, records] of byReceiver) {
      log.append(at(coordination, to), records).then(
        () => health.working(),
        (error: unknown) => health.failed(error),
      );
    }
  };
}

/** Readers wait at a moment that is not closed: closes it, behind what was there before. */
async function answerCloseRequests(
  leader: PartitionLeader,
  partition: PartitionNo,
  info: DatabaseInfo,
  { log }: ClusterPorts,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const topic = at(topicsOf(info.name).coordination, partition);
  const { end } = await log.bounds(topic);
  // Where nobody asks, nothing would tell that it can be read again.
  working();
  for await (const batch of log.read(topic, end, { follow: true, signal })) {
    let isAsked = false;
    for (const { value } of batch) isAsked ||= value !== null && isCloseRequest(value);
    if (isAsked) leader.requestClosed();
    working();
  }
}

function isCloseRequest(value: Uint8Array): boolean {
  try {
    return decodeCoordination(value).kind === 'close';
  } catch (error) {
    // Anybody may write there; nothing but time depends on it.
    if (isPyralogError(error)) return false;
    throw error;
  }
}
