import { type PartitionNo, TX_NONE, type Tx } from '@pyralog/model';
import { assertDatabase, assertEntity, assertStep, viewsClosed } from './rules.ts';
import type {
  EntityView,
  StoredView,
  ViewBatch,
  ViewOutcome,
  ViewPosition,
  ViewStore,
} from './views.ts';

/** Views in memory, for tests. */
export class MemoryViews implements ViewStore {
  readonly #databases: Map<string, DatabaseViews>;
  #closed = false;

  /** @param others whose views these are too; its own ones by default */
  constructor(others?: MemoryViews) {
    this.#databases = others === undefined ? new Map() : others.#databases;
  }

  /** Entities of all records of a database. @internal */
  records(database: string): readonly string[] {
    return [...(this.#databases.get(database)?.records.keys() ?? [])];
  }

  /** How many deleted entities are remembered, lest what is older comes back. @internal */
  remembered(database: string): number {
    return this.#databases.get(database)?.remembered ?? 0;
  }

  async ping(): Promise<void> {
    if (this.#closed) throw viewsClosed();
  }

  async position(database: string, partition: PartitionNo): Promise<ViewPosition> {
    const { watermark, loading } = this.#views(database).partition(partition);
    return { watermark, loading, clearing: false };
  }

  async apply(batch: ViewBatch): Promise<ViewOutcome> {
    assertStep(batch);
    const { database, partition, from, to } = batch;
    // A clear puts another object in its place, which is how a batch knows of it.
    const views = this.#views(database);
    const at = views.partition(partition);
    const state = (): ViewOutcome | undefined => {
      if (this.#views(database) !== views) return 'refused';
      return stepState(at, from, to);
    };
    let outcome = state();
    if (outcome !== undefined) return outcome;
    if (from === TX_NONE) at.loading = to;
    for await (const view of batch.entities) {
      assertEntity(view, from, to);
      outcome = state();
      if (outcome !== undefined) return outcome;
      views.write(at, view);
    }
    outcome = state();
    if (outcome !== undefined) return outcome;
    at.watermark = to;
    at.loading = undefined;
    for (const [entity, tx] of at.gone) if (tx <= to) at.gone.delete(entity);
    return 'applied';
  }

  async entity(database: string, entity: string): Promise<StoredView | undefined> {
    return this.#views(database).records.get(entity);
  }

  async clear(database: string): Promise<void> {
    this.#views(database);
    this.#databases.delete(database);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  #views(database: string): DatabaseViews {
    assertDatabase(database);
    if (this.#closed) throw viewsClosed();
    let views = this.#databases.get(database);
    if (views === undefined) {
      views = new DatabaseViews();
      this.#databases.set(database, views);
    }
    return views;
  }
}

interface PartitionViews {
  watermark: Tx;
  loading: Tx | undefined;
  /** Entities that were deleted above the watermark, with the tx: what is older may still come. */
  readonly gone: Map<string, Tx>;
}

/** What keeps a batch from being written, if anything does. */
function stepState(
  { watermark, loading }: PartitionViews,
  from: Tx,
  to: Tx,
): ViewOutcome | undefined {
  if (watermark >= to) return 'passed';
  if (watermark < from) return 'refused';
  if (from > TX_NONE) return undefined;
  return watermark > TX_NONE || (loading ?? to) !== to ? 'refused' : undefined;
}

class DatabaseViews {
  readonly records = new Map<string, StoredView>();
  readonly #partitions = new Map<PartitionNo, PartitionViews>();

  get remembered(): number {
    return [...this.#partitions.values()].reduce((sum, { gone }) => sum + gone.size, 0);
  }

  partition(partition: PartitionNo): PartitionViews {
    let at = this.#partitions.get(partition);
    if (at === undefined) {
      at = { watermark: TX_NONE, loading: undefined, gone: new Map() };
      this.#partitions.set(partition, at);
    }
    return at;
  }

  write({ watermark, gone }: PartitionViews, { entity, tx, attributes }: EntityView): void {
    const newest = this.records.get(entity)?.tx ?? gone.get(entity) ?? watermark;
    if (tx <= watermark || tx <= newest) return;
    if (attributes === undefined) {
      this.records.delete(entity);
      gone.set(entity, tx);
    } else this.records.set(entity, { tx, attributes: new Map(attributes) });
  }
}
