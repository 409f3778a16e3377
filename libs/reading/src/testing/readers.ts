import {
  type DatabaseInfo,
  decodeCommitRecord,
  type DraftItem,
  encodeCommitRecord,
} from '@pyralog/format';
import { createPortableCodec } from '@pyralog/format/zstd';
import { DEFAULT_CUT } from '@pyralog/indexing';
import {
  epoch,
  logOffset,
  ownerId,
  partitionNo,
  type StoredFact,
  tx,
  type Tx,
} from '@pyralog/model';
import { MemoryObjects } from '@pyralog/objects/memory';
import { SystemTimers } from '@pyralog/runtime';
import { BlockCache } from '../block-cache.ts';
import { Bucket } from '../bucket.ts';
import { PartitionReader } from '../partition-reader.ts';

const OWNER = ownerId('0'.repeat(32));
const codec = await createPortableCodec();

/** Readers of all partitions of a database that holds nothing yet, each with a log of its own in memory. */
export class Readers {
  readonly all: readonly PartitionReader[];
  readonly #lengths: number[];

  private constructor(all: readonly PartitionReader[]) {
    this.all = all;
    this.#lengths = all.map(() => 0);
    for (let p = 0; p < all.length; p++)
      this.#append(p, { kind: 'epoch', epoch: epoch(1), owner: OWNER });
  }

  static async open(partitions: number): Promise<Readers> {
    const info: DatabaseInfo = {
      formatVersion: 0,
      name: 'db',
      id: '0'.repeat(32),
      partitions,
      strict: false,
      mode: 'live',
      created: '2026-01-01T00:00:00Z',
    };
    const shared = {
      info,
      bucket: new Bucket('db', new MemoryObjects(), codec),
      cache: new BlockCache(1024 * 1024),
      cutRule: DEFAULT_CUT,
      timers: new SystemTimers(),
    };
    const all: PartitionReader[] = [];
    for (let p = 0; p < partitions; p++)
      all.push(await PartitionReader.open({ ...shared, partition: partitionNo(p) }));
    return new Readers(all);
  }

  /** One record with the facts of a transaction on a partition; what is closed stays as it is. */
  commit(p: number, at: Tx, facts: readonly StoredFact[]): void {
    const offset = logOffset(this.#next(p));
    this.#items(p, this.#closed(p), [{ kind: 'commit', offset, tx: at, facts }]);
  }

  /** Moves the closed timestamp of a partition on. */
  close(p: number, closed: Tx): void {
    this.#items(p, closed, []);
  }

  #items(p: number, closed: Tx, items: readonly DraftItem[]): void {
    this.#append(p, {
      kind: 'items',
      epoch: epoch(1),
      owner: OWNER,
      seq: this.#next(p),
      coordination: logOffset(0),
      marks: [],
      lowWater: logOffset(0),
      closed,
      schemaTx: tx(0n),
      items,
    });
  }

  #append(p: number, record: Parameters<typeof encodeCommitRecord>[0]): void {
    const offset = logOffset(this.#next(p));
    this.#lengths[p] = offset + 1;
    this.all[p]?.apply(offset, decodeCommitRecord(encodeCommitRecord(record)));
  }

  #next(p: number): number {
    return this.#lengths[p] ?? 0;
  }

  #closed(p: number): Tx {
    return this.all[p]?.closed ?? tx(0n);
  }
}
