import { createHash } from 'node:crypto';
import type { Database, DatabaseHost } from '@pyralog/client';
import { compareUtf8 } from '@pyralog/base';
import type { Fact, Tx, Value } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import {
  allPages,
  commit,
  create,
  data,
  expectCode,
  feedOf,
  told,
  write,
} from './database-support.ts';

/** Bytes that stand in a fact; the value of one more is kept elsewhere, and nobody is to notice. */
const INLINE_BYTES = 65_536;
/** Longer than the part of a value by which it is ordered. */
const BEGINNING = 'Begin '.repeat(60);

/** A text of so many bytes that ends so. */
function long(end: string, bytes = 70_000): string {
  return BEGINNING.padEnd(bytes - Buffer.byteLength(end), '.') + end;
}

function hashOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

const VALUES: readonly Value[] = [
  { type: 'string', value: long('a', INLINE_BYTES) },
  { type: 'string', value: long('a', INLINE_BYTES + 1) },
  // Two bytes each, so that the last one begins at the limit and ends above it.
  { type: 'string', value: `a${'é'.repeat(INLINE_BYTES / 2)}` },
  // The character at the 256th byte has four.
  { type: 'string', value: `${'a'.repeat(254)}${'\u{1f4a1}'.repeat(20_000)}` },
  { type: 'json', value: `["${'x'.repeat(INLINE_BYTES - 4)}"]` },
  { type: 'json', value: `["${'x'.repeat(INLINE_BYTES - 3)}"]` },
  // The same bytes as the one before, of another type.
  { type: 'string', value: `["${'x'.repeat(INLINE_BYTES - 3)}"]` },
  { type: 'bytes', value: new Uint8Array(INLINE_BYTES).fill(255) },
  { type: 'bytes', value: new Uint8Array(INLINE_BYTES + 1).fill(255) },
];

/** As a writer gives it. */
function written(value: Value): unknown {
  if (value.type === 'bytes') return { bytes: Buffer.from(value.value).toString('base64') };
  return value.type === 'json' ? { json: JSON.parse(value.value) as unknown } : value.value;
}

function ofEntity(facts: readonly Fact[], entity: string): readonly Fact[] {
  return facts.filter((fact) => fact.entity === entity);
}

/** Values of an attribute, in an order of their own. */
async function textsOf(
  database: Database,
  attribute: string,
  asOf: Tx,
): Promise<readonly string[]> {
  const { attributes } = await database.entity('a', { asOf });
  const values = attributes.get(attribute)?.values ?? [];
  return values.map(({ value }) => String(value)).toSorted(compareUtf8);
}

/** Values of any length are given back as they came, whatever is asked. */
export function longValueContract(make: () => Promise<DatabaseHost>): void {
  describe('long values', () => {
    test('come back whole in every answer, now and at a moment of the past', async () => {
      await using host = await make();
      const database = await create(host);
      const values = Object.fromEntries(VALUES.map((value, i) => [`v${i}`, written(value)]));
      const first = await commit(database, {
        meta: { reason: long('reason') },
        ops: [{ entity: 'a', ...values }],
      });
      const expected = VALUES.map((value, i) => ['a', `v${i}`, value]);
      const pairs = (facts: readonly Fact[]): unknown[] =>
        ofEntity(facts, 'a').map(({ entity, attribute, value }) => [entity, attribute, value]);
      expect(pairs(first.facts)).toEqual(expected);
      const second = await write(database, { op: 'retractEntity', entity: 'a' });
      expect(pairs(second.facts)).toEqual(expected);

      const { attributes } = await database.entity('a', { asOf: first.tx });
      expect([...attributes]).toEqual(
        VALUES.map((value, i) => [`v${i}`, { cardinality: 'one', values: [value] }]),
      );
      expect((await database.entity('a', { await: second.tx })).attributes.size).toBe(0);
      const at = { asOf: first.tx };
      const query = { index: 'eavt', entity: 'a' } as const;
      expect(pairs((await database.state(query, at)).facts)).toEqual(expected);
      expect(pairs((await database.facts(query, at)).facts)).toEqual(expected);
      expect(pairs((await database.history('a', {}, at)).facts)).toEqual(expected);
      const span = { from: first.tx, to: second.tx };
      expect(pairs((await database.diff(span)).removed)).toEqual(expected);
      const { meta, facts } = await database.transaction(first.tx);
      expect(pairs(facts)).toEqual(expected);
      expect(meta.get('reason')?.values).toEqual([{ type: 'string', value: long('reason') }]);
      const { transactions } = await database.transactions();
      expect(transactions.find(({ tx }) => tx === first.tx)?.meta).toEqual(meta);
    });

    test('are told by a feed, from its beginning and resumed in the middle', async () => {
      await using host = await make();
      const database = await create(host);
      for (const end of ['1', '2', '3']) await write(database, { entity: 'a', text: long(end) });
      const { tx } = await write(database, { entity: 'b', n: 1 });
      await database.entity('a', { await: tx });
      const whole = await feedOf(database, { offset: '-1' });
      const facts = whole.flatMap((event) => (event.kind === 'transaction' ? event.facts : []));
      expect(told(ofEntity(facts, 'a'))).toEqual([
        ['a', 'text', long('1'), 'assert'],
        ['a', 'text', long('1'), 'retract'],
        ['a', 'text', long('2'), 'assert'],
        ['a', 'text', long('2'), 'retract'],
        ['a', 'text', long('3'), 'assert'],
      ]);
      const resumed = await feedOf(database, { offset: whole[0]?.offset ?? '' });
      expect(resumed.filter(({ kind }) => kind === 'transaction')).toEqual(
        whole.filter(({ kind }) => kind === 'transaction').slice(1),
      );
    });

    test('that begin alike are told apart: many of an attribute, one of them retracted by its value', async () => {
      await using host = await make();
      const database = await create(host);
      await write(database, {
        entity: 'attribute:many',
        'db/valueType': 'string',
        'db/cardinality': 'many',
      });
      // Also the part that they share, as a value of its own, and one that continues it.
      const all = [...['1', '2', '3'].map((end) => long(end)), BEGINNING.slice(0, 256), BEGINNING];
      const first = await write(database, { entity: 'a', many: all });
      expect(data(first.facts)).toHaveLength(5);
      const again = await write(database, { entity: 'a', many: all.slice(0, 3) });
      expect(data(again.facts)).toEqual([]);
      const second = await write(database, {
        op: 'retract',
        entity: 'a',
        attribute: 'many',
        value: long('2'),
      });
      expect(told(data(second.facts))).toEqual([['a', 'many', long('2'), 'retract']]);
      const left = all.filter((text) => text !== long('2'));
      expect(await textsOf(database, 'many', first.tx)).toEqual(all.toSorted(compareUtf8));
      expect(await textsOf(database, 'many', second.tx)).toEqual(left.toSorted(compareUtf8));
      // Page by page, each once, in one order.
      const query = { index: 'aevt', attribute: 'many' } as const;
      const options = { asOf: second.tx };
      const page = await allPages((each) => database.state({ ...query, ...each }, options), 1);
      expect(page.pages).toBe(left.length);
      expect(page.facts.map(({ value }) => String(value.value)).toSorted(compareUtf8)).toEqual(
        left.toSorted(compareUtf8),
      );
      const whole = await allPages((each) => database.state({ ...query, ...each }, options), 100);
      expect(whole.facts).toEqual(page.facts);
    });

    test('are compared whole by cas and by conditions', async () => {
      await using host = await make();
      const database = await create(host);
      await write(database, { entity: 'a', text: long('1') });
      const cas = (old: string, next: string) => ({
        op: 'cas',
        entity: 'a',
        attribute: 'text',
        old: long(old),
        new: long(next),
      });
      await expectCode(write(database, cas('2', '3')), 'cas-failed');
      const swapped = await write(database, cas('1', '2'));
      expect(told(data(swapped.facts))).toEqual([
        ['a', 'text', long('1'), 'retract'],
        ['a', 'text', long('2'), 'assert'],
      ]);
      const when = (end: string) => ({
        if: [{ entity: 'a', attribute: 'text', is: long(end) }],
        ops: [{ entity: 'b', n: 1 }],
      });
      await expectCode(commit(database, when('1')), 'condition-failed');
      await commit(database, when('2'));
    });

    test('are unique where they must be, and find their entity', async () => {
      await using host = await make();
      const database = await create(host);
      await write(database, {
        entity: 'attribute:mail',
        'db/valueType': 'string',
        'db/unique': 'identity',
      });
      await write(database, { entity: 'a', mail: long('1') });
      await expectCode(write(database, { entity: 'b', mail: long('1') }), 'unique-conflict');
      await write(database, { entity: 'b', mail: long('2') });
      const document = { id: 'key', ops: [{ entity: '_:x', mail: long('2'), n: 1 }] };
      const found = await commit(database, document);
      expect([...found.ids]).toEqual([['_:x', 'b']]);
      expect(told(data(found.facts))).toEqual([['b', 'n', 1, 'assert']]);
      const repeated = await commit(database, document);
      expect(repeated).toMatchObject({ tx: found.tx, duplicate: true, ids: found.ids });
      await expectCode(
        commit(database, { ...document, ops: [{ entity: '_:x', mail: long('3') }] }),
        'key-reused',
      );
    });

    test('are found by, whole, and bound a range', async () => {
      await using host = await make();
      const database = await create(host);
      await write(database, {
        entity: 'attribute:text',
        'db/valueType': 'string',
        'db/cardinality': 'many',
        'db/index': true,
      });
      const beginning = long('').slice(0, 256);
      const texts = [
        ...['1', '2', '3'].map((end) => long(end)),
        beginning,
        `${beginning}!`,
        'a',
        'z',
      ];
      for (const [i, text] of texts.entries()) await write(database, { entity: `e:${i}`, text });
      const { tx } = await write(database, { entity: 'e:9', text: long('2') });
      const options = { await: tx };
      const query = { index: 'avet', attribute: 'text' } as const;
      const string = (value: string): Value => ({ type: 'string', value });
      const found = await database.state({ ...query, value: string(long('2')) }, options);
      expect(found.facts.map(({ entity }) => entity)).toEqual(['e:1', 'e:9']);
      expect(found.facts.map(({ value }) => value.value)).toEqual([long('2'), long('2')]);
      const none = await database.state({ ...query, value: string(long('4')) }, options);
      expect(none.facts).toEqual([]);
      const range = { valueFrom: string(beginning), valueTo: string(`${beginning}!`) };
      const within = await allPages(
        (each) => database.state({ ...query, ...range, ...each }, options),
        2,
      );
      // The part that they share first, and the long ones behind it, before what continues it in a short one.
      expect(within.facts[0]?.value.value).toBe(beginning);
      const rest = within.facts.slice(1).map(({ value }) => hashOf(String(value.value)));
      expect(rest).toEqual(['1', '2', '2', '3'].map((end) => hashOf(long(end))).toSorted());
      const from = { valueFrom: string(long('2')) };
      const above = await database.state({ ...query, ...from }, options);
      expect(above.facts[0]?.value.value).toBe(long('2'));
      const wrong = { ...query, value: string(long('1')), cursor: 'x' };
      await expectCode(database.state(wrong, options), 'cursor-invalid');
    });

    test('tell what an attribute means, and who wrote', async () => {
      await using host = await make();
      const database = await create(host);
      const author = long('author');
      const { tx } = await commit(database, {
        meta: { author },
        ops: [{ entity: 'attribute:a', 'db/valueType': 'int', 'db/doc': long('doc') }],
      });
      const { attributes } = await database.schema({ await: tx });
      expect(attributes.find(({ ident }) => ident === 'a')?.doc).toBe(long('doc'));
      const next = await write(database, { entity: 'attribute:a', 'db/doc': 'short' });
      const now = await database.schema({ await: next.tx });
      expect(now.attributes.find(({ ident }) => ident === 'a')?.doc).toBe('short');
      const before = await database.schema({ asOf: tx });
      expect(before.attributes.find(({ ident }) => ident === 'a')?.doc).toBe(long('doc'));
      const { transactions } = await database.transactions();
      expect(transactions.find((each) => each.tx === tx)?.meta.get('author')?.values).toEqual([
        { type: 'string', value: author },
      ]);
      const by = async (name: string): Promise<unknown> =>
        (await database.transactions({ author: name })).transactions.map((each) => each.tx);
      expect(await by(author)).toEqual([tx]);
      expect(await by(long('another'))).toEqual([]);
    });
  });
}
