import { setTimeout as sleep } from 'node:timers/promises';
import { partitionNo, PyralogError, TX_NONE } from '@pyralog/model';
import { RedisViews } from '@pyralog/views/redis';
import { EXIT } from './context.ts';
import { line, note } from './print.ts';

/** How long it waits for an indexer to load the views again. */
const LOADING_MILLIS_MAX = 120_000;
const LOOK_MILLIS = 250;

/**
 * Empties the views of a database. The indexer that keeps them notices within seconds and loads them from
 * the database again; they hold no truth.
 */
export async function rebuildViews({
  db,
  redis,
}: {
  readonly db: string;
  readonly redis: string | undefined;
}): Promise<number> {
  if (redis === undefined) {
    throw new PyralogError('usage', 'Where Redis is was not said.', {
      hint: 'Give --redis URL, or PYRALOG_REDIS.',
    });
  }
  await using views = new RedisViews({ url: redis });
  await views.clear(db);
  note(`The views of ${db} are empty. Waiting for an indexer to load them …`);
  for (let waited = 0; waited < LOADING_MILLIS_MAX; waited += LOOK_MILLIS) {
    const { watermark } = await views.position(db, partitionNo(0));
    if (watermark !== TX_NONE) {
      line(`The views of ${db} are at tx ${watermark}.`);
      return EXIT.ok;
    }
    await sleep(LOOK_MILLIS);
  }
  throw new PyralogError('unreachable', `Nobody has loaded the views of ${db}.`, {
    hint: 'Is an indexer running with --redis, and are there transactions? It loads them when it starts.',
  });
}
