import { type AttributeValues, type Database, printAttribute } from '@pyralog/client';
import { type Fact, type PartitionNo, TX_NONE, type Tx } from '@pyralog/model';
import type { EntityView, ViewPosition, ViewStore } from '@pyralog/views';

/** Whose views are kept where. */
export interface ViewsOptions {
  readonly views: ViewStore;
  readonly database: Pick<Database, 'name' | 'entity' | 'feed' | 'facts' | 'status'>;
  readonly partition: PartitionNo;
}

/** Entities that changed of one step, so that a reader of the views is not long behind. */
const STEP_ENTITIES_MAX = 1_000;
const PAGE = 10_000;

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
async function load(
  { views, database, partition }: ViewsOptions,
  { loading }: ViewPosition,
): Promise<Tx | undefined> {
  const to = loading ?? (await closedOf(database));
  // A database without any transaction: there is nothing to load, nor to be at.
  if (to === TX_NONE) return TX_NONE;
  const outcome = await views.apply({
    database: database.name,
    partition,
    from: TX_NONE,
    to,
    entities: statesAt(database, to),
  });
  return outcome === 'applied' ? to : undefined;
}

async function closedOf(database: ViewsOptions['database']): Promise<Tx> {
  const { partitions } = await database.status();
  return partitions[0]?.closed ?? TX_NONE;
}

/** Every entity that has facts in force at a moment, as it is then. */
async function* statesAt(database: ViewsOptions['database'], at: Tx): AsyncIterable<EntityView> {
  let newest = TX_NONE;
  let entity: string | undefined;
  let cursor: string | undefined;
  do {
    const page = await database.facts({ index: 'eavt', limit: PAGE, cursor }, { asOf: at });
    for (const fact of page.facts) {
      if (entity !== undefined && fact.entity !== entity) {
        yield* inForce(await stateAt(database, entity, at, newest));
        newest = TX_NONE;
      }
      entity = fact.entity;
      if (fact.tx > newest) newest = fact.tx;
    }
    cursor = page.next;
  } while (cursor !== undefined);
  if (entity !== undefined) yield* inForce(await stateAt(database, entity, at, newest));
}

function inForce(view: EntityView): readonly EntityView[] {
  return view.attributes === undefined ? [] : [view];
}

/** Goes on behind a watermark, until the signal aborts or the views are found to be elsewhere. */
async function follow(
  { views, database, partition }: ViewsOptions,
  watermark: Tx,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  let from = watermark;
  let to = watermark;
  const changed = new Map<string, Tx>();
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const offset = watermark === TX_NONE ? '-1' : `tx:${watermark}`;
  for await (const event of database.feed({ offset, follow: true, signal: ended })) {
    if (event.kind === 'transaction') {
      to = event.tx;
      for (const { entity } of event.facts) changed.set(entity, event.tx);
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
