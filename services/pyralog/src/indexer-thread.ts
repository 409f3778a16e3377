import type { DatabaseInfo } from '@pyralog/format';
import type { CutRule } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { serveLog } from '@pyralog/log/remote';
import type { PartitionNo } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { serveObjects } from '@pyralog/objects/remote';
import { lanes, type Threads } from '@pyralog/runtime';
import {
  INDEXER_LANES,
  INDEXER_THREAD,
  type IndexerMessage,
  type IndexerThreadData,
} from '@pyralog/service-indexer';

/** What an indexer on a thread of its own works with. */
export interface IndexerThreadOptions {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  /** Its commit log. */
  readonly topic: TopicPartition;
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly threads: Threads;
  readonly cutRule: CutRule;
  /** Folder of the bucket where there is one: the thread opens it itself. */
  readonly bucketDir: string | undefined;
}

/**
 * One life of the indexer's thread: serves its ports and takes what it tells, in order, until the signal
 * aborts. Rejects where it ends otherwise, or with what `take` rejects with.
 */
export async function runIndexerThread(
  options: IndexerThreadOptions,
  take: (message: IndexerMessage) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { info, partition, topic, log, objects, threads, cutRule, bucketDir } = options;
  const data: IndexerThreadData = { info, partition, topic, cutRule, bucketDir };
  await using thread = threads.start(INDEXER_THREAD, data);
  const lane = lanes(thread.channel, INDEXER_LANES);
  serveLog(lane.log, log);
  if (bucketDir === undefined) serveObjects(lane.objects, objects);
  let taking: Promise<void> = Promise.resolve();
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = resolve;
      signal.addEventListener('abort', stop);
      if (signal.aborted) return resolve();
      thread.ended.then(resolve, reject);
      lane.manifests.listen((message) => {
        taking = taking.then(() => take(message as IndexerMessage));
        taking.catch(reject);
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await taking.catch(() => undefined);
  }
}
