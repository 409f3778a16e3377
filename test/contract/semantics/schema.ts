import { add, define, drop, gone, refused, type Refused, type Row, writes } from './row.ts';

const INT = [define('n', { valueType: 'int' })];
const USED = [INT, [add('$e', 'n', 1)]];
const USED_BEFORE = [...USED, [gone('$e')]];

const refusedChange = (...says: readonly string[]): Refused =>
  refused('schema-change-refused', {}, ...says);
const become = (
  name: string,
  before: Row['before'],
  said: Readonly<Record<string, unknown>>,
  outcome: Row['outcome'] | Readonly<Record<string, unknown>>,
): Row => ({
  name,
  ...(before === undefined ? {} : { before }),
  document: [define('n', said)],
  outcome:
    'facts' in outcome || 'code' in outcome
      ? (outcome as Row['outcome'])
      : { facts: [], schema: { n: outcome } },
});

/** Definitions and changes of one attribute. */
const CHANGES: readonly Row[] = [
  become(
    'define: a type alone has one value',
    undefined,
    { valueType: 'int' },
    {
      ident: 'n',
      valueType: 'int',
      cardinality: 'one',
      unique: undefined,
      index: false,
      doc: undefined,
      inferred: false,
    },
  ),
  become(
    'define: everything',
    undefined,
    { valueType: 'ref', cardinality: 'many', unique: 'identity', doc: 'Whom.', index: true },
    {
      valueType: 'ref',
      cardinality: 'many',
      unique: 'identity',
      index: true,
      doc: 'Whom.',
      inferred: false,
    },
  ),
  become(
    'define: without a type',
    undefined,
    { cardinality: 'many' },
    refused('schema-invalid', { attribute: 'n' }, '"n"', 'type'),
  ),
  become(
    'define: an unknown type',
    undefined,
    { valueType: 'number' },
    refused('schema-invalid', { attribute: 'db/valueType' }, 'int', 'string'),
  ),
  become(
    'define: an unknown cardinality',
    undefined,
    { valueType: 'int', cardinality: 'some' },
    refused('schema-invalid', { attribute: 'db/cardinality' }, 'one', 'many'),
  ),
  become(
    'define: unique json',
    undefined,
    { valueType: 'json', unique: 'value' },
    refused('schema-invalid', {}, '"n"', 'json'),
  ),
  become(
    'define again the same',
    USED,
    { valueType: 'int', cardinality: 'one' },
    { valueType: 'int' },
  ),
  become('change: a type', [INT], { valueType: 'string' }, refusedChange('"n"', 'int', 'string')),
  become(
    'change: a type that has values',
    USED,
    { valueType: 'double' },
    refusedChange('"n"', 'int', 'double'),
  ),
  become(
    'change: one to many',
    USED,
    { cardinality: 'many' },
    { cardinality: 'many', valueType: 'int' },
  ),
  become(
    'change: many to one',
    [[define('n', { valueType: 'int', cardinality: 'many' })]],
    { cardinality: 'one' },
    refusedChange('"n"', 'many', 'one'),
  ),
  become(
    'change: many to one, of a first use',
    [[{ entity: '$e', n: [1] }]],
    { cardinality: 'one' },
    refusedChange('"n"', 'many'),
  ),
  become(
    'change: to unique without facts',
    [INT],
    { unique: 'value' },
    { unique: 'value', index: true },
  ),
  become('change: to unique with facts', USED, { unique: 'value' }, refusedChange('"n"', 'unique')),
  become(
    'change: to unique with facts in the past alone',
    USED_BEFORE,
    { unique: 'identity' },
    refusedChange('"n"', 'unique'),
  ),
  become(
    'change: to indexed without facts',
    [INT],
    { index: true },
    { index: true, unique: undefined },
  ),
  become('change: to indexed with facts', USED, { index: true }, refusedChange('"n"', 'index')),
  become(
    'change: to indexed with facts in the past alone',
    USED_BEFORE,
    { index: true },
    refusedChange('"n"', 'index'),
  ),
  become(
    'change: value to identity, with facts',
    [[define('n', { valueType: 'int', unique: 'value' })], [add('$e', 'n', 1)]],
    { unique: 'identity' },
    { unique: 'identity' },
  ),
  become(
    'change: a doc, and again',
    [...USED, [define('n', { doc: 'Once.' })]],
    { doc: 'Twice.' },
    { doc: 'Twice.', valueType: 'int', inferred: false },
  ),
  become(
    'change: a doc to none',
    [[define('n', { valueType: 'int', doc: 'Once.' })]],
    { doc: null },
    { doc: undefined, valueType: 'int' },
  ),
  become(
    'change: inferred to defined',
    [[add('$e', 'n', 1)]],
    { valueType: 'int' },
    { inferred: false, valueType: 'int', cardinality: 'one' },
  ),
  become(
    'change: a doc of what is inferred leaves it so',
    [[add('$e', 'n', 1)]],
    { doc: 'A number.' },
    { inferred: true, doc: 'A number.' },
  ),
  become(
    'change: inferred to another type',
    [[add('$e', 'n', 1)]],
    { valueType: 'string' },
    refusedChange('"n"', 'int', 'string'),
  ),
  become(
    'change: two cardinalities at once',
    [INT],
    { cardinality: ['one', 'many'] },
    refused('facts-conflict', { attribute: 'db/cardinality' }),
  ),
];

const REMOVALS: readonly Row[] = [
  {
    name: 'remove: a type',
    before: USED,
    document: [drop('attribute:n', 'db/valueType')],
    outcome: refusedChange('"n"', 'removed'),
  },
  {
    name: 'remove: a name',
    before: USED,
    document: [drop('attribute:n', 'db/ident')],
    outcome: refusedChange('db/ident', 'removed'),
  },
  {
    name: 'remove: a cardinality',
    before: USED,
    document: [drop('attribute:n', 'db/cardinality')],
    outcome: refusedChange('db/cardinality', 'removed'),
  },
  {
    name: 'remove: an attribute as a whole',
    before: USED,
    document: [gone('attribute:n')],
    outcome: refusedChange('attribute:n', 'removed'),
  },
  {
    name: 'remove: uniqueness, and then equal values are taken',
    before: [[define('n', { valueType: 'int', unique: 'value' })], [add('$e', 'n', 1)]],
    document: [drop('attribute:n', 'db/unique'), add('$f', 'n', 1)],
    outcome: { facts: ['+$f n 1'], schema: { n: { unique: undefined, index: false } } },
  },
  {
    name: 'remove: uniqueness, and it does not come back while there are facts',
    before: [
      [define('n', { valueType: 'int', unique: 'value' })],
      [add('$e', 'n', 1)],
      [drop('attribute:n', 'db/unique')],
    ],
    document: [define('n', { unique: 'value' })],
    outcome: refusedChange('"n"', 'unique'),
  },
  {
    name: 'remove: an index, and it does not come back while there are facts',
    before: [
      [define('n', { valueType: 'int', index: true })],
      [add('$e', 'n', 1)],
      [drop('attribute:n', 'db/index')],
    ],
    document: [define('n', { index: true })],
    outcome: refusedChange('"n"', 'index'),
  },
  {
    name: 'an attribute of the database itself is not defined anew',
    document: [define('tx/author', { cardinality: 'many' })],
    outcome: refused('schema-invalid', { attribute: 'tx/author' }, '"tx/author"'),
  },
];

/** What a definition means for operations, of its own transaction too. */
const EFFECTS: readonly Row[] = [
  {
    name: 'first use declares one, wherever it is',
    document: [add('$e', 'n', 1)],
    outcome: {
      facts: ['+$e n 1'],
      schema: {
        n: {
          valueType: 'int',
          cardinality: 'one',
          unique: undefined,
          index: false,
          inferred: true,
        },
      },
    },
  },
  {
    name: 'first use in an array declares many, wherever it is',
    document: [{ entity: '$e', n: [1, 2] }],
    outcome: { facts: ['+$e n 1', '+$e n 2'], schema: { n: { cardinality: 'many' } } },
  },
  {
    name: 'a second use goes by the first, whatever entity it is of',
    before: [[add('$e', 'n', 1)]],
    document: [add('$f', 'n', 'x')],
    outcome: refused('type-mismatch', { attribute: 'n', expected: 'int', given: 'string' }, '"n"'),
  },
  {
    name: 'a second use in an array of what the first made one contradicts itself',
    before: [[add('$e', 'n', 1)]],
    document: [{ entity: '$f', n: [1, 2] }],
    outcome: refused('facts-conflict', { entity: '$f', attribute: 'n' }),
  },
  {
    name: 'first uses of several attributes on several entities',
    document: [
      { entity: '$e', n: 1, tags: ['x'] },
      { entity: '$f', n: 2, friend: { ref: '$e' } },
    ],
    outcome: {
      facts: ['+$e n 1', '+$e tags "x"', '+$f n 2', '+$f friend {"ref":"$e"}'],
      schema: {
        n: { valueType: 'int' },
        tags: { cardinality: 'many' },
        friend: { valueType: 'ref' },
      },
    },
  },
  {
    name: 'of a first use that is refused the attribute is not declared',
    before: [[add('$e', 'm', 1)]],
    document: [add('$e', 'n', 1), add('$f', 'm', 'x')],
    outcome: refused('type-mismatch', { attribute: 'm' }),
  },
  {
    name: 'an attribute that a refused transaction would have declared may become another',
    before: [[add('$e', 'm', 1)]],
    tried: [[add('$e', 'n', 1), add('$f', 'm', 'x')]],
    document: [add('$f', 'n', 'x')],
    outcome: { facts: ['+$f n "x"'], schema: { n: { valueType: 'string' } } },
  },
  {
    name: 'a definition takes effect in its own transaction',
    document: [
      define('n', { valueType: 'double', cardinality: 'many' }),
      add('$e', 'n', 1),
      add('$e', 'n', 2.5),
    ],
    outcome: writes('+$e n 1.0', '+$e n 2.5'),
  },
  {
    name: 'a definition and a use of another type in one transaction',
    document: [...INT, add('$e', 'n', 'x')],
    outcome: refused('type-mismatch', { attribute: 'n', expected: 'int', given: 'string' }),
  },
  {
    name: 'many values from the transaction on that allows them',
    before: USED,
    document: [define('n', { cardinality: 'many' }), add('$e', 'n', 2)],
    outcome: writes('+$e n 2'),
  },
  {
    name: 'many values after the transaction that allows them',
    before: [...USED, [define('n', { cardinality: 'many' })]],
    document: [{ entity: '$e', n: [2, 3] }, add('$f', 'n', 1)],
    outcome: writes('+$e n 2', '+$e n 3', '+$f n 1'),
  },
  {
    name: 'uniqueness after the transaction that asks for it',
    before: [INT, [define('n', { unique: 'value' })], [add('$e', 'n', 1)]],
    document: [add('$f', 'n', 1)],
    outcome: refused('unique-conflict', { attribute: 'n', entity: '$f', owner: '$e' }),
  },
  {
    name: 'an identity after the change from a value that is merely unique',
    before: [
      [define('n', { valueType: 'int', unique: 'value' })],
      [add('$e', 'n', 1)],
      [define('n', { unique: 'identity' })],
    ],
    document: [{ entity: '_:x', n: 1, m: 2 }],
    outcome: { facts: ['+$e m 2'], ids: { '_:x': '$e' } },
  },
  {
    name: 'a change that is refused is refused with all data of its transaction',
    before: USED,
    document: [add('$f', 'n', 2), define('n', { unique: 'value' })],
    outcome: refusedChange('"n"', 'unique'),
  },
];

const SETTINGS = 'attribute:db/settings';

const STRICTNESS: readonly Row[] = [
  {
    name: 'strict: an attribute that is not defined',
    strict: true,
    document: [add('$e', 'name', 'x')],
    outcome: refused('attribute-unknown', { attribute: 'name' }, '"name"', 'strict'),
  },
  {
    name: 'strict: an attribute that is not defined, among others that are',
    strict: true,
    before: [INT],
    document: [add('$e', 'n', 1), add('$f', 'm', 1)],
    outcome: refused('attribute-unknown', { attribute: 'm' }, '"m"'),
  },
  {
    name: 'strict: an attribute that is defined',
    strict: true,
    before: [INT],
    document: [add('$e', 'n', 1), add('$f', 'n', 2)],
    outcome: writes('+$e n 1', '+$f n 2'),
  },
  {
    name: 'strict: a definition and its use in one transaction',
    strict: true,
    document: [...INT, add('$e', 'n', 1)],
    outcome: { facts: ['+$e n 1'], schema: { n: { inferred: false } } },
  },
  {
    name: 'strict: retract of an attribute that is not defined is no fact',
    strict: true,
    document: [drop('$e', 'never'), gone('$f')],
    outcome: { facts: [], schema: { never: undefined } },
  },
  {
    name: 'strict: what is said of transactions needs no definition',
    strict: true,
    document: { meta: { ticket: 7 }, ops: [] },
    outcome: writes('+tx tx/ticket 7'),
  },
  {
    name: 'a database becomes strict',
    before: [[add(SETTINGS, 'db/strict', true)], INT],
    document: [add('$e', 'n', 1), add('$f', 'm', 1)],
    outcome: refused('attribute-unknown', { attribute: 'm' }),
  },
  {
    name: 'a database becomes strict with the transaction that says so',
    document: [add(SETTINGS, 'db/strict', true), add('$e', 'n', 1)],
    outcome: refused('attribute-unknown', { attribute: 'n' }),
  },
  {
    name: 'a database becomes open with the transaction that says so',
    strict: true,
    document: [add(SETTINGS, 'db/strict', false), add('$e', 'n', 1)],
    outcome: { facts: ['+$e n 1'], schema: { n: { inferred: true } } },
  },
  {
    name: 'a database becomes open again',
    strict: true,
    before: [[add(SETTINGS, 'db/strict', false)]],
    document: [add('$e', 'n', 1), add('$f', 'm', 1)],
    outcome: writes('+$e n 1', '+$f m 1'),
  },
];

export const SCHEMA: readonly Row[] = [...CHANGES, ...REMOVALS, ...EFFECTS, ...STRICTNESS];
