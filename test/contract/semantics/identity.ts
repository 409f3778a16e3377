import { add, cas, define, drop, gone, refused, type Row, writes } from './row.ts';

const ID = [define('mail', { valueType: 'string', unique: 'identity' })];
const HELD = [
  ID,
  [
    { entity: '$e', mail: '$m', n: 1 },
    { entity: '$f', mail: '$o' },
  ],
];

/** Temporary ids, and how an identity value makes them an entity that is there. */
export const IDENTITY: readonly Row[] = [
  {
    name: 'temporary ids become new entities, one each',
    document: [
      { entity: '_:person:alice', name: 'Alice' },
      { entity: '_:x', friend: { ref: '_:person:alice' } },
      add('$e', 'friend', { ref: '_:x' }),
    ],
    outcome: {
      facts: [
        '+_:person:alice name "Alice"',
        '+_:x friend {"ref":"_:person:alice"}',
        '+$e friend {"ref":"_:x"}',
      ],
      ids: { '_:person:alice': 'new', '_:x': 'new' },
    },
  },
  {
    name: 'a temporary id is the entity that holds its identity value',
    before: HELD,
    document: [{ entity: '_:x', mail: '$m', n: 2 }],
    outcome: { facts: ['-$e n 1', '+$e n 2'], ids: { '_:x': '$e' } },
  },
  {
    name: 'a temporary id whose identity value nobody holds is a new entity',
    before: HELD,
    document: [{ entity: '_:x', mail: '$p', n: 2 }],
    outcome: { facts: ['+_:x mail "$p"', '+_:x n 2'], ids: { '_:x': 'new' } },
  },
  {
    name: 'two temporary ids with one identity value are the one entity that holds it',
    before: HELD,
    document: [
      { entity: '_:x', mail: '$m', n: 2 },
      { entity: '_:y', mail: '$m', k: 3 },
    ],
    outcome: { facts: ['-$e n 1', '+$e n 2', '+$e k 3'], ids: { '_:x': '$e', '_:y': '$e' } },
  },
  {
    name: 'two temporary ids with one identity value that nobody holds are one new entity',
    before: HELD,
    document: [
      { entity: '_:x', mail: '$p', n: 2 },
      { entity: '_:y', mail: '$p', k: 3 },
      add('$g', 'friend', { ref: '_:y' }),
    ],
    outcome: {
      facts: ['+_:x mail "$p"', '+_:x n 2', '+_:x k 3', '+$g friend {"ref":"_:x"}'],
      ids: { '_:x': 'new', '_:y': 'new' },
    },
  },
  {
    name: 'one entity that two temporary ids stand for has one value of a one-attribute',
    before: HELD,
    document: [
      { entity: '_:x', mail: '$m', n: 2 },
      { entity: '_:y', mail: '$m', n: 3 },
    ],
    outcome: refused('facts-conflict', { entity: '$e', attribute: 'n' }),
  },
  {
    name: 'two temporary ids are joined over a third',
    before: [
      [...ID, define('login', { valueType: 'string', unique: 'identity' })],
      [{ entity: '$e', mail: '$m' }],
    ],
    document: [
      { entity: '_:x', mail: '$m' },
      { entity: '_:y', mail: '$m', login: '$l' },
      { entity: '_:z', login: '$l', n: 2 },
    ],
    outcome: {
      facts: ['+$e login "$l"', '+$e n 2'],
      ids: { '_:x': '$e', '_:y': '$e', '_:z': '$e' },
    },
  },
  {
    name: 'identity values of one temporary id belong to two entities',
    before: [
      [...ID, define('login', { valueType: 'string', unique: 'identity' })],
      [
        { entity: '$e', mail: '$m' },
        { entity: '$f', login: '$l' },
      ],
    ],
    document: [{ entity: '_:x', mail: '$m', login: '$l' }],
    outcome: refused('unique-conflict', { entity: '_:x' }, '_:x', '$e', '$f'),
  },
  {
    name: 'an identity value does not make an entity that is named another one',
    before: HELD,
    document: [{ entity: '$g', mail: '$m', n: 2 }],
    outcome: refused('unique-conflict', { attribute: 'mail', entity: '$g', owner: '$e' }, '"mail"'),
  },
  {
    name: 'a value that is unique and no identity finds nothing',
    before: [[define('code', { valueType: 'string', unique: 'value' })], [add('$e', 'code', '$m')]],
    document: [{ entity: '_:x', code: '$m' }],
    outcome: refused('unique-conflict', { attribute: 'code', owner: '$e' }, '"code"', '$e'),
  },
  {
    name: 'an identity value that was given up finds nothing',
    before: [...HELD, [drop('$e', 'mail')]],
    document: [{ entity: '_:x', mail: '$m' }],
    outcome: { facts: ['+_:x mail "$m"'], ids: { '_:x': 'new' } },
  },
  {
    name: 'an identity value that moved finds whom it moved to',
    before: [...HELD, [add('$g', 'mail', '$m'), gone('$e')]],
    document: [{ entity: '_:x', mail: '$m', n: 2 }],
    outcome: { facts: ['+$g n 2'], ids: { '_:x': '$g' } },
  },
  {
    name: 'an identity value finds who holds it before, though it is given up in the same transaction',
    before: HELD,
    document: [{ entity: '_:x', mail: '$m', n: 2 }, drop('$e', 'mail')],
    outcome: refused('facts-conflict', { entity: '$e', attribute: 'mail' }),
  },
  {
    name: 'what a temporary id is found by may be retracted, compared and swapped through it',
    before: HELD,
    document: [
      add('_:x', 'mail', '$m'),
      cas('_:x', 'n', 1, 7),
      add('_:y', 'mail', '$o'),
      { entity: '_:y', knows: { ref: '_:x' } },
    ],
    outcome: {
      facts: ['-$e n 1', '+$e n 7', '+$f knows {"ref":"$e"}'],
      ids: { '_:x': '$e', '_:y': '$f' },
    },
  },
  {
    name: 'a swap through a temporary id compares with what its entity has',
    before: HELD,
    document: [add('_:x', 'mail', '$m'), cas('_:x', 'n', 2, 7)],
    outcome: refused('cas-failed', { entity: '$e', attribute: 'n' }),
  },
  {
    name: 'a temporary id beside the entity that it is found to be',
    before: HELD,
    document: [add('$e', 'mail', '$m'), { entity: '_:x', mail: '$m', k: 2 }],
    outcome: { facts: ['+$e k 2'], ids: { '_:x': '$e' } },
  },
  {
    name: 'a temporary id with another unique value that its entity has',
    before: [
      [...ID, define('code', { valueType: 'string', unique: 'value' })],
      [{ entity: '$e', mail: '$m', code: '$c' }],
    ],
    document: [{ entity: '_:x', code: '$c', mail: '$m', n: 1 }],
    outcome: { facts: ['+$e n 1'], ids: { '_:x': '$e' } },
  },
  {
    name: 'a temporary id with another unique value, which its entity takes from a third',
    before: [
      [...ID, define('code', { valueType: 'string', unique: 'value' })],
      [
        { entity: '$e', mail: '$m' },
        { entity: '$f', code: '$c' },
      ],
    ],
    document: [{ entity: '_:x', code: '$c', mail: '$m' }, drop('$f', 'code')],
    outcome: { facts: ['+$e code "$c"', '-$f code "$c"'], ids: { '_:x': '$e' } },
  },
  {
    name: 'a temporary id with another unique value, which a third keeps',
    before: [
      [...ID, define('code', { valueType: 'string', unique: 'value' })],
      [
        { entity: '$e', mail: '$m' },
        { entity: '$f', code: '$c' },
      ],
    ],
    document: [{ entity: '_:x', code: '$c', mail: '$m' }],
    outcome: refused('unique-conflict', { attribute: 'code', entity: '$e', owner: '$f' }, '$c'),
  },
  {
    name: 'nothing is current of a new entity',
    document: [
      { entity: '_:x', n: 1 },
      drop('_:x', 'm'),
      cas('_:x', 'k', null, 2),
      add('$e', 'n', 1),
    ],
    outcome: writes('+_:x n 1', '+_:x k 2', '+$e n 1'),
  },
  {
    name: 'an identity of another type than text finds its entity',
    before: [
      [
        define('number', { valueType: 'int', unique: 'identity' }),
        define('owner', { valueType: 'ref', unique: 'identity' }),
      ],
      [
        { entity: '$e', number: 7 },
        { entity: '$f', owner: '$e' },
      ],
    ],
    document: [
      { entity: '_:x', number: 7, n: 1 },
      { entity: '_:y', owner: '$e', n: 2 },
    ],
    outcome: { facts: ['+$e n 1', '+$f n 2'], ids: { '_:x': '$e', '_:y': '$f' } },
  },
  {
    name: 'one of many identity values finds its entity',
    before: [
      [define('mail', { valueType: 'string', unique: 'identity', cardinality: 'many' })],
      [{ entity: '$e', mail: ['$m', '$n'] }],
    ],
    document: [{ entity: '_:x', mail: ['$n', '$o'] }],
    outcome: { facts: ['+$e mail "$o"'], ids: { '_:x': '$e' } },
  },
  {
    name: 'an attribute becomes an identity and joins what the same transaction makes',
    document: [...ID, { entity: '_:x', mail: '$m', n: 1 }, { entity: '_:y', mail: '$m', k: 2 }],
    outcome: {
      facts: ['+_:x mail "$m"', '+_:x n 1', '+_:x k 2'],
      ids: { '_:x': 'new', '_:y': 'new' },
    },
  },
  {
    name: 'a document that makes the same entity again finds it',
    before: [ID, [{ entity: '_:x', mail: '$m', n: 1 }], [{ entity: '_:x', mail: '$m', n: 2 }]],
    document: [{ entity: '$e', mail: '$m' }],
    outcome: refused('unique-conflict', { attribute: 'mail', entity: '$e' }),
  },
];
