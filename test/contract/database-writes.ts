import type { DatabaseHost } from '@pyralog/client';
import type { ErrorCode, Value } from '@pyralog/model';
import { expect, test } from 'vitest';
import { commit, create, data, expectCode, told, write } from './database-support.ts';

export function writeContract(make: () => Promise<DatabaseHost>): void {
  test('a commit says what it wrote, and its own reads see it', async () => {
    await using host = await make();
    const database = await create(host);
    const result = await commit(database, {
      meta: { author: 'user:alice' },
      ops: [{ entity: 'paper:1', title: 'Relativity', author: ['Einstein'] }],
    });
    expect(result.duplicate).toBe(false);
    expect(result.ids.size).toBe(0);
    expect(told(data(result.facts)).toSorted()).toEqual([
      ['paper:1', 'author', 'Einstein', 'assert'],
      ['paper:1', 'title', 'Relativity', 'assert'],
    ]);
    expect(result.facts.every(({ tx }) => tx === result.tx)).toBe(true);
    const { attributes, basis } = await database.entity('paper:1', { await: result.tx });
    expect(basis >= result.tx).toBe(true);
    expect([...attributes]).toEqual([
      ['author', { cardinality: 'many', values: [{ type: 'string', value: 'Einstein' }] }],
      ['title', { cardinality: 'one', values: [{ type: 'string', value: 'Relativity' }] }],
    ]);
  });

  const values: readonly (readonly [string, string, Value])[] = [
    ['the largest int64', '{"int":"9223372036854775807"}', { type: 'int', value: 2n ** 63n - 1n }],
    ['the least int64', '-9223372036854775808', { type: 'int', value: -(2n ** 63n) }],
    ['2^53 + 1', '9007199254740993', { type: 'int', value: 9007199254740993n }],
    ['a whole double', '5.0', { type: 'double', value: 5 }],
    ['the least double', '5e-324', { type: 'double', value: 5e-324 }],
    ['minus zero', '-0.0', { type: 'double', value: 0 }],
    ['infinity', '{"double":"-Infinity"}', { type: 'double', value: -Infinity }],
    ['false', 'false', { type: 'bool', value: false }],
    [
      'an instant before 1970',
      '{"instant":"1815-12-10T00:00:00.000001Z"}',
      { type: 'instant', value: -4861727999999999n },
    ],
    [
      'an instant beyond 9999',
      '{"instant":"+012026-01-01T00:00:00Z"}',
      { type: 'instant', value: 317336745600000000n },
    ],
    ['an empty string', '""', { type: 'string', value: '' }],
    [
      'NUL, quotes and line ends',
      String.raw`"a\u0000\"\\\r\n\u2028"`,
      { type: 'string', value: 'a\0"\\\r\n\u2028' },
    ],
    ['four bytes of UTF-8', '"😀\uFFFD"', { type: 'string', value: '😀\uFFFD' }],
    ['a decomposed letter', '"e\u0301"', { type: 'string', value: 'e\u0301' }],
    ['a ref', '{"ref":"a/b c%2F"}', { type: 'ref', value: 'a/b c%2F' }],
    ['bytes', '{"bytes":"AP8="}', { type: 'bytes', value: Uint8Array.of(0, 255) }],
    [
      'json',
      '{"json":{"b":[1,null],"a":9007199254740993,"__proto__":{}}}',
      { type: 'json', value: '{"__proto__":{},"a":9007199254740993,"b":[1,null]}' },
    ],
    ['json null', '{"json":null}', { type: 'json', value: 'null' }],
  ];

  test.each(values)('%s comes back as it went in', async (_name, text, value) => {
    await using host = await make();
    const database = await create(host);
    const { tx, facts } = await commit(
      database,
      `{"ops":[{"op":"assert","entity":"a","attribute":"v","value":${text}}]}`,
    );
    expect(data(facts)[0]?.value).toEqual(value);
    expect((await database.entity('a', { await: tx })).attributes.get('v')?.values).toEqual([
      value,
    ]);
    expect(
      data((await database.state({ index: 'eavt', entity: 'a' }, { await: tx })).facts).map(
        (fact) => fact.value,
      ),
    ).toEqual([value]);
    expect(
      (await database.state({ index: 'aevt', attribute: 'v', entity: 'a', value }, { await: tx }))
        .facts,
    ).toHaveLength(1);
  });

  test.each(['__proto__', 'constructor', 'toString', 'ä/ö', 'with space', '😀', '"', '1'])(
    'an attribute and an entity may be called %j',
    async (name) => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await write(database, {
        op: 'assert',
        entity: name,
        attribute: name,
        value: name,
      });
      const { attributes, entity } = await database.entity(name, { await: tx });
      expect(entity).toBe(name);
      expect([...attributes]).toEqual([
        [name, { cardinality: 'one', values: [{ type: 'string', value: name }] }],
      ]);
    },
  );

  test('temporary ids become entities, and the answer says which', async () => {
    await using host = await make();
    const database = await create(host);
    const { ids, tx } = await write(
      database,
      { entity: '_:person:alice', name: 'Alice' },
      { entity: '_:x', friend: { ref: '_:person:alice' } },
      { entity: '_:tx', note: 'n' },
    );
    const alice = ids.get('_:person:alice') ?? '';
    expect(alice).toMatch(/^person:./);
    expect([...ids.keys()].toSorted()).toEqual(['_:person:alice', '_:x']);
    expect(
      (await database.entity(ids.get('_:x') ?? '', { await: tx })).attributes.get('friend')?.values,
    ).toEqual([{ type: 'ref', value: alice }]);
    expect(
      (await database.entity(`tx:${tx}`, { await: tx })).attributes.get('note')?.values,
    ).toEqual([{ type: 'string', value: 'n' }]);
  });

  const refusals: readonly (readonly [ErrorCode, string])[] = [
    ['json-malformed', ''],
    ['json-malformed', '{"ops":['],
    ['json-malformed', '{"ops":[],"ops":[]}'],
    ['json-malformed', String.raw`{"ops":[{"entity":"\ud800"}]}`],
    ['document-invalid', '[]'],
    ['document-invalid', '{}'],
    ['document-invalid', '{"ops":[],"opps":[]}'],
    ['document-invalid', '{"ops":[{"op":"destroy","entity":"a"}]}'],
    ['entity-invalid', '{"ops":[{"entity":"","n":1}]}'],
    ['entity-invalid', `{"ops":[{"entity":"${'a'.repeat(1025)}","n":1}]}`],
    ['entity-invalid', '{"ops":[{"entity":"tx:x","n":1}]}'],
    [
      'attribute-invalid',
      String.raw`{"ops":[{"op":"assert","entity":"a","attribute":"\u0000","value":1}]}`,
    ],
    ['value-invalid', '{"ops":[{"entity":"a","n":9223372036854775808}]}'],
    ['value-invalid', '{"ops":[{"entity":"a","n":{"instant":"yesterday"}}]}'],
    ['import-time-invalid', '{"at":"2020-01-01T00:00:00Z","ops":[]}'],
  ];

  test.each(refusals)('%s refuses %s, and nothing of it is applied', async (code, document) => {
    await using host = await make();
    const database = await create(host);
    const { tx } = await write(database, { entity: 'a', seen: 1 });
    const before = (await database.state({ index: 'eavt' }, { await: tx })).facts;
    await expectCode(commit(database, document), code);
    const after = await write(database, { entity: 'z', n: 1 });
    const left = (await database.state({ index: 'eavt' }, { await: after.tx })).facts.filter(
      (fact) => fact.tx !== after.tx,
    );
    expect(left).toEqual(before);
  });

  test('a refusal says where and what, in its message, its hint and its own fields', async () => {
    await using host = await make();
    const database = await create(host);
    await write(database, { entity: 'a', n: 1 });
    await expect(
      write(database, { entity: 'b', m: 1 }, { entity: 'a', n: 'one' }),
    ).rejects.toMatchObject({
      code: 'type-mismatch',
      message: expect.stringContaining('"n"'),
      hint: expect.stringMatching(/\S/),
      extra: { attribute: 'n', expected: 'int', given: 'string' },
    });
    await expect(commit(database, '{"ops":[\n{"entity" 1}]}')).rejects.toMatchObject({
      code: 'json-malformed',
      extra: { line: 2 },
    });
  });

  test('the same key and content are committed once; other content is refused', async () => {
    await using host = await make();
    const database = await create(host);
    await write(database, {
      entity: 'attribute:mail',
      'db/valueType': 'string',
      'db/unique': 'identity',
    });
    await write(database, { entity: 'alice', mail: 'alice@x' });
    const document = {
      id: 'order-4711',
      ops: [
        { entity: 'a', n: 1 },
        { entity: '_:found', mail: 'alice@x', n: 2 },
        { entity: '_:shop:made', mail: 'new@x' },
        { entity: '_:same', mail: 'new@x', n: 3 },
        { entity: '_:order:plain', n: 4 },
        { op: 'retract', entity: '_:silent', attribute: 'n' },
      ],
    };
    const first = await commit(database, document);
    expect(first.ids.size).toBe(5);
    expect(first.ids.get('_:found')).toBe('alice');
    await write(database, { entity: 'a', n: 2 }, { entity: 'alice', mail: 'other@x' });
    await write(database, { entity: 'bob', mail: 'alice@x' });
    const again = await commit(database, document);
    expect(again).toMatchObject({ tx: first.tx, duplicate: true });
    expect([...again.ids]).toEqual([...first.ids]);
    const order = (facts: typeof first.facts): unknown => told(facts).toSorted();
    expect(order(again.facts)).toEqual(order(first.facts));
    await expectCode(commit(database, { ...document, ops: [{ entity: 'a', n: 3 }] }), 'key-reused');
    const both = await Promise.all([
      commit(database, { id: 'k', ops: [{ entity: 'b', n: 1 }] }),
      commit(database, { id: 'k', ops: [{ entity: 'b', n: 1 }] }),
    ]);
    expect(both[0].tx).toBe(both[1].tx);
    expect(both.map(({ duplicate }) => duplicate).toSorted()).toEqual([false, true]);
  });

  test('a transaction that writes nothing has a tx all the same', async () => {
    await using host = await make();
    const database = await create(host);
    const { tx, facts } = await commit(database, { ops: [] });
    expect(facts).toEqual([]);
    expect((await database.transaction(tx, { await: tx })).facts).toEqual([]);
    expect(
      (await database.entity(`tx:${tx}`, { await: tx })).attributes.get('tx/timestamp')?.values,
    ).toEqual([{ type: 'instant', value: tx / 1000n }]);
  });

  test('transactions on their way at once are committed in the order of the calls', async () => {
    await using host = await make();
    const database = await create(host);
    await write(database, { entity: 'counter', n: 0 });
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        write(database, { op: 'cas', entity: 'counter', attribute: 'n', old: i, new: i + 1 }),
      ),
    );
    for (let i = 1; i < results.length; i++)
      expect((results[i]?.tx ?? 0n) > (results[i - 1]?.tx ?? 0n)).toBe(true);
    const last = results.at(-1);
    expect(
      (await database.entity('counter', { await: last?.tx })).attributes.get('n')?.values,
    ).toEqual([{ type: 'int', value: 100n }]);
  });
}
