/**
 * What the commit logs of several partitions say of a transaction over them (protocol 1.2): two-phase commit, of which the
 * coordinator's DECIDED is the commit point.
 */
import type { LogOffset, PartitionNo, Tx } from '@pyralog/model';
import type { Rejection } from './commit-record.ts';

/** A transaction over partitions: who coordinates it, and where its document is in the input of that partition. */
export interface TransactionId {
  readonly coordinator: PartitionNo;
  readonly offset: LogOffset;
}

/** What a transaction does on one partition. It has several there where some are discovered while others are resolved. */
export interface TransactionPart {
  readonly partition: PartitionNo;
  /** Tells the parts on one partition apart; empty for the one that is known from the document. */
  readonly name: string;
  /** What is to be done, as the sequencer encodes it. */
  readonly content: Uint8Array;
}

/**
 * Something that two transactions cannot have at once, unless both only read it. A resource as a whole
 * conflicts with each attribute of it.
 */
export interface Lock {
  readonly resource: string;
  /** undefined: the resource as a whole. */
  readonly attribute: string | undefined;
  readonly write: boolean;
}

/**
 * Items of the coordinator, where `offset` is that of the document, and of participants.
 *
 * - `begin`: an attempt begins. What the coordinator itself would write is resolved and locked; all that a new owner needs
 *   is here, minted ids included. `begun` is the coordinator's clock then; `start` is that when the document came.
 * - `extend`: a part that the vote of another has discovered.
 * - `retry`: the attempt is over, and nothing of it is locked here any more. The document waits again.
 * - `decided`: committed. The facts are the coordinator's own; `start` is what minted ids are made of. That of `begin` is said
 *   again, so that this item alone tells how long it waited (`begun - start`) and was asked for (`tx - begun`).
 * - `refused`: given up, for good.
 * - `end`: every participant has done what was decided.
 * - `prepared`: a promise to commit a part of exactly this attempt. `tx` is the time from which on it may be.
 * - `committed`, `aborted`: what became of it.
 *
 * `facts` as bytes are not in force: encodeFacts makes them. @template F the facts that come into force
 */
export type TransactionItem<F> =
  | {
      readonly kind: 'begin';
      readonly offset: LogOffset;
      readonly attempt: number;
      readonly start: Tx;
      readonly begun: Tx;
      /** JSON that reads back to the same operations. */
      readonly document: Uint8Array;
      /** `contentHash` of the document; empty where it has no id. */
      readonly contentHash: string;
      readonly parts: readonly TransactionPart[];
      readonly facts: Uint8Array;
      readonly locks: readonly Lock[];
    }
  | { readonly kind: 'extend'; readonly offset: LogOffset; readonly part: TransactionPart }
  | { readonly kind: 'retry'; readonly offset: LogOffset; readonly attempt: number }
  | ({
      readonly kind: 'decided';
      readonly offset: LogOffset;
      readonly attempt: number;
      readonly start: Tx;
      readonly begun: Tx;
      readonly tx: Tx;
      /** Rising, without the coordinator. */
      readonly participants: readonly PartitionNo[];
    } & F)
  | {
      readonly kind: 'refused';
      readonly offset: LogOffset;
      readonly attempt: number;
      readonly rejection: Rejection;
    }
  | { readonly kind: 'end'; readonly offset: LogOffset }
  | {
      readonly kind: 'prepared';
      readonly id: TransactionId;
      readonly part: string;
      readonly attempt: number;
      readonly start: Tx;
      readonly tx: Tx;
      readonly facts: Uint8Array;
      readonly locks: readonly Lock[];
      /** Parts that must be added, discovered here. */
      readonly needs: readonly TransactionPart[];
    }
  | ({
      readonly kind: 'committed';
      readonly id: TransactionId;
      readonly part: string;
      readonly tx: Tx;
    } & F)
  | {
      readonly kind: 'aborted';
      readonly id: TransactionId;
      readonly part: string;
      readonly attempt: number;
    };

/** A transaction that a coordinator has begun and not ended. */
export interface BegunTransaction {
  /** Of its document. */
  readonly offset: LogOffset;
  /** When it came, by the clock of its coordinator. */
  readonly start: Tx;
  /** The records that a new owner needs of it: that of the newest `begin`, and those behind it. */
  readonly records: readonly LogOffset[];
}

/** A part that is promised and neither committed nor aborted. */
export interface PreparedPart {
  readonly id: TransactionId;
  readonly part: string;
  /** When its transaction came, by the clock of its coordinator. */
  readonly start: Tx;
  /** The record that says so. */
  readonly record: LogOffset;
}

/** What is not over of transactions over partitions (protocol 1.9). */
export interface OpenTransactions {
  /** By offset. */
  readonly begun: readonly BegunTransaction[];
  /** By coordinator, offset and part. */
  readonly prepared: readonly PreparedPart[];
}

/** Nothing is open. */
export const NOTHING_OPEN: OpenTransactions = { begun: [], prepared: [] };

/** Order of transactions, by coordinator and offset. */
export function compareIds(a: TransactionId, b: TransactionId): number {
  return a.coordinator - b.coordinator || a.offset - b.offset;
}
