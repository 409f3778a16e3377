import {
  type DatabaseMode,
  isTemporaryId,
  type PartitionNo,
  partitionNo,
  partitionOf,
  type TransactionDocument,
} from '@pyralog/model';

/**
 * Which partition a document goes to: that of the first entity that it names, so that most concern one alone. Equal
 * documents go to one partition, where an idempotency key is known; those that only make new entities take turns, unless
 * they have a key.
 */
export class Doors {
  readonly #partitions: number;
  #next = 0;

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  of({ id, operations, conditions }: TransactionDocument, mode: DatabaseMode): PartitionNo {
    // An imported stream is in the order of its times, and enters by one (protocol 1.7).
    if (this.#partitions === 1 || mode === 'import') return partitionNo(0);
    for (const { entity } of operations)
      if (!isTemporaryId(entity)) return partitionOf(entity, this.#partitions);
    for (const { entity } of conditions) return partitionOf(entity, this.#partitions);
    if (id !== undefined) return partitionOf(id, this.#partitions);
    this.#next = (this.#next + 1) % this.#partitions;
    return partitionNo(this.#next);
  }
}
