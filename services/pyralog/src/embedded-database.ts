import { must } from '@pyralog/base';
import type { CommitResult, Trouble } from '@pyralog/client';
import type { DatabaseInfo } from '@pyralog/format';
import {
  parseDocument,
  partitionNo,
  type PartitionNo,
  type TransactionDocument,
  TX_NONE,
  type Tx,
} from '@pyralog/model';
import { Partitions } from '@pyralog/reading';
import type { Outcome, Sent } from '@pyralog/sequencing';
import { Doors } from './doors.ts';
import { commitsOf, EmbeddedPartition, type EmbeddedPorts } from './embedded-partition.ts';
import { ReadingDatabase } from './reading-database.ts';

export type { EmbeddedPorts } from './embedded-partition.ts';

/**
 * How long the time of partitions without data may be behind the others', in milliseconds: who reads all of them reads at
 * the least.
 */
const BEHIND_MILLIS_MAX = 50;

/** One database in this process. */
export class EmbeddedDatabase extends ReadingDatabase {
  readonly #ports: EmbeddedPorts;
  readonly #all: readonly EmbeddedPartition[];
  readonly #doors: Doors;
  #closing: Disposable | undefined;
  /** Up to where something was written. */
  #written: Tx = TX_NONE;

  private constructor(info: DatabaseInfo, ports: EmbeddedPorts, all: readonly EmbeddedPartition[]) {
    super(info, new Partitions(all.map(({ reader }) => reader)), ports.clock, (partition) =>
      all[partition]?.requestClosed(),
    );
    this.#ports = ports;
    this.#all = all;
    this.#doors = new Doors(info);
  }

  /** Recovers from bucket and log, claims the partitions, and starts their indexers. */
  static async open(info: DatabaseInfo, ports: EmbeddedPorts): Promise<EmbeddedDatabase> {
    await ports.log.createTopic(commitsOf(info), info.partitions);
    const all: EmbeddedPartition[] = [];
    const opened: { database?: EmbeddedDatabase } = {};
    // What is sent before all are there is sent again.
    const post = (sent: readonly Sent[]): void => {
      for (const { to, message } of sent) all[to]?.messages.put(message);
    };
    try {
      for (let p = 0; p < info.partitions; p++) {
        const published = (closed: Tx): void => {
          const { database } = opened;
          if (database !== undefined) database.#published(closed);
        };
        all.push(await EmbeddedPartition.open(info, partitionNo(p), ports, post, published));
      }
    } catch (error) {
      for (const partition of all) await partition[Symbol.asyncDispose]();
      throw error;
    }
    opened.database = new EmbeddedDatabase(info, ports, all);
    return opened.database;
  }

  async transact(document: Uint8Array): Promise<CommitResult> {
    const parsed = parseDocument(document);
    const door = this.#doors.of(parsed, this.mode);
    const outcome = await this.#at(door).submit(parsed, document.length);
    switch (outcome.kind) {
      case 'committed':
        this.reader.acknowledged(outcome.tx);
        return this.#committed(parsed, outcome);
      case 'duplicate':
        return this.firstResult(parsed, outcome.tx);
      case 'rejected':
        throw this.refusalOf(outcome.rejection);
    }
  }

  troubles(): readonly Trouble[] {
    return this.#all.flatMap((partition) => partition.troubles());
  }

  protected troublesOf(partition: PartitionNo): readonly Trouble[] {
    return this.#at(partition).troubles();
  }

  protected get isDurable(): boolean {
    return this.#ports.bucketDir !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.#closing?.[Symbol.dispose]();
    await Promise.all(this.#all.map((partition) => partition[Symbol.asyncDispose]()));
  }

  async #committed(
    document: TransactionDocument,
    { tx, facts, ids, participants, contents }: Outcome & { readonly kind: 'committed' },
  ): Promise<CommitResult> {
    if (participants.length > 0) {
      // What it wrote elsewhere is there when all have heard of the decision.
      const written = await this.reader.transaction(tx, { await: tx });
      const known = ids.size > 0 ? ids : await this.idsOf(document, tx, written.facts);
      return { tx, facts: written.facts, ids: known, duplicate: false };
    }
    const written = await this.writtenFacts(tx, facts, contents);
    return { tx, facts: written, ids, duplicate: false };
  }

  /** Something was written up to a time: that of the others follows soon. */
  #published(closed: Tx): void {
    if (this.#all.length === 1) return;
    if (closed > this.#written) this.#written = closed;
    this.#closing ??= this.#ports.timers.after(BEHIND_MILLIS_MAX, () => {
      this.#closing = undefined;
      for (const partition of this.#all) {
        const { closed: its, schema } = partition.reader;
        if (its < this.#written && schema.mode === 'live') partition.requestClosed();
      }
    });
  }

  #at(partition: PartitionNo): EmbeddedPartition {
    return must(this.#all[partition], 'a partition of the database');
  }
}
