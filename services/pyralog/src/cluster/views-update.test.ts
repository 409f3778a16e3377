import type { Database } from '@pyralog/client';
import { partitionNo, TX_NONE } from '@pyralog/model';
import { MemoryViews } from '@pyralog/views/memory';
import { expect, test } from 'vitest';
import type { HomeReader } from '@pyralog/reading';
import type { EmbeddedDatabase } from '../embedded-database.ts';
import { openEmbedded } from '../embedded.ts';
import { updateViews } from './views-update.ts';

const PARTITION = partitionNo(0);
const write = (database: Database, ...ops: readonly unknown[]) =>
  database.transact(Buffer.from(JSON.stringify({ ops })));

test('of what came and went before the first views there is none', async () => {
  await using host = await openEmbedded({ dir: undefined });
  await host.create('main');
  const database = (await host.database('main')) as EmbeddedDatabase;
  const views = new MemoryViews();
  const stop = new AbortController();
  let last = TX_NONE;
  const there = database.home(PARTITION);
  const home = {
    // Empty when it is looked at, and not when it is followed.
    closed: TX_NONE,
    entities: there.entities.bind(there),
    async *follow(...query: Parameters<HomeReader['follow']>) {
      await write(database, { entity: 'kept', n: 1 }, { entity: 'gone', n: 1 });
      last = (await write(database, { op: 'retractEntity', entity: 'gone' })).tx;
      yield* there.follow(...query);
    },
  };
  await updateViews({ views, database, home, partition: PARTITION }, stop.signal, () =>
    stop.abort(),
  );
  expect((await views.position('main', PARTITION)).watermark).toBe(last);
  expect(views.records('main')).toContain('kept');
  expect(views.records('main')).not.toContain('gone');
});
