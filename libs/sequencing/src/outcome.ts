import type { Rejection, TransactionItem } from '@pyralog/format';
import type {
  DatabaseMode,
  LogOffset,
  PartitionNo,
  StoredFact,
  TransactionDocument,
  Tx,
} from '@pyralog/model';
import type { Contents } from './long-values.ts';

/** What was read at one offset of the partition's input. */
export type Input = { readonly offset: LogOffset } & (
  | { readonly kind: 'document'; readonly document: TransactionDocument }
  /** What nobody could read as a document; its outcome is this. */
  | { readonly kind: 'unreadable'; readonly rejection: Rejection }
);

/** What it took to commit a document, by the clock of its coordinator. */
export interface Effort {
  /** The one that was committed included: those before it gave way to others. 1 where no other partition was asked. */
  readonly attempts: number;
  /** In line, and in attempts that gave way; undefined where time follows the data (import mode). */
  readonly waitedNanos: bigint | undefined;
  /** Other partitions, in the attempt that was committed, until all had promised; undefined as above. */
  readonly askedNanos: bigint | undefined;
}

/** Committed as it came, by its coordinator alone. */
export const AT_ONCE: Effort = { attempts: 1, waitedNanos: 0n, askedNanos: 0n };

/** What `decided` tells of it. @param mode of the database then */
export function effortOf(
  {
    attempt,
    start,
    begun,
    tx,
  }: Pick<
    TransactionItem<unknown> & { readonly kind: 'decided' },
    'attempt' | 'start' | 'begun' | 'tx'
  >,
  mode: DatabaseMode,
): Effort {
  const isTime = mode === 'live';
  return {
    attempts: attempt,
    waitedNanos: isTime ? begun - start : undefined,
    askedNanos: isTime ? tx - begun : undefined,
  };
}

/** What becomes of one input; final once its record is durable. */
export type Outcome =
  | {
      readonly kind: 'committed';
      readonly tx: Tx;
      /** Those of this partition. */
      readonly facts: readonly StoredFact[];
      /** By temporary id. */
      readonly ids: ReadonlyMap<string, string>;
      /** Other partitions that it has facts on. */
      readonly participants: readonly PartitionNo[];
      /** Of the blobs that the facts assert, where they are known. */
      readonly contents: Contents;
      readonly effort: Effort;
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly tx: Tx };
