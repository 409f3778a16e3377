import { add, cas, define, drop, gone, refused, type Refused, type Row, writes } from './row.ts';

const HELD = [{ entity: '$e', n: 5, tags: ['x', 'y'] }];
/** On another entity than the conditions are about. */
const WRITE = [add('$w', 'n', 9)];
const WRITTEN = writes('+$w n 9');

const is = (entity: string, attribute: string, value: unknown): object => ({
  entity,
  attribute,
  is: value,
});
const absent = (entity: string, attribute?: string): object => ({
  entity,
  attribute,
  absent: true,
});
const since = (tx: string, entity: string, attribute?: string): object => ({
  entity,
  attribute,
  unchangedSince: tx,
});
const failed = (entity: string, attribute?: string, ...says: readonly string[]): Refused =>
  refused(
    'condition-failed',
    attribute === undefined ? { entity } : { entity, attribute },
    ...[entity, ...says],
  );

/** Conditions hold on the state before the transaction, whatever entity it writes. */
const ON_VALUES: readonly Row[] = [
  {
    name: 'is: the value that is current',
    before: [HELD],
    document: { if: [is('$e', 'n', 5)], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'is: another value than the current one',
    before: [HELD],
    document: { if: [is('$e', 'n', 4)], ops: WRITE },
    outcome: failed('$e', 'n', '"n"', '5', '4'),
  },
  {
    name: 'is: a value where there is none',
    before: [HELD],
    document: { if: [is('$f', 'n', 5)], ops: WRITE },
    outcome: failed('$f', 'n', 'absent'),
  },
  {
    name: 'is: a value that was retracted',
    before: [HELD, [drop('$e', 'n')]],
    document: { if: [is('$e', 'n', 5)], ops: WRITE },
    outcome: failed('$e', 'n', 'absent'),
  },
  {
    name: 'is: a value that was replaced',
    before: [HELD, [add('$e', 'n', 6)]],
    document: { if: [is('$e', 'n', 5)], ops: WRITE },
    outcome: failed('$e', 'n', '6'),
  },
  {
    name: 'is: null where there is a value',
    before: [HELD],
    document: { if: [is('$e', 'n', null)], ops: WRITE },
    outcome: failed('$e', 'n', '5', 'absent'),
  },
  {
    name: 'is: null where there is none, of an entity, of an attribute, and of an attribute that nobody used',
    before: [HELD],
    document: {
      if: [is('$f', 'n', null), is('$e', 'm', null), is('$e', 'never', [])],
      ops: [...WRITE, add('$w', 'm', 1)],
    },
    outcome: writes('+$w m 1', '+$w n 9'),
  },
  {
    name: 'is: a value of an attribute that nobody used',
    before: [HELD],
    document: { if: [is('$e', 'never', 1)], ops: WRITE },
    outcome: failed('$e', 'never'),
  },
  {
    name: 'is: many values, in any order',
    before: [HELD],
    document: { if: [is('$e', 'tags', ['y', 'x', 'y'])], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'is: fewer values than there are',
    before: [HELD],
    document: { if: [is('$e', 'tags', ['x'])], ops: WRITE },
    outcome: failed('$e', 'tags'),
  },
  {
    name: 'is: more values than there are',
    before: [HELD],
    document: { if: [is('$e', 'tags', ['x', 'y', 'z'])], ops: WRITE },
    outcome: failed('$e', 'tags'),
  },
  {
    name: 'is: a value of another type than the attribute has',
    before: [HELD],
    document: { if: [is('$e', 'n', 'five')], ops: WRITE },
    outcome: refused('type-mismatch', { attribute: 'n', expected: 'int', given: 'string' }, '"n"'),
  },
  {
    name: 'is: an int is compared as the double that it is',
    before: [[define('d', { valueType: 'double' }), add('$e', 'd', 2.5)], [add('$e', 'd', 3)]],
    document: { if: [is('$e', 'd', 3)], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'is: json is compared by its meaning, and bytes by theirs',
    before: [[{ entity: '$e', j: { b: 1, a: [2] }, b: { bytes: 'AP8=' } }]],
    document: {
      if: [is('$e', 'j', { a: [2], b: 1 }), is('$e', 'b', 'AP8=')],
      ops: WRITE,
    },
    outcome: WRITTEN,
  },
  {
    name: 'is: null is no json null',
    before: [[add('$e', 'j', { json: null })]],
    document: { if: [is('$e', 'j', null)], ops: WRITE },
    outcome: failed('$e', 'j'),
  },
  {
    name: 'absent: an entity that nobody wrote',
    before: [HELD],
    document: { if: [absent('$f')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'absent: an entity that is there',
    before: [HELD],
    document: { if: [absent('$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'absent: an entity that was retracted',
    before: [HELD, [gone('$e')]],
    document: { if: [absent('$e')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'absent: an entity of which one fact is left',
    before: [HELD, [drop('$e', 'tags')]],
    document: { if: [absent('$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'absent: an attribute that the entity does not have, of one that is there',
    before: [HELD],
    document: { if: [absent('$e', 'm'), absent('$e', 'never')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'absent: an attribute that the entity has',
    before: [HELD],
    document: { if: [absent('$e', 'tags')], ops: WRITE },
    outcome: failed('$e', 'tags'),
  },
  {
    name: 'conditions see the state before, not what the same transaction does',
    before: [HELD],
    document: {
      if: [is('$e', 'n', 5), absent('$w')],
      ops: [add('$e', 'n', 6), ...WRITE],
    },
    outcome: writes('-$e n 5', '+$e n 6', '+$w n 9'),
  },
  {
    name: 'one condition of several that does not hold refuses all, and is named',
    before: [HELD],
    document: {
      if: [is('$e', 'n', 5), is('$g', 'n', 1), absent('$f')],
      ops: [add('$e', 'n', 6), ...WRITE],
    },
    outcome: failed('$g', 'n', '1'),
  },
  {
    name: 'conditions alone, of a transaction that writes nothing',
    before: [HELD],
    document: { if: [is('$e', 'n', 5), absent('$f'), since('@0', '$e')], ops: [] },
    outcome: writes(),
  },
  {
    name: 'a condition that does not hold, of a transaction that writes nothing',
    before: [HELD],
    document: { if: [absent('$f'), is('$e', 'n', 6)], ops: [] },
    outcome: failed('$e', 'n'),
  },
  {
    name: 'conditions and swaps on several entities, all of which hold',
    before: [HELD],
    document: {
      if: [is('$e', 'n', 5), since('@0', '$e'), absent('$f')],
      ops: [cas('$e', 'n', 5, 4), cas('$f', 'n', null, 1)],
    },
    outcome: writes('-$e n 5', '+$e n 4', '+$f n 1'),
  },
];

const CHANGED_N = [HELD, [add('$e', 'n', 6)]];

const ON_CHANGES: readonly Row[] = [
  {
    name: 'unchangedSince: an entity that was not written since',
    before: [HELD, [add('$f', 'n', 1)]],
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: an entity that was written since',
    before: CHANGED_N,
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: the tx of the last change',
    before: CHANGED_N,
    document: { if: [since('@1', '$e')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: an entity of which something was retracted since',
    before: [HELD, [drop('$e', 'tags', 'x')]],
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: an entity that was retracted since',
    before: [HELD, [gone('$e')]],
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: an entity that was changed and changed back',
    before: [...CHANGED_N, [add('$e', 'n', 5)]],
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: an entity about which was said what was so',
    before: [HELD, [add('$e', 'n', 5), drop('$e', 'tags', 'z')]],
    document: { if: [since('@0', '$e')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: an entity that nobody wrote',
    before: [HELD],
    document: { if: [since('@0', '$f'), since('1', '$g')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: an entity that began later',
    before: [HELD, [add('$f', 'n', 1)]],
    document: { if: [since('@0', '$f')], ops: WRITE },
    outcome: failed('$f'),
  },
  {
    name: 'unchangedSince: an attribute, and others were written since',
    before: CHANGED_N,
    document: { if: [since('@0', '$e', 'tags')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: an attribute that was written since',
    before: CHANGED_N,
    document: { if: [since('@0', '$e', 'n')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: an attribute that was retracted since, and another that was not',
    before: [HELD, [drop('$e', 'n')]],
    document: { if: [since('@0', '$e', 'tags'), since('@0', '$e', 'n')], ops: WRITE },
    outcome: failed('$e'),
  },
  {
    name: 'unchangedSince: an attribute that the entity never had',
    before: CHANGED_N,
    document: { if: [since('1', '$e', 'never'), since('1', '$f', 'n')], ops: WRITE },
    outcome: WRITTEN,
  },
  {
    name: 'unchangedSince: one of several entities was written since',
    before: [[add('$e', 'n', 1), add('$f', 'n', 1), add('$g', 'n', 1)], [add('$g', 'n', 2)]],
    document: { if: [since('@0', '$e'), since('@0', '$f'), since('@0', '$g')], ops: WRITE },
    outcome: failed('$g'),
  },
  {
    name: 'unchangedSince: what the transaction itself writes does not count',
    before: [HELD],
    document: { if: [since('@0', '$e')], ops: [add('$e', 'n', 6), ...WRITE] },
    outcome: writes('-$e n 5', '+$e n 6', '+$w n 9'),
  },
];

export const CONDITIONS: readonly Row[] = [...ON_VALUES, ...ON_CHANGES];
