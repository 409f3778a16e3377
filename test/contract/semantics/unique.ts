import { add, cas, define, drop, gone, refused, type Refused, type Row, writes } from './row.ts';

const MAIL = [define('mail', { valueType: 'string', unique: 'value' })];
const MAILS = [define('mail', { valueType: 'string', unique: 'value', cardinality: 'many' })];
const HELD = [MAIL, [add('$e', 'mail', '$m')]];

const taken = (entity: string, owner: string, value = '$m'): Refused =>
  refused('unique-conflict', { attribute: 'mail', entity, owner }, '"mail"', value, entity, owner);

/** A value of a unique attribute belongs to one entity, by the state after the transaction. */
const VALUES: readonly Row[] = [
  {
    name: 'a unique value belongs to one entity',
    before: HELD,
    document: [add('$f', 'mail', '$m')],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'a unique value that is free',
    before: HELD,
    document: [add('$f', 'mail', '$n')],
    outcome: writes('+$f mail "$n"'),
  },
  {
    name: 'a unique value is no fact where its holder says it again',
    before: HELD,
    document: [add('$e', 'mail', '$m')],
    outcome: writes(),
  },
  {
    name: 'a unique value is given to two entities in one transaction',
    before: [MAIL],
    document: [add('$e', 'mail', '$m'), add('$f', 'mail', '$m')],
    outcome: refused('unique-conflict', { attribute: 'mail' }, '"mail"', '$m', '$e', '$f'),
  },
  {
    name: 'a unique value that the holder says again is not given to another',
    before: HELD,
    document: [add('$f', 'mail', '$m'), add('$e', 'mail', '$m')],
    outcome: refused('unique-conflict', { attribute: 'mail' }, '$m'),
  },
  {
    name: 'nothing of a transaction is applied that fails for a unique value',
    before: HELD,
    document: [add('$g', 'n', 1), add('$f', 'mail', '$m'), add('$e', 'n', 2)],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'a unique value is swapped to, though it belongs to another',
    before: HELD,
    document: [cas('$f', 'mail', null, '$m')],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'a unique value moves: its holder retracts it',
    before: HELD,
    document: [add('$f', 'mail', '$m'), drop('$e', 'mail', '$m')],
    outcome: writes('-$e mail "$m"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves: its holder retracts all',
    before: HELD,
    document: [add('$f', 'mail', '$m'), drop('$e', 'mail')],
    outcome: writes('-$e mail "$m"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves: its holder is retracted',
    before: HELD,
    document: [add('$f', 'mail', '$m'), gone('$e')],
    outcome: writes('-$e mail "$m"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves: its holder takes another',
    before: HELD,
    document: [add('$f', 'mail', '$m'), add('$e', 'mail', '$n')],
    outcome: writes('-$e mail "$m"', '+$e mail "$n"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves: its holder swaps it for another, and the taker swaps too',
    before: HELD,
    document: [cas('$e', 'mail', '$m', '$n'), cas('$f', 'mail', null, '$m')],
    outcome: writes('-$e mail "$m"', '+$e mail "$n"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves to an entity that gives up another',
    before: [MAIL, [add('$e', 'mail', '$m'), add('$f', 'mail', '$n')]],
    document: [add('$f', 'mail', '$m'), gone('$e')],
    outcome: writes('-$e mail "$m"', '-$f mail "$n"', '+$f mail "$m"'),
  },
  {
    name: 'a unique value moves to an entity that stands before its holder, and is taken then',
    before: [MAIL, [add('$z', 'mail', '$m')], [add('$a', 'mail', '$m'), drop('$z', 'mail')]],
    document: [add('$b', 'mail', '$m')],
    outcome: taken('$b', '$a'),
  },
  {
    name: 'two entities exchange their unique values',
    before: [MAIL, [add('$e', 'mail', '$m'), add('$f', 'mail', '$n')]],
    document: [add('$e', 'mail', '$n'), add('$f', 'mail', '$m')],
    outcome: writes('-$e mail "$m"', '+$e mail "$n"', '-$f mail "$n"', '+$f mail "$m"'),
  },
  {
    name: 'three entities pass their unique values on',
    before: [MAIL, [add('$e', 'mail', '$m'), add('$f', 'mail', '$n'), add('$g', 'mail', '$o')]],
    document: [add('$e', 'mail', '$n'), add('$f', 'mail', '$o'), add('$g', 'mail', '$m')],
    outcome: writes(
      '-$e mail "$m"',
      '+$e mail "$n"',
      '-$f mail "$n"',
      '+$f mail "$o"',
      '-$g mail "$o"',
      '+$g mail "$m"',
    ),
  },
  {
    name: 'a unique value stays with a holder that retracts another value',
    before: HELD,
    document: [add('$f', 'mail', '$m'), drop('$e', 'mail', '$n')],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'a unique value stays with a holder that retracts another attribute',
    before: [...HELD, [add('$e', 'n', 1)]],
    document: [add('$f', 'mail', '$m'), drop('$e', 'n')],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'a unique value is free once it was retracted',
    before: [...HELD, [drop('$e', 'mail')]],
    document: [add('$f', 'mail', '$m')],
    outcome: writes('+$f mail "$m"'),
  },
  {
    name: 'a unique value is free once its holder was retracted',
    before: [...HELD, [gone('$e')]],
    document: [add('$f', 'mail', '$m')],
    outcome: writes('+$f mail "$m"'),
  },
  {
    name: 'a unique value is free once its holder took another, which is not',
    before: [...HELD, [add('$e', 'mail', '$n')]],
    document: [add('$f', 'mail', '$m')],
    outcome: writes('+$f mail "$m"'),
  },
  {
    name: 'a unique value that its holder took instead of another is not free',
    before: [...HELD, [add('$e', 'mail', '$n')]],
    document: [add('$f', 'mail', '$n')],
    outcome: taken('$f', '$e', '$n'),
  },
  {
    name: 'a unique value that moved belongs to whom it moved to',
    before: [...HELD, [add('$f', 'mail', '$m'), drop('$e', 'mail')]],
    document: [add('$e', 'mail', '$m')],
    outcome: taken('$e', '$f'),
  },
  {
    name: 'a unique value that was exchanged belongs to whom it came to',
    before: [
      MAIL,
      [add('$e', 'mail', '$m'), add('$f', 'mail', '$n')],
      [add('$e', 'mail', '$n'), add('$f', 'mail', '$m')],
    ],
    document: [add('$g', 'mail', '$m')],
    outcome: taken('$g', '$f'),
  },
  {
    name: 'a unique value that was given back by a swap to absent is free',
    before: [...HELD, [cas('$e', 'mail', '$m', null)]],
    document: [add('$f', 'mail', '$m')],
    outcome: writes('+$f mail "$m"'),
  },
  {
    name: 'a unique value of a transaction that was refused was never taken',
    before: [MAIL, [add('$e', 'n', 1)]],
    tried: [[add('$f', 'mail', '$m'), cas('$e', 'n', 2, 3)]],
    document: [add('$g', 'mail', '$m')],
    outcome: writes('+$g mail "$m"'),
  },
  {
    name: 'a unique value that was to be given up in a transaction that was refused stays',
    before: [...HELD, [add('$g', 'n', 1)]],
    tried: [[drop('$e', 'mail'), cas('$g', 'n', 2, 3)]],
    document: [add('$f', 'mail', '$m')],
    outcome: taken('$f', '$e'),
  },
  {
    name: 'many unique values of one entity, each its own',
    before: [MAILS, [{ entity: '$e', mail: ['$m', '$n'] }]],
    document: [{ entity: '$f', mail: ['$n', '$o'] }],
    outcome: taken('$f', '$e', '$n'),
  },
  {
    name: 'one of many unique values moves, and the others stay',
    before: [MAILS, [{ entity: '$e', mail: ['$m', '$n'] }]],
    document: [add('$f', 'mail', '$n'), drop('$e', 'mail', '$n')],
    outcome: writes('-$e mail "$n"', '+$f mail "$n"'),
  },
  {
    name: 'all of many unique values are free once their holder was retracted',
    before: [MAILS, [{ entity: '$e', mail: ['$m', '$n'] }], [gone('$e')]],
    document: [{ entity: '$f', mail: ['$m', '$n'] }],
    outcome: writes('+$f mail "$m"', '+$f mail "$n"'),
  },
  {
    name: 'equal values of two unique attributes are two',
    before: [
      [...MAIL, define('login', { valueType: 'string', unique: 'value' })],
      [add('$e', 'mail', '$m')],
    ],
    document: [add('$f', 'login', '$m')],
    outcome: writes('+$f login "$m"'),
  },
  {
    name: 'an attribute is defined as unique and used in the same transaction',
    document: [...MAIL, add('$e', 'mail', '$m'), add('$f', 'mail', '$n')],
    outcome: writes('+$e mail "$m"', '+$f mail "$n"'),
  },
  {
    name: 'an attribute is defined as unique where two entities get one value',
    document: [...MAIL, add('$e', 'mail', '$m'), add('$f', 'mail', '$m')],
    outcome: refused('unique-conflict', { attribute: 'mail' }, '$m'),
  },
];

const TYPES: readonly (readonly [string, unknown, string])[] = [
  ['int', 7, '7'],
  ['double', 7.5, '7.5'],
  ['bool', true, 'true'],
  ['instant', '2020-01-01T00:00:00Z', '{"instant":"2020-01-01T00:00:00Z"}'],
  ['ref', '$g', '{"ref":"$g"}'],
  ['bytes', 'AP8=', '{"bytes":"AP8="}'],
];

/** Uniqueness of other types than texts. */
const OTHER_TYPES: readonly Row[] = TYPES.flatMap(([valueType, value, printed]): Row[] => {
  const before = [[define('u', { valueType, unique: 'value' })], [add('$e', 'u', value)]];
  return [
    {
      name: `a unique ${valueType} belongs to one entity`,
      before,
      document: [add('$f', 'u', value)],
      outcome: refused('unique-conflict', { attribute: 'u', entity: '$f', owner: '$e' }, '"u"'),
    },
    {
      name: `a unique ${valueType} moves`,
      before,
      document: [add('$f', 'u', value), gone('$e')],
      outcome: writes(`-$e u ${printed}`, `+$f u ${printed}`),
    },
  ];
});

export const UNIQUE: readonly Row[] = [...VALUES, ...OTHER_TYPES];
