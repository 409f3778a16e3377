import type { Epoch, ErrorCode, Fact, LogOffset, OwnerId, PartitionNo, Tx } from '@pyralog/model';
import type { FactColumns } from './fact-columns.ts';

/** Claims a partition. Carries nothing but the claim (protocol 1.1.2). */
export interface EpochRecord {
  readonly kind: 'epoch';
  readonly epoch: Epoch;
  readonly owner: OwnerId;
}

/** How far the coordination messages of a peer were taken: (epoch, counter), per sending partition. */
export interface Mark {
  readonly peer: PartitionNo;
  readonly epoch: Epoch;
  readonly counter: number;
}

/** What every record but EPOCH says besides its items (protocol 1.2). */
export interface RecordHeader {
  readonly kind: 'items';
  readonly epoch: Epoch;
  readonly owner: OwnerId;
  /** 1 for the first record of an owner, then rising by one. */
  readonly seq: number;
  /** Next offset of the coordination topic to read. */
  readonly coordination: LogOffset;
  /** Only those that changed. */
  readonly marks: readonly Mark[];
  /** Least offset of the input that has neither outcome nor BEGIN. */
  readonly lowWater: LogOffset;
  /** Nothing at or below this will ever be committed after this record. */
  readonly closed: Tx;
  /** tx of the schema that the items were resolved by. */
  readonly schemaTx: Tx;
}

/** A rejection as the writer of the input is told it; also kept in the log, so it is final. */
export interface Rejection {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** Items before their facts became columns: what the sequencer makes. */
export type DraftItem =
  | { readonly kind: 'commit'; readonly offset: LogOffset; readonly tx: Tx; readonly facts: readonly Fact[] }
  | { readonly kind: 'rejected'; readonly offset: LogOffset; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly offset: LogOffset; readonly tx: Tx };

export interface DraftRecord extends RecordHeader {
  readonly items: readonly DraftItem[];
}

/** Items as read back: facts of a commit are rows [from, to) of the record's columns. */
export type Item =
  | { readonly kind: 'commit'; readonly offset: LogOffset; readonly tx: Tx; readonly from: number; readonly to: number }
  | { readonly kind: 'rejected'; readonly offset: LogOffset; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly offset: LogOffset; readonly tx: Tx };

export interface ItemsRecord extends RecordHeader {
  readonly items: readonly Item[];
  readonly facts: FactColumns;
}

export type CommitRecord = EpochRecord | ItemsRecord;
