/** Checks of transactions over partitions, on logs that are right, and on ones that are wrong in one way. */
import type { Item, Lock } from '@pyralog/format';
import { epoch, logOffset, partitionNo, type StoredFact, tx } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { readCommitment } from './commitment.ts';
import type { Finding, LoggedMessage, LoggedRecord, Sample, Transaction } from './history.ts';
import { claimsFit, copiesInFlight, listOrder, nobodyStarves, oneHolder } from './isolation.ts';
import { waitsForOlder } from './waiting.ts';

const at = (n: number, p = 0): bigint => BigInt(n) * 1024n + BigInt(p);
const time = (n: number, p = 0) => tx(at(n, p));
const said = (findings: readonly Finding[]): readonly string[] => findings.map(({ what }) => what);
const bytes = new Uint8Array(0);
const [P0, P1] = [partitionNo(0), partitionNo(1)];
const write = (resource: string): Lock => ({ resource, attribute: undefined, write: true });

function record(
  partition: number,
  offset: number,
  items: readonly Item[],
  more: Partial<LoggedRecord> = {},
): LoggedRecord {
  const header = { owner: 'o', epoch: 1, seq: offset, counts: true, closed: 0n, lowWater: 0 };
  const nothing = { coordination: 0, marks: [], landedMicros: offset, outcomes: [], parts: [] };
  return { partition, offset, ...header, ...nothing, claims: [], items, ...more };
}

const begin = (attempt: number, start = time(1), locks: readonly Lock[] = []): Item => ({
  kind: 'begin',
  offset: logOffset(0),
  attempt,
  start,
  begun: start,
  document: bytes,
  contentHash: '',
  parts: [{ partition: P1, name: '', content: bytes }],
  facts: bytes,
  locks,
});
const id = { coordinator: P0, offset: logOffset(0) };
const prepared = (
  attempt: number,
  promise = time(2, 1),
  of: Partial<Item & { readonly kind: 'prepared' }> = {},
): Item => ({
  kind: 'prepared',
  id,
  part: '',
  attempt,
  start: time(1),
  tx: promise,
  facts: bytes,
  locks: [],
  needs: [],
  ...of,
});
const committed = (n: number): Item => ({
  kind: 'committed',
  id,
  part: '',
  tx: time(n),
  from: 0,
  to: 0,
});
const aborted = (attempt: number): Item => ({ kind: 'aborted', id, part: '', attempt });
const decided = (attempt: number, n: number): Item => ({
  kind: 'decided',
  offset: logOffset(0),
  attempt,
  start: time(1),
  begun: time(1),
  tx: time(n),
  participants: [P1],
  from: 0,
  to: 0,
});
const retry = (attempt: number): Item => ({ kind: 'retry', offset: logOffset(0), attempt });
const refused: Item = {
  kind: 'refused',
  offset: logOffset(0),
  attempt: 1,
  rejection: { code: 'busy', detail: '' },
};
const end: Item = { kind: 'end', offset: logOffset(0) };

describe('two-phase commit', () => {
  const read = (own: readonly Item[], others: readonly Item[]) =>
    readCommitment([
      ...own.map((item, i) => record(0, i + 1, [item], { landedMicros: 10 + i })),
      ...others.map((item, i) => record(1, i + 1, [item])),
    ]);
  const found = (own: readonly Item[], others: readonly Item[]) => said(read(own, others).findings);

  test('is right where all parts are in force, or none', () => {
    const whole = read([begin(1), decided(1, 3), end], [prepared(1), committed(3)]);
    expect(whole.findings).toEqual([]);
    expect(whole.open).toEqual([]);
    expect(whole.counts).toMatchObject({ begun: 1, decided: 1, prepared: 1, retries: 0 });
    expect(found([begin(1), refused, end], [prepared(1), aborted(1)])).toEqual([]);
    expect(
      said(
        readCommitment([
          record(0, 1, [begin(1), retry(1)]),
          record(1, 2, [prepared(1), aborted(1)]),
          record(0, 3, [begin(2)]),
          record(1, 4, [prepared(2), committed(5)]),
          record(0, 5, [decided(2, 5), end]),
        ]).findings,
      ),
    ).toEqual([]);
  });

  test('decides when all has been promised, and not before', () => {
    const own = (landedMicros: number) => [
      record(0, 1, [begin(1)]),
      record(0, 2, [decided(1, 3), end], { landedMicros }),
    ];
    const others = [record(1, 5, [prepared(1)]), record(1, 7, [committed(3)])];
    expect(readCommitment([...own(6), ...others]).findings).toEqual([]);
    expect(said(readCommitment([...own(4), ...others]).findings)).toEqual([
      '0.0 is committed before attempt 1 of 1:0.0/ is promised',
    ]);
  });

  test('begins an attempt when nothing is promised of the one before', () => {
    const check = (landedMicros: number) =>
      said(
        readCommitment([
          record(0, 1, [begin(1)]),
          record(0, 2, [retry(1)]),
          record(0, 3, [begin(2)], { landedMicros }),
          record(1, 4, [prepared(1)]),
          record(1, 6, [aborted(1)]),
        ]).findings,
      );
    expect(check(7)).toEqual([]);
    expect(check(5)).toEqual(['attempt 2 of 0.0 begins while 1:0.0/ 1 is promised']);
  });

  test('leaves open what is not over', () => {
    expect(read([begin(1)], [prepared(1)]).open).toEqual([
      '0.0 is preparing',
      '1:0.0/ is promised',
    ]);
  });

  test('counts owners that begin where something is open', () => {
    const claim = (partition: number) => record(partition, 9, [], { seq: 0, epoch: 2 });
    const records = [record(0, 1, [begin(1)]), record(1, 1, [prepared(1)]), claim(0), claim(1)];
    expect(readCommitment(records).counts).toMatchObject({
      takeoversOfCoordinators: 1,
      takeoversOfParticipants: 1,
    });
  });

  test.each([
    ['is decided without a promise', [begin(1), decided(1, 3), end], []],
    [
      'is decided on the promise of another attempt',
      [begin(1), retry(1), begin(2), decided(2, 5), end],
      [prepared(1), committed(5)],
    ],
    ['is torn', [begin(1), decided(1, 3), end], [prepared(1), aborted(1)]],
    ['is in force though it was refused', [begin(1), refused, end], [prepared(1), committed(3)]],
    ['has two times', [begin(1), decided(1, 3), end], [prepared(1), committed(4)]],
    [
      'lies below its promise',
      [begin(1), decided(1, 2), end],
      [prepared(1, time(4)), committed(2)],
    ],
    ['is decided twice', [begin(1), decided(1, 3), decided(1, 3)], [prepared(1), committed(3)]],
    [
      'commits a part twice',
      [begin(1), decided(1, 3), end],
      [prepared(1), committed(3), committed(3)],
    ],
    ['begins again before the last attempt is over', [begin(1), begin(2)], []],
    ['begins again with another age', [begin(1), retry(1), begin(2, time(7))], []],
    ['is promised twice', [begin(1)], [prepared(1), prepared(1)]],
    [
      'is in force where it has no part',
      [begin(1), decided(1, 3), end],
      [
        prepared(1),
        committed(3),
        prepared(1, time(2, 1), { part: 'x' }),
        { ...committed(3), part: 'x' } as Item,
      ],
    ],
  ] satisfies readonly (readonly [string, readonly Item[], readonly Item[]])[])(
    'one that %s is found',
    (_, own, others) => {
      expect(found(own, others).length).toBeGreaterThan(0);
    },
  );

  test('locks are of one transaction at a time', () => {
    const other = { coordinator: P0, offset: logOffset(7) };
    const locks = [write('e:a')];
    const two = (release: readonly Item[]) =>
      said(
        readCommitment([
          record(1, 1, [prepared(1, time(2, 1), { locks })]),
          record(1, 2, release),
          record(1, 3, [prepared(1, time(3, 1), { locks, id: other })]),
        ]).findings,
      );
    expect(two([])).toEqual(['record 3 of partition 1: 0.7 has what 0.0 (e:a) has locked']);
    expect(two([aborted(1)])).toEqual([]);
    const read = [{ resource: 'e:a', attribute: 'n', write: false }];
    const readers = [
      record(1, 1, [prepared(1, time(2, 1), { locks: read })]),
      record(1, 2, [prepared(1, time(3, 1), { locks: read, id: other })]),
    ];
    expect(readCommitment(readers).findings).toEqual([]);
  });
});

describe('what waits', () => {
  const message: LoggedMessage = {
    partition: 0,
    offset: 4,
    kind: 'prepare',
    coordinator: 1,
    mark: [1, 1],
    name: '1.0',
    part: '',
    attempt: 1,
  };
  const other = { coordinator: P1, offset: logOffset(0) };
  const locks = [write('e:a')];
  const claim = record(0, 0, [], { seq: 0 });
  const promise = (start: number) =>
    record(0, 3, [prepared(1, time(9), { id: other, start: time(start, 1), locks })], {
      coordination: 5,
    });
  const own = record(0, 2, [begin(1, time(8), locks)], { coordination: 5 });
  const heard = (coordination: number) => record(0, 1, [], { coordination });

  test('is not passed by what is younger, once it was heard of', () => {
    const check = (...records: LoggedRecord[]) =>
      said(waitsForOlder([claim, ...records], [message]));
    expect(check(heard(5), own, promise(5))).toEqual([
      'record 2 of partition 0 begins 0 past 1.0, which is older and waits',
    ]);
    expect(check(heard(4), own, promise(5))).toEqual([]);
    expect(check(heard(5), own, promise(9))).toEqual([]);
    const mark = { peer: P1, epoch: epoch(2), counter: 0 };
    const late = record(0, -1, [], { marks: [mark] });
    expect(said(waitsForOlder([late, claim, heard(5), own, promise(5)], [message]))).toEqual([]);
  });

  test('has its outcome soon where nothing fails', () => {
    const outcome = (code: string, landedMicros: number) =>
      record(0, 1, [], {
        landedMicros,
        outcomes: [{ input: 0, result: { kind: 'rejected', code } }],
      });
    const inputs = [{ partition: 0, offset: 0, document: undefined, landedMicros: 1_000 }];
    const check = (code: string, landed: number, from = 500) =>
      said(nobodyStarves([outcome(code, landed)], inputs, { from, refusals: ['busy'] }));
    expect(check('cas-failed', 2_000)).toEqual([]);
    expect(check('busy', 2_000)).toHaveLength(1);
    expect(check('busy', 2_000, 5_000)).toEqual([]);
    expect(check('cas-failed', 9_000_000)).toHaveLength(1);
  });
});

describe('unique values and lists', () => {
  const fact = (
    entity: string,
    attribute: string,
    text: string,
    operation: StoredFact['operation'] = 'assert',
  ): StoredFact => ({
    entity,
    attribute,
    value: { type: 'string', value: text },
    tx: time(1),
    operation,
  });
  const schema = fact('attribute:mail', 'db/unique', 'value');

  test('a value has one holder', () => {
    const sample = (...facts: StoredFact[]): Sample => ({
      reader: 'r',
      basis: 9n,
      partitions: [0],
      facts,
    });
    const both = [fact('a', 'mail', 'm'), fact('b', 'mail', 'm')];
    expect(oneHolder([sample(...both)])).toEqual([]);
    expect(oneHolder([sample(schema, fact('a', 'mail', 'm'), fact('b', 'mail', 'o'))])).toEqual([]);
    expect(oneHolder([sample(schema, ...both)])).toHaveLength(1);
  });

  test('who has a value has its claim', () => {
    const transactions: readonly Transaction[] = [
      {
        tx: 1n,
        op: 'w',
        key: undefined,
        parts: [{ partition: 0, place: 0, facts: [schema, fact('a', 'mail', 'm')] }],
      },
    ];
    const claims = (...facts: StoredFact[]) =>
      claimsFit([record(0, 1, [], { claims: facts })], transactions);
    expect(claims(fact('db:claim:1', 'db/holder', 'a'))).toEqual([]);
    expect(claims()).toHaveLength(1);
    expect(claims(fact('db:claim:1', 'db/holder', 'b'))).toHaveLength(1);
    const [one, other] = ['db:claim:1', 'db:claim:2'].map((each) => fact(each, 'db/holder', 'a'));
    if (one === undefined || other === undefined) throw new Error('there are two');
    expect(claims(one, other)).toHaveLength(1);
    expect(claims(one, other, { ...other, operation: 'retract' })).toEqual([]);
  });

  test('what documents read of lists has an order', () => {
    const document = (op: string, list: string, is: readonly string[], to: string) => ({
      meta: { reason: op },
      if: [{ entity: list, attribute: 'items', is }],
      ops: [{ entity: to, items: [op] }],
    });
    const check = (seen: readonly string[]) => {
      const documents = [document('a', 'y', [], 'x'), document('b', 'x', seen, 'y')];
      const facts = [fact('x', 'items', 'a'), fact('y', 'items', 'b')];
      const transactions = facts.map((each, i) => ({
        tx: BigInt(i + 1),
        op: undefined,
        key: undefined,
        parts: [{ partition: i, place: i, facts: [each] }],
      }));
      const inputs = documents.map((each, partition) => ({
        partition,
        offset: 0,
        document: each,
        landedMicros: 0,
      }));
      const records = transactions.map((each, partition) =>
        record(partition, 1, [], {
          outcomes: [{ input: 0, result: { kind: 'commit', tx: each.tx, facts: [] } }],
        }),
      );
      return listOrder(records, inputs, transactions);
    };
    expect(check(['a'])).toEqual([]);
    // Each reads the other's list before it was written.
    expect(check([])).toHaveLength(1);
    expect(check(['z']).length).toBeGreaterThan(0);
  });

  test('copies that come before the first has its outcome are counted', () => {
    const first = at(1);
    const records = [
      record(0, 1, [], {
        landedMicros: 10,
        outcomes: [
          { input: 0, result: { kind: 'commit', tx: first, facts: [] } },
          { input: 1, result: { kind: 'duplicate', tx: first } },
          { input: 2, result: { kind: 'duplicate', tx: first } },
        ],
      }),
    ];
    const inputs = [0, 5, 20].map((landedMicros, offset) => ({
      partition: 0,
      offset,
      document: undefined,
      landedMicros,
    }));
    expect(copiesInFlight(records, inputs)).toBe(1);
  });
});
