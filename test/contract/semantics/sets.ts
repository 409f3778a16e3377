import { add, cas, define, drop, gone, refused, type Row, writes } from './row.ts';

const ONE = [add('$e', 'n', 1)];
const MANY = [{ entity: '$e', tags: ['x', 'y'] }];
const ABOUT_N = { entity: '$e', attribute: 'n' };

/** What the operations of one transaction mean together: each sees the state before it, and their order is no matter. */
export const SETS: readonly Row[] = [
  {
    name: 'two values on a one-attribute contradict each other',
    document: [add('$e', 'n', 0), add('$e', 'n', 1)],
    outcome: refused('facts-conflict', ABOUT_N, '"n"', '$e', '0', '1'),
  },
  {
    name: 'two values on a one-attribute contradict each other, though one is current',
    before: [ONE],
    document: [add('$e', 'n', 1), add('$e', 'n', 2)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'the same value twice is one fact',
    document: [add('$e', 'n', 1), add('$e', 'n', 1)],
    outcome: writes('+$e n 1'),
  },
  {
    name: 'assert and retract of one value contradict each other',
    document: [add('$e', 'n', 1), drop('$e', 'n', 1)],
    outcome: refused('facts-conflict', ABOUT_N, '1'),
  },
  {
    name: 'retract and assert of one value contradict each other, though it is current',
    before: [ONE],
    document: [drop('$e', 'n', 1), add('$e', 'n', 1)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'retract of all and assert of what is current contradict each other',
    before: [ONE],
    document: [drop('$e', 'n'), add('$e', 'n', 1)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'assert and retract of one of many values contradict each other',
    before: [MANY],
    document: [{ entity: '$e', tags: ['x'] }, drop('$e', 'tags', 'x')],
    outcome: refused('facts-conflict', { entity: '$e', attribute: 'tags' }, 'x'),
  },
  {
    name: 'a value that is current is no new fact',
    before: [ONE],
    document: ONE,
    outcome: writes(),
  },
  {
    name: 'of many values only those that are not current are new facts',
    before: [MANY],
    document: [{ entity: '$e', tags: ['y', 'z'] }],
    outcome: writes('+$e tags "z"'),
  },
  {
    name: 'retract of a value that is not current is no fact',
    before: [ONE],
    document: [drop('$e', 'n', 2), drop('$f', 'n', 1), drop('$g', 'n'), gone('$h')],
    outcome: writes(),
  },
  {
    name: 'retract of an attribute that nobody used is no fact, and does not declare it',
    document: [drop('$e', 'never'), drop('$e', 'never', 1), cas('$e', 'never', null, null)],
    outcome: { facts: [], schema: { never: undefined } },
  },
  {
    name: 'another value replaces that of a one-attribute, both in the log',
    before: [ONE],
    document: [add('$e', 'n', 2)],
    outcome: writes('-$e n 1', '+$e n 2'),
  },
  {
    name: 'other values stand beside those of a many-attribute',
    before: [MANY],
    document: [add('$e', 'tags', 'z')],
    outcome: writes('+$e tags "z"'),
  },
  {
    name: 'retract without a value retracts the one',
    before: [ONE],
    document: [drop('$e', 'n')],
    outcome: writes('-$e n 1'),
  },
  {
    name: 'retract without a value retracts all of many',
    before: [MANY],
    document: [drop('$e', 'tags')],
    outcome: writes('-$e tags "x"', '-$e tags "y"'),
  },
  {
    name: 'retract of one of many leaves the others',
    before: [MANY],
    document: [drop('$e', 'tags', 'x')],
    outcome: writes('-$e tags "x"'),
  },
  {
    name: 'null in a map form retracts',
    before: [[{ entity: '$e', n: 1, tags: ['x', 'y'] }]],
    document: [{ entity: '$e', n: null, tags: null }],
    outcome: writes('-$e n 1', '-$e tags "x"', '-$e tags "y"'),
  },
  {
    name: 'an empty array says nothing',
    before: [MANY],
    document: [{ entity: '$e', tags: [] }],
    outcome: writes(),
  },
  {
    name: 'retract of the current and assert of another value replace',
    before: [ONE],
    document: [drop('$e', 'n', 1), add('$e', 'n', 2)],
    outcome: writes('-$e n 1', '+$e n 2'),
  },
  {
    name: 'retract of all and assert of another value replace',
    before: [ONE],
    document: [drop('$e', 'n'), add('$e', 'n', 2)],
    outcome: writes('-$e n 1', '+$e n 2'),
  },
  {
    name: 'retractEntity retracts its own facts, and references to it stay',
    before: [[{ entity: '$e', n: 1, tags: ['x'] }, add('$f', 'friend', { ref: '$e' })]],
    document: [gone('$e')],
    outcome: writes('-$e n 1', '-$e tags "x"'),
  },
  {
    name: 'retractEntity of several',
    before: [[add('$e', 'n', 1), add('$f', 'n', 1), add('$g', 'n', 1)]],
    document: [gone('$e'), gone('$g')],
    outcome: writes('-$e n 1', '-$g n 1'),
  },
  {
    name: 'retractEntity twice is once',
    before: [ONE],
    document: [gone('$e'), gone('$e')],
    outcome: writes('-$e n 1'),
  },
  {
    name: 'retractEntity beside an assert of another value replaces',
    before: [[{ entity: '$e', n: 1, m: 1 }]],
    document: [gone('$e'), add('$e', 'n', 2)],
    outcome: writes('-$e m 1', '-$e n 1', '+$e n 2'),
  },
  {
    name: 'retractEntity and assert of what is current contradict each other',
    before: [ONE],
    document: [gone('$e'), add('$e', 'n', 1)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'what was retracted can be asserted again',
    before: [ONE, [gone('$e')]],
    document: ONE,
    outcome: writes('+$e n 1'),
  },
  {
    name: 'operations on several entities are one transaction',
    before: [[add('$e', 'n', 1), add('$f', 'n', 1)]],
    document: [add('$e', 'n', 2), drop('$f', 'n'), { entity: '$g', n: 3, tags: ['x'] }],
    outcome: writes('-$e n 1', '+$e n 2', '-$f n 1', '+$g n 3', '+$g tags "x"'),
  },
  {
    name: 'of a transaction that is refused for one entity nothing is applied to others',
    before: [[add('$e', 'n', 1), add('$f', 'n', 1)]],
    document: [add('$e', 'n', 2), drop('$f', 'n'), add('$g', 'n', 3), cas('$h', 'n', 7, 8)],
    outcome: refused('cas-failed', { entity: '$h', attribute: 'n' }, '"n"', '$h', '7', 'absent'),
  },
  {
    name: 'a contradiction about one entity refuses all, whatever stands between',
    document: [add('$e', 'n', 1), add('$f', 'n', 1), add('$g', 'n', 1), add('$e', 'n', 2)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'meta and facts about the transaction itself stand on its entity',
    document: {
      meta: { author: 'user:alice' },
      ops: [add('_:tx', 'note', 'n'), add('$e', 'by', { ref: '_:tx' })],
    },
    outcome: writes('+tx tx/author "user:alice"', '+tx note "n"', '+$e by {"ref":"tx"}'),
  },
  {
    name: 'meta and an operation that say different things of the transaction contradict each other',
    document: {
      meta: { author: 'user:alice' },
      ops: [add('_:tx', 'tx/author', 'user:bob'), add('$e', 'n', 1)],
    },
    outcome: refused('facts-conflict', { attribute: 'tx/author' }),
  },
  {
    name: 'a transaction that writes nothing has its meta all the same',
    before: [ONE],
    document: { meta: { reason: 'none' }, ops: ONE },
    outcome: writes('+tx tx/reason "none"'),
  },
  {
    name: 'nothing can be said about a transaction that is not there',
    document: [add('tx:9223372036854775000', 'note', 'n'), add('$e', 'n', 1)],
    outcome: refused('entity-invalid', {}, 'tx:9223372036854775000'),
  },
];

const ZERO = [add('$e', 'n', 0)];

/** Swaps, and the rows of Jepsen's "internal" cases with the outcome that Datomic has. */
export const SWAPS: readonly Row[] = [
  {
    name: 'cas from what is current',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1)],
    outcome: writes('-$e n 0', '+$e n 1'),
  },
  {
    name: 'cas from what is not current',
    before: [[add('$e', 'n', 5)]],
    document: [cas('$e', 'n', 0, 1)],
    outcome: refused('cas-failed', ABOUT_N, '"n"', '$e', '5', '0'),
  },
  { name: 'cas from absent', document: [cas('$e', 'n', null, 1)], outcome: writes('+$e n 1') },
  {
    name: 'cas from absent where there is a value',
    before: [ZERO],
    document: [cas('$e', 'n', null, 1)],
    outcome: refused('cas-failed', ABOUT_N, 'absent', '0'),
  },
  {
    name: 'cas from a value where there is none',
    before: [[add('$f', 'n', 0)]],
    document: [cas('$e', 'n', 0, 1)],
    outcome: refused('cas-failed', ABOUT_N, 'absent'),
  },
  {
    name: 'cas from absent where there was a value',
    before: [ZERO, [drop('$e', 'n')]],
    document: [cas('$e', 'n', null, 1)],
    outcome: writes('+$e n 1'),
  },
  {
    name: 'cas to absent',
    before: [ZERO],
    document: [cas('$e', 'n', 0, null)],
    outcome: writes('-$e n 0'),
  },
  {
    name: 'cas to what is current',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 0)],
    outcome: writes(),
  },
  {
    name: 'cas to absent beside an assert of what it compares with',
    before: [ZERO],
    document: [cas('$e', 'n', 0, null), add('$e', 'n', 0)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'cas beside an assert of the same',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), add('$e', 'n', 1)],
    outcome: writes('-$e n 0', '+$e n 1'),
  },
  {
    name: 'cas beside an assert of another value',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), add('$e', 'n', 2)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'cas beside a retract of what it compares with',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), drop('$e', 'n', 0)],
    outcome: writes('-$e n 0', '+$e n 1'),
  },
  {
    name: 'cas does not see what the same transaction asserts',
    document: [add('$e', 'n', 0), cas('$e', 'n', 0, 1)],
    outcome: refused('cas-failed', ABOUT_N),
  },
  {
    name: 'cas needs an attribute with one value',
    before: [MANY],
    document: [cas('$e', 'tags', 'x', 'z')],
    outcome: refused('document-invalid', { entity: '$e', attribute: 'tags' }, '"tags"', 'many'),
  },
  {
    name: 'cas on several entities, all of which hold',
    before: [[add('$e', 'n', 5), add('$f', 'n', 0)]],
    document: [cas('$e', 'n', 5, 4), cas('$f', 'n', 0, 1), cas('$g', 'n', null, 9)],
    outcome: writes('-$e n 5', '+$e n 4', '-$f n 0', '+$f n 1', '+$g n 9'),
  },
  {
    name: 'cas on several entities, one of which does not hold',
    before: [[add('$e', 'n', 5), add('$f', 'n', 1)]],
    document: [cas('$e', 'n', 5, 4), cas('$f', 'n', 0, 1)],
    outcome: refused('cas-failed', { entity: '$f', attribute: 'n' }),
  },
  {
    name: 'cas compares a value that is coerced to the type of the attribute',
    before: [[define('d', { valueType: 'double' }), add('$e', 'd', 1)]],
    document: [cas('$e', 'd', 1, 2)],
    outcome: writes('-$e d 1.0', '+$e d 2.0'),
  },
  {
    name: 'internal: cas 0→1, cas 1→2',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), cas('$e', 'n', 1, 2)],
    outcome: refused('cas-failed', ABOUT_N),
  },
  {
    name: 'internal: cas 0→1, cas 0→2',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), cas('$e', 'n', 0, 2)],
    outcome: refused('facts-conflict', ABOUT_N),
  },
  {
    name: 'internal: cas 0→1 twice',
    before: [ZERO],
    document: [cas('$e', 'n', 0, 1), cas('$e', 'n', 0, 1)],
    outcome: writes('-$e n 0', '+$e n 1'),
  },
  {
    name: 'internal: add 1 and increment in one transaction, from 0: the increment sees 0',
    before: [ZERO],
    document: [add('$e', 'n', 1), cas('$e', 'n', 0, 1)],
    outcome: writes('-$e n 0', '+$e n 1'),
  },
  {
    name: 'internal: increment twice, from 1: both see 1',
    before: [ONE],
    document: [cas('$e', 'n', 1, 2), cas('$e', 'n', 1, 2)],
    outcome: writes('-$e n 1', '+$e n 2'),
  },
  {
    name: 'internal: an identity value of an earlier transaction finds its entity',
    before: [
      [define('mail', { valueType: 'string', unique: 'identity' })],
      [add('$e', 'mail', '$m')],
    ],
    document: [{ entity: '_:x', mail: '$m', n: 1 }],
    outcome: { facts: ['+$e n 1'], ids: { '_:x': '$e' } },
  },
  {
    name: 'internal: an identity value of the same transaction finds nothing',
    before: [[define('mail', { valueType: 'string', unique: 'identity' })]],
    document: [add('$e', 'mail', '$m'), { entity: '_:x', mail: '$m', n: 1 }],
    outcome: refused('unique-conflict', { attribute: 'mail' }, '"mail"', '$m'),
  },
];
