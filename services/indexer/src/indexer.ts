import { assert } from '@pyralog/base';
import {
  advance,
  type Codec,
  type CommitRecord,
  type DatabaseInfo,
  decodeCommitRecord,
  encodeManifest,
  encodeSegment,
  FactTable,
  type ItemsRecord,
  type LogState,
  type Manifest,
  manifestKey,
  type RunInfo,
  runKey,
  type SegmentInfo,
  segmentKey,
} from '@pyralog/format';
import { buildRuns, type CutRule, Cutter } from '@pyralog/indexing';
import type { Log, TopicPartition } from '@pyralog/log';
import { foldSchema, type LogOffset, type PartitionNo, PyralogError, type Schema } from '@pyralog/model';
import type { ObjectStore } from '@pyralog/objects';
import { type Bucket, readSchema } from '@pyralog/reading';

export interface IndexerOptions {
  readonly info: DatabaseInfo;
  readonly partition: PartitionNo;
  readonly topic: TopicPartition;
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly bucket: Bucket;
  readonly codec: Codec;
  readonly cutRule: CutRule;
  /** Told of every manifest that is the newest, by its number. */
  readonly onManifest: (manifest: Manifest) => void;
  readonly signal: AbortSignal;
}
