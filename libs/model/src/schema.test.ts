import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUILT_IN, SETTINGS_ENTITY } from './builtin.ts';
import { attributeEntity } from './entity.ts';
import type { StoredFact, Operation } from './fact.ts';
import {
  type AttributeDefinition,
  type DatabaseSettings,
  definitionFacts,
  foldSchema,
  inferredDefinition,
  initialSchema,
  type Schema,
  settingsFacts,
} from './schema.ts';
import { fact, value } from './testing/index.ts';
import { byBytes } from './testing/reference.ts';
import { allDefinitions } from './testing/schemas.ts';
import { tx } from './tx.ts';
import { VALUE_TYPES, type Value } from './value.ts';

const text = (each: string): Value => ({ type: 'string', value: each });
const flag = (each: boolean): Value => ({ type: 'bool', value: each });

/** What may come to stand on an attribute entity, values out of range included. */
const VALUES: Readonly<Record<string, readonly Value[]>> = {
  'db/ident': [text('a')],
  'db/valueType': [...VALUE_TYPES.map(text), text('number'), text('toString')],
  'db/cardinality': [text('one'), text('many'), text('several')],
  'db/unique': [text('value'), text('identity'), text('yes')],
  'db/index': [flag(true), flag(false)],
  'db/doc': [text(''), text('a doc')],
  'db/inferred': [flag(true), flag(false)],
};

interface Change {
  readonly ident: string;
  readonly attribute: string;
  /** Undefined: retracted. */
  readonly value: Value | undefined;
}

const change: fc.Arbitrary<Change> = fc
  .constantFrom(...Object.entries(VALUES))
  .chain(([attribute, values]) =>
    fc.record({
      ident: fc.constantFrom('a', 'b/c', '__proto__', 'e\uffff', 'e\u{10000}'),
      attribute: fc.constant(attribute),
      value: fc.option(fc.constantFrom(...values), { nil: undefined, freq: 8 }),
    }),
  );
const transactions = fc.array(
  fc.record({
    changes: fc.uniqueArray(change, {
      maxLength: 6,
      selector: ({ ident, attribute }) => `${ident} ${attribute}`,
    }),
    strict: fc.option(fc.boolean(), { nil: undefined }),
    mode: fc.option(fc.constantFrom('import' as const, 'live' as const), { nil: undefined }),
    noise: fc.array(
      fact.filter((each) => !each.entity.startsWith('attribute:')),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 10 },
);

/** The same by a table of what is in force. */
class NaiveSchema {
  readonly inForce = new Map<string, Map<string, Value>>();
  settings: DatabaseSettings = { strict: false, mode: 'live' };
  tx = 0n;

  attribute(ident: string): AttributeDefinition | undefined {
    const on = (attribute: string): unknown => this.inForce.get(ident)?.get(attribute)?.value;
    const type = VALUE_TYPES.find((each) => each === on('db/valueType'));
    if (type === undefined) return undefined;
    const unique = (['value', 'identity'] as const).find((each) => each === on('db/unique'));
    return {
      ident,
      valueType: type,
      cardinality: on('db/cardinality') === 'many' ? 'many' : 'one',
      unique,
      index: on('db/index') === true || unique !== undefined,
      doc: on('db/doc') as string | undefined,
      inferred: on('db/inferred') === true,
    };
  }

  idents(): string[] {
    const declared = [...this.inForce.keys()].filter((each) => this.attribute(each) !== undefined);
    return [...BUILT_IN.keys(), ...declared].sort(byBytes);
  }
}

function expectEqual(schema: Schema, naive: NaiveSchema): void {
  expect(schema.tx).toBe(naive.tx);
  expect({ strict: schema.strict, mode: schema.mode }).toEqual(naive.settings);
  expect([...schema.attributes()].map(({ ident }) => ident)).toEqual(naive.idents());
  for (const ident of ['a', 'b/c', '__proto__', 'e\uffff', 'constructor'])
    expect(schema.attribute(ident)).toEqual(naive.attribute(ident));
}

test('the schema at any moment is what its facts in force say, in whatever order a transaction has them', () => {
  fc.assert(
    fc.property(transactions, fc.infiniteStream(fc.nat()), (given, order) => {
      const naive = new NaiveSchema();
      let schema = initialSchema();
      const all: StoredFact[] = [];
      for (const [i, { changes, strict, mode, noise }] of given.entries()) {
        const at = tx(1024n * BigInt(i + 1));
        const facts: StoredFact[] = noise.map((each) => ({ ...each, tx: at }));
        const say = (entity: string, attribute: string, of: Value, operation: Operation): void =>
          void facts.push({ entity, attribute, value: of, tx: at, operation });
        let changed = false;
        for (const { ident, attribute, value: next } of changes) {
          const values = naive.inForce.get(ident) ?? new Map<string, Value>();
          const before = values.get(attribute);
          if (before?.value === next?.value) continue;
          changed = true;
          naive.inForce.set(ident, values);
          if (before !== undefined) say(attributeEntity(ident), attribute, before, 'retract');
          if (next === undefined) values.delete(attribute);
          else {
            values.set(attribute, next);
            say(attributeEntity(ident), attribute, next, 'assert');
          }
        }
        const { settings } = naive;
        const after = { strict: strict ?? settings.strict, mode: mode ?? settings.mode };
        if (after.strict !== settings.strict) {
          say(SETTINGS_ENTITY, 'db/strict', flag(settings.strict), 'retract');
          say(SETTINGS_ENTITY, 'db/strict', flag(after.strict), 'assert');
        }
        if (after.mode !== settings.mode) {
          say(SETTINGS_ENTITY, 'db/mode', text(settings.mode), 'retract');
          say(SETTINGS_ENTITY, 'db/mode', text(after.mode), 'assert');
        }
        changed ||= after.strict !== settings.strict || after.mode !== settings.mode;
        naive.settings = after;
        if (changed) naive.tx = at;

        const shuffled = facts
          .map((each) => ({ each, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each);
        const folded = foldSchema(schema, shuffled);
        if (!changed) expect(folded).toBe(schema);
        schema = folded;
        all.push(...shuffled);
        expectEqual(schema, naive);
      }
      // All at once is the same as one after the other.
      expectEqual(foldSchema(initialSchema(), all), naive);
    }),
    { numRuns: 500 },
  );
});

test('a schema that was given away does not change when facts are folded on it', () => {
  const [a, b] = [1024n, 2048n]
    .map(tx)
    .map((at, i) =>
      definitionFacts(inferredDefinition('a', [text(''), flag(true)][i] as Value, false)).map(
        (each): StoredFact => ({ ...each, tx: at, operation: 'assert' }),
      ),
    );
  const before = foldSchema(initialSchema(), a ?? []);
  const shown = [...before.attributes()];
  const after = foldSchema(before, b ?? []);
  expect(before.attribute('a')?.valueType).toBe('string');
  expect(after.attribute('a')?.valueType).toBe('bool');
  expect([...before.attributes()]).toEqual(shown);
});

test('thousands of attributes, declared one by one, are all there', () => {
  let schema = initialSchema();
  const names = Array.from({ length: 1000 }, (_, i) => `n${(i * 7919) % 1000}`);
  for (const [i, ident] of names.entries())
    schema = foldSchema(
      schema,
      definitionFacts(inferredDefinition(ident, text(''), i % 2 === 0)).map((each): StoredFact => ({
        ...each,
        tx: tx(BigInt(i)),
        operation: 'assert',
      })),
    );
  const listed = [...schema.attributes()].filter(({ ident }) => !BUILT_IN.has(ident));
  expect(listed.map(({ ident }) => ident)).toEqual(names.toSorted(byBytes));
  for (const [i, ident] of names.entries())
    expect(schema.attribute(ident)?.cardinality).toBe(i % 2 === 0 ? 'many' : 'one');
  const retracted = foldSchema(schema, [
    {
      entity: 'attribute:n5',
      attribute: 'db/valueType',
      value: text('string'),
      tx: tx(5000n),
      operation: 'retract',
    },
  ]);
  expect(retracted.attribute('n5')).toBeUndefined();
  expect([...retracted.attributes()]).toHaveLength(1000 - 1 + BUILT_IN.size);
});

test('a definition comes back from its facts', () => {
  for (const definition of allDefinitions('person/name', VALUE_TYPES)) {
    const facts = definitionFacts(definition).map((each): StoredFact => ({
      ...each,
      tx: tx(1n),
      operation: 'assert',
    }));
    expect(foldSchema(initialSchema(), facts).attribute('person/name')).toEqual(definition);
    expect(new Set(facts.map(({ attribute }) => attribute)).size).toBe(facts.length);
    expect(facts.every(({ entity }) => entity === 'attribute:person/name')).toBe(true);
  }
});

test('settings come back from their facts, and stay where a fact says nothing of use', () => {
  for (const strict of [undefined, false, true])
    for (const mode of [undefined, 'import', 'live'] as const) {
      const facts = settingsFacts({
        ...(strict === undefined ? {} : { strict }),
        ...(mode === undefined ? {} : { mode }),
      }).map((each): StoredFact => ({ ...each, tx: tx(1n), operation: 'assert' }));
      for (const schema of [initialSchema({ strict, mode } as object), initialSchema()]) {
        const folded = foldSchema(schema, facts);
        expect([folded.strict, folded.mode]).toEqual([strict ?? false, mode ?? 'live']);
      }
    }
  const schema = initialSchema({ strict: true, mode: 'import' });
  const strange: readonly (readonly [string, Value, Operation])[] = [
    ['db/mode', text('sideways'), 'assert'],
    ['db/mode', text('import'), 'retract'],
    ['db/strict', text('false'), 'assert'],
    ['db/strict', flag(true), 'retract'],
    ['db/doc', text('x'), 'assert'],
  ];
  for (const [attribute, of, operation] of strange) {
    const one: StoredFact = {
      entity: SETTINGS_ENTITY,
      attribute,
      value: of,
      tx: tx(9n),
      operation,
    };
    expect(foldSchema(schema, [one])).toBe(schema);
  }
});

test('what is built in is there from the beginning, and no fact changes it', () => {
  const schema = initialSchema();
  expect(schema.tx).toBe(0n);
  expect([...schema.attributes()].map(({ ident }) => ident)).toEqual(
    [...BUILT_IN.keys()].sort(byBytes),
  );
  for (const [ident, definition] of BUILT_IN) {
    const retyped: StoredFact = {
      entity: attributeEntity(ident),
      attribute: 'db/valueType',
      value: text('bytes'),
      tx: tx(1n),
      operation: 'assert',
    };
    const folded = foldSchema(schema, [retyped]);
    expect(folded.attribute(ident)).toBe(definition);
    expect([...folded.attributes()]).toEqual([...schema.attributes()]);
  }
});

// The rules of the database stand on these: unique and indexed as decided, everything else plain.
test('the built-in attributes are these', () => {
  const shown = [...BUILT_IN.values()].map(
    ({ ident, valueType, cardinality, unique, index }) =>
      `${ident} ${valueType} ${cardinality}${unique === undefined ? '' : ` ${unique}`}${index ? ' index' : ''}`,
  );
  expect(shown.toSorted(byBytes)).toEqual([
    'db/cardinality string one',
    'db/doc string one',
    'db/ident string one identity index',
    'db/index bool one',
    'db/inferred bool one',
    'db/mode string one',
    'db/strict bool one',
    'db/unique string one',
    'db/valueType string one',
    'tx/author string one index',
    'tx/commit string one',
    'tx/key string one value index',
    'tx/keyHash string one',
    'tx/message string one',
    'tx/reason string one',
    'tx/source string one',
    'tx/start int one',
    'tx/timestamp instant one',
  ]);
});

test('the first use of an attribute declares its type, and many for an array', () => {
  fc.assert(
    fc.property(value, fc.boolean(), (of, many) => {
      expect(inferredDefinition('a', of, many)).toEqual({
        ident: 'a',
        valueType: of.type,
        cardinality: many ? 'many' : 'one',
        unique: undefined,
        index: false,
        doc: undefined,
        inferred: true,
      });
    }),
  );
});

test('facts that are not about the schema leave it alone, whatever they are', () => {
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 5 }), (facts) => {
      const schema = initialSchema();
      expect(foldSchema(schema, facts)).toBe(schema);
      const others = facts.map((each) => ({ ...each, entity: 'attribute:x', attribute: 'name' }));
      expect(foldSchema(schema, others)).toBe(schema);
    }),
  );
});
