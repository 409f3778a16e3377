import type { Rejection } from '@pyralog/format';
import type { LogOffset, PartitionNo, StoredFact, TransactionDocument, Tx } from '@pyralog/model';
import type { Contents } from './long-values.ts';

/** What was read at one offset of the partition's input. */
export type Input = { readonly offset: LogOffset } & (
  | { readonly kind: 'document'; readonly document: TransactionDocument }
  /** What nobody could read as a document; its outcome is this. */
  | { readonly kind: 'unreadable'; readonly rejection: Rejection }
);

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
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'duplicate'; readonly tx: Tx };
