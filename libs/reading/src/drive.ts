import type { FactBatch } from '@pyralog/format';
import type { BlockNeed, Read } from '@pyralog/indexing';

/** Gives blocks: at once where they are in memory, else by a promise. */
export interface BlockSource {
  peek(need: BlockNeed): FactBatch | undefined;
  load(need: BlockNeed): Promise<FactBatch>;
}

/**
 * Runs a read to its end, fetching what it needs. A read whose blocks are all in memory never waits:
 * it is answered in one go.
 */
export async function drive<T>(read: Read<T>, source: BlockSource): Promise<T> {
  let step = read.next();
  while (!step.done) {
    const need = step.value;
    const block = source.peek(need) ?? (await source.load(need));
    step = read.next(block);
  }
  return step.value;
}
