import type { DatabaseInfo } from '@pyralog/format';
import {
  type DatabaseMode,
  isTemporaryId,
  type PartitionNo,
  partitionNo,
  partitionOf,
  type TransactionDocument,
} from '@pyralog/model';

/** The one that an import enters by. */
const IMPORTED: PartitionNo = partitionNo(0);

/**
 * Which partition a document goes to: that of the first entity that it names, so that most concern one alone. Equal
 * documents go to one partition, where an idempotency key is known; those that only make new entities take turns, unless
 * they have a key. An import enters by one partition alone, which keeps its order (protocol 1.7), and knows its keys.
 */
export class Doors {
  readonly #partitions: number;
  /** Keys may have come in with an import. */
  readonly #wasImported: boolean;
  #next = 0;

  /** As the database was made. */
  constructor({ partitions, mode }: Pick<DatabaseInfo, 'partitions' | 'mode'>) {
    this.#partitions = partitions;
    this.#wasImported = mode === 'import';
  }

  /** @param mode of the database now */
  of({ id, operations, conditions }: TransactionDocument, mode: DatabaseMode): PartitionNo {
    if (this.#partitions === 1 || mode === 'import') return IMPORTED;
    if (this.#wasImported && id !== undefined) return IMPORTED;
    for (const { entity } of operations)
      if (!isTemporaryId(entity)) return partitionOf(entity, this.#partitions);
    for (const { entity } of conditions) return partitionOf(entity, this.#partitions);
    if (id !== undefined) return partitionOf(id, this.#partitions);
    this.#next = (this.#next + 1) % this.#partitions;
    return partitionNo(this.#next);
  }
}
