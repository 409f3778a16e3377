import type { CommitResult, Database, DatabaseHost } from '@pyralog/client';
import type { ErrorCode, Tx } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { explain, type Outcome, send } from '../oracle/explain.ts';
import { Model } from '../oracle/model.ts';
import { create, data } from './database-support.ts';
import { add, cas, define } from './semantics/row.ts';

/** On all partitions of four. */
const ENTITIES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Documents that meet on their way: whatever the outcome, it is that of an order, and the order is that of their tx. */
export function raceContract(make: () => Promise<DatabaseHost>): void {
  describe('transactions that meet', () => {
    test('of first uses with two types one type wins, and the others are refused', async () => {
      await using race = await begin(make);
      const outcomes = await race.all(
        ENTITIES.map((entity, i) => [add(entity, 'late', i % 2 === 0 ? i : `text ${i}`)]),
      );
      const { valueType } = await race.attribute('late');
      const won = committed(outcomes);
      expect(won).toHaveLength(4);
      for (const { facts } of won) expect(data(facts)[0]?.value.type).toBe(valueType);
      expect(codes(outcomes)).toEqual(Array(4).fill('type-mismatch'));
    });

    test('of first uses alone and in arrays all win that fit the first', async () => {
      await using race = await begin(make);
      const outcomes = await race.all(
        ENTITIES.map((entity, i) => [{ entity, late: i % 2 === 0 ? i : [i, i + 100] }]),
      );
      const { cardinality } = await race.attribute('late');
      expect(codes(outcomes)).toEqual(
        cardinality === 'many' ? [] : Array(4).fill('facts-conflict'),
      );
    });

    test('a definition meets first uses of another type', async () => {
      await using race = await begin(make);
      const outcomes = await race.all([
        ...ENTITIES.map((entity) => [add(entity, 'late', 'text')]),
        [define('late', { valueType: 'int' })],
      ]);
      const { valueType } = await race.attribute('late');
      expect(codes(outcomes)).toEqual(
        valueType === 'int' ? Array(8).fill('type-mismatch') : ['schema-change-refused'],
      );
    });

    test('an attribute becomes many while it is written: up to then values replace, from then on they stay', async () => {
      await using race = await begin(make);
      await race.all([[define('n', { valueType: 'int' })]]);
      const writes = Array.from({ length: 4 }, (_, i) =>
        ENTITIES.map((entity) => [add(entity, 'n', i)]),
      );
      const [first = [], second = [], ...others] = writes;
      const outcomes = await race.all([
        ...first,
        ...second,
        [define('n', { cardinality: 'many' })],
        ...others.flat(),
      ]);
      expect(codes(outcomes)).toEqual([]);
      const change = txOf(outcomes[16] as Outcome);
      for (const { tx, facts } of committed(outcomes)) {
        if (tx > change) expect(data(facts).map(({ operation }) => operation)).toEqual(['assert']);
      }
    });

    test('an attribute becomes unique while it is first written: one of both is refused', async () => {
      await using race = await begin(make);
      await race.all([[define('n', { valueType: 'int' })]]);
      const outcomes = await race.all([
        ...ENTITIES.map((entity, i) => [add(entity, 'n', i % 4)]),
        [define('n', { unique: 'value' })],
        ...ENTITIES.map((entity, i) => [add(`${entity}2`, 'n', i % 4)]),
      ]);
      const { unique } = await race.attribute('n');
      const refused = codes(outcomes);
      if (unique === undefined) expect(refused).toEqual(['schema-change-refused']);
      // Four values, and sixteen who want them.
      else expect(refused).toEqual(Array(12).fill('unique-conflict'));
    });

    test('a database becomes strict while attributes are first used: none begins later', async () => {
      await using race = await begin(make);
      const outcomes = await race.all([
        ...ENTITIES.map((entity) => [add(entity, `late${entity}`, 1)]),
        [add('attribute:db/settings', 'db/strict', true)],
        ...ENTITIES.map((entity) => [add(entity, `later${entity}`, 1)]),
      ]);
      const strict = txOf(outcomes[8] as Outcome);
      for (const { tx, facts } of committed(outcomes)) if (tx > strict) expect(facts).toEqual([]);
      for (const code of codes(outcomes)) expect(code).toBe('attribute-unknown');
    });

    test('a unique value that many want is given to one', async () => {
      await using race = await begin(make);
      await race.all([[define('mail', { valueType: 'string', unique: 'value' })]]);
      const outcomes = await race.all(ENTITIES.map((entity) => [add(entity, 'mail', 'm')]));
      const [owner, ...others] = committed(outcomes);
      expect(others).toEqual([]);
      expect(codes(outcomes)).toEqual(Array(7).fill('unique-conflict'));
      for (const outcome of outcomes)
        if ('error' in outcome)
          expect(outcome.error.extra).toMatchObject({ owner: data(owner?.facts ?? [])[0]?.entity });
    });

    test('an identity that many make is one entity', async () => {
      await using race = await begin(make);
      await race.all([[define('login', { valueType: 'string', unique: 'identity' })]]);
      const outcomes = await race.all(
        ENTITIES.map((entity, i) => [
          { entity: '_:x', login: 'm', seen: [i] },
          add(entity, 'knows', { ref: '_:x' }),
        ]),
      );
      expect(codes(outcomes)).toEqual([]);
      expect(new Set(committed(outcomes).map(({ ids }) => ids.get('_:x'))).size).toBe(1);
    });

    test('values are exchanged in a ring, by all at once', async () => {
      await using race = await begin(make);
      await race.all([[define('mail', { valueType: 'string', unique: 'value' })]]);
      await race.all([ENTITIES.map((entity, i) => add(entity, 'mail', `m${i}`))]);
      // Neighbours exchange what they had at the beginning: of two that share one at most one comes first.
      const outcomes = await race.all(
        ENTITIES.map((entity, i) => {
          const j = (i + 1) % ENTITIES.length;
          return [
            cas(entity, 'mail', `m${i}`, `m${j}`),
            cas(ENTITIES[j] as string, 'mail', `m${j}`, `m${i}`),
          ];
        }),
      );
      expect(committed(outcomes).length).toBeGreaterThan(0);
    });

    test('of swaps from one value one holds, whatever else they do', async () => {
      await using race = await begin(make);
      await race.all([[add('a', 'n', 0)]]);
      const outcomes = await race.all(
        ENTITIES.map((entity, i) => [add(entity, 'done', i), cas('a', 'n', 0, i + 1)]),
      );
      expect(committed(outcomes)).toHaveLength(1);
      expect(codes(outcomes)).toEqual(Array(7).fill('cas-failed'));
    });

    test('of those that go by each other being absent one is committed', async () => {
      await using race = await begin(make);
      const outcomes = await race.all(
        [
          ['a', 'b'],
          ['b', 'a'],
        ].map(([entity = '', other = '']) => ({
          if: [{ entity: other, absent: true }],
          ops: [add(entity, 'n', 1)],
        })),
      );
      expect(committed(outcomes)).toHaveLength(1);
      expect(codes(outcomes)).toEqual(['condition-failed']);
    });
  });
}

/** A database, and the model that knows what was committed. */
interface Race extends AsyncDisposable {
  /** Sends documents at once; what becomes of them is explained by the order of their tx. */
  all(documents: readonly (readonly unknown[] | object)[]): Promise<readonly Outcome[]>;
  attribute(ident: string): Promise<{ valueType: string; cardinality: string; unique: unknown }>;
}

async function begin(make: () => Promise<DatabaseHost>): Promise<Race> {
  const host = await make();
  const database: Database = await create(host);
  const model = new Model({ strict: false, mode: 'live' });
  return {
    async all(documents) {
      const texts = documents.map((each) =>
        JSON.stringify(Array.isArray(each) ? { ops: each } : each),
      );
      const outcomes = await Promise.all(texts.map((text) => send(text, database)));
      explain(outcomes, model);
      return outcomes;
    },
    async attribute(ident) {
      const { attributes } = await database.schema({ asOf: model.transactions.at(-1)?.tx });
      const found = attributes.find((each) => each.ident === ident);
      if (found === undefined) return expect.unreachable(`there is no attribute ${ident}`);
      return found;
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

function committed(outcomes: readonly Outcome[]): readonly CommitResult[] {
  return outcomes.flatMap((outcome) => ('result' in outcome ? [outcome.result] : []));
}

function codes(outcomes: readonly Outcome[]): readonly ErrorCode[] {
  return outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error.code] : []));
}

function txOf(outcome: Outcome): Tx {
  if ('error' in outcome) throw outcome.error;
  return outcome.result.tx;
}
