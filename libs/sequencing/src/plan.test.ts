import type { Lock } from '@pyralog/format';
import {
  foldSchema,
  initialSchema,
  isClaimEntity,
  type LogOffset,
  parseDocument,
  type PartitionNo,
  partitionNo,
  partitionOf,
  type Schema,
  type StoredFact,
  type TransactionDocument,
  tx,
  type Tx,
  txEntity,
} from '@pyralog/model';
import { errorCode } from '@pyralog/model/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { claimOf, HOLDER, homeOfClaim } from './claims.ts';
import { CurrentState } from './current-state.ts';
import { LockTable } from './locks.ts';
import { LongValues } from './long-values.ts';
import {
  type Hints,
  keyLock,
  locksOf,
  NO_HINTS,
  plan,
  type Plan,
  roughLocks,
  SCHEMA_HOME,
} from './plan.ts';
import type { PartWork } from './work.ts';

const P = 3;
/** Of three partitions, by where they lie. */
const [f, a, b] = ['f', 'a', 'b'];
const START = tx(1024n * 1000n + 1n);
const [HERE, THERE] = [partitionNo(1), partitionNo(2)];

const fact = (entity: string, attribute: string, value: string): StoredFact => ({
  entity,
  attribute,
  value: { type: 'string', value },
  tx: tx(1n),
  operation: 'assert',
});
const attributeFacts = (ident: string, type: string, unique?: string): readonly StoredFact[] => [
  fact(`attribute:${ident}`, 'db/ident', ident),
  fact(`attribute:${ident}`, 'db/valueType', type),
  fact(`attribute:${ident}`, 'db/cardinality', 'one'),
  ...(unique === undefined ? [] : [fact(`attribute:${ident}`, 'db/unique', unique)]),
];
const SCHEMA = foldSchema(initialSchema(), [
  ...attributeFacts('x', 'string'),
  ...attributeFacts('mail', 'string', 'value'),
  ...attributeFacts('login', 'string', 'identity'),
]);

interface Given {
  readonly partition?: PartitionNo;
  readonly schema?: Schema;
  readonly hints?: Hints;
  readonly facts?: readonly StoredFact[];
  readonly start?: Tx;
}

function planned(document: TransactionDocument, given: Given = {}): Plan {
  const { partition = HERE, schema = SCHEMA, hints = NO_HINTS, facts = [], start = START } = given;
  const state = new CurrentState(true, 1024 ** 2, () => false);
  state.fold(facts, schema, 0 as LogOffset, true);
  const context = { state, schema, partition, partitions: P, start, hints };
  return plan(document, { ...context, longValues: new LongValues() });
}

const document = (ops: readonly object[], more: object = {}): TransactionDocument =>
  parseDocument(JSON.stringify({ ops, ...more }));

function works(found: Plan): ReadonlyMap<PartitionNo, PartWork> {
  if (found.kind !== 'work') throw new Error(`asks for ${found.attributes.join()}`);
  return new Map([[HERE, found.own], ...found.others]);
}

/** Where something is done, and of which entities. */
const entities = (found: Plan): object =>
  Object.fromEntries(
    Array.from(works(found), ([p, { operations, conditions }]) => [
      p,
      [...operations, ...conditions].map(({ entity }) => entity),
    ]),
  );

test('the entities of these tests lie on the partitions of their places', () => {
  expect([f, a, b].map((entity) => partitionOf(`${entity}`, P))).toEqual([0, 1, 2]);
});

test('a document about its own partition is done there alone', () => {
  const found = planned(document([{ entity: a, x: '1' }], { if: [{ entity: a, absent: true }] }));
  expect(entities(found)).toEqual({ 1: [a, a] });
});

test('operations and conditions are done where their entities lie, meta where it arrives', () => {
  const found = planned(
    document([{ entity: b, x: '1' }], {
      if: [{ entity: f, absent: true }],
      meta: { author: 'user:1' },
    }),
  );
  expect(entities(found)).toEqual({ 0: [f], 1: [txEntity(START)], 2: [b] });
});

test('the coordinator takes part also where it has nothing to do', () => {
  expect(entities(planned(document([{ entity: b, x: '1' }])))).toEqual({ 1: [], 2: [b] });
});

test('what begins with the document lies where it arrives, under one name everywhere', () => {
  const found = planned(
    document([
      { entity: '_:new', x: '1' },
      { entity: b, x: '2' },
    ]),
  );
  const [own] = works(found).get(HERE)?.operations ?? [];
  const name = `${own?.entity}`;
  expect(partitionOf(name, P)).toBe(HERE);
  expect(
    found.kind === 'work' && [found.ids.get('_:new'), found.isNew(name), found.isNew('b')],
  ).toEqual([name, true, false]);
  // The same start gives the same names, whoever plans.
  expect(planned(document([{ entity: '_:new', x: '1' }]))).toMatchObject({
    ids: new Map([['_:new', name]]),
  });
});

test('a definition is a part of all partitions, and what is new must be so at home', () => {
  const found = works(
    planned(document([{ entity: 'attribute:n', 'db/valueType': 'int' }]), {
      hints: { ...NO_HINTS, attributes: new Map([['n', undefined]]) },
    }),
  );
  expect([...found.keys()].toSorted()).toEqual([0, 1, 2]);
  for (const [p, { operations, absent }] of found) {
    expect(operations.length).toBeGreaterThan(0);
    expect(absent).toEqual(p === SCHEMA_HOME ? ['n'] : []);
  }
});

test('an attribute that nobody here has heard of is asked for at home, and not at home', () => {
  const use = document([
    { entity: f, n: 1 },
    { entity: f, m: 1, x: '1' },
  ]);
  expect(planned(use)).toEqual({ kind: 'lookup', attributes: ['n', 'm'] });
  const hints = { ...NO_HINTS, attributes: new Map([['n', undefined]]) };
  expect(planned(use, { hints })).toEqual({ kind: 'lookup', attributes: ['m'] });
  expect(planned(use, { partition: SCHEMA_HOME }).kind).toBe('work');
});

test('a first use is declared here, at home and where it is used, and must be the first at home', () => {
  const hints = { ...NO_HINTS, attributes: new Map([['n', undefined]]) };
  const found = works(planned(document([{ entity: b, n: 1 }]), { hints }));
  expect([...found.keys()].toSorted()).toEqual([0, 1, 2]);
  for (const [p, { declared, absent, known }] of found) {
    expect(declared.map(({ ident, valueType }) => [ident, valueType])).toEqual([['n', 'int']]);
    expect([absent, known]).toEqual([p === SCHEMA_HOME ? ['n'] : [], []]);
  }
});

test('parts say which attributes they go by, as they are known here', () => {
  const found = works(planned(document([{ entity: b, x: '1' }])));
  expect(found.get(THERE)?.known).toEqual([SCHEMA.attribute('x')]);
  expect(found.get(HERE)?.known).toEqual([]);
});

const M0 = { type: 'string', value: 'm0' } as const;
const home = homeOfClaim('mail', M0, P);
const { claim } = claimOf('mail', M0);
const heldBy = (holder: string): Given =>
  home === HERE
    ? { facts: [fact(claim, HOLDER, holder)] }
    : { hints: { ...NO_HINTS, holders: new Map([[claim, holder]]) } };

test('a unique value is taken at its home, from nobody or from who gives it up', () => {
  const take = (given: Given, ...more: readonly object[]): unknown => {
    const found = works(planned(document([{ entity: a, mail: 'm0' }, ...more]), given));
    return found.get(home)?.takes.map(({ claim: of, entity, from }) => [of, entity, from]);
  };
  expect(take({})).toEqual([[claim, a, undefined]]);
  expect(take(heldBy('a'))).toEqual([[claim, a, undefined]]);
  expect(take(heldBy('b'), { op: 'retractEntity', entity: b })).toEqual([[claim, a, b]]);
  expect(take(heldBy('b'), { entity: b, mail: 'm1' })).toContainEqual([claim, a, b]);
  expect(errorCode(() => take(heldBy('b')))).toBe('unique-conflict');
  expect(errorCode(() => take(heldBy('b'), { entity: b, x: '1' }))).toBe('unique-conflict');
  expect(errorCode(() => take({}, { entity: b, mail: 'm0' }))).toBe('unique-conflict');
});

test('a new entity with the value of an identity is the one that holds it, as far as that is known', () => {
  const value = { type: 'string', value: 'l0' } as const;
  const of = claimOf('login', value).claim;
  const holder =
    homeOfClaim('login', value, P) === HERE
      ? { facts: [fact(of, HOLDER, 'b')] }
      : { hints: { ...NO_HINTS, holders: new Map([[of, 'b']]) } };
  const upsert = document([{ entity: '_:user', login: 'l0', x: '1' }]);
  const known = planned(upsert, holder);
  expect(known.kind === 'work' && known.ids.get('_:user')).toBe('b');
  expect(
    works(known)
      .get(THERE)
      ?.operations.map(({ entity }) => entity),
  ).toContain('b');
  const unknown = planned(upsert);
  expect(unknown.kind === 'work' && unknown.ids.get('_:user')).not.toBe('b');
});

test('locks: a part writes what it names, reads what it looks at and goes by', () => {
  const text = ({ resource, attribute, write }: Lock): string =>
    `${write ? 'w' : 'r'} ${resource} ${attribute ?? '*'}`;
  const found = works(
    planned(
      document(
        [
          { entity: a, x: '1' },
          { op: 'retractEntity', entity: 'c' },
        ],
        {
          if: [
            { entity: 'h', attribute: 'x', is: [] },
            { entity: 'h', absent: true },
          ],
        },
      ),
    ),
  ).get(HERE);
  const locks = locksOf(found as PartWork, 'k', SCHEMA).map(text);
  expect(locks.toSorted()).toEqual([
    'r e:h *',
    'r e:h x',
    'r s:attribute:db/settings *',
    'r s:x *',
    'w e:a x',
    'w e:c *',
    'w k:k *',
  ]);
  // What it takes over of the schema it writes.
  expect(locksOf(found as PartWork, undefined, initialSchema()).map(text)).toContain('w s:x *');
  expect(keyLock(undefined)).toEqual([]);
});

const operation = fc.oneof(
  fc.record({ entity: fc.constantFrom(a, b, f, '_:t'), x: fc.constantFrom('1', '2') }),
  fc.record({ entity: fc.constantFrom(a, b, f), mail: fc.constantFrom('m0', 'm1') }),
  fc.record({ op: fc.constant('retractEntity'), entity: fc.constantFrom(a, b, f) }),
);
const drafts = fc.record({
  ops: fc.array(operation, { minLength: 1, maxLength: 3 }),
  if: fc.array(fc.record({ entity: fc.constantFrom(a, b, f), absent: fc.constant(true) }), {
    maxLength: 1,
  }),
  id: fc.constantFrom(undefined, 'k0', 'k1'),
});

test('T8 what two documents would lock of entities their texts show: who waits keeps its place by it', () => {
  const locksOfAll = (text: TransactionDocument, start: Tx): readonly Lock[] | undefined => {
    try {
      return [...works(planned(text, { start })).values()]
        .flatMap((work, i) => locksOf(work, i === 0 ? text.id : undefined, SCHEMA))
        .filter(({ resource }) => !isClaimEntity(resource.slice(2)));
    } catch {
      return undefined;
    }
  };
  const meet = (first: readonly Lock[], second: readonly Lock[]): boolean => {
    const table = new LockTable();
    table.add({ id: '1', start: tx(1n) }, '1', first);
    return table.blocks('2', second);
  };
  fc.assert(
    fc.property(drafts, drafts, (one, other) => {
      const [first, second] = [one, other].map((each) => parseDocument(JSON.stringify(each))) as [
        TransactionDocument,
        TransactionDocument,
      ];
      const [waits, comes] = [locksOfAll(first, START), locksOfAll(second, tx(START + 1024n))];
      // What cannot be done whatever others say waits for nobody.
      if (waits === undefined || comes === undefined) return;
      expect(meet(roughLocks(first), comes)).toBe(meet(waits, comes));
    }),
    { numRuns: 500 },
  );
});
