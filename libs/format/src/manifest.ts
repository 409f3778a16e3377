import type { Epoch, IndexOrder, LogOffset, OwnerId, PartitionNo, Tx } from '@pyralog/model';
import type { Mark } from './commit-record.ts';
import type { OpenTransactions } from './transaction-items.ts';

/** Where admission stands: the last record that counted (protocol 1.1.1). */
export interface AdmissionState {
  readonly epoch: Epoch;
  readonly owner: OwnerId | undefined;
  readonly seq: number;
}

/** Everything an owner or a reader must know at a cut of the commit log besides facts (protocol 1.9). */
export interface LogState {
  /** Next offset of the commit log. */
  readonly next: LogOffset;
  readonly admission: AdmissionState;
  /** Greatest timestamp given, promised or seen: the floor of a new owner's clock. */
  readonly clock: Tx;
  /** Running maximum of the closed timestamps. */
  readonly closed: Tx;
  readonly coordination: LogOffset;
  readonly lowWater: LogOffset;
  /** Finished input offsets above lowWater, as ranges [from, to). */
  readonly done: readonly (readonly [LogOffset, LogOffset])[];
  /** Of every peer. */
  readonly marks: readonly Mark[];
  readonly schemaTx: Tx;
  /** Transactions over partitions that are not over. */
  readonly open: OpenTransactions;
}

/**
 * `current`: the facts of its range of the log that are in force at its end, and retracts that hide what older runs have.
 * `history`: every other fact of the range. Together they hold each fact of the range once.
 */
export type RunPart = 'current' | 'history';
/** Every part, in the order of a manifest. */
export const RUN_PARTS: readonly RunPart[] = ['current', 'history'];

/** What a run is, besides its facts. */
export interface RunKind {
  readonly order: IndexOrder;
  readonly part: RunPart;
  /** 0: flushed from the log. */
  readonly level: number;
}

/** What is said of a run wherever it is spoken of. */
export interface RunSummary extends RunKind {
  readonly rows: number;
  /** Rows, and one more for each that has a retract without a row of its own. */
  readonly facts: number;
  readonly minTx: Tx;
  /** Retracts without a row of their own included. */
  readonly maxTx: Tx;
  /** All its facts were taken back by then: above it none is in force. TX_LAST where one was not. */
  readonly heldTo: Tx;
  /** SHA-256 of the uncompressed content, hexadecimal: the identity of the content (I12). */
  readonly hash: string;
}

/** A live run file. Keys are in the run's order; see run.ts for their encoding. */
export interface RunInfo extends RunSummary {
  /** `<order>-<level>-<hash>.run`, under `<db>/index/<p>/`. */
  readonly name: string;
  readonly bytes: number;
  /** Range [from, to) of the commit log whose facts these are. */
  readonly from: LogOffset;
  readonly to: LogOffset;
}

/** A file of the log in the bucket. */
export interface SegmentInfo {
  /** `<generation>-<first offset>.arrow` (object-names.ts), under `<db>/segments/<p>/`. */
  readonly name: string;
  readonly from: LogOffset;
  readonly to: LogOffset;
  readonly rows: number;
  readonly bytes: number;
  readonly hash: string;
  readonly minTx: Tx;
  readonly maxTx: Tx;
  /** Transactions committed in it. */
  readonly transactions: number;
}

/** The numbered list of a partition's live files: the newest is the truth about the bucket. */
export interface Manifest {
  readonly formatVersion: 0;
  readonly database: string;
  readonly partition: PartitionNo;
  /** The first is 1. */
  readonly number: number;
  /** Everything before `state.next` is in the files below. */
  readonly state: LogState;
  /** In order of the log. */
  readonly segments: readonly SegmentInfo[];
  /** As {@link sortRuns} puts them. */
  readonly runs: readonly RunInfo[];
}
