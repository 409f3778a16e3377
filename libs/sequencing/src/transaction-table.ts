import { assert, unreachable } from '@pyralog/base';
import {
  type DraftFacts,
  type ItemOf,
  type Lock,
  type TransactionId,
  type TransactionItem,
  type TransactionPart,
} from '@pyralog/format';
import type { LogOffset, PartitionNo, Tx } from '@pyralog/model';
import { type Holder, LockTable } from './locks.ts';

/** A name of a transaction that sorts and compares as text. */
export function idText({ coordinator, offset }: TransactionId): string {
  return `${coordinator}.${offset}`;
}

/** A name of a part of a transaction that is unique over them. */
export function partText({ partition, name }: Pick<TransactionPart, 'partition' | 'name'>): string {
  return `${partition}/${name}`;
}

/** What the coordinator's log says of a transaction that is not over. */
export interface Begun {
  readonly id: TransactionId;
  readonly holder: Holder;
  readonly document: Uint8Array;
  readonly contentHash: string;
  readonly attempt: number;
  /** By {@link partText}. */
  readonly parts: ReadonlyMap<string, TransactionPart>;
  /** The coordinator's own, for encodeFacts. */
  readonly facts: Uint8Array;
  /**
   * `preparing`: participants are asked. `retrying`: the attempt is over, and they are told. `waiting`: they all know,
   * and the document is in line again. `committed`, `refused`: it is decided, and they are told.
   */
  readonly phase: 'preparing' | 'retrying' | 'waiting' | 'committed' | 'refused';
  /** Where it is committed. */
  readonly tx: Tx | undefined;
}

/** What a participant's log says of a part that it has promised. */
export interface Prepared {
  readonly id: TransactionId;
  readonly part: string;
  readonly attempt: number;
  readonly start: Tx;
  /** From when on it may be committed. */
  readonly tx: Tx;
  readonly facts: Uint8Array;
  readonly needs: readonly TransactionPart[];
}

/**
 * Transactions over partitions as the log of one of them tells of them: a fold of its admitted records, the same for a
 * leader, who folds what it makes, and for a replay.
 */
export class TransactionTable {
  readonly #partition: PartitionNo;
  readonly #begun = new Map<LogOffset, Begun>();
  readonly #prepared = new Map<string, Prepared>();
  readonly locks: LockTable = new LockTable();

  constructor(partition: PartitionNo) {
    this.#partition = partition;
  }

  get begun(): ReadonlyMap<LogOffset, Begun> {
    return this.#begun;
  }

  /** By {@link preparedText}. */
  get prepared(): ReadonlyMap<string, Prepared> {
    return this.#prepared;
  }

  get isEmpty(): boolean {
    return this.#begun.size === 0 && this.#prepared.size === 0;
  }

  /** The least time of which nothing more may be promised away: below every part that may yet be committed. */
  get pinned(): Tx | undefined {
    let least: Tx | undefined;
    for (const { tx } of this.#prepared.values()) if (least === undefined || tx < least) least = tx;
    return least;
  }

  /** Takes an item of an admitted record. Facts are the caller's to fold. */
  fold(item: ItemOf<unknown> | ItemOf<DraftFacts>): void {
    switch (item.kind) {
      case 'commit':
      case 'rejected':
      case 'duplicate':
        // In line again, and then done without others.
        if (this.#begun.size > 0) this.#begun.delete(item.offset);
        return;
      case 'begin':
        return this.#begin(item);
      case 'extend': {
        const begun = this.#of(item.offset);
        const parts = new Map(begun.parts).set(partText(item.part), item.part);
        this.#begun.set(item.offset, { ...begun, parts });
        return;
      }
      case 'retry':
        this.#begun.set(item.offset, { ...this.#of(item.offset), phase: 'retrying' });
        return this.#releaseOwn(item.offset);
      case 'decided':
        this.#begun.set(item.offset, {
          ...this.#of(item.offset),
          phase: 'committed',
          tx: item.tx,
        });
        return this.#releaseOwn(item.offset);
      case 'refused':
        this.#begun.set(item.offset, { ...this.#of(item.offset), phase: 'refused' });
        return this.#releaseOwn(item.offset);
      case 'end':
        this.#begun.delete(item.offset);
        return;
      case 'prepared':
        return this.#prepare(item);
      case 'committed':
      case 'aborted': {
        const name = preparedText(item);
        assert(this.#prepared.delete(name), 'what is committed or aborted was prepared');
        return this.locks.release(name);
      }
      default:
        unreachable(item);
    }
  }

  /** All participants know that the attempt is over: volatile, for it is found out again. */
  waits(offset: LogOffset): void {
    const begun = this.#of(offset);
    assert(begun.phase === 'retrying', 'only what was given up waits again');
    this.#begun.set(offset, { ...begun, phase: 'waiting' });
  }

  #begin(item: TransactionItem<unknown> & { readonly kind: 'begin' }): void {
    const { offset, start, document, contentHash, attempt, facts } = item;
    const id = { coordinator: this.#partition, offset };
    const holder = { id: idText(id), start };
    this.#begun.set(offset, {
      id,
      holder,
      document,
      contentHash,
      attempt,
      parts: new Map(item.parts.map((part) => [partText(part), part])),
      facts,
      phase: 'preparing',
      tx: undefined,
    });
    this.locks.add(holder, ownText(offset), item.locks);
  }

  #prepare(item: TransactionItem<unknown> & { readonly kind: 'prepared' }): void {
    const { id, part, attempt, start, tx, facts, needs, locks } = item;
    const name = preparedText(item);
    assert(!this.#prepared.has(name), 'a part is promised once at a time');
    this.#prepared.set(name, { id, part, attempt, start, tx, facts, needs });
    this.locks.add({ id: idText(id), start }, name, locks as readonly Lock[]);
  }

  #releaseOwn(offset: LogOffset): void {
    this.locks.release(ownText(offset));
  }

  #of(offset: LogOffset): Begun {
    const begun = this.#begun.get(offset);
    assert(begun !== undefined, 'what is decided was begun');
    return begun;
  }
}

/** Names a promised part. */
export function preparedText({
  id,
  part,
}: {
  readonly id: TransactionId;
  readonly part: string;
}): string {
  return `${idText(id)}/${part}`;
}

function ownText(offset: LogOffset): string {
  return `own.${offset}`;
}
