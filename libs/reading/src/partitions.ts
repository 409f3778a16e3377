import { must } from '@pyralog/base';
import type { DatabaseInfo } from '@pyralog/format';
import { type PartitionNo, partitionOf, type Tx } from '@pyralog/model';
import type { PartitionReader } from './partition-reader.ts';

/** The partitions of a database, as one reader sees them. */
export class Partitions {
  /** By number. */
  readonly all: readonly PartitionReader[];

  /** @param all every partition of one database */
  constructor(all: readonly PartitionReader[]) {
    this.all = all;
  }

  /** Where the schema is at home. */
  get first(): PartitionReader {
    return must(this.all[0], 'a database has a partition');
  }

  get info(): DatabaseInfo {
    return this.first.info;
  }

  at(partition: PartitionNo): PartitionReader {
    return must(this.all[partition], 'a partition of the database');
  }

  /** The partition that an entity lies on. */
  of(entity: string): PartitionReader {
    return this.at(partitionOf(entity, this.all.length));
  }

  /** The greatest moment that can no longer change on any of them. */
  get closed(): Tx {
    let least = this.first.closed;
    for (const { closed } of this.all) if (closed < least) least = closed;
    return least;
  }

  /** The greatest moment that can no longer change on one of them. */
  get latest(): Tx {
    let greatest = this.first.closed;
    for (const { closed } of this.all) if (closed > greatest) greatest = closed;
    return greatest;
  }

  /** Resolves when `tx` is closed on all, the time is over or the signal aborts; look at {@link closed} again. */
  async waitClosed(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<void> {
    await Promise.all(this.all.map((each) => each.waitClosed(tx, timeoutMillis, signal)));
  }
}
