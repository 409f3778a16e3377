/**
 * Random transactions, random cuts of the index, random questions: every answer of a database is what a
 * naive fold of its log says (I5), now and at any moment before, page by page.
 */
import type { Database, FactsPage, FactsQuery } from '@pyralog/client';
import { type Fact, isPyralogError, type Tx, tx as asTx } from '@pyralog/model';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { embeddedHost } from '../contract/embedded-host.ts';
import { SharedThread } from '../contract/shared-thread.ts';
import { Fold } from './fold.ts';
import { runs } from './runs.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

// Astral and high BMP characters tell UTF-8 from UTF-16 order; NUL and empty strings are edges of keys.
const entity = fc.constantFrom(
  'a',
  'a\u0000',
  'ab',
  'b',
  '\u{1F600}',
  '\uFFFD',
  'paper:1',
  '__proto__',
);
const short = fc.constantFrom('', '\u0000', 'x', 'xy', '\u{10FFFF}', '\uE000', 'long '.repeat(30));
// Blobs, two of them of one prefix, and that prefix as a value of its own: what is about references has to come
// up, and they are as long as they must be, since a limit of the tests' own would be another database.
const PREFIX = 'y'.repeat(256);
const long = fc.constantFrom(
  PREFIX,
  `${PREFIX.repeat(256)}1`,
  `${PREFIX.repeat(256)}2`,
  `x${'\u{10FFFF}'.repeat(17_000)}`,
);
const text = fc.oneof({ weight: 7, arbitrary: short }, { weight: 2, arbitrary: long });
const int = fc.constantFrom(
  '-9223372036854775808',
  '-1',
  '0',
  '9007199254740993',
  '9223372036854775807',
);
const instant = fc.constantFrom(
  '1601-01-01T00:00:00Z',
  '1969-12-31T23:59:59.999999Z',
  '+010000-01-01T00:00:00Z',
);

const set = fc.oneof(
  fc.record({ entity, text }),
  fc.record({ entity, many: fc.array(text, { maxLength: 4 }) }),
  fc.record({ entity, int: int.map((digits) => ({ int: digits })) }),
  fc.record({ entity, instant: instant.map((value) => ({ instant: value })) }),
  fc.record({
    entity,
    double: fc.constantFrom(-0.5, 1.5, 1e300, 5e-324).map((value) => ({ double: String(value) })),
  }),
  fc.record({ entity, flag: fc.boolean() }),
  fc.record({ entity, ref: entity.map((ref) => ({ ref })) }),
  fc.record({ entity, indexed: text }),
);
const definitionChange = fc.oneof(
  fc.record({
    entity: fc.constantFrom('attribute:many', 'attribute:indexed', 'attribute:double'),
    'db/doc': fc.option(text),
  }),
  fc.constant({ entity: 'attribute:double', 'db/cardinality': 'many' }),
);
const operation = fc.oneof(
  { weight: 12, arbitrary: set },
  { weight: 1, arbitrary: definitionChange },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('retractEntity'), entity }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('retract'),
      entity,
      attribute: fc.constantFrom('text', 'many', 'ref'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('retract'),
      entity,
      attribute: fc.constantFrom('text', 'many'),
      value: text,
    }),
  },
);
const documents = fc.array(fc.array(operation, { minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 40,
});
const definition = {
  ops: [
    { entity: 'attribute:indexed', 'db/valueType': 'string', 'db/index': true },
    { entity: 'attribute:many', 'db/valueType': 'string', 'db/cardinality': 'many' },
    { entity: 'attribute:double', 'db/valueType': 'double' },
  ],
};

test(
  'I5 every answer equals the fold of the log, whatever was flushed in between',
  { timeout: 600_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        documents,
        fc.integer({ min: 5, max: 120 }),
        fc.integer({ min: 1, max: 9 }),
        async (inputs, factsMax, limit) => {
          const troubles: unknown[] = [];
          await using host = await embeddedHost(
            threads,
            { factsMax, bytesMax: 1e9 },
            (what, error) => troubles.push(what, error),
          );
          await host.create('main');
          const database = await host.database('main');
          const fold = new Fold();
          const moments: Tx[] = [asTx(0n)];
          for (const ops of [definition.ops, ...inputs]) {
            const committed = await commit(database, ops);
            if (committed === undefined) continue;
            fold.add(committed.facts);
            moments.push(committed.tx);
          }
          await compare(database, fold, undefined, limit);
          await flushed(database, factsMax);
          await compare(database, fold, undefined, limit);
          for (const moment of moments.filter((_, i) => i % 5 === 0))
            await compare(database, fold, moment, limit);
          const [from, to] = [moments[Math.floor(moments.length / 3)] as Tx, moments.at(-1) as Tx];
          expect(await allAdded(database, from, to, limit)).toEqual(
            fold.addedBetween(from, to).map(show),
          );
          expect(await allAdded(database, to, from, limit)).toEqual(
            fold.addedBetween(to, from).map(show),
          );
          expect(troubles).toEqual([]);
        },
      ),
      runs(100),
    );
  },
);

/** Resolves when every part that was cut is in runs: less than a part is live then. */
async function flushed(database: Database, factsMax: number): Promise<void> {
  for (;;) {
    const { partitions } = await database.status();
    if (partitions.every(({ liveFacts }) => liveFacts < factsMax)) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @returns undefined where the operations contradict each other */
async function commit(
  database: Database,
  ops: readonly object[],
): Promise<{ tx: Tx; facts: readonly Fact[] } | undefined> {
  try {
    return await database.transact(Buffer.from(JSON.stringify({ ops })));
  } catch (error) {
    if (isPyralogError(error) && ['facts-conflict', 'type-mismatch'].includes(error.code))
      return undefined;
    throw error;
  }
}

async function compare(
  database: Database,
  fold: Fold,
  asOf: Tx | undefined,
  limit: number,
): Promise<void> {
  const { basis, attributes } = await database.schema({ asOf });
  const defined = attributes
    .filter(({ ident }) => !/^(db|tx)\//.test(ident))
    .map(({ ident, valueType, cardinality, doc }) => [ident, valueType, cardinality, doc]);
  expect(defined, 'schema').toEqual(schemaAt(fold, basis));
  for (const order of ['eavt', 'aevt'] as const) {
    const state = await all((cursor) =>
      database.state({ index: order, limit, cursor }, { asOf: basis }),
    );
    expect(state, `state ${order}`).toEqual(fold.stateAt(basis, order).map(show));
  }
  const refs = fold.stateAt(basis, 'vaet').filter(({ value }) => value.type === 'ref');
  expect(
    await all((cursor) => database.state({ index: 'vaet', limit, cursor }, { asOf: basis })),
  ).toEqual(refs.map(show));
  const byValue: FactsQuery = { index: 'avet', attribute: 'indexed', limit };
  const indexed = fold.stateAt(basis, 'avet').filter(({ attribute }) => attribute === 'indexed');
  expect(await all((cursor) => database.state({ ...byValue, cursor }, { asOf: basis }))).toEqual(
    indexed.map(show),
  );
  const log = await all((cursor) =>
    database.facts({ index: 'eavt', limit, cursor }, { asOf: basis }),
  );
  expect(new Set(log)).toEqual(new Set(fold.facts.filter(({ tx }) => tx <= basis).map(show)));
  for (const id of ['a', 'a\u0000', '\u{1F600}', '\uFFFD', '__proto__']) {
    const answer = await database.entity(id, { asOf: basis });
    const values = [...answer.attributes].flatMap(([name, found]) =>
      found.values.map((value) => `${name} ${value.type} ${brief(String(value.value))}`),
    );
    expect(values).toEqual(
      fold
        .entityAt(id, basis)
        .map(({ attribute, value }) => `${attribute} ${value.type} ${brief(String(value.value))}`),
    );
    const history = await all((cursor) => database.history(id, { limit, cursor }, { asOf: basis }));
    expect(history).toEqual(fold.history(id, basis).map(show));
  }
}

/** The definitions in force, by name: what is said of attribute entities. */
function schemaAt(fold: Fold, basis: Tx): unknown[] {
  const state = fold.stateAt(basis);
  return state
    .filter(({ attribute }) => attribute === 'db/ident')
    .map(({ entity: id, value }) => [
      value.value,
      ...['db/valueType', 'db/cardinality', 'db/doc'].map(
        (name) => state.find((fact) => fact.entity === id && fact.attribute === name)?.value.value,
      ),
    ]);
}

async function all(page: (cursor: string | undefined) => Promise<FactsPage>): Promise<string[]> {
  const facts: string[] = [];
  for (let cursor: string | undefined; ;) {
    const answer = await page(cursor);
    facts.push(...answer.facts.map(show));
    cursor = answer.next;
    if (cursor === undefined) return facts;
  }
}

async function allAdded(database: Database, from: Tx, to: Tx, limit: number): Promise<string[]> {
  const added: string[] = [];
  for (let cursor: string | undefined; ;) {
    const answer = await database.diff({ from, to, limit, cursor });
    added.push(...answer.added.map(show));
    cursor = answer.next;
    if (cursor === undefined) return added;
  }
}

function show({ entity: id, attribute, value, tx, operation: done }: Fact): string {
  return JSON.stringify([id, attribute, value.type, brief(String(value.value)), String(tx), done]);
}

/** Both ends and the length of a long text, by which all that occur here are told apart. */
function brief(content: string): string {
  if (content.length <= 300) return content;
  return `${content.slice(0, 300)}…${content.slice(-10)} ${content.length}`;
}
