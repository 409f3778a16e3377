import { expect, test } from 'vitest';
import { BUILT_IN, SETTINGS_ENTITY } from './builtin.ts';
import { attributeEntity } from './entity.ts';
import type { PyralogError } from './errors.ts';
import type { Fact, Operation } from './fact.ts';
import {
  type AttributeDefinition,
  definitionFacts,
  foldSchema,
  inferredDefinition,
  initialSchema,
  type Schema,
} from './schema.ts';
import {
  attributeChanges,
  checkChange,
  checkDefinition,
  checkSchemaFacts,
  checkSchemaValue,
} from './schema-change.ts';
import { errorCode, refusal } from './testing/index.ts';
import { allDefinitions } from './testing/schemas.ts';
import { tx } from './tx.ts';
import { VALUE_TYPES, type Value } from './value.ts';

type Verdict = 'allowed' | 'refused' | 'while unused';

/** Every way in which one field can change, from the left to the top. */
const CARDINALITY: Readonly<Record<string, Readonly<Record<string, Verdict>>>> = {
  one: { one: 'allowed', many: 'allowed' },
  many: { one: 'refused', many: 'allowed' },
};
const UNIQUE: Readonly<Record<string, Readonly<Record<string, Verdict>>>> = {
  none: { none: 'allowed', value: 'while unused', identity: 'while unused' },
  value: { none: 'allowed', value: 'allowed', identity: 'allowed' },
  identity: { none: 'allowed', value: 'allowed', identity: 'allowed' },
};
const INDEX: Readonly<Record<string, Readonly<Record<string, Verdict>>>> = {
  false: { false: 'allowed', true: 'while unused' },
  true: { false: 'allowed', true: 'allowed' },
};

function verdictOf(before: AttributeDefinition, after: AttributeDefinition): Verdict {
  const verdicts = [
    before.valueType === after.valueType ? 'allowed' : 'refused',
    CARDINALITY[before.cardinality]?.[after.cardinality],
    UNIQUE[before.unique ?? 'none']?.[after.unique ?? 'none'],
    INDEX[`${before.index}`]?.[`${after.index}`],
    // doc and inferred may always change.
  ];
  if (verdicts.includes('refused')) return 'refused';
  return verdicts.includes('while unused') ? 'while unused' : 'allowed';
}

function found(run: () => PyralogError | undefined): Verdict {
  let returned: PyralogError | undefined;
  const thrown = refusal(() => (returned = run()));
  if (thrown === undefined && returned === undefined) return 'allowed';
  expect((thrown ?? returned)?.code).toBe('schema-change-refused');
  expect((thrown ?? returned)?.hint).toMatch(/Define a new/);
  return thrown === undefined ? 'while unused' : 'refused';
}

test('an attribute may become what the table of changes says, for every pair of definitions', () => {
  const all = allDefinitions('a', ['string', 'int', 'json']).filter(
    ({ valueType, unique }) => valueType !== 'json' || unique === undefined,
  );
  let pairs = 0;
  for (const before of all)
    for (const after of all) {
      const label = `${JSON.stringify(before)} → ${JSON.stringify(after)}`;
      if (found(() => checkChange(before, after)) !== verdictOf(before, after)) expect.fail(label);
      pairs++;
    }
  expect(pairs).toBe((32 + 32 + 16) ** 2);
});

test('every type may be defined, and none becomes another', () => {
  for (const before of VALUE_TYPES)
    for (const after of VALUE_TYPES) {
      const [a, b] = [before, after].map((valueType) => ({
        ...inferredDefinition('a', { type: 'string', value: '' }, false),
        valueType,
      })) as [AttributeDefinition, AttributeDefinition];
      expect(errorCode(() => checkChange(undefined, a))).toBeUndefined();
      expect(found(() => checkChange(a, b))).toBe(before === after ? 'allowed' : 'refused');
    }
});

test('an attribute that is there is not removed; nothing stays nothing', () => {
  const [some] = allDefinitions('a', ['string']);
  expect(refusal(() => checkChange(some, undefined))?.code).toBe('schema-change-refused');
  expect(checkChange(undefined, undefined)).toBeUndefined();
});

test('json is never unique, whatever it was before', () => {
  for (const after of allDefinitions('a', ['json']))
    for (const before of [undefined, ...allDefinitions('a', ['json'])]) {
      if (after.unique === undefined)
        expect(errorCode(() => checkDefinition(after))).toBeUndefined();
      else expect(errorCode(() => checkChange(before, after))).toBe('schema-invalid');
    }
});

test.each([
  ['db/valueType', 'schema-invalid'],
  ['db/mine', 'schema-invalid'],
  ['tx/author', 'schema-invalid'],
  ['tx/timestamp', 'schema-invalid'],
  ['tx/mine', undefined],
  [':a', 'attribute-invalid'],
  ['', 'attribute-invalid'],
  ['a\0', 'attribute-invalid'],
  ['x'.repeat(1024), undefined],
  ['x'.repeat(1025), 'attribute-invalid'],
  ['__proto__', undefined],
  ['db', undefined],
])('the definition of %j: %s', (ident, code) => {
  const definition = inferredDefinition(ident, { type: 'string', value: '' }, false);
  expect(errorCode(() => checkDefinition(definition))).toBe(code);
});

const text = (value: string): Value => ({ type: 'string', value });
const flag = (value: boolean): Value => ({ type: 'bool', value });

// What a writer may assert on an attribute entity.
test.each<[string, Value, boolean]>([
  ...VALUE_TYPES.map((type): [string, Value, boolean] => ['db/valueType', text(type), true]),
  ['db/valueType', text('number'), false],
  ['db/valueType', text('String'), false],
  ['db/valueType', text('__proto__'), false],
  ['db/valueType', text(''), false],
  ['db/cardinality', text('one'), true],
  ['db/cardinality', text('many'), true],
  ['db/cardinality', text('two'), false],
  ['db/unique', text('value'), true],
  ['db/unique', text('identity'), true],
  ['db/unique', text('true'), false],
  ['db/mode', text('import'), true],
  ['db/mode', text('live'), true],
  ['db/mode', text(''), false],
  ['db/inferred', flag(false), true],
  ['db/inferred', flag(true), false],
  ['db/ident', text('person/name'), true],
  ['db/ident', text(':person/name'), false],
  ['db/ident', text('person/mail'), false],
  ['db/index', flag(true), true],
  ['db/strict', flag(false), true],
  ['db/doc', text(''), true],
])('%s may be %o: %s', (attribute, value, allowed) => {
  const error = refusal(() => checkSchemaValue('attribute:person/name', attribute, value));
  expect(error?.code).toBe(allowed ? undefined : 'schema-invalid');
  if (!allowed) expect(error?.extra).toEqual({ attribute, entity: 'attribute:person/name' });
});

function factOf(ident: string, attribute: string, value: Value, operation: Operation): Fact {
  return { entity: attributeEntity(ident), attribute, value, tx: tx(2n), operation };
}

const defined = (definition: AttributeDefinition): readonly Fact[] =>
  definitionFacts(definition).map((each) => ({ ...each, tx: tx(1n), operation: 'assert' }));

const [plain] = allDefinitions('a', ['string']) as [AttributeDefinition];
const some = foldSchema(initialSchema(), defined(plain));

/** Folds and checks, as one transaction. */
function check(before: Schema, facts: readonly Fact[]): ReadonlyMap<string, PyralogError> {
  return checkSchemaFacts(before, foldSchema(before, facts), facts);
}

test('a transaction may define attributes, and change them as the table says', () => {
  expect(check(initialSchema(), defined(plain)).size).toBe(0);
  expect(check(some, [factOf('a', 'db/doc', text('x'), 'assert')]).size).toBe(0);
  const wider = [
    factOf('a', 'db/cardinality', text('one'), 'retract'),
    factOf('a', 'db/cardinality', text('many'), 'assert'),
  ];
  expect(check(some, wider).size).toBe(0);
  expect(errorCode(() => check(foldSchema(some, wider), wider.map(turned)))).toBe(
    'schema-change-refused',
  );
  const unused = check(some, [
    factOf('a', 'db/index', flag(true), 'assert'),
    ...defined({ ...plain, ident: 'b' }),
  ]);
  expect([...unused.keys()]).toEqual(['a']);
  expect(unused.get('a')?.code).toBe('schema-change-refused');
});

/** Undone. */
function turned(fact: Fact): Fact {
  return { ...fact, operation: fact.operation === 'assert' ? 'retract' : 'assert' };
}

test.each([
  ['a type', [factOf('a', 'db/valueType', text('int'), 'assert')], 'schema-change-refused'],
  ['no type', [factOf('a', 'db/valueType', text('string'), 'retract')], 'schema-change-refused'],
  ['no type at first', [factOf('b', 'db/doc', text('x'), 'assert')], 'schema-invalid'],
  ['a built-in', [factOf('tx/author', 'db/doc', text('x'), 'assert')], 'schema-invalid'],
  ['a name in db/', [factOf('db/x', 'db/valueType', text('int'), 'assert')], 'schema-invalid'],
])('%s is refused', (_, facts, code) => {
  expect(errorCode(() => check(some, facts))).toBe(code);
});

test('an import may end, and does not begin again', () => {
  const mode = (value: string): Fact => ({
    ...factOf('db/settings', 'db/mode', text(value), 'assert'),
    entity: SETTINGS_ENTITY,
  });
  expect(check(initialSchema({ mode: 'import' }), [mode('live')]).size).toBe(0);
  expect(check(initialSchema({ mode: 'import' }), [mode('import')]).size).toBe(0);
  expect(errorCode(() => check(initialSchema(), [mode('import')]))).toBe('schema-change-refused');
});

test('the changed attributes are named once, with what they were and became', () => {
  const facts = [
    factOf('a', 'db/doc', text('x'), 'assert'),
    factOf('a', 'db/index', flag(true), 'assert'),
    ...defined({ ...plain, ident: 'b' }),
    { ...factOf('x', 'name', text('y'), 'assert'), entity: 'paper:1' },
  ];
  const after = foldSchema(some, facts);
  expect(attributeChanges(some, after, facts)).toEqual([
    { ident: 'a', before: plain, after: { ...plain, doc: 'x', index: true } },
    { ident: 'b', before: undefined, after: { ...plain, ident: 'b' } },
  ]);
  expect(attributeChanges(some, some, facts)).toEqual([]);
  expect(BUILT_IN.has('a')).toBe(false);
});
