import type { Database, DatabaseHost, FeedEvent } from '@pyralog/client';
import { compareFacts, type Fact, type Tx, tx as asTx } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { commit, create, data, expectCode, feedOf, told, write } from './database-support.ts';

export function feedContract(make: () => Promise<DatabaseHost>): void {
  describe('the feed', () => {
    test('tells every transaction whole, in order, and that it is up to date', async () => {
      await using host = await make();
      const { database, txs, log } = await written(host, 12);
      const events = await feedOf(database, { offset: '-1' });
      const transactions = events.filter((event) => event.kind === 'transaction');
      expect(transactions.map(({ tx }) => tx)).toEqual(txs);
      expect(
        transactions.flatMap(({ facts }) => facts.toSorted((a, b) => compareFacts('eavt', a, b))),
      ).toEqual(log);
      expect(transactions[3]?.meta.get('author')?.values).toEqual([
        { type: 'string', value: 'user:3' },
      ]);
      expect(events.at(-1)).toMatchObject({ kind: 'progress', upToDate: true });
      expect((events.at(-1)?.tx ?? 0n) >= (txs.at(-1) as Tx)).toBe(true);
    });

    test('I10 resumed from any offset equals an unbroken one', async () => {
      await using host = await make();
      const { database } = await written(host, 8);
      const whole = (await feedOf(database, { offset: '-1' })).filter(
        ({ kind }) => kind === 'transaction',
      );
      for (const [at, { offset, tx }] of whole.entries()) {
        const rest = (events: readonly FeedEvent[]): readonly FeedEvent[] =>
          events.filter(({ kind }) => kind === 'transaction');
        expect(rest(await feedOf(database, { offset }))).toEqual(whole.slice(at + 1));
        expect(rest(await feedOf(database, { offset: `tx:${tx}` }))).toEqual(whole.slice(at + 1));
        expect(rest(await feedOf(database, { offset: `tx:${asTx(tx - 1n)}` }))).toEqual(
          whole.slice(at),
        );
      }
    });

    test('an empty database has a feed, and "now" has nothing but progress', async () => {
      await using host = await make();
      const database = await create(host);
      expect((await feedOf(database, { offset: '-1' })).map(({ kind }) => kind)).toEqual([
        'progress',
      ]);
      await write(database, { entity: 'a', n: 1 });
      const now = await feedOf(database, { offset: 'now' });
      expect(now.map(({ kind }) => kind)).toEqual(['progress']);
      const { tx } = await write(database, { entity: 'a', n: 2 });
      const later = await feedOf(database, { offset: now[0]?.offset ?? '' });
      expect(later.filter(({ kind }) => kind === 'transaction').map((event) => event.tx)).toEqual([
        tx,
      ]);
    });

    test('a filter leaves out facts, and transactions of which nothing is left', async () => {
      await using host = await make();
      const database = await create(host);
      await write(database, { entity: 'person:1', name: 'Alice', age: 1 });
      await write(database, { entity: 'paper:1', title: 'x' });
      await write(database, { entity: 'person:2', name: 'Bob' }, { entity: 'paper:2', name: 'y' });
      const facts = async (filter: object): Promise<unknown> => {
        const events = await feedOf(database, { offset: '-1', ...filter });
        expect(events.at(-1)?.kind).toBe('progress');
        return events.flatMap((event) =>
          event.kind === 'transaction'
            ? [told(event.facts).map(([entity, attribute]) => `${entity} ${attribute}`)]
            : [],
        );
      };
      expect(await facts({ entity: 'person:1', attribute: 'name' })).toEqual([['person:1 name']]);
      expect(await facts({ attribute: 'title' })).toEqual([['paper:1 title']]);
      expect(await facts({ prefix: 'person:', attribute: 'name' })).toEqual([
        ['person:1 name'],
        ['person:2 name'],
      ]);
      expect(await facts({ entity: 'nobody' })).toEqual([]);
    });

    test('an offset serves the database that it came from', async () => {
      await using host = await make();
      const { database } = await written(host, 1);
      const other = await create(host, 'other');
      const offset = (await feedOf(database, { offset: '-1' })).at(-1)?.offset ?? '';
      await expectCode(feedOf(other, { offset }), 'offset-foreign');
      for (const wrong of [
        '',
        '-2',
        '0',
        'tx:',
        'tx:abc',
        'tx:-1',
        'later',
        '%',
        '😀',
        offset.slice(1),
        `${offset}A`,
      ])
        await expectCode(feedOf(database, { offset: wrong }), 'offset-invalid');
      const cursor = (await database.state({ index: 'eavt', limit: 1 })).next ?? '';
      await expectCode(feedOf(database, { offset: cursor }), 'offset-invalid');
    });

    test('a feed that follows goes on with what is written, and ends quietly when it is stopped', async () => {
      await using host = await make();
      const { database, txs } = await written(host, 2);
      const stop = new AbortController();
      const seen: Tx[] = [];
      for await (const event of database.feed({
        offset: '-1',
        follow: true,
        signal: stop.signal,
      })) {
        if (event.kind === 'transaction') seen.push(event.tx);
        else if (event.upToDate && seen.length < 5)
          txs.push((await write(database, { entity: 'a', n: seen.length + 10 })).tx);
        if (seen.length === 5) stop.abort();
      }
      expect(seen).toEqual(txs);
    });

    test('a reader that stops reading ends its feed, and a feed stopped before it begins tells nothing', async () => {
      await using host = await make();
      const { database } = await written(host, 3);
      for await (const event of database.feed({ offset: '-1', follow: true })) {
        expect(event.kind).toBe('transaction');
        break;
      }
      const stop = new AbortController();
      stop.abort();
      const events: FeedEvent[] = [];
      for await (const event of database.feed({ offset: '-1', follow: true, signal: stop.signal }))
        events.push(event);
      expect(events).toEqual([]);
    });

    test('several readers of different places see the same order', async () => {
      await using host = await make();
      const { database, txs } = await written(host, 3);
      const stop = new AbortController();
      const reader = async (offset: string, count: number): Promise<readonly Tx[]> => {
        const seen: Tx[] = [];
        for await (const event of database.feed({ offset, follow: true, signal: stop.signal })) {
          if (event.kind === 'transaction') seen.push(event.tx);
          if (seen.length === count) break;
        }
        return seen;
      };
      const readers = [reader('-1', 23), reader(`tx:${txs[1]}`, 21), reader(`tx:${txs[2]}`, 20)];
      for (let n = 0; n < 20; n++) txs.push((await write(database, { entity: 'b', n })).tx);
      const [all, two, three] = await Promise.all(readers);
      stop.abort();
      expect(all).toEqual(txs);
      expect(two).toEqual(txs.slice(2));
      expect(three).toEqual(txs.slice(3));
    });
  });
}

/** A database with some transactions, its facts in eavt order in each. */
async function written(
  host: DatabaseHost,
  count: number,
): Promise<{ readonly database: Database; readonly txs: Tx[]; readonly log: readonly Fact[] }> {
  const database = await create(host);
  const txs: Tx[] = [];
  const log: Fact[] = [];
  for (let n = 0; n < count; n++) {
    const { tx, facts } = await commit(database, {
      meta: { author: `user:${n}` },
      ops: [{ entity: 'a', n, [`x${n}`]: ['é😀', `${n}`] }],
    });
    expect(data(facts).length).toBeGreaterThan(0);
    txs.push(tx);
    log.push(...facts.toSorted((a, b) => compareFacts('eavt', a, b)));
  }
  return { database, txs, log };
}
