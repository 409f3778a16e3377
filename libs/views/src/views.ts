import type { PartitionNo, Tx } from '@pyralog/model';

/** The facts of an entity that are in force. */
export interface EntityView {
  readonly entity: string;
  /** The newest transaction that changed it, at or below the moment that the view is of. */
  readonly tx: Tx;
  /**
   * Attribute to the JSON text of its value, an array of them for a many-attribute, as answers of the HTTP
   * interface have them. Undefined where no fact is in force; never empty.
   */
  readonly attributes: ReadonlyMap<string, string> | undefined;
}

/** A step of a partition's views from one moment to another. */
export interface ViewBatch {
  readonly database: string;
  readonly partition: PartitionNo;
  /** The watermark that the step begins at, or one below it; TX_NONE to load. */
  readonly from: Tx;
  /** The watermark that it leads to; above `from`. */
  readonly to: Tx;
  /**
   * Every entity of the partition that a transaction changed in (`from`, `to`], each once, as it is at
   * `to`. To load: every entity that has facts in force at `to`. Taken as they can be written, so that a
   * batch may be larger than memory; what it throws, `apply` rejects with.
   */
  readonly entities: Iterable<EntityView> | AsyncIterable<EntityView>;
}

/** How far the views of a partition are. */
export interface ViewPosition {
  /** All transactions up to here are in them; TX_NONE where they are to be loaded. */
  readonly watermark: Tx;
  /** Where the watermark is TX_NONE: the `to` of a load that was begun, of which there is a part. */
  readonly loading: Tx | undefined;
  /** A {@link ViewStore.clear} was begun and has not ended. */
  readonly clearing: boolean;
}

/**
 * - `applied`: the watermark is at `to`.
 * - `passed`: another writer has brought it to `to` or beyond.
 * - `refused`: the views are not what the batch is a step from: behind `from` (emptied, or restored from
 *   a copy), cleared, or being loaded at another moment. The position says where to go on.
 */
export type ViewOutcome = 'applied' | 'passed' | 'refused';

/** What {@link ViewStore.entity} reads. */
export interface StoredView {
  readonly tx: Tx;
  readonly attributes: ReadonlyMap<string, string>;
}

/**
 * Current state for the point reads of other programs, one record an entity. It holds no truth: what is
 * lost is built again. Contract suite: test/contract/views.ts.
 *
 * A writer reads the position of a partition and goes on from there:
 *
 * - Watermark TX_NONE: `apply` from TX_NONE to `loading`, or to any moment where that is undefined. The
 *   first to begin decides the moment, for what was deleted between two moments is in no load at the later
 *   one, and would stay. The past can be read for ever, so whoever goes on can load the same moment.
 * - Else: `apply` from the watermark to a later moment.
 * - `clearing`: somebody clears. Where that does not end, clear again: the newest one takes over.
 *
 * Promises, whoever else writes, wherever a writer dies, whatever is repeated or comes late:
 *
 * - The watermark and the `tx` of a record rise, until the views are cleared or lost. An entity that was
 *   deleted is not put back by what is older.
 * - While a batch is written, and where it was left off, records are ahead of the watermark, each by whole
 *   transactions. When the watermark is at or above the `to` of every batch that was begun, the records of
 *   the partition are its state there, and nothing else is there.
 * - A record is replaced at once; no reader sees a part of it.
 * - A batch that was left off is begun again from its first entity, or another one from the position.
 * - No call keeps the store from serving others for more than a few milliseconds, but for the time that a
 *   single record takes.
 *
 * A bad batch (an entity outside of (`from`, `to`], an empty record, an attribute that begins with `:`) is
 * a defect of the caller. Calls reject with `unreachable` where the store does not answer, `storage-full`,
 * `storage-failed`, and `stopping` after disposal.
 */
export interface ViewStore extends AsyncDisposable {
  /** Resolves when the store has answered, whatever is in it. */
  ping(): Promise<void>;
  position(database: string, partition: PartitionNo): Promise<ViewPosition>;
  apply(batch: ViewBatch): Promise<ViewOutcome>;
  /** The record of an entity; undefined where it has no fact in force. */
  entity(database: string, entity: string): Promise<StoredView | undefined>;
  /**
   * Deletes all records and positions of a database; batches that are being written are refused from then
   * on. Rejects with `busy` where another `clear` took over. To be repeated after any rejection.
   */
  clear(database: string): Promise<void>;
}
