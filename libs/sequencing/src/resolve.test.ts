import { expect, test } from 'vitest';
import { brief, Sequence } from './testing/sequence.ts';

const add = (entity: string, attribute: string, value: unknown): object => ({
  op: 'assert',
  entity,
  attribute,
  value,
});
const drop = (entity: string, attribute: string, value?: unknown): object => ({
  op: 'retract',
  entity,
  attribute,
  ...(value === undefined ? {} : { value }),
});
const cas = (entity: string, attribute: string, old: unknown, next: unknown): object => ({
  op: 'cas',
  entity,
  attribute,
  old,
  new: next,
});

/** What the second of two transactions does, after `before` was committed. */
function after(
  before: readonly object[],
  ops: readonly object[],
  more: object = {},
): string | readonly string[] {
  const sequence = new Sequence();
  if (before.length > 0) expect(sequence.transact({ ops: before }).kind).toBe('committed');
  return brief(sequence.transact({ ops, ...more }));
}

// The rows of the set semantics: one transaction, what it becomes.
test.each<[string, readonly object[], readonly object[], string | readonly string[]]>([
  ['two values on a one-attribute', [], [add('e', 'a', 0), add('e', 'a', 1)], 'facts-conflict'],
  ['the same value twice', [], [add('e', 'a', 1), add('e', 'a', 1)], ['+e a 1']],
  ['assert and retract of one value', [], [add('e', 'a', 1), drop('e', 'a', 1)], 'facts-conflict'],
  [
    'retract and assert of one value in force',
    [add('e', 'a', 1)],
    [drop('e', 'a', 1), add('e', 'a', 1)],
    'facts-conflict',
  ],
  ['assert of what is in force', [add('e', 'a', 1)], [add('e', 'a', 1)], []],
  ['retract of what is not in force', [add('e', 'a', 1)], [drop('e', 'a', 2)], []],
  ['retract of an attribute nobody used', [], [drop('e', 'never')], []],
  [
    'another value on a one-attribute',
    [add('e', 'a', 1)],
    [add('e', 'a', 2)],
    ['-e a 1', '+e a 2'],
  ],
  ['retract without value', [{ entity: 'e', a: [1, 2] }], [drop('e', 'a')], ['-e a 1', '-e a 2']],
  ['null in a map form', [{ entity: 'e', a: 1 }], [{ entity: 'e', a: null }], ['-e a 1']],
  [
    'replacing by retract and assert',
    [add('e', 'a', 1)],
    [drop('e', 'a', 1), add('e', 'a', 2)],
    ['-e a 1', '+e a 2'],
  ],
  ['cas from what is current', [add('e', 'a', 0)], [cas('e', 'a', 0, 1)], ['-e a 0', '+e a 1']],
  ['cas from what is not', [add('e', 'a', 5)], [cas('e', 'a', 0, 1)], 'cas-failed'],
  ['cas from absent', [], [cas('e', 'a', null, 1)], ['+e a 1']],
  [
    'cas from absent where there is a value',
    [add('e', 'a', 1)],
    [cas('e', 'a', null, 2)],
    'cas-failed',
  ],
  ['cas to absent', [add('e', 'a', 1)], [cas('e', 'a', 1, null)], ['-e a 1']],
  [
    'cas in steps: each sees the state before',
    [add('e', 'a', 0)],
    [cas('e', 'a', 0, 1), cas('e', 'a', 1, 2)],
    'cas-failed',
  ],
  [
    'two cas with different ends',
    [add('e', 'a', 0)],
    [cas('e', 'a', 0, 1), cas('e', 'a', 0, 2)],
    'facts-conflict',
  ],
  [
    'the same cas twice',
    [add('e', 'a', 0)],
    [cas('e', 'a', 0, 1), cas('e', 'a', 0, 1)],
    ['-e a 0', '+e a 1'],
  ],
  ['cas on many values', [{ entity: 'e', a: [1] }], [cas('e', 'a', 1, 2)], 'document-invalid'],
  [
    'retractEntity',
    [{ entity: 'e', a: 1, b: ['x'] }, add('f', 'r', { ref: 'e' })],
    [{ op: 'retractEntity', entity: 'e' }],
    ['-e a 1', '-e b x'],
  ],
  [
    'retractEntity with an assert of something new',
    [{ entity: 'e', a: 1 }],
    [{ op: 'retractEntity', entity: 'e' }, add('e', 'a', 2)],
    ['-e a 1', '+e a 2'],
  ],
  [
    'retractEntity with an assert of what is there',
    [{ entity: 'e', a: 1 }],
    [{ op: 'retractEntity', entity: 'e' }, add('e', 'a', 1)],
    'facts-conflict',
  ],
  ['a value of another type', [add('e', 'a', 1)], [add('e', 'a', 'text')], 'type-mismatch'],
  ['an int for a double', [add('e', 'a', 1.5)], [add('e', 'a', 2)], ['-e a 1.5', '+e a 2']],
  ['first use with two types', [], [add('e', 'a', 1), add('f', 'a', 'x')], 'type-mismatch'],
  [
    'first use alone and in an array',
    [],
    [add('e', 'a', 1), { entity: 'f', a: [1, 2] }],
    ['+e a 1', '+f a 1', '+f a 2'],
  ],
])('%s', (_name, before, ops, expected) => {
  expect(after(before, ops)).toEqual(expected);
});

const held = [{ entity: 'e', a: 1, many: ['x', 'y'] }];
test.each<[object, string | readonly string[]]>([
  [{ entity: 'e', attribute: 'a', is: 1 }, ['+g a 9']],
  [{ entity: 'e', attribute: 'a', is: 2 }, 'condition-failed'],
  [{ entity: 'e', attribute: 'a', is: null }, 'condition-failed'],
  [{ entity: 'f', attribute: 'a', is: null }, ['+g a 9']],
  [{ entity: 'e', attribute: 'never', is: null }, ['+g a 9']],
  [{ entity: 'e', attribute: 'many', is: ['y', 'x'] }, ['+g a 9']],
  [{ entity: 'e', attribute: 'many', is: ['x'] }, 'condition-failed'],
  [{ entity: 'e', absent: true }, 'condition-failed'],
  [{ entity: 'f', absent: true }, ['+g a 9']],
])('the condition %j', (condition, expected) => {
  expect(after(held, [add('g', 'a', 9)], { if: [condition] })).toEqual(expected);
});

test('unchangedSince holds until the entity is written again, even by a retract', () => {
  const sequence = new Sequence();
  const first = sequence.transact({ ops: [{ entity: 'e', a: 1, b: 2 }] });
  if (first.kind !== 'committed') throw new Error('refused');
  const since = (attribute?: string): object => ({
    if: [{ entity: 'e', attribute, unchangedSince: String(first.tx) }],
    ops: [add('g', 'a', 9)],
  });
  expect(brief(sequence.transact(since()))).toEqual(['+g a 9']);
  sequence.transact({ ops: [drop('e', 'b')] });
  expect(brief(sequence.transact(since()))).toBe('condition-failed');
  expect(brief(sequence.transact(since('b')))).toBe('condition-failed');
  expect(brief(sequence.transact(since('a')))).toEqual([]);
});

const unique = (kind: string): object => ({
  entity: 'attribute:mail',
  'db/valueType': 'string',
  'db/unique': kind,
});

test('a unique value belongs to one entity, and moves when it is given up in the same transaction', () => {
  const sequence = new Sequence();
  sequence.transact({ ops: [unique('value')] });
  expect(brief(sequence.transact({ ops: [add('a', 'mail', 'm')] }))).toEqual(['+a mail m']);
  expect(brief(sequence.transact({ ops: [add('b', 'mail', 'm')] }))).toBe('unique-conflict');
  expect(brief(sequence.transact({ ops: [add('c', 'mail', 'n'), add('d', 'mail', 'n')] }))).toBe(
    'unique-conflict',
  );
  expect(brief(sequence.transact({ ops: [add('b', 'mail', 'm'), drop('a', 'mail')] }))).toEqual([
    '-a mail m',
    '+b mail m',
  ]);
  expect(brief(sequence.transact({ ops: [add('a', 'mail', 'm')] }))).toBe('unique-conflict');
  expect(brief(sequence.transact({ ops: [add('b', 'mail', 'o')] }))).toEqual([
    '-b mail m',
    '+b mail o',
  ]);
  expect(brief(sequence.transact({ ops: [add('a', 'mail', 'm')] }))).toEqual(['+a mail m']);
  // The facts of the taker come before those of the giver.
  expect(brief(sequence.transact({ ops: [add('A', 'mail', 'm'), drop('a', 'mail')] }))).toEqual([
    '+A mail m',
    '-a mail m',
  ]);
  expect(brief(sequence.transact({ ops: [add('c', 'mail', 'm')] }))).toBe('unique-conflict');
});

test('a temporary id with an identity value is the entity that holds it, or a new one', () => {
  const sequence = new Sequence();
  sequence.transact({ ops: [unique('identity')] });
  const ids = (document: object): unknown => {
    const outcome = sequence.transact(document);
    return outcome.kind === 'committed' ? Object.fromEntries(outcome.ids) : brief(outcome);
  };
  sequence.transact({ ops: [add('a', 'mail', 'm'), add('b', 'mail', 'n')] });
  expect(ids({ ops: [{ entity: '_:x', mail: 'm', name: 'Alice' }] })).toEqual({ '_:x': 'a' });
  expect(
    ids({
      ops: [
        { entity: '_:x', mail: 'm' },
        { entity: '_:y', mail: 'm' },
      ],
    }),
  ).toEqual({ '_:x': 'a', '_:y': 'a' });
  const made = ids({
    ops: [
      { entity: '_:person:x', mail: 'new' },
      { entity: '_:y', mail: 'new', friend: { ref: '_:person:x' } },
    ],
  }) as Record<string, string>;
  expect(made['_:person:x']).toBe(made['_:y']);
  expect(
    brief(
      sequence.transact({
        ops: [
          { entity: '_:x', mail: 'm' },
          { entity: '_:y', mail: 'n', same: { ref: '_:x' } },
        ],
      }),
    ),
  ).toContain('+b same a');
});

test('an idempotency key commits once, in one record too, and is not lent to another content', () => {
  const sequence = new Sequence();
  const document = { id: 'k', ops: [add('e', 'a', 1)] };
  expect(sequence.transactAll([document, document]).map(({ kind }) => kind)).toEqual([
    'committed',
    'duplicate',
  ]);
  expect(brief(sequence.transact(document))).toBe('duplicate');
  expect(brief(sequence.transact({ id: 'k', ops: [add('e', 'a', 2)] }))).toBe('key-reused');
  expect(brief(sequence.transact({ id: 'refused', ops: [cas('e', 'a', 9, 1)] }))).toBe(
    'cas-failed',
  );
  expect(brief(sequence.transact({ id: 'refused', ops: [add('e', 'a', 3)] }))).toEqual([
    '-e a 1',
    '+e a 3',
  ]);
});

test('a strict database wants definitions, and takes one together with its use', () => {
  const sequence = new Sequence({ strict: true });
  expect(brief(sequence.transact({ ops: [add('e', 'name', 'x')] }))).toBe('attribute-unknown');
  const definition = { entity: 'attribute:name', 'db/valueType': 'string' };
  expect(brief(sequence.transact({ ops: [definition, add('e', 'name', 'x')] }))).toEqual([
    '+e name x',
  ]);
  expect(
    brief(sequence.transact({ ops: [{ entity: 'attribute:name', 'db/valueType': 'int' }] })),
  ).toBe('schema-change-refused');
  expect(
    brief(sequence.transact({ ops: [{ entity: 'attribute:name', 'db/cardinality': 'many' }] })),
  ).toEqual([]);
  expect(brief(sequence.transact({ ops: [add('e', 'name', 'y')] }))).toEqual(['+e name y']);
});

test('facts come in eavt order, a retract before the assert of its attribute', () => {
  expect(
    after(
      [{ entity: 'b', z: 9 }],
      [
        { entity: 'b', z: 1, a: 1 },
        { entity: 'a', z: 1 },
      ],
    ),
  ).toEqual(['+a z 1', '+b a 1', '-b z 9', '+b z 1']);
});
