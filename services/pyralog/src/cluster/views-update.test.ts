import type { Database } from '@pyralog/client';
import { partitionNo, TX_NONE } from '@pyralog/model';
import { MemoryViews } from '@pyralog/views/memory';
import { expect, test } from 'vitest';
import { openEmbedded } from '../embedded.ts';
import { updateViews } from './views-update.ts';

const PARTITION = partitionNo(0);
const write = (database: Database, ...ops: readonly unknown[]) =>
  database.transact(Buffer.from(JSON.stringify({ ops })));

test('of what came and went before the first views there is none', async () => {
  await using host = await openEmbedded({ dir: undefined });
  await host.create('main');
  const database = await host.database('main');
  const views = new MemoryViews();
  const stop = new AbortController();
  let last = TX_NONE;
  const followed = {
    name: database.name,
    entity: database.entity.bind(database),
    facts: database.facts.bind(database),
    // Empty when it is looked at, and not when it is followed.
    status: async () => ({ ...(await database.status()), partitions: [] }),
    async *feed(...query: Parameters<Database['feed']>) {
      await write(database, { entity: 'kept', n: 1 }, { entity: 'gone', n: 1 });
      last = (await write(database, { op: 'retractEntity', entity: 'gone' })).tx;
      yield* database.feed(...query);
    },
  };
  await updateViews({ views, database: followed, partition: PARTITION }, stop.signal, () =>
    stop.abort(),
  );
  expect((await views.position('main', PARTITION)).watermark).toBe(last);
  expect(views.records('main')).toContain('kept');
  expect(views.records('main')).not.toContain('gone');
});
