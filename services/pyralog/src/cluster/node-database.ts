import { must } from '@pyralog/base';
import type { CommitResult, TransactOptions, Trouble } from '@pyralog/client';
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
import type { Clock } from '@pyralog/runtime';
import { type Effort, effortOf, longValuesOf } from '@pyralog/sequencing';
import { Doors } from '../doors.ts';
import { explanation } from '../explanation.ts';
import { ownFacts, ReadingDatabase } from '../reading-database.ts';
import { NodePartition } from './node-partition.ts';
import type { ClusterPorts } from './ports.ts';

type Explained = Pick<CommitResult, 'explain'>;

/** What the log tells of a commit by its coordinator alone: not how long it was in line. */
const ALONE: Effort = { attempts: 1, waitedNanos: undefined, askedNanos: 0n };

/** A database of a cluster as an API node has it. */
export class NodeDatabase extends ReadingDatabase {
  readonly #all: readonly NodePartition[];
  readonly #doors: Doors;
  readonly #clock: Clock;

  private constructor(info: DatabaseInfo, ports: ClusterPorts, all: readonly NodePartition[]) {
    super(info, new Partitions(all.map(({ reader }) => reader)), ports, (partition, upTo) =>
      all[partition]?.requestClosed(upTo),
    );
    this.#all = all;
    this.#doors = new Doors(info);
    this.#clock = ports.clock;
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

  async transact(
    document: Uint8Array,
    { explain = false }: TransactOptions = {},
  ): Promise<CommitResult> {
    const since = this.#clock.monotonicMillis();
    // What can be refused without the state of the database is, before anybody else hears of it.
    const parsed = parseDocument(document);
    const door = this.#doors.of(parsed, this.mode);
    const { item, facts, publishedMillis } = await this.#at(door).outcomeOf(document);
    const explained = (participants: readonly PartitionNo[], effort: Effort): Explained => {
      if (!explain) return { explain: undefined };
      const total = this.#clock.monotonicMillis() - since;
      const measured = { publish: publishedMillis - since, total };
      return { explain: explanation(door, participants, effort, measured) };
    };
    switch (item.kind) {
      case 'commit': {
        const { tx, from, to } = item;
        this.reader.acknowledged(tx, [door]);
        const stored: StoredFact[] = [];
        for (let row = from; row < to; row++) stored.push(facts.factAt(row));
        const result = await this.#committed(
          parsed,
          tx,
          ownFacts(stored, tx, this.info.partitions),
        );
        return { ...result, ...explained([], ALONE) };
      }
      case 'decided': {
        const { tx, participants } = item;
        const effort = effortOf(item, this.mode);
        const partitions = [door, ...participants];
        this.reader.acknowledged(tx, partitions);
        const written = await this.reader.decided(tx, partitions);
        return {
          ...(await this.#committed(parsed, tx, written)),
          ...explained(participants, effort),
        };
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
