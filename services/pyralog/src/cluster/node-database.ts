import { must } from '@pyralog/base';
import type { CommitResult, Trouble } from '@pyralog/client';
import type { DatabaseInfo } from '@pyralog/format';
import {
  parseDocument,
  partitionNo,
  type PartitionNo,
  PyralogError,
  type StoredFact,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import { Partitions } from '@pyralog/reading';
import { longValuesOf } from '@pyralog/sequencing';
import { Doors } from '../doors.ts';
import { ownFacts, ReadingDatabase } from '../reading-database.ts';
import { NodePartition } from './node-partition.ts';
import type { ClusterPorts } from './ports.ts';

/** A database of a cluster as an API node has it. */
export class NodeDatabase extends ReadingDatabase {
  readonly #all: readonly NodePartition[];
  readonly #doors: Doors;

  private constructor(info: DatabaseInfo, ports: ClusterPorts, all: readonly NodePartition[]) {
    super(info, new Partitions(all.map(({ reader }) => reader)), ports, (partition, upTo) =>
      all[partition]?.requestClosed(upTo),
    );
    this.#all = all;
    this.#doors = new Doors(info);
  }

  /**
   * Opens at the newest manifests, and resolves when it has all that the logs hold by now.
   * @param signal gives it up
   */
  static async open(
    info: DatabaseInfo,
    ports: ClusterPorts,
    signal: AbortSignal,
  ): Promise<NodeDatabase> {
    const all = await Promise.all(
      Array.from({ length: info.partitions }, (_, p) =>
        NodePartition.open(info, partitionNo(p), ports, signal),
      ),
    );
    if (signal.aborted) throw new PyralogError('stopping', 'The database is closing.');
    const database = new NodeDatabase(info, ports, all);
    for (const partition of all) partition.start((closed) => database.levelClosing.written(closed));
    return database;
  }

  async transact(document: Uint8Array): Promise<CommitResult> {
    // What can be refused without the state of the database is, before anybody else hears of it.
    const parsed = parseDocument(document);
    const door = this.#doors.of(parsed, this.mode);
    const { item, facts } = await this.#at(door).outcomeOf(document);
    switch (item.kind) {
      case 'commit': {
        const { tx, from, to } = item;
        this.reader.acknowledged(tx, [door]);
        const stored: StoredFact[] = [];
        for (let row = from; row < to; row++) stored.push(facts.factAt(row));
        return this.#committed(parsed, tx, ownFacts(stored, tx, this.info.partitions));
      }
      case 'decided': {
        const { tx, participants } = item;
        const partitions = [door, ...participants];
        this.reader.acknowledged(tx, partitions);
        return this.#committed(parsed, tx, await this.reader.decided(tx, partitions));
      }
      case 'duplicate':
        return this.firstResult(parsed, item.tx);
      case 'rejected':
      case 'refused':
        throw this.refusalOf(item.rejection);
    }
  }

  async #committed(
    document: TransactionDocument,
    tx: Tx,
    stored: readonly StoredFact[],
  ): Promise<CommitResult> {
    const facts = await this.writtenFacts(tx, stored, longValuesOf(document));
    return { tx, facts, ids: await this.idsOf(document, tx, facts), duplicate: false };
  }

  troubles(): readonly Trouble[] {
    return this.#all.flatMap((partition) => partition.troubles());
  }

  protected troublesOf(partition: PartitionNo): readonly Trouble[] {
    return this.#at(partition).troubles();
  }

  protected get isDurable(): boolean {
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.levelClosing[Symbol.dispose]();
    await Promise.all(this.#all.map((partition) => partition[Symbol.asyncDispose]()));
  }

  #at(partition: PartitionNo): NodePartition {
    return must(this.#all[partition], 'a partition of the database');
  }
}
