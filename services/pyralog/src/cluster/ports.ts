import type { Codec } from '@pyralog/format';
import type { CutRule } from '@pyralog/indexing';
import type { Log } from '@pyralog/log';
import type { ObjectStore } from '@pyralog/objects';
import type { BlockCache } from '@pyralog/reading';
import type { Rand, Timers } from '@pyralog/runtime';
import type { ViewStore } from '@pyralog/views';
import type { StepListener } from '../sequencer-metrics.ts';
import type { TroubleListeners } from '../troubles.ts';

/** Who is told of what happens in a role. */
export interface ClusterListeners extends TroubleListeners {
  /** A record of a commit log has no effect (I6): its writer was not, or no longer, the owner. */
  readonly onVoid: (database: string) => void;
  /** Told of what is committed, for measuring. */
  readonly steps?: StepListener | undefined;
}

/** What every role of a cluster works with. */
export interface ClusterPorts extends ClusterListeners {
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly codec: Codec;
  readonly cache: BlockCache;
  /** Current state for other programs; undefined: none is kept. */
  readonly views: ViewStore | undefined;
  readonly timers: Timers;
  readonly rand: Rand;
  /** Where logs are cut into parts; the same in all roles of a cluster. */
  readonly cutRule: CutRule;
}
