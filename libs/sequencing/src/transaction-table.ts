import { assert, must, unreachable } from '@pyralog/base';
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
import {
  cellOf,
  DOCUMENT_ITEMS,
  type DocumentItem,
  type LogState,
  PART_ITEMS,
  type Phase,
} from './transition-tables.ts';

type AnyItem = ItemOf<unknown> | ItemOf<DraftFacts>;
type PartItem = Extract<AnyItem, { readonly id: TransactionId }>;

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
  /** When this attempt began. */
  readonly begunAt: Tx;
  /** By {@link partText}. */
  readonly parts: ReadonlyMap<string, TransactionPart>;
  /** The coordinator's own, for encodeFacts. */
  readonly facts: Uint8Array;
  readonly phase: Phase;
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
  fold(item: AnyItem): void {
    if ('id' in item) this.#foldPart(item);
    else this.#foldDocument(item);
  }

  /** All participants know that the attempt is over: volatile, for it is found out again. */
  waits(offset: LogOffset): void {
    const phase = this.#phaseAfter('all know', offset);
    assert(phase !== 'none', 'it is open');
    this.#begun.set(offset, { ...this.#of(offset), phase });
  }

  #foldDocument(item: Exclude<AnyItem, PartItem>): void {
    const { offset } = item;
    const phase = this.#phaseAfter(item.kind, offset);
    if (phase === 'none') {
      this.#begun.delete(offset);
      return;
    }
    switch (item.kind) {
      case 'begin':
        return this.#begin(item, phase);
      case 'extend': {
        const begun = this.#of(offset);
        const parts = new Map(begun.parts).set(partText(item.part), item.part);
        this.#begun.set(offset, { ...begun, phase, parts });
        return;
      }
      case 'retry':
      case 'refused':
        this.#begun.set(offset, { ...this.#of(offset), phase });
        return this.locks.release(ownText(offset));
      case 'decided':
        this.#begun.set(offset, { ...this.#of(offset), phase, tx: item.tx });
        return this.locks.release(ownText(offset));
      case 'commit':
      case 'rejected':
      case 'duplicate':
      case 'end':
        return assert(false, 'nothing is open behind it');
      default:
        unreachable(item);
    }
  }

  #foldPart(item: PartItem): void {
    const name = preparedText(item);
    const state = this.#prepared.has(name) ? 'prepared' : 'none';
    if (cellOf(PART_ITEMS, item.kind, state) === 'none') {
      this.#prepared.delete(name);
      return this.locks.release(name);
    }
    assert(item.kind === 'prepared', 'nothing else is a promise');
    this.#prepare(name, item);
  }

  #phaseAfter(item: DocumentItem, offset: LogOffset): LogState {
    return cellOf(DOCUMENT_ITEMS, item, this.#begun.get(offset)?.phase ?? 'none');
  }

  #begin(item: TransactionItem<unknown> & { readonly kind: 'begin' }, phase: Phase): void {
    const { offset, start, begun, document, contentHash, attempt, facts, locks } = item;
    const id = { coordinator: this.#partition, offset };
    const holder = { id: idText(id), start };
    this.#begun.set(offset, {
      id,
      holder,
      document,
      contentHash,
      attempt,
      begunAt: begun,
      parts: new Map(item.parts.map((part) => [partText(part), part])),
      facts,
      phase,
      tx: undefined,
    });
    this.#lock(holder, ownText(offset), locks);
  }

  #prepare(name: string, item: TransactionItem<unknown> & { readonly kind: 'prepared' }): void {
    const { id, part, attempt, start, tx, facts, needs, locks } = item;
    this.#prepared.set(name, { id, part, attempt, start, tx, facts, needs });
    this.#lock({ id: idText(id), start }, name, locks);
  }

  #lock(holder: Holder, group: string, locks: readonly Lock[]): void {
    assert(!this.locks.blocks(holder.id, locks), 'T4: what one has locked no other locks');
    this.locks.add(holder, group, locks);
  }

  #of(offset: LogOffset): Begun {
    return must(this.#begun.get(offset), 'it is open');
  }
}

/** A part of a transaction, on the partition that it is of. */
export interface PartName {
  readonly id: TransactionId;
  readonly part: string;
}

/** Names a promised part. */
export function preparedText({ id, part }: PartName): string {
  return `${idText(id)}/${part}`;
}

function ownText(offset: LogOffset): string {
  return `own.${offset}`;
}
