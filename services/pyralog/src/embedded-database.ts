import { must } from '@pyralog/base';
import type { CommitResult, TransactOptions, Trouble } from '@pyralog/client';
import type { DatabaseInfo } from '@pyralog/format';
import {
  parseDocument,
  partitionNo,
  type PartitionNo,
  type TransactionDocument,
  type Tx,
} from '@pyralog/model';
import { Partitions } from '@pyralog/reading';
import { longValuesOf, type Outcome, type Sent } from '@pyralog/sequencing';
import { Doors } from './doors.ts';
import { commitsOf, EmbeddedPartition, type EmbeddedPorts } from './embedded-partition.ts';
import { explanation } from './explanation.ts';
import { ownFacts, ReadingDatabase } from './reading-database.ts';

export type { EmbeddedPorts } from './embedded-partition.ts';

/** One database in this process. */
export class EmbeddedDatabase extends ReadingDatabase {
  readonly #ports: EmbeddedPorts;
  readonly #all: readonly EmbeddedPartition[];
  readonly #doors: Doors;

  private constructor(info: DatabaseInfo, ports: EmbeddedPorts, all: readonly EmbeddedPartition[]) {
    super(info, new Partitions(all.map(({ reader }) => reader)), ports, (partition, upTo) =>
      all[partition]?.requestClosed(upTo),
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
    // To partitions that are not there yet. How far an import is nobody says twice.
    let early: Sent[] = [];
    const post = (sent: readonly Sent[]): void => {
      for (const each of sent) {
        const to = all[each.to];
        if (to === undefined) early.push(each);
        else to.messages.put(each.message);
      }
    };
    try {
      for (let p = 0; p < info.partitions; p++) {
        const written = (closed: Tx): void => opened.database?.levelClosing.written(closed);
        all.push(await EmbeddedPartition.open(info, partitionNo(p), ports, post, written));
        const waiting = early;
        early = [];
        post(waiting);
      }
    } catch (error) {
      for (const partition of all) await partition[Symbol.asyncDispose]();
      throw error;
    }
    opened.database = new EmbeddedDatabase(info, ports, all);
    return opened.database;
  }

  async transact(
    document: Uint8Array,
    { explain = false }: TransactOptions = {},
  ): Promise<CommitResult> {
    const { clock } = this.#ports;
    const since = clock.monotonicMillis();
    const parsed = parseDocument(document);
    const door = this.#doors.of(parsed, this.mode);
    const outcome = await this.#at(door).submit(parsed, document.length);
    switch (outcome.kind) {
      case 'committed': {
        const result = await this.#committed(parsed, door, outcome);
        if (!explain) return result;
        const millis = { publish: 0, total: clock.monotonicMillis() - since };
        return {
          ...result,
          explain: explanation(door, outcome.participants, outcome.effort, millis),
        };
      }
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
    this.levelClosing[Symbol.dispose]();
    await Promise.all(this.#all.map((partition) => partition[Symbol.asyncDispose]()));
  }

  async #committed(
    document: TransactionDocument,
    coordinator: PartitionNo,
    { tx, facts, ids, participants, contents }: Outcome & { readonly kind: 'committed' },
  ): Promise<CommitResult> {
    const partitions = [coordinator, ...participants];
    this.reader.acknowledged(tx, partitions);
    const isAlone = participants.length === 0;
    const stored = isAlone
      ? ownFacts(facts, tx, this.info.partitions)
      : await this.reader.decided(tx, partitions);
    const known = isAlone ? contents : longValuesOf(document);
    const written = await this.writtenFacts(tx, stored, known);
    // Those who decide for one that is gone do not know them.
    const isKnown = isAlone || ids.size > 0;
    const told = isKnown ? ids : await this.idsOf(document, tx, written);
    return { tx, facts: written, ids: told, duplicate: false };
  }

  #at(partition: PartitionNo): EmbeddedPartition {
    return must(this.#all[partition], 'a partition of the database');
  }
}
