import { createCodec } from '@pyralog/format/zstd';
import type { CutRule } from '@pyralog/indexing';
import { MemoryLog } from '@pyralog/log/memory';
import { MemoryObjects } from '@pyralog/objects/memory';
import { BlockCache } from '@pyralog/reading';
import { SystemClock, SystemRand, SystemTimers, type Threads } from '@pyralog/runtime';
import { EmbeddedHost } from '../../services/pyralog/src/embedded.ts';
import type { StepListener } from '../../services/pyralog/src/sequencer-metrics.ts';

/**
 * What `openEmbedded` gives without a folder, on threads of the caller's.
 * @param onTrouble told of what fails behind the scenes, and of its recovery
 * @param steps told of what is committed
 */
export async function embeddedHost(
  threads: Threads,
  cutRule: CutRule,
  onTrouble: (what: string, error?: unknown) => void,
  steps?: StepListener,
): Promise<EmbeddedHost> {
  return EmbeddedHost.over({
    log: new MemoryLog(),
    objects: new MemoryObjects(),
    bucketDir: undefined,
    codec: await createCodec(),
    cache: new BlockCache(64 * 1024 * 1024),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    rand: new SystemRand(),
    threads,
    cutRule,
    onFailure: onTrouble,
    onRecovery: onTrouble,
    steps,
  });
}
