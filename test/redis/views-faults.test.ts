import { type PartitionNo, partitionNo, tx, TX_NONE } from '@pyralog/model';
import type { EntityView } from '@pyralog/views';
import { RedisViews } from '@pyralog/views/redis';
import { expect, inject, test } from 'vitest';
import { RedisServer } from '../servers/redis.ts';
import { Child, freshName, Gate, LatePath, outsiderOf, refused } from './support.ts';

const P0 = partitionNo(0);
const WRITER = new URL('./view-writer.ts', import.meta.url);

function view(entity: string, at: number, value: string): EntityView {
  return { entity, tx: tx(BigInt(at)), attributes: new Map([['x', value]]) };
}

interface Place {
  readonly database: string;
  readonly partition: PartitionNo;
}

const batch = (place: Place, from: number, to: number, entities: readonly EntityView[]) => ({
  ...place,
  from: tx(BigInt(from)),
  to: tx(BigInt(to)),
  entities,
});

/** Two entities, between which something happens when the first has been written. */
async function* around(
  [first, second]: readonly [EntityView, EntityView],
  happens: () => Promise<unknown>,
): AsyncIterable<EntityView> {
  yield first;
  await happens();
  yield second;
}

test('a server that is killed keeps what was applied, and a batch that met it is begun again', async () => {
  await using server = await RedisServer.start();
  await using views = new RedisViews({ url: server.address, stepRecordsMax: 1 });
  const place = { database: 'main', partition: P0 };
  const loaded = Array.from({ length: 500 }, (_, i) => view(`e${i}`, 10, `${i}`));
  expect(await views.apply(batch(place, 0, 10, loaded))).toBe('applied');
  const step = [view('e0', 20, '"new"'), view('e1', 20, '"new"')] as const;
  const away = new Gate();
  const dying = views.apply({
    ...batch(place, 10, 20, []),
    entities: around(step, async () => {
      await server.kill();
      away.open();
    }),
  });
  await refused('unreachable', () => dying);
  await Promise.all([
    refused('unreachable', () => views.ping()),
    refused('unreachable', () => views.position('main', P0)),
    refused('unreachable', () => views.entity('main', 'e1')),
    refused('unreachable', () => views.clear('main')),
  ]);
  await away.opened;
  await server.start();
  await views.ping();
  expect((await views.position('main', P0)).watermark).toBe(10n);
  expect(await views.apply(batch(place, 10, 20, step))).toBe('applied');
  expect(await views.entity('main', 'e1')).toEqual({
    tx: 20n,
    attributes: new Map([['x', '"new"']]),
  });
  expect((await views.entity('main', 'e499'))?.attributes.get('x')).toBe('499');
});

test('a batch does not go on at a server that came back in the middle of it', async () => {
  await using server = await RedisServer.start();
  await using views = new RedisViews({ url: server.address, stepRecordsMax: 1 });
  const place = { database: 'main', partition: P0 };
  await views.apply(batch(place, 0, 10, []));
  // It may have lost the first one: what the server had answered for was not on disk yet.
  const entities = around([view('a', 20, '1'), view('b', 20, '1')], async () => {
    await server.kill();
    await server.start();
    // There is a connection again before the second one is written.
    await views.position('main', P0);
  });
  await refused('unreachable', () => views.apply({ ...batch(place, 10, 20, []), entities }));
  expect((await views.position('main', P0)).watermark).toBe(10n);
});

test('views that were emptied are loaded again, whatever was being written', async () => {
  await using server = await RedisServer.start();
  await using outsider = outsiderOf(server.address);
  await using views = new RedisViews({ url: server.address, stepRecordsMax: 1 });
  await using others = new RedisViews({ url: server.address });
  const place = { database: 'main', partition: P0 };
  await views.apply(batch(place, 0, 10, [view('a', 5, '5')]));
  const empty = (): Promise<unknown> => outsider.client.flushall();

  const step = around([view('a', 15, '15'), view('b', 20, '20')], empty);
  expect(await views.apply({ ...batch(place, 10, 20, []), entities: step })).toBe('refused');
  expect(await views.position('main', P0)).toEqual({
    watermark: TX_NONE,
    loading: undefined,
    clearing: false,
  });

  // A load, too, though somebody else has begun the same one meanwhile.
  const all = [view('a', 15, '15'), view('b', 20, '20')] as const;
  const begun = new Gate();
  const end = new Gate();
  let other: Promise<unknown> = Promise.resolve();
  const load = around(all, async () => {
    await empty();
    const entities = around(all, async () => {
      begun.open();
      await end.opened;
    });
    other = others.apply({ ...batch(place, 0, 20, []), entities });
    await begun.opened;
  });
  expect(await views.apply({ ...batch(place, 0, 20, []), entities: load })).toBe('refused');
  end.open();
  expect(await other).toBe('applied');
  for (const entity of ['a', 'b']) expect(await views.entity('main', entity)).toBeDefined();
});

test('a writer that was stopped and wakes up late can do no harm', async () => {
  const url = inject('redis');
  await using views = new RedisViews({ url });
  const place = { database: freshName(), partition: P0 };
  await views.apply(batch(place, 0, 10, [view('a', 5, '5'), view('b', 5, '5')]));
  await using old = new Child(WRITER, url, place.database);
  old.tell('a');
  expect(await old.line()).toBe('written');
  old.signal('SIGSTOP');
  const gone = { entity: 'b', tx: tx(25n), attributes: undefined };
  const step = [view('a', 30, '30'), gone, view('c', 20, '20')];
  expect(await views.apply(batch(place, 10, 30, step))).toBe('applied');
  old.signal('SIGCONT');
  old.tell('b');
  old.tell('c');
  old.tell('end');
  const lines = [];
  for (let line = await old.line(); line !== undefined; line = await old.line()) lines.push(line);
  expect(lines.at(-1)).toBe('passed');
  expect((await views.position(place.database, P0)).watermark).toBe(30n);
  expect(await views.entity(place.database, 'a')).toEqual({
    tx: 30n,
    attributes: new Map([['x', '30']]),
  });
  expect(await views.entity(place.database, 'b')).toBeUndefined();
  expect((await views.entity(place.database, 'c'))?.attributes.get('x')).toBe('20');
  await views.clear(place.database);
});

test('a server whose memory is full refuses a record as a whole, and lets views be cleared', async () => {
  await using server = await RedisServer.start();
  await using outsider = outsiderOf(server.address);
  await using views = new RedisViews({ url: server.address });
  const place = { database: 'main', partition: P0 };
  await views.apply(batch(place, 0, 10, [view('a', 5, '5')]));
  const step = batch(place, 10, 20, [view('a', 20, '20')]);
  const full = around([view('a', 20, '20'), view('b', 20, '20')], () =>
    outsider.client.config('SET', 'maxmemory', '1'),
  );
  await refused('storage-full', () => views.apply({ ...step, entities: full }));
  expect((await views.entity('main', 'a'))?.attributes.get('x')).toBe('5');
  await refused('storage-full', () => views.apply(step));
  await views.clear('main');
  expect(await views.entity('main', 'a')).toBeUndefined();
  await outsider.client.config('SET', 'maxmemory', '0');
  expect(await views.apply(batch(place, 0, 20, [view('a', 20, '20')]))).toBe('applied');
});

test('a server that does not answer is found out', async () => {
  await using server = await RedisServer.start();
  await using views = new RedisViews({ url: server.address, silenceMillisMax: 2_000 });
  const place = { database: 'main', partition: P0 };
  await views.apply(batch(place, 0, 10, []));
  server.pause();
  await refused('unreachable', () => views.apply(batch(place, 10, 20, [])));
  server.resume();
  // What it had heard before it was given up it may have done.
  const { watermark } = await views.position('main', P0);
  expect(await views.apply(batch(place, Number(watermark), 30, []))).toBe('applied');
});

test('a clearing that was left is ended by the next, and a newer one takes over from an older', async () => {
  const url = inject('redis');
  await using outsider = outsiderOf(url);
  await using views = new RedisViews({ url });
  const place = { database: freshName(), partition: P0 };
  const { database } = place;
  await views.apply(batch(place, 0, 10, [view('a', 5, '5')]));
  // As it is left by somebody who died in it.
  await outsider.client.hset(`${database}:v`, 'clearing', 'dead');
  expect(await views.position(database, P0)).toEqual({
    watermark: TX_NONE,
    loading: undefined,
    clearing: true,
  });
  expect(await views.apply(batch(place, 10, 20, []))).toBe('refused');
  await views.clear(database);
  expect((await views.position(database, P0)).clearing).toBe(false);
  expect(await views.entity(database, 'a')).toBeUndefined();

  const both = await Promise.allSettled([views.clear(database), views.clear(database)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  await refused('busy', async () => {
    const [first] = both;
    if (first.status === 'rejected') throw first.reason;
  });
});

test('who was overtaken while it cleared deletes nothing of what has been written since', async () => {
  const url = inject('redis');
  const place = { database: freshName(), partition: P0 };
  const { database } = place;
  await using path = await LatePath.to(url, `${database}:e:a`);
  await using late = new RedisViews({ url: path.url });
  await using views = new RedisViews({ url });
  const all = [view('a', 5, '5')];
  await views.apply(batch(place, 0, 10, all));
  const clearing = refused('busy', () => late.clear(database));
  // It has found the record and is about to delete it.
  await path.waits;
  await views.clear(database);
  expect(await views.apply(batch(place, 0, 10, all))).toBe('applied');
  await path.letGo();
  await clearing;
  expect(await views.entity(database, 'a')).toBeDefined();
  expect((await views.position(database, P0)).watermark).toBe(10n);
  await views.clear(database);
});

test('a record that arrives after its writer was given up, and the views were loaded anew, is not taken', async () => {
  const url = inject('redis');
  const place = { database: freshName(), partition: P0 };
  const { database } = place;
  await using path = await LatePath.to(url, `${database}:e:gone`);
  await using late = new RedisViews({ url: path.url, silenceMillisMax: 2_000 });
  await using views = new RedisViews({ url });
  const loading = refused('unreachable', () =>
    late.apply(batch(place, 0, 10, [view('gone', 5, '5')])),
  );
  await path.waits;
  await loading;
  // At another moment, at which there is no such entity.
  await views.clear(database);
  expect(await views.apply(batch(place, 0, 20, [view('a', 20, '20')]))).toBe('applied');
  await path.letGo();
  expect(await late.position(database, P0)).toMatchObject({ watermark: 20n });
  expect(await views.entity(database, 'gone')).toBeUndefined();
  await views.clear(database);
});
