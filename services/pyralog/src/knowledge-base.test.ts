import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import {
  double,
  type Entity,
  Instant,
  json,
  KnowledgeBase,
  ref,
  Ref,
  defineSchema,
} from './index.ts';

let kb: KnowledgeBase;
beforeAll(async () => {
  kb = await KnowledgeBase.open();
});
afterAll(() => kb.close());

let made = 0;
/** An attribute that no other test has. */
const fresh = (name: string): string => `${name}${++made}/value`;

test('the example of the first page works', async () => {
  await kb.defineAttribute('person/email', {
    valueType: 'string',
    cardinality: 'many',
    unique: 'identity',
  });
  const { tx, ids, duplicate } = await kb.transact((t) => {
    const alice = t.newEntity('person');
    const bob = t.newEntity('person');
    t.assert(alice, {
      'person/name': 'Alice',
      'person/email': ['alice@example.com'],
      'person/friend': bob,
    });
    t.assert(bob, 'person/name', 'Bob');
    t.meta({ author: 'user:import' });
    return { alice, bob };
  });
  expect(duplicate).toBe(false);
  expect(ids.alice).toMatch(/^person:[0-9a-z]+$/);
  expect(await kb.entity(ids.alice)).toMatchObject({
    entity: ids.alice,
    attributes: {
      'person/name': 'Alice',
      'person/email': ['alice@example.com'],
      'person/friend': ref(ids.bob),
    },
  });
  await kb.transact((t) => void t.assert(ids.alice, 'person/name', 'Alicia'));
  expect((await kb.entity(ids.alice))?.attributes['person/name']).toBe('Alicia');
  expect((await kb.entityAtTime(ids.alice, tx))?.attributes['person/name']).toBe('Alice');
  expect(await kb.entityAtTime(ids.alice, new Date('2026-01-01'))).toBeUndefined();
  const names = (await kb.history(ids.alice, { attribute: 'person/name' })).map(
    ({ value, operation }) => [value, operation],
  );
  expect(names).toEqual([
    ['Alice', 'assert'],
    ['Alice', 'retract'],
    ['Alicia', 'assert'],
  ]);
});

describe('values', () => {
  const values: readonly [name: string, given: unknown, read: unknown][] = [
    ['string', 'x\u0000😀', 'x\u0000😀'],
    ['empty string', '', ''],
    ['int', 5, 5],
    ['largest exact int', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['bigint', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['small bigint', -7n, -7],
    ['minus zero', -0, 0],
    ['double', 0.1, 0.1],
    ['whole double', double(5), 5],
    ['huge double', double(1e300), 1e300],
    ['infinity', Infinity, Infinity],
    ['boolean', false, false],
    ['Date', new Date('1969-12-31T23:59:59.999Z'), Instant.from('1969-12-31T23:59:59.999Z')],
    ['Instant', new Instant(-1n), new Instant(-1n)],
    ['last instant', new Instant(2n ** 63n - 1n), new Instant(2n ** 63n - 1n)],
    ['bytes', new Uint8Array([0, 255]), new Uint8Array([0, 255])],
    ['ref', ref('paper:1'), new Ref('paper:1')],
    [
      'json',
      json({ b: [1, 2.5, null], __proto__x: 9007199254740993n, a: {} }),
      { a: {}, b: [1, 2.5, null], __proto__x: 9007199254740993n },
    ],
    ['json null', json(null), null],
  ];
  test.each(values)('%s comes back as it was given', async (_name, given, read) => {
    const attribute = fresh('v');
    const { facts } = await kb.transact({
      ops: [{ op: 'assert', entity: `thing:${attribute}`, attribute, value: given }],
    });
    const fact = facts.find((each) => each.attribute === attribute);
    expect(fact?.value).toEqual(read);
    const entity = await kb.entity(`thing:${attribute}`);
    expect(entity?.attributes[attribute]).toEqual(read);
    // And what was read can be written back without a change (json is wrapped anew).
    const again =
      fact?.type === 'json'
        ? json(fact.value)
        : fact?.type === 'double'
          ? double(fact.value as number)
          : fact?.value;
    const second = await kb.transact({
      ops: [{ op: 'assert', entity: `thing:${attribute}`, attribute, value: again }],
    });
    expect(second.facts.filter((each) => each.attribute === attribute)).toEqual([]);
  });

  const refused: readonly [name: string, given: () => unknown, code: string][] = [
    ['NaN', () => Number.NaN, 'value-invalid'],
    ['an integer that a number cannot hold', () => 2 ** 53, 'value-invalid'],
    ['more than 64 bits', () => 2n ** 63n, 'value-invalid'],
    ['half a surrogate pair', () => '\ud800', 'value-invalid'],
    ['an invalid Date', () => new Date(Number.NaN), 'value-invalid'],
    ['undefined inside an array', () => [undefined], 'value-invalid'],
    ['a function', () => () => 1, 'value-invalid'],
    ['a class that is no value', () => new Map([['a', 1]]), 'value-invalid'],
    ['null as a value', () => null, 'value-invalid'],
    ['an empty ref', () => ref(''), 'entity-invalid'],
    ['json of a function', () => json({ f: () => 1 }), 'value-invalid'],
  ];
  test.each(refused)('%s is refused', async (_name, given, code) => {
    const attempt = async (): Promise<unknown> =>
      kb.transact({
        ops: [{ op: 'assert', entity: 'thing:1', attribute: 'bad/value', value: given() }],
      });
    await expect(attempt()).rejects.toMatchObject({ code });
    expect((await kb.schema()).attributes.some(({ ident }) => ident === 'bad/value')).toBe(false);
  });

  test('a document that holds itself is refused', async () => {
    const circle: Record<string, unknown> = { entity: 'thing:1' };
    circle['bad/value'] = circle;
    await expect(kb.transact({ ops: [circle] })).rejects.toMatchObject({ code: 'value-invalid' });
  });

  test('an instant shows its microseconds, a Date made of it its milliseconds', () => {
    const instant = Instant.from('1969-12-31T23:59:59.999001Z');
    expect(instant.epochMicros).toBe(-999n);
    expect(String(instant)).toBe('1969-12-31T23:59:59.999001Z');
    expect(instant.toDate().toISOString()).toBe('1969-12-31T23:59:59.999Z');
    expect(JSON.stringify({ at: instant, of: ref('a:1') })).toBe(
      '{"at":{"instant":"1969-12-31T23:59:59.999001Z"},"of":{"ref":"a:1"}}',
    );
  });
});

describe('transactions', () => {
  test('retract, compare and set, and conditions hold or refuse the whole', async () => {
    const id = `account:${fresh('')}`;
    await kb.transact(
      (t) =>
        void t.assert(id, { 'account/balance': 5, 'account/tag': ['a', 'b'], 'account/note': 'x' }),
    );
    const { tx } = await kb.transact((t) => {
      t.cas(id, 'account/balance', 5, 4)
        .retract(id, 'account/tag', 'a')
        .assert(id, { 'account/note': null });
      t.require(id, 'account/tag', ['a', 'b']).requireAbsent(`${id}:none`);
    });
    expect((await kb.entity(id))?.attributes).toEqual({
      'account/balance': 4,
      'account/tag': ['b'],
    });
    await expect(kb.transact((t) => void t.cas(id, 'account/balance', 5, 3))).rejects.toMatchObject(
      { code: 'cas-failed' },
    );
    await expect(
      kb.transact((t) => void t.require(id, 'account/tag', null).assert(id, 'account/balance', 1)),
    ).rejects.toMatchObject({ code: 'condition-failed' });
    await kb.transact((t) => void t.requireUnchanged(id, tx).assert(id, 'account/balance', 3));
    await expect(
      kb.transact((t) => void t.requireUnchanged(id, tx).assert(id, 'account/balance', 2)),
    ).rejects.toMatchObject({ code: 'condition-failed' });
    await kb.transact((t) => void t.retractEntity(id));
    expect(await kb.entity(id)).toBeUndefined();
  });

  test('a key makes a transaction happen once; the second answer is the first', async () => {
    const key = fresh('key');
    const send = () =>
      kb.transact((t) => {
        const order = t.newEntity('order');
        t.key(key).assert(order, 'order/total', 10);
        return { order, known: ref('shop:1') };
      });
    const first = await send();
    const second = await send();
    expect(second).toEqual({ ...first, duplicate: true });
    expect(second.ids.known).toBe('shop:1');
    await expect(
      kb.transact((t) => void t.key(key).assert('order:1', 'order/total', 11)),
    ).rejects.toMatchObject({ code: 'key-reused' });
  });

  test('the transaction can be spoken of', async () => {
    const { tx } = await kb.transact(
      (t) =>
        void t
          .assert(t.transaction, 'audit/of', ref('paper:1'))
          .assert('paper:1', 'paper/checked', t.transaction)
          .meta({ author: 'user:bob' }),
    );
    expect((await kb.entity(`tx:${tx}`))?.attributes).toMatchObject({
      'audit/of': ref('paper:1'),
      'tx/author': 'user:bob',
    });
    expect((await kb.entity('paper:1'))?.attributes['paper/checked']).toEqual(ref(`tx:${tx}`));
  });

  test('attributes may have the names of fields and of JavaScript itself', async () => {
    const id = `odd:${fresh('')}`;
    const names = {
      entity: 'a',
      op: 'b',
      attribute: 'c',
      value: 'd',
      ['__proto__']: 'e',
      constructor: 'f',
      ':colon': 'g',
    };
    await kb.transact((t) => void t.assert(id, names));
    expect(Object.entries((await kb.entity(id))?.attributes ?? {}).sort()).toEqual(
      Object.entries({
        entity: 'a',
        op: 'b',
        attribute: 'c',
        value: 'd',
        ['__proto__']: 'e',
        constructor: 'f',
        colon: 'g',
      }).sort(),
    );
  });

  test('a callback that is asynchronous is refused before anything happens', async () => {
    const careless = async (t: {
      assert(e: string, a: string, v: number): unknown;
    }): Promise<void> => {
      t.assert('late:1', 'late/value', 1);
      await Promise.resolve();
    };
    await expect(kb.transact(careless as never)).rejects.toMatchObject({ code: 'usage' });
    expect(await kb.entity('late:1')).toBeUndefined();
  });
});

test('pages are read to their end at one basis', async () => {
  const attribute = fresh('many');
  await kb.transact({
    ops: Array.from({ length: 2500 }, (_, i) => ({
      entity: `row:${String(i).padStart(4, '0')}`,
      [attribute]: i,
    })),
  });
  const seen: unknown[] = [];
  for await (const fact of kb.state({ index: 'aevt', attribute })) {
    if (seen.length === 0) await kb.transact((t) => void t.assert('row:9999', attribute, -1));
    seen.push(fact.value);
  }
  expect(seen).toEqual(Array.from({ length: 2500 }, (_, i) => i));
});

test('what changed between two moments, and the feed from there', async () => {
  const id = `doc:${fresh('')}`;
  const first = await kb.transact((t) => void t.assert(id, { 'doc/title': 'A', 'doc/tag': 'x' }));
  const second = await kb.transact(
    (t) => void t.assert(id, 'doc/title', 'B').meta({ reason: 'better' }),
  );
  const { added, removed } = await kb.diff(first.tx, second.tx);
  expect(added.filter(({ entity }) => entity === id).map(({ value }) => value)).toEqual(['B']);
  expect(removed.filter(({ entity }) => entity === id).map(({ value }) => value)).toEqual(['A']);
  const changes = [];
  for await (const change of kb.feed({ from: { after: first.tx }, follow: false }))
    changes.push(change);
  expect(changes.map(({ tx, meta }) => ({ tx, meta }))).toEqual([
    { tx: second.tx, meta: { reason: 'better' } },
  ]);
  const following = kb.feed({ from: { after: second.tx } });
  const third = await kb.transact((t) => void t.assert(id, 'doc/title', 'C'));
  expect((await following.next()).value).toMatchObject({ tx: third.tx });
  await following.return(undefined);
});

describe('moments', () => {
  test.each([
    ['12345', 'as-of-invalid'],
    ['tomorrow', 'as-of-invalid'],
    ['2026-02-30', 'as-of-invalid'],
  ])('%s is refused', async (moment, code) => {
    await expect((async () => kb.entityAtTime('a:1', moment))()).rejects.toMatchObject({ code });
  });

  test('a Date means its whole millisecond, text its end, a date its first', async () => {
    const id = `clock:${fresh('')}`;
    const { tx, instant } = await kb.transact((t) => void t.assert(id, 'clock/value', 1));
    expect(await kb.entityAtTime(id, new Date(Number(tx / 1_000_000n)))).toBeDefined();
    expect(await kb.entityAtTime(id, instant)).toBeDefined();
    expect(await kb.entityAtTime(id, tx - 1024n)).toBeUndefined();
    expect(await kb.entityAtTime(id, '2026-01-01')).toBeUndefined();
  });
});

describe('a schema', () => {
  const people = defineSchema({
    'human/name': { valueType: 'string' },
    'human/email': { valueType: 'string', cardinality: 'many', unique: 'identity' },
    'human/born': { valueType: 'instant' },
    'human/boss': { valueType: 'ref' },
    'human/height': { valueType: 'double', doc: 'Metres' },
    'human/age': { valueType: 'int', index: true },
  });

  test('is defined once, kept over a restart, and checked', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'pyralog-kb-'));
    try {
      {
        await using typed = await KnowledgeBase.open(dir, { schema: people });
        await typed.transact(
          (t) =>
            void t.assert('human:1', {
              'human/email': ['a@x'],
              'human/boss': 'human:2',
              'human/height': 2,
            }),
        );
      }
      await using typed = await KnowledgeBase.open(dir, { schema: people });
      expect(
        (await typed.schema()).attributes.find(({ ident }) => ident === 'human/height'),
      ).toMatchObject({ valueType: 'double', doc: 'Metres', inferred: false });
      const entity = await typed.entity('human:1');
      expect(entity?.attributes).toEqual({
        'human/email': ['a@x'],
        'human/boss': ref('human:2'),
        'human/height': 2,
      });
      const transactions = [];
      for await (const change of typed.feed({ follow: false })) transactions.push(change.tx);
      expect(transactions).toHaveLength(2);
      const other = { 'human/name': { valueType: 'int' } } as const;
      await typed.close();
      await expect(KnowledgeBase.open(dir, { schema: other })).rejects.toMatchObject({
        code: 'schema-change-refused',
      });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test('gives entities and transactions its types', () => {
    type People = typeof people;
    expectTypeOf<Entity<People>['attributes']['human/name']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Entity<People>['attributes']['human/email']>().toEqualTypeOf<
      readonly string[] | undefined
    >();
    expectTypeOf<Entity<People>['attributes']['human/born']>().toEqualTypeOf<Instant | undefined>();
    expectTypeOf<Entity<People>['attributes']['human/boss']>().toEqualTypeOf<Ref | undefined>();
    expectTypeOf<Entity<People>['attributes']['human/age']>().toEqualTypeOf<
      number | bigint | undefined
    >();
    const typed = (knowledge: KnowledgeBase<People>): unknown[] => [
      knowledge.transact((t) => {
        t.assert('human:1', {
          'human/name': 'A',
          'human/email': ['a@x', 'b@x'],
          'human/born': new Date(0),
          'human/boss': ref('human:2'),
          'human/height': 1.8,
          'human/age': 4n,
        });
        t.assert('human:1', { 'human/email': 'a@x', 'human/name': null });
        // @ts-expect-error not in the schema
        t.assert('human:1', { 'human/nmae': 'A' });
        // @ts-expect-error a string attribute
        t.assert('human:1', 'human/name', 5);
        // @ts-expect-error one value only
        t.assert('human:1', { 'human/name': ['A', 'B'] });
        // @ts-expect-error a double attribute
        t.cas('human:1', 'human/height', 'tall', null);
      }),
    ];
    expectTypeOf(typed).toBeFunction();
    expectTypeOf<Awaited<ReturnType<typeof withIds>>['ids']>().toEqualTypeOf<{
      readonly alice: string;
    }>();
  });
  const withIds = (knowledge: KnowledgeBase) =>
    knowledge.transact((t) => ({ alice: t.newEntity('person') }));
});

test('addresses that are none and servers that are not there say so', async () => {
  await expect(KnowledgeBase.connect('127.0.0.1:4000')).rejects.toMatchObject({ code: 'usage' });
  await expect(KnowledgeBase.connect('http://127.0.0.1:4000/main')).rejects.toMatchObject({
    code: 'usage',
  });
  await expect(
    KnowledgeBase.connect('http://127.0.0.1:9/v1/main', {
      schema: { 'a/b': { valueType: 'int' } },
    }),
  ).rejects.toMatchObject({ code: 'unreachable' });
});

test('values of any length come back as they were given, now and at any moment', async () => {
  const [text, data, scan] = [fresh('text'), fresh('data'), fresh('scan')];
  // Above 64 KiB they are kept apart from their facts, which nobody is to notice.
  const long = (end: string): string => 'é'.repeat(40_000) + end;
  const object = { list: [long('json'), 1] };
  const bytes = new Uint8Array(70_000).map((_, i) => i % 251);
  const first = await kb.transact((t) => {
    t.assert('long:1', { [text]: long('1'), [data]: json(object), [scan]: bytes });
  });
  await kb.transact((t) => void t.assert('long:1', text, long('2')));
  expect((await kb.entity('long:1'))?.attributes).toEqual({
    [text]: long('2'),
    [data]: object,
    [scan]: bytes,
  });
  expect((await kb.entityAtTime('long:1', first.tx))?.attributes[text]).toBe(long('1'));
  const history = await kb.history('long:1', { attribute: text });
  expect(history.map(({ value, operation }) => [value, operation])).toEqual(
    expect.arrayContaining([
      [long('1'), 'assert'],
      [long('1'), 'retract'],
      [long('2'), 'assert'],
    ]),
  );
});
