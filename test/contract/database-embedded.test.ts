import { type CutRule, DEFAULT_CUT } from '@pyralog/indexing';
import { afterAll, afterEach, expect, test } from 'vitest';
import { databaseContract } from './database.ts';
import { create, feedOf, write } from './database-support.ts';
import { embeddedHost } from './embedded-host.ts';
import { SharedThread } from './shared-thread.ts';
import { limitContract } from './database-limits.ts';
import { semanticsContract, stagesOf } from './database-semantics.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

const troubles: unknown[] = [];
afterEach(() => expect(troubles.splice(0)).toEqual([]));
const make = (cutRule: CutRule) => () =>
  embeddedHost(threads, cutRule, (what, error) => troubles.push(what, error));

databaseContract('the database of one process', make(DEFAULT_CUT));

// Parts of a few facts, so that every answer is merged from many runs and the live index.
const smallRuns = make({ factsMax: 3, bytesMax: 1e9 });
databaseContract('the database of one process with small runs', smallRuns);

test('databases of one host have files of the same names, and read their own', async () => {
  await using host = await smallRuns();
  const names = ['one', 'two'];
  const databases = await Promise.all(names.map((name) => create(host, name)));
  const count = 10;
  for (let i = 0; i < count; i++) {
    for (const database of databases) {
      const { name } = database;
      await write(database, { entity: `e:${name}`, [name]: i, [`${name}-text`]: `${name} ${i}` });
    }
  }
  for (const database of databases) {
    // Everything but the last part is read from files.
    await expect
      .poll(async () => (await database.status()).partitions[0]?.liveFacts, { timeout: 10_000 })
      .toBeLessThan(9);
  }
  for (const database of databases) {
    const facts = (await feedOf(database, { offset: '-1' })).flatMap((event) =>
      event.kind === 'transaction' ? event.facts : [],
    );
    const told = facts.filter(({ entity }) => entity.startsWith('e:'));
    expect(told.filter(({ operation }) => operation === 'assert')).toHaveLength(2 * count);
    expect(new Set(told.map(({ entity }) => entity))).toEqual(new Set([`e:${database.name}`]));
  }
});

limitContract('the database of one process', make(DEFAULT_CUT));
semanticsContract('the database of one process', stagesOf(make(DEFAULT_CUT)));

// Tens of seconds on a busy machine.
test(
  'as many facts as a transaction may write, and one more is refused',
  { timeout: 300_000 },
  async () => {
    await using host = await make(DEFAULT_CUT)();
    const database = await create(host);
    const many = { entity: 'attribute:n', 'db/valueType': 'int', 'db/cardinality': 'many' };
    await write(database, many);
    const limit = 1_000_000;
    const n = Array.from({ length: limit }, (_, i) => i);
    expect((await write(database, { entity: 'a', n })).facts).toHaveLength(limit);
    // What is retracted counts as well.
    await expect(
      write(database, { op: 'retractEntity', entity: 'a' }, { entity: 'b', n: [1] }),
    ).rejects.toMatchObject({
      code: 'transaction-too-large',
      message: expect.stringContaining(String(limit)),
      extra: { limit },
    });
  },
);
