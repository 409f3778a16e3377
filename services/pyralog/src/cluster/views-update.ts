import { type AttributeValues, type Database, printAttribute } from '@pyralog/client';
import { type Fact, type PartitionNo, TX_NONE, type Tx } from '@pyralog/model';
import type { HomeReader } from '@pyralog/reading';
import type { EntityView, ViewPosition, ViewStore } from '@pyralog/views';

/** Whose views are kept where. */
export interface ViewsOptions {
  readonly views: ViewStore;
  readonly database: Pick<Database, 'name' | 'entity'>;
  readonly partition: PartitionNo;
  /** Of this partition. */
  readonly home: Pick<HomeReader, 'closed' | 'entities' | 'follow'>;
}

/** Entities that changed of one step, so that a reader of the views is not long behind. */
const STEP_ENTITIES_MAX = 1_000;

/**
 * Keeps the views of a partition at its newest state, until the signal aborts: loads them where there are
 * none, and goes on with every transaction. State is read at the moment that a step leads to, so a step that
 * is repeated, by this writer or another, writes the same.
 */
export async function updateViews(
  options: ViewsOptions,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const { views, database, partition } = options;
  while (!signal.aborted) {
    const position = await views.position(database.name, partition);
    if (position.clearing) {
      // Whoever began it may be gone; the newest one takes over.
      await views.clear(database.name);
      continue;
    }
    const watermark =
      position.watermark === TX_NONE ? await load(options, position) : position.watermark;
    if (watermark !== undefined) await follow(options, watermark, signal, working);
  }
}

/** Writes everything that is in force at a moment. @returns the moment; undefined where another is at it */
async function load(options: ViewsOptions, { loading }: ViewPosition): Promise<Tx | undefined> {
  const { views, database, partition, home } = options;
  const to = loading ?? home.closed;
  // A partition without any time: there is nothing to load, nor to be at.
  if (to === TX_NONE) return TX_NONE;
  const outcome = await views.apply({
    database: database.name,
    partition,
    from: TX_NONE,
    to,
    entities: statesAt(options, to),
  });
  return outcome === 'applied' ? to : undefined;
}

/** Every entity that has facts in force at a moment, as it is then. */
async function* statesAt({ database, home }: ViewsOptions, at: Tx): AsyncIterable<EntityView> {
  for await (const { entity, tx } of home.entities(at))
    yield* inForce(await stateAt(database, entity, at, tx));
}

function inForce(view: EntityView): readonly EntityView[] {
  return view.attributes === undefined ? [] : [view];
}

/** Goes on behind a watermark, until the signal aborts or the views are found to be elsewhere. */
async function follow(
  { views, database, partition, home }: ViewsOptions,
  watermark: Tx,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  let from = watermark;
  let to = watermark;
  const changed = new Map<string, Tx>();
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  for await (const event of home.follow(watermark, ended)) {
    if (event.kind === 'transaction') {
      to = event.tx;
      for (const entity of event.entities) changed.set(entity, event.tx);
      if (changed.size < STEP_ENTITIES_MAX) continue;
    }
    if (to > from) {
      const step = { database: database.name, partition, from, to };
      const outcome = await views.apply({ ...step, entities: states(database, changed, step) });
      if (outcome !== 'applied') return stop.abort();
      changed.clear();
      from = to;
    } else {
      // Now and then while nothing happens: whether the views are still there.
      const there = await views.position(database.name, partition);
      if (there.watermark !== from) return stop.abort();
    }
    working();
  }
}

async function* states(
  database: ViewsOptions['database'],
  changed: ReadonlyMap<string, Tx>,
  { from, to }: { readonly from: Tx; readonly to: Tx },
): AsyncIterable<EntityView> {
  for (const [entity, tx] of changed) {
    const view = await stateAt(database, entity, to, tx);
    // The first step of a database is a load: there is nothing to delete.
    if (from === TX_NONE) yield* inForce(view);
    else yield view;
  }
}

async function stateAt(
  database: ViewsOptions['database'],
  entity: string,
  at: Tx,
  tx: Tx,
): Promise<EntityView> {
  const { attributes } = await database.entity(entity, { asOf: at });
  const texts = new Map<string, string>();
  for (const [name, values] of attributes)
    if (!isComputed(name)) texts.set(name, printAttribute(values as AttributeValues));
  return { entity, tx, attributes: texts.size === 0 ? undefined : texts };
}

/** What an answer has of a transaction besides its facts. */
function isComputed(attribute: Fact['attribute']): boolean {
  return attribute === 'tx/timestamp';
}
