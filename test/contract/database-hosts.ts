import type { DatabaseHost } from '@pyralog/client';
import { expect, test } from 'vitest';
import { commit, create, expectCode, write } from './database-support.ts';

/** @param partitions of databases that are made without saying */
export function hostContract(make: () => Promise<DatabaseHost>, partitions: number): void {
  test('a database is made once, and refused with other settings', async () => {
    await using host = await make();
    expect(await host.list()).toEqual([]);
    expect(await host.create('main')).toBe('created');
    expect(await host.create('main')).toBe('exists');
    expect(await host.create('main', { partitions, strict: false, mode: 'live' })).toBe('exists');
    await expectCode(host.create('main', { strict: true }), 'database-exists');
    await expectCode(host.create('main', { mode: 'import' }), 'database-exists');
    expect(await host.create('a-2', { strict: true })).toBe('created');
    expect(await host.list()).toEqual(['a-2', 'main']);
    expect((await host.database('main')).name).toBe('main');
  });

  test.each([
    '',
    'Main',
    '1st',
    'a_b',
    'a/b',
    '..',
    'ä',
    'a'.repeat(49),
    'a%2fb',
    'main?x',
    '__proto__',
  ])('the name %j is refused', async (name) => {
    await using host = await make();
    await expectCode(host.create(name), 'database-name-invalid');
    expect(await host.list()).toEqual([]);
  });

  test('a database that was not made is not found', async () => {
    await using host = await make();
    await expectCode(host.database('nothing'), 'database-not-found');
  });

  test('databases do not see each other', async () => {
    await using host = await make();
    const [one, two] = [await create(host, 'one'), await create(host, 'two')];
    await write(one, { entity: 'a', n: 1 });
    expect((await two.entity('a')).attributes.size).toBe(0);
    expect((await one.status()).id).not.toBe((await two.status()).id);
  });

  test('the status says what a database is', async () => {
    await using host = await make();
    const database = await create(host, 'main', { mode: 'import', strict: true });
    const status = await database.status();
    expect(status).toMatchObject({ database: 'main', mode: 'import', strict: true });
    expect(status.id).toMatch(/^[0-9a-f]{32}$/);
    expect(status.partitions).toHaveLength(partitions);
    expect(typeof status.partitions[0]?.closed).toBe('bigint');
    expect(typeof status.durable).toBe('boolean');
  });

  test('an import keeps its order and its times, however much of it is on its way', async () => {
    await using host = await make();
    const database = await create(host, 'main', { mode: 'import' });
    const first = 946_684_800n;
    const documents = Array.from({ length: 20 }, (_, i) => ({
      id: `key-${i}`,
      at: new Date((Number(first) + i) * 1_000).toISOString(),
      ops: [{ entity: `e:${i}`, n: i }],
    }));
    const committed = await Promise.all(documents.map((document) => commit(database, document)));
    for (const [i, { tx }] of committed.entries()) {
      const at = (first + BigInt(i)) * 1_000_000_000n;
      expect([i, tx >= at - 1023n && tx < at + 1_000_000n]).toEqual([i, true]);
    }
    // What it brought in is known by its keys ever after, whatever time it is.
    const again = { tx: committed[3]?.tx, duplicate: true };
    expect(await commit(database, documents[3])).toMatchObject(again);
    const keyed = { id: 'key', ops: [{ entity: 'e:keyed', n: 1 }] };
    const { tx } = await commit(database, keyed);
    await database.goLive();
    expect(await commit(database, keyed)).toMatchObject({ tx, duplicate: true });
    expect(await commit(database, documents[3])).toMatchObject(again);
  });

  test('import mode takes the times of history and ends for good', async () => {
    await using host = await make();
    const database = await create(host, 'main', { mode: 'import' });
    const first = await commit(database, {
      at: '1999-12-31T23:59:59Z',
      ops: [{ entity: 'a', n: 1 }],
    });
    // A few steps behind where other partitions had to be asked.
    const at = 946_684_799_000_000_000n;
    expect(first.tx >= at - 1023n && first.tx < at + 10_000n).toBe(true);
    const second = await commit(database, { ops: [{ entity: 'a', n: 2 }] });
    expect(second.tx > first.tx && second.tx < first.tx + 1_000_000n).toBe(true);
    await expectCode(
      commit(database, { at: '1999-01-01T00:00:00Z', ops: [] }),
      'import-time-invalid',
    );
    await expectCode(
      commit(database, { at: '2199-01-01T00:00:00Z', ops: [] }),
      'import-time-invalid',
    );
    expect((await database.schema()).mode).toBe('import');

    const live = await database.goLive();
    expect(live.tx).toBeGreaterThan(second.tx);
    expect((await database.schema({ await: live.tx })).mode).toBe('live');
    expect((await database.schema({ asOf: second.tx })).mode).toBe('import');
    expect((await database.status()).mode).toBe('live');
    await expectCode(
      commit(database, { at: '2000-01-01T00:00:00Z', ops: [] }),
      'import-time-invalid',
    );
    const now = await write(database, { entity: 'a', n: 3 });
    expect(now.tx > BigInt(Date.now() - 60_000) * 1_000_000n).toBe(true);
    expect(numbersOf(await database.entity('a', { asOf: first.tx }))).toEqual([1n]);
    expect(numbersOf(await database.entity('a', { await: now.tx }))).toEqual([3n]);
  });
}

function numbersOf(answer: {
  readonly attributes: ReadonlyMap<
    string,
    { readonly values: readonly { readonly value: unknown }[] }
  >;
}): unknown[] {
  return answer.attributes.get('n')?.values.map(({ value }) => value) ?? [];
}
