import { compareUtf8 } from '@pyralog/base';
import type { Database, DatabaseHost } from '@pyralog/client';
import {
  type Cardinality,
  compareFacts,
  type Fact,
  INDEX_ORDERS,
  partitionOf,
  TX_NONE,
  type Tx,
  tx as asTx,
  type Value,
} from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import {
  allPages,
  commit,
  create,
  data,
  expectCode,
  fold,
  told,
  write,
} from './database-support.ts';

const text = (value: string): Value => ({ type: 'string', value });
const int = (value: number): Value => ({ type: 'int', value: BigInt(value) });

/** An entity of the first partition, of 1, 3, 4 or 8: elsewhere what is imported comes a few steps of the clock later. */
const WHERE_IMPORTS_ENTER = Array.from({ length: 500 }, (_, i) => `e:${i}`).find(
  (entity) => partitionOf(entity, 24) === 0,
) as string;

export function readContract(make: () => Promise<DatabaseHost>): void {
  describe('entities', () => {
    test('an entity of which nothing is in force has no attributes, and a basis', async () => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await write(database, { entity: 'a', n: 1 });
      const answer = await database.entity('nobody', { await: tx });
      expect(answer).toMatchObject({ entity: 'nobody', attributes: new Map() });
      expect(answer.basis >= tx).toBe(true);
      expect(typeof answer.closed).toBe('boolean');
    });

    const ids = [
      ...[
        '.',
        '..',
        '...',
        '/',
        '//',
        'a/b',
        '/a',
        'a/',
        'a/../b',
        './a',
        'history',
        'a/history',
        '/history',
        'history/',
        '%2F',
        '%',
        '%zz',
        '%00',
        'a%2Fhistory',
      ],
      ...[
        '?',
        'a?b=c',
        '#',
        'a#b',
        'a&b',
        'a+b',
        ' ',
        ' a ',
        'a;b',
        'a\\b',
        ':',
        '*',
        'http://x/y',
        '\0',
        'a\r\nx: y',
        '\n',
        '\u007f',
        '\u2028',
      ],
      ...[
        'ä',
        'e\u0301',
        '\u00e9',
        '日本',
        '😀',
        '\u{10ffff}',
        '\uffff',
        '__proto__',
        'x'.repeat(1024),
        '😀'.repeat(256),
        '{tag}:a',
        'null',
        '0',
      ],
    ];
    test('any text is an id, wherever ids stand', async () => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await write(
        database,
        ...ids.map((entity, i) => ({ op: 'assert', entity, attribute: 'number', value: i })),
      );
      for (const [i, id] of ids.entries()) {
        const entity = await database.entity(id, { await: tx });
        expect([entity.entity, entity.attributes.get('number')?.values]).toEqual([id, [int(i)]]);
        expect(told((await database.history(id)).facts)).toEqual([[id, 'number', i, 'assert']]);
        expect(told((await database.state({ index: 'eavt', entity: id })).facts)).toEqual([
          [id, 'number', i, 'assert'],
        ]);
      }
    });

    test.each(['', 'x'.repeat(1025), '\ud800', '_:x', 'tx:', 'tx:-1'])(
      '%j is no id of an entity',
      async (id) => {
        await using host = await make();
        const database = await create(host);
        await expectCode(database.entity(id), 'entity-invalid');
        await expectCode(database.history(id), 'entity-invalid');
      },
    );
  });

  describe('moments', () => {
    test('a read as of a transaction answers as it was then, for ever', async () => {
      await using host = await make();
      const database = await create(host);
      const txs: Tx[] = [];
      for (let n = 0; n < 5; n++)
        txs.push((await write(database, { entity: 'a', n, [`only${n}`]: n })).tx);
      for (const [n, asOf] of txs.entries()) {
        const answer = await database.entity('a', { asOf });
        expect(answer.basis).toBe(asOf);
        expect(answer.closed).toBe(true);
        expect([...answer.attributes.keys()]).toEqual([
          'n',
          ...Array.from({ length: n + 1 }, (_, i) => `only${i}`),
        ]);
        expect(answer.attributes.get('n')?.values).toEqual([int(n)]);
        // One nanosecond before it, it had not happened.
        expect(
          (await database.entity('a', { asOf: asTx(asOf - 1n) })).attributes.has(`only${n}`),
        ).toBe(false);
        expect(await database.entity('a', { asOf })).toEqual(answer);
      }
      expect((await database.entity('a', { asOf: asTx(1n) })).attributes.size).toBe(0);
    });

    test('await makes a read see what was written', async () => {
      await using host = await make();
      const database = await create(host);
      for (let n = 0; n < 20; n++) {
        const { tx } = await write(database, { entity: 'a', n });
        const [entity, state, history] = await Promise.all([
          database.entity('a', { await: tx }),
          database.state({ index: 'aevt', attribute: 'n' }, { await: tx }),
          database.history('a', {}, { await: tx }),
        ]);
        expect(entity.attributes.get('n')?.values).toEqual([int(n)]);
        expect(state.facts.map(({ value }) => value)).toEqual([int(n)]);
        expect(history.facts.at(-1)).toMatchObject({ tx, operation: 'assert' });
      }
    });

    test('a basis never goes back, and includes what was acknowledged before the read', async () => {
      await using host = await make();
      const database = await create(host);
      let last = TX_NONE;
      for (let n = 0; n < 20; n++) {
        const { tx } = await write(database, { entity: 'a', n });
        const { basis } = await database.entity('a', { await: tx });
        expect(basis >= tx && basis >= last).toBe(true);
        last = basis;
      }
    });

    test('what does not arrive in time is not waited for', async () => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await write(database, { entity: 'a', n: 1 });
      await expectCode(
        database.entity('a', { await: asTx(tx + 10n ** 15n), timeoutMillis: 20 }),
        'await-timeout',
      );
      await expectCode(
        database.state({ index: 'eavt' }, { await: asTx(tx + 10n ** 15n), timeoutMillis: 0 }),
        'await-timeout',
      );
    });

    test('a wait ends with the transaction that is waited for', async () => {
      await using host = await make();
      const database = await create(host, 'main', { mode: 'import' });
      const moment = 1_600_000_000_000_000_000n & ~1023n;
      const waiting = database.entity(WHERE_IMPORTS_ENTER, {
        await: asTx(moment),
        timeoutMillis: 30_000,
      });
      const ops = (n: number): readonly object[] => [{ entity: WHERE_IMPORTS_ENTER, n }];
      await commit(database, { at: '2019-01-01T00:00:00Z', ops: ops(1) });
      await commit(database, { at: '2020-09-13T12:26:40Z', ops: ops(2) });
      expect((await waiting).attributes.get('n')?.values).toEqual([int(2)]);
    });

    test('the future has no answer', async () => {
      await using host = await make();
      const database = await create(host);
      await expectCode(
        database.entity('a', { asOf: asTx(BigInt(Date.now() + 3_600_000) * 1_000_000n) }),
        'as-of-future',
      );
    });

    test('in import mode a moment beyond the data is answered at the last there is', async () => {
      await using host = await make();
      const database = await create(host, 'main', { mode: 'import' });
      const { tx } = await commit(database, {
        at: '2001-01-01T00:00:00Z',
        ops: [{ entity: 'a', n: 1 }],
      });
      const answer = await database.entity('a', { asOf: asTx(tx + 10n ** 15n), await: tx });
      expect(answer.basis >= tx && answer.basis < tx + 10n ** 15n).toBe(true);
      expect(answer.attributes.get('n')?.values).toEqual([int(1)]);
    });
  });

  describe('listings', () => {
    /** Facts of every kind: replaced, retracted, many, refs, an index. */
    async function filled(host: DatabaseHost): Promise<{
      readonly database: Database;
      readonly log: readonly Fact[];
      readonly txs: readonly Tx[];
    }> {
      const database = await create(host);
      const documents: readonly unknown[][] = [
        [
          {
            entity: 'attribute:name',
            'db/ident': 'name',
            'db/valueType': 'string',
            'db/cardinality': 'one',
            'db/index': true,
          },
          {
            entity: 'attribute:age',
            'db/ident': 'age',
            'db/valueType': 'int',
            'db/cardinality': 'one',
            'db/index': true,
          },
        ],
        [
          { entity: 'p1', name: 'Alice', age: 30, friend: [{ ref: 'p2' }] },
          { entity: 'p2', name: 'Bob', age: 7 },
          { entity: 'p3', name: '\uffffz', age: -1 },
          { entity: 'p4', name: '😀', age: 100 },
        ],
        [
          { entity: 'p1', age: 31, friend: [{ ref: 'p3' }, { ref: 'p4' }] },
          { entity: 'p5', name: 'Alice' },
        ],
        [
          { op: 'retract', entity: 'p1', attribute: 'friend', value: { ref: 'p2' } },
          { op: 'retractEntity', entity: 'p5' },
        ],
        [{ entity: 'p5', name: 'Alice', friend: [{ ref: 'p1' }] }],
      ];
      const log: Fact[] = [];
      const txs: Tx[] = [];
      for (const ops of documents) {
        const { tx, facts } = await write(database, ...ops);
        txs.push(tx);
        log.push(...facts);
      }
      return { database, log, txs };
    }

    const listed = (
      order: (typeof INDEX_ORDERS)[number],
      facts: readonly Fact[],
    ): readonly Fact[] =>
      facts
        .filter(({ attribute, value }) =>
          order === 'avet'
            ? ['name', 'age', 'db/ident', 'tx/author'].includes(attribute)
            : order !== 'vaet' || value.type === 'ref',
        )
        .toSorted((a, b) => compareFacts(order, a, b));

    test.each([...INDEX_ORDERS])(
      '%s lists the facts in force and all facts, at every moment, whatever the size of a page',
      async (index) => {
        await using host = await make();
        const { database, log, txs } = await filled(host);
        for (const asOf of txs) {
          for (const limit of [1, 3, 1_000]) {
            const state = await allPages(
              (page) => database.state({ index, ...page }, { asOf }),
              limit,
            );
            expect(state.facts).toEqual(listed(index, fold(log, asOf)));
            expect(state.basis).toBe(asOf);
            const facts = await allPages(
              (page) => database.facts({ index, ...page }, { asOf }),
              limit,
            );
            expect(facts.facts).toEqual(
              listed(
                index,
                log.filter(({ tx }) => tx <= asOf),
              ),
            );
          }
        }
      },
    );

    test('a leading part of an index narrows it, and a range of values what follows', async () => {
      await using host = await make();
      const { database, log, txs } = await filled(host);
      const asOf = txs.at(-1) as Tx;
      const now = fold(log, asOf);
      const state = async (query: Parameters<Database['state']>[0]): Promise<readonly Fact[]> =>
        (await database.state(query, { asOf })).facts;
      expect(await state({ index: 'eavt', entity: 'p1' })).toEqual(
        listed(
          'eavt',
          now.filter(({ entity }) => entity === 'p1'),
        ),
      );
      expect(
        await state({
          index: 'eavt',
          entity: 'p1',
          attribute: 'friend',
          value: { type: 'ref', value: 'p4' },
        }),
      ).toHaveLength(1);
      expect(await state({ index: 'aevt', attribute: 'age', entity: 'p2' })).toHaveLength(1);
      expect(
        told(await state({ index: 'avet', attribute: 'name', value: text('Alice') })).map(
          ([entity]) => entity,
        ),
      ).toEqual(['p1', 'p5']);
      expect(
        told(
          await state({ index: 'avet', attribute: 'age', valueFrom: int(-1), valueTo: int(31) }),
        ).map(([, , value]) => value),
      ).toEqual([-1, 7]);
      expect(
        told(await state({ index: 'avet', attribute: 'age', valueFrom: int(31) })).map(
          ([, , value]) => value,
        ),
      ).toEqual([31, 100]);
      expect(
        told(await state({ index: 'vaet', value: { type: 'ref', value: 'p1' } })).map(
          ([entity]) => entity,
        ),
      ).toEqual(['p5']);
      expect(
        told(
          (
            await database.facts(
              {
                index: 'vaet',
                value: { type: 'ref', value: 'p2' },
                attribute: 'friend',
                entity: 'p1',
              },
              { asOf },
            )
          ).facts,
        ).map(([, , , operation]) => operation),
      ).toEqual(['assert', 'retract']);
      expect(await state({ index: 'aevt', attribute: 'nothing' })).toEqual([]);
    });

    test('a value takes the type of its attribute', async () => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await commit(
        database,
        '{"ops":[{"entity":"a","d":5.0,"i":{"instant":"2020-01-01T00:00:00Z"},"r":{"ref":"b"}}]}',
      );
      const found = async (attribute: string, value: Value): Promise<number> =>
        (await database.state({ index: 'aevt', attribute, entity: 'a', value }, { await: tx }))
          .facts.length;
      expect(await found('d', int(5))).toBe(1);
      expect(await found('i', text('2020-01-01T00:00:00Z'))).toBe(1);
      expect(await found('r', text('b'))).toBe(1);
      await expectCode(found('d', text('five')), 'type-mismatch');
    });

    test('what is no leading part is refused', async () => {
      await using host = await make();
      const { database } = await filled(host);
      await expectCode(database.state({ index: 'eavt', attribute: 'name' }), 'parameter-invalid');
      await expectCode(database.state({ index: 'aevt', entity: 'p1' }), 'parameter-invalid');
      await expectCode(
        database.state({ index: 'avet', attribute: 'name', entity: 'p1' }),
        'parameter-invalid',
      );
      await expectCode(database.facts({ index: 'vaet', attribute: 'friend' }), 'parameter-invalid');
    });

    test.each([0, 10_001, 1.5, -1])('a page of %d rows is refused', async (limit) => {
      await using host = await make();
      const { database } = await filled(host);
      await expectCode(database.state({ index: 'eavt', limit }), 'parameter-invalid');
      await expectCode(database.history('p1', { limit }), 'parameter-invalid');
      await expectCode(database.transactions({ limit }), 'parameter-invalid');
    });

    test('later pages stay at the basis of the first, whatever is written meanwhile', async () => {
      await using host = await make();
      const { database } = await filled(host);
      const whole = await database.state({ index: 'eavt' });
      const first = await database.state({ index: 'eavt', limit: 4 }, { asOf: whole.basis });
      const rows = [...first.facts];
      for (let next = first.next, n = 0; next !== undefined; n++) {
        await write(database, { entity: `p${n}`, name: `changed ${n}`, more: [n] });
        const page = await database.state({ index: 'eavt', limit: 4, cursor: next });
        expect(page.basis).toBe(whole.basis);
        rows.push(...page.facts);
        next = page.next;
      }
      expect(rows).toEqual(whole.facts);
    });

    test('a cursor serves the question and the database that it came from', async () => {
      await using host = await make();
      const { database } = await filled(host);
      const other = await create(host, 'other');
      await write(other, { entity: 'p1', a: 1, b: 2, c: 3 });
      const cursor = (await database.state({ index: 'eavt', limit: 1 })).next ?? '';
      await expectCode(other.state({ index: 'eavt', cursor }), 'cursor-foreign');
      await expectCode(database.state({ index: 'aevt', cursor }), 'cursor-invalid');
      await expectCode(database.facts({ index: 'eavt', cursor }), 'cursor-invalid');
      await expectCode(database.history('p1', { cursor }), 'cursor-invalid');
      await expectCode(database.transactions({ cursor }), 'cursor-invalid');
      const changed = `${cursor.slice(0, 8)}${cursor.charAt(8) === 'A' ? 'B' : 'A'}${cursor.slice(9)}`;
      for (const wrong of [
        '',
        'x',
        'AAAA',
        '%',
        '../..',
        changed,
        cursor.slice(0, -1),
        `${cursor}A`,
        '😀',
      ])
        await expectCode(database.state({ index: 'eavt', cursor: wrong }), 'cursor-invalid');
      const offset = await lastOffset(database);
      await expectCode(database.state({ index: 'eavt', cursor: offset }), 'cursor-invalid');
    });

    test('history is every fact of an entity, oldest first, between moments, by attribute', async () => {
      await using host = await make();
      const { database, log, txs } = await filled(host);
      const asOf = txs.at(-1) as Tx;
      const own = log
        .filter(({ entity }) => entity === 'p1')
        .toSorted((a, b) => Number(a.tx - b.tx) || compareFacts('eavt', a, b));
      expect((await allPages((page) => database.history('p1', page, { asOf }), 2)).facts).toEqual(
        own,
      );
      expect((await database.history('p1', { attribute: 'age' }, { asOf })).facts).toEqual(
        own.filter(({ attribute }) => attribute === 'age'),
      );
      expect((await database.history('p1', { from: txs[2], to: txs[2] }, { asOf })).facts).toEqual(
        own.filter(({ tx }) => tx === txs[2]),
      );
      expect((await database.history('p1', {}, { asOf: txs[1] })).facts).toEqual(
        own.filter(({ tx }) => tx <= (txs[1] as Tx)),
      );
      expect((await database.history('nobody', {}, { asOf })).facts).toEqual([]);
    });

    test('the difference of two moments is the net one, in both directions, in pages', async () => {
      await using host = await make();
      const { database, log, txs } = await filled(host);
      const key = (fact: Fact): string =>
        JSON.stringify([fact.entity, fact.attribute, String(fact.value.value)]);
      for (const from of [TX_NONE, ...txs]) {
        for (const to of txs) {
          const [before, after] = [fold(log, from), fold(log, to)];
          const expected = {
            added: after
              .filter((fact) => !before.some((other) => key(other) === key(fact)))
              .map(key)
              .toSorted(compareUtf8),
            removed: before
              .filter((fact) => !after.some((other) => key(other) === key(fact)))
              .map(key)
              .toSorted(compareUtf8),
          };
          const added: string[] = [];
          const removed: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await database.diff({ from, to, limit: 2, cursor });
            expect(page.added.length + page.removed.length).toBeLessThanOrEqual(2);
            added.push(...page.added.map(key));
            removed.push(...page.removed.map(key));
            cursor = page.next;
          } while (cursor !== undefined);
          expect({
            added: added.toSorted(compareUtf8),
            removed: removed.toSorted(compareUtf8),
          }).toEqual(expected);
        }
      }
    });
  });

  describe('transactions', () => {
    test('a transaction is its facts and what was said about it', async () => {
      await using host = await make();
      const database = await create(host);
      const result = await commit(database, {
        meta: { author: 'user:alice', reason: 'typo', 'tx/ticket': 7, 'tx/tags': ['one'] },
        ops: [{ entity: 'a', n: 1 }],
      });
      const answer = await database.transaction(result.tx, { await: result.tx });
      expect(answer.tx).toBe(result.tx);
      expect(Object.fromEntries(answer.meta)).toMatchObject({
        author: { cardinality: 'one', values: [text('user:alice')] },
        reason: { cardinality: 'one', values: [text('typo')] },
        ticket: { cardinality: 'one', values: [int(7)] },
        tags: { cardinality: 'many', values: [text('one')] },
      });
      const order = (facts: readonly Fact[]): readonly Fact[] =>
        facts.toSorted((a, b) => compareFacts('eavt', a, b));
      expect(order(answer.facts)).toEqual(order(result.facts));
      await expectCode(database.transaction(asTx(result.tx + 1n)), 'transaction-not-found');
      await expectCode(database.transaction(TX_NONE), 'transaction-not-found');
    });

    test('the list is newest first, by author, between moments, in pages', async () => {
      await using host = await make();
      const database = await create(host);
      const txs: Tx[] = [];
      for (let n = 0; n < 7; n++)
        txs.push(
          (
            await commit(database, {
              meta: { author: n % 2 === 0 ? 'even' : 'odd' },
              ops: [{ entity: 'a', n }],
            })
          ).tx,
        );
      const read = { await: txs.at(-1) };
      expect((await database.transactions({}, read)).transactions.map(({ tx }) => tx)).toEqual(
        txs.toReversed(),
      );
      expect(
        (await database.transactions({ author: 'odd' }, read)).transactions.map(({ tx }) => tx),
      ).toEqual([txs[5], txs[3], txs[1]]);
      expect(
        (await database.transactions({ from: txs[2], to: txs[4] }, read)).transactions.map(
          ({ tx }) => tx,
        ),
      ).toEqual([txs[4], txs[3], txs[2]]);
      expect(
        (await database.transactions({}, { asOf: txs[1] })).transactions.map(({ tx }) => tx),
      ).toEqual([txs[1], txs[0]]);
      const paged: Tx[] = [];
      let cursor: string | undefined;
      do {
        const page = await database.transactions(
          { limit: 3, cursor },
          cursor === undefined ? read : {},
        );
        paged.push(...page.transactions.map(({ tx }) => tx));
        expect(page.transactions[0]?.meta.has('author')).toBe(true);
        cursor = page.next;
      } while (cursor !== undefined);
      expect(paged).toEqual(txs.toReversed());
    });
  });

  test('the schema is what it was at any moment', async () => {
    await using host = await make();
    const database = await create(host);
    const first = await write(database, { entity: 'a', n: 1 });
    const second = await write(database, {
      entity: 'attribute:email',
      'db/ident': 'email',
      'db/valueType': 'string',
      'db/cardinality': 'many' satisfies Cardinality,
      'db/unique': 'identity',
      'db/doc': 'Where to write to.',
    });
    const at = async (asOf: Tx): Promise<ReadonlyMap<string, unknown>> =>
      new Map((await database.schema({ asOf })).attributes.map((each) => [each.ident, each]));
    const early = await at(first.tx);
    expect(early.get('n')).toEqual({
      ident: 'n',
      valueType: 'int',
      cardinality: 'one',
      unique: undefined,
      index: false,
      doc: undefined,
      inferred: true,
    });
    expect(early.has('email')).toBe(false);
    expect(early.has('tx/author')).toBe(true);
    const late = await at(second.tx);
    expect(late.get('email')).toEqual({
      ident: 'email',
      valueType: 'string',
      cardinality: 'many',
      unique: 'identity',
      index: true,
      doc: 'Where to write to.',
      inferred: false,
    });
    const names = [...late.keys()];
    expect(names).toEqual(names.toSorted(compareUtf8));
    expect(
      data(
        (await database.state({ index: 'eavt', entity: 'attribute:n' }, { asOf: first.tx })).facts,
      ),
    ).toEqual([]);
  });
}

async function lastOffset(database: Database): Promise<string> {
  let offset = '';
  for await (const event of database.feed({ offset: '-1', follow: false })) offset = event.offset;
  return offset;
}
