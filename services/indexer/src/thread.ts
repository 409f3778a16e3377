import type { DatabaseInfo } from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import type { CutRule } from '@pyralog/indexing';
import type { TopicPartition } from '@pyralog/log';
import { RemoteLog } from '@pyralog/log/remote';
import type { PartitionNo } from '@pyralog/model';
import { LocalObjects } from '@pyralog/objects/local';
import { RemoteObjects } from '@pyralog/objects/remote';
import { type Channel, lanes } from '@pyralog/runtime';
import { Indexer } from './indexer.ts';

/** What an indexer thread is started with. */
export interface IndexerThreadData {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  readonly topic: TopicPartition;
  readonly cutRule: CutRule;
  /** Folder of the bucket, opened by the thread itself; undefined: through the `objects` lane. */
  readonly bucketDir: string | undefined;
}

/** What it tells on its `manifests` lane, as its options name it. */
export type IndexerMessage =
  | { readonly kind: 'manifest'; readonly number: number }
  | { readonly kind: 'progress' };

/** Lanes of the channel between a host and its indexer thread. */
export const INDEXER_LANES = ['log', 'objects', 'manifests'] as const;

/** Entry of the thread: the indexer of one partition, until the channel ends. */
export async function run(channel: Channel, data: unknown): Promise<void> {
  const { info, partition, topic, cutRule, bucketDir } = data as IndexerThreadData;
  const { log, objects, manifests } = lanes(channel, INDEXER_LANES);
  const stop = new AbortController();
  manifests.onClose(() => stop.abort());
  await using local =
    bucketDir === undefined ? undefined : await LocalObjects.open({ dir: bucketDir });
  const running = Indexer.run(
    {
      info,
      partition,
      topic,
      cutRule,
      log: new RemoteLog(log),
      objects: local ?? new RemoteObjects(objects),
      codec: await createCodec(),
      onManifest: ({ number }) =>
        manifests.post({ kind: 'manifest', number } satisfies IndexerMessage),
      onProgress: () => manifests.post({ kind: 'progress' } satisfies IndexerMessage),
    },
    stop.signal,
  );
  await running.catch((error: unknown) => {
    // Told to end, it may find its ports closed at any step.
    if (!stop.signal.aborted) throw error;
  });
}
