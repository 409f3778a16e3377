/** Every check on a history that is right, and on ones that are wrong in one way: it must say so of these alone. */
import type { Fact } from '@pyralog/model';
import { tx as asTx } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { checkHistory } from './check.ts';
import {
  type Finding,
  type History,
  type LoggedOutcome,
  type LoggedRecord,
  type Sample,
  type Transaction,
  transactionsOf,
} from './history.ts';
import {
  acknowledgedIsThere,
  believedCounts,
  inputOrder,
  keyOnce,
  oneOutcome,
  retractChain,
  txRises,
} from './log.ts';
import {
  atomicVisibility,
  bankSum,
  elementsOf,
  listAppend,
  type ListOperation,
  objectsNeverChange,
  samplesEqualFold,
} from './reads.ts';
import { serialReplay, type WorkloadDocument } from './serial.ts';

/** tx number n, of the clock of partition p. */
const at = (n: number, p = 0): bigint => BigInt(n) * 1024n + BigInt(p);

function fact(text: string, tx: bigint): Fact {
  const [sign = '+', entity = '', attribute = '', value = ''] =
    /^([+-])(\S+) (\S+) (.*)$/.exec(text)?.slice(1) ?? [];
  return {
    entity,
    attribute,
    value: /^-?\d+$/.test(value)
      ? { type: 'int', value: BigInt(value) }
      : { type: 'string', value },
    tx: asTx(tx),
    operation: sign === '+' ? 'assert' : 'retract',
  };
}

const facts = (tx: bigint, ...texts: string[]): Fact[] => texts.map((text) => fact(text, tx));

function commit(input: number, tx: bigint, ...texts: string[]): LoggedOutcome {
  return { input, result: { kind: 'commit', tx, facts: facts(tx, ...texts) } };
}

const rejected = (input: number, code: string): LoggedOutcome => ({
  input,
  result: { kind: 'rejected', code },
});

function record(
  offset: number,
  closed: number,
  outcomes: readonly LoggedOutcome[],
  more: Partial<LoggedRecord> = {},
): LoggedRecord {
  const head = { partition: 0, offset, owner: 'o', epoch: 1, seq: offset, counts: true };
  const header = { lowWater: 0, coordination: 0, marks: [], landedMicros: offset };
  const nothing = { ...header, parts: [], items: [], claims: [] };
  return { ...head, closed: at(closed, 1023), outcomes, ...nothing, ...more };
}

/** Two partitions: money goes from one to the other in one transaction. */
const TRANSFER: readonly LoggedRecord[] = [
  record(1, 2, [commit(0, at(1), '+a balance 10'), commit(1, at(2), '+tx:2 tx/reason w')]),
  record(2, 4, [commit(2, at(4), '-a balance 10', '+a balance 7', '+tx:4 tx/reason move')]),
  record(1, 3, [commit(0, at(3, 1), '+b balance 10')], { partition: 1 }),
  record(2, 5, [commit(1, at(4), '-b balance 10', '+b balance 13')], { partition: 1 }),
];

const sampleOf = (basis: bigint, ...list: Fact[][]): Sample => ({
  reader: 'r',
  basis,
  partitions: [0, 1],
  facts: list.flat(),
});

const BEFORE = sampleOf(
  at(3, 1023),
  facts(at(1), '+a balance 10'),
  facts(at(2), '+tx:2 tx/reason w'),
  facts(at(3, 1), '+b balance 10'),
);
const AFTER = sampleOf(
  at(4, 1023),
  facts(at(2), '+tx:2 tx/reason w'),
  facts(at(4), '+a balance 7', '+b balance 13', '+tx:4 tx/reason move'),
);
/** One part of the transfer, and not the other. */
const TORN = sampleOf(
  at(4, 1023),
  facts(at(2), '+tx:2 tx/reason w'),
  facts(at(4), '+a balance 7', '+tx:4 tx/reason move'),
  facts(at(3, 1), '+b balance 10'),
);

const HISTORY: History = {
  partitions: 2,
  records: TRANSFER,
  inputs: [0, 1, 2]
    .map((offset) => ({ partition: 0, offset, document: undefined, landedMicros: 0 }))
    .concat(
      [0, 1].map((offset) => ({ partition: 1, offset, document: undefined, landedMicros: 0 })),
    ),
  messages: [],
  hasAllInputs: true,
  refusals: [],
  samples: [BEFORE, AFTER],
  acknowledgements: [{ op: 'move', tx: at(4), facts: undefined }],
  beliefs: [{ process: 'p', partition: 0, owner: 'o', epoch: 1, seq: 1 }],
  objects: [{ key: 'k', process: 'p', hash: '1' }],
};

const said = (findings: readonly Finding[]): readonly string[] => findings.map(({ what }) => what);

test('a history of transactions over two partitions that is right has no finding', () => {
  const bank = { attribute: 'balance', total: 20n };
  expect(checkHistory(HISTORY, { bank })).toEqual([]);
  expect(transactionsOf(TRANSFER).find(({ op }) => op === 'move')?.parts).toHaveLength(2);
});

describe('of the logs', () => {
  const good = [record(1, 2, [commit(0, at(1), '+e n 1'), commit(1, at(2), '-e n 1', '+e n 2')])];
  const inputs = [0, 1].map((offset) => ({
    partition: 0,
    offset,
    document: undefined,
    landedMicros: 0,
  }));

  test('an input has one outcome, in records that count', () => {
    expect(oneOutcome(good, inputs)).toEqual([]);
    const again = record(2, 3, [rejected(1, 'x')]);
    expect(said(oneOutcome([...good, again], inputs))).toEqual(['input 0/1 has 2 outcomes']);
    expect(oneOutcome([...good, { ...again, counts: false }], inputs)).toEqual([]);
    expect(said(oneOutcome([], inputs.slice(1)))).toEqual(['input 0/1 has no outcome']);
    expect(said(oneOutcome(good, inputs.slice(1)))).toEqual([
      'there is no input 0/0, and it has an outcome',
    ]);
  });

  test('what was acknowledged is there, as it was told', () => {
    const there = transactionsOf(TRANSFER);
    const told = facts(at(4), '+a balance 7', '-a balance 10', '+tx:4 tx/reason move');
    const all = [...told, ...facts(at(4), '-b balance 10', '+b balance 13')];
    const ack = (op: string, tx: bigint, of?: readonly Fact[]) =>
      said(acknowledgedIsThere([{ op, tx, facts: of }], there));
    expect(ack('move', at(4), all)).toEqual([]);
    expect(ack('move', at(4), told)).toEqual([
      `move was acknowledged as ${at(4)} with other facts`,
    ]);
    expect(ack('move', at(9))).toEqual([`move was acknowledged as ${at(9)}, and is lost`]);
    expect(ack('gone', at(4))).toEqual([`gone was acknowledged as ${at(4)}, which is move`]);
  });

  test('what a process believes in counts', () => {
    const belief = { process: 'p', partition: 0, owner: 'o', epoch: 1, seq: 1 };
    expect(believedCounts([belief], good)).toEqual([]);
    expect(believedCounts([{ ...belief, owner: 'other' }], good)).toHaveLength(1);
    expect(believedCounts([belief], [record(1, 2, [], { counts: false })])).toHaveLength(1);
  });

  test('a key is committed once', () => {
    const keyed = (input: number, tx: bigint) => commit(input, tx, `+tx:${tx} tx/key k`);
    const check = (...outcomes: LoggedOutcome[]) => {
      const records = [record(1, 9, outcomes)];
      return said(keyOnce(records, transactionsOf(records)));
    };
    const duplicate = (tx: bigint): LoggedOutcome => ({
      input: 2,
      result: { kind: 'duplicate', tx },
    });
    expect(check(keyed(0, at(1)), duplicate(at(1)))).toEqual([]);
    expect(check(keyed(0, at(1)), keyed(1, at(2)))).toEqual([
      `k is committed as ${at(1)} and ${at(2)}`,
    ]);
    expect(check(commit(0, at(1), '+e n 1'), duplicate(at(1)))).toHaveLength(1);
  });

  test('tx rises, is given once, and lies above what was closed', () => {
    expect(txRises(TRANSFER)).toEqual([]);
    const rises = (...records: LoggedRecord[]) => said(txRises(records));
    expect(rises(record(1, 5, []), record(2, 9, [commit(0, at(5), '+e n 1')]))).toEqual([
      `record 2 of partition 0 commits ${at(5)}, and ${at(5, 1023)} was closed`,
    ]);
    expect(rises(record(1, 0, [commit(0, at(5), '+e n 1'), commit(1, at(4), '+f n 1')]))).toEqual([
      `record 1 of partition 0 commits ${at(4)} behind ${at(5)}`,
    ]);
    expect(rises(record(1, 0, [commit(0, at(5), '+e n 1'), commit(1, at(5), '+f n 1')]))).toContain(
      `${at(5)} is input 0 and 1`,
    );
    // A part of another partition's transaction may come late, and not below what was closed here.
    expect(
      rises(record(1, 3, [commit(0, at(5), '+e n 1'), commit(1, at(4, 1), '+f n 1')])),
    ).toEqual([]);
    expect(rises(record(1, 4, []), record(2, 5, [commit(1, at(4, 1), '+f n 1')]))).toHaveLength(1);
  });

  test('what is retracted is in force, what is asserted is not, by tx and in the log', () => {
    expect(retractChain(transactionsOf(good))).toEqual([]);
    const chain = (...outcomes: LoggedOutcome[]) =>
      said(retractChain(transactionsOf([record(1, 9, outcomes)])));
    expect(chain(commit(0, at(1), '+e n 1'), commit(1, at(2), '+e n 1'))).toHaveLength(2);
    expect(chain(commit(0, at(1), '-e n 1'))).toHaveLength(2);
    expect(chain(commit(0, at(2), '-e n 1', '+e n 2'), commit(1, at(1), '+e n 1'))).toEqual([
      `${at(2)} retracts e n int 1, which is not in force, in the order of the log`,
    ]);
  });

  test('documents of one entity keep their order', () => {
    const [early, late] = [commit(0, at(1), '+e n 1'), commit(1, at(2), '+e s x')];
    expect(inputOrder([record(1, 9, [early, late])])).toEqual([]);
    expect(said(inputOrder([record(1, 9, [late, early])]))).toEqual([
      'input 0/0 writes e behind input 1',
    ]);
  });
});

describe('of documents', () => {
  const documents: readonly WorkloadDocument[] = [
    { id: 'k', meta: { reason: 'a' }, ops: [{ entity: 'e', n: 1, tags: ['x'] }] },
    { meta: { reason: 'b' }, ops: [{ op: 'cas', entity: 'e', attribute: 'n', old: 1, new: 2 }] },
    {
      meta: { reason: 'c' },
      if: [{ entity: 'e', attribute: 'n', is: 1 }],
      ops: [{ entity: 'e', n: 3 }],
    },
    { id: 'k', meta: { reason: 'a' }, ops: [{ entity: 'e', n: 1, tags: ['x'] }] },
    { meta: { reason: 'd' }, ops: [{ op: 'retractEntity', entity: 'e' }] },
  ];
  const inputs = documents.map((document, offset) => ({
    partition: 0,
    offset,
    document,
    landedMicros: 0,
  }));
  const right: readonly LoggedOutcome[] = [
    commit(0, at(1), '+e n 1', '+e tags x'),
    commit(1, at(2), '-e n 1', '+e n 2'),
    rejected(2, 'condition-failed'),
    { input: 3, result: { kind: 'duplicate', tx: at(1) } },
    commit(4, at(3), '-e n 2', '-e tags x'),
  ];
  const replay = (change: Readonly<Record<number, LoggedOutcome>>, partitions = 1) =>
    said(
      serialReplay(
        [
          record(
            1,
            9,
            right.map((each, i) => change[i] ?? each),
          ),
        ],
        inputs,
        {
          partitions,
          refusals: ['object-damaged'],
        },
      ),
    );

  test('each has the outcome that it has alone at its place', () => {
    expect(replay({})).toEqual([]);
    expect(replay({}, 2)).toEqual([]);
    expect(replay({ 4: rejected(4, 'object-damaged') })).toEqual([]);
    expect(replay({ 1: rejected(1, 'cas-failed') })[0]).toBe(
      'b (input 0/1) came to cas-failed, alone to +e n 2, -e n 1',
    );
    expect(replay({ 2: commit(2, at(9), '-e n 1', '+e n 3') }).length).toBeGreaterThan(0);
    expect(replay({ 3: commit(3, at(9), '+e n 1') })[0]).toMatch(/alone to duplicate$/);
    expect(replay({ 4: commit(4, at(3), '-e n 2') })).toHaveLength(1);
  });

  test('unchangedSince looks at the last fact of the attribute', () => {
    const since = (tx: bigint): WorkloadDocument => ({
      meta: { reason: 's' },
      if: [{ entity: 'e', attribute: 'n', unchangedSince: `${tx}` }],
      ops: [{ entity: 'e', n: 9 }],
    });
    const outcomeOf = (tx: bigint): readonly string[] =>
      said(
        serialReplay(
          [record(1, 9, [right[0] ?? rejected(0, ''), rejected(1, 'condition-failed')])],
          [
            ...inputs.slice(0, 1),
            { partition: 0, offset: 1, document: since(tx), landedMicros: 0 },
          ],
          { partitions: 1, refusals: [] },
        ),
      );
    expect(outcomeOf(at(0))).toEqual([]);
    expect(outcomeOf(at(1))).toHaveLength(1);
  });
});

describe('of documents that change the schema', () => {
  const documents: readonly WorkloadDocument[] = [
    { meta: { reason: 'a' }, ops: [{ entity: 'attribute:u', 'db/unique': 'identity' }] },
    { meta: { reason: 'b' }, ops: [{ entity: '_:new:x', u: 'v', n: 1 }] },
    { meta: { reason: 'c' }, ops: [{ entity: '_:new:x', u: 'v', n: 2 }] },
    { meta: { reason: 'd' }, ops: [{ entity: 'attribute:n', 'db/cardinality': 'many' }] },
    { meta: { reason: 'e' }, ops: [{ entity: 'new:1', n: 3, link: { ref: '_:new:x' } }] },
    { meta: { reason: 'f' }, ops: [{ entity: 'e', u: 'v' }] },
    { meta: { reason: 'g' }, ops: [{ entity: 'attribute:link', 'db/unique': 'value' }] },
  ];
  const inputs = documents.map((document, offset) => ({
    partition: 0,
    offset,
    document,
    landedMicros: 0,
  }));
  const right: readonly LoggedOutcome[] = [
    commit(0, at(1)),
    commit(1, at(2), '+new:1 n 1', '+new:1 u v'),
    commit(2, at(3), '-new:1 n 1', '+new:1 n 2'),
    commit(3, at(4)),
    commit(4, at(5), '+new:1 link new:1', '+new:1 n 3'),
    rejected(5, 'unique-conflict'),
    rejected(6, 'schema-change-refused'),
  ];
  const replay = (change: Readonly<Record<number, LoggedOutcome>>) =>
    said(
      serialReplay(
        [
          record(
            1,
            9,
            right.map((each, i) => change[i] ?? each),
          ),
        ],
        inputs,
        {
          partitions: 1,
          refusals: [],
        },
      ),
    );

  test('each has the outcome that it has alone at its place', () => {
    expect(replay({})).toEqual([]);
    const link = '+new:1 link new:1';
    expect(replay({ 4: commit(4, at(5), link, '-new:1 n 2', '+new:1 n 3') })).toHaveLength(1);
    expect(replay({ 2: commit(2, at(3), '+new:2 n 2', '+new:2 u v') }).length).toBeGreaterThan(0);
    expect(replay({ 5: commit(5, at(6), '+e u v') })).toContain(
      'f (input 0/5) came to +e u v, alone to unique-conflict',
    );
    expect(replay({ 6: commit(6, at(7)) })).toContain(
      'g (input 0/6) came to no facts, alone to schema-change-refused',
    );
  });
});

describe('of reads', () => {
  const transactions: readonly Transaction[] = transactionsOf(TRANSFER);

  test('samples are the fold at their basis', () => {
    expect(samplesEqualFold([AFTER, BEFORE], transactions)).toEqual([]);
    expect(samplesEqualFold([TORN], transactions)).toHaveLength(1);
    expect(samplesEqualFold([{ ...AFTER, basis: at(9) }], transactions)).toEqual([]);
    expect(said(samplesEqualFold([{ ...AFTER, facts: [] }], transactions))[0]).toMatch(
      /lacks .*in all/,
    );
    // One partition alone.
    const one = { ...BEFORE, partitions: [1], facts: facts(at(3, 1), '+b balance 10') };
    expect(samplesEqualFold([one], transactions)).toEqual([]);
  });

  test('a transaction is seen whole or not at all, at every basis', () => {
    expect(atomicVisibility([BEFORE, AFTER], transactions)).toEqual([]);
    expect(said(atomicVisibility([TORN], transactions))).toEqual([
      `r as of ${at(4, 1023)} sees a part of move (${at(4)})`,
    ]);
    const early = { ...AFTER, basis: at(3, 1023) };
    expect(said(atomicVisibility([early], transactions))).toContain(
      `r as of ${at(3, 1023)} sees a part of move (${at(4)})`,
    );
  });

  test('money is neither made nor lost', () => {
    const bank = { attribute: 'balance', total: 20n };
    expect(bankSum([BEFORE, AFTER, { ...AFTER, facts: [] }], bank)).toEqual([]);
    expect(said(bankSum([TORN], bank))).toEqual([`r as of ${at(4, 1023)} counts 17 of 20`]);
  });

  test('the elements of a list stand in the order of their transactions', () => {
    const list = [...facts(at(2), '+l items b'), ...facts(at(1), '+l items a')];
    expect(elementsOf(list, 'l', 'items')).toEqual(['a', 'b']);
  });

  test('an object is put once', () => {
    const change = (key: string, hash?: string) => ({ key, process: 'p', hash });
    expect(objectsNeverChange([change('a', '1'), change('a'), change('a', '1')])).toEqual([]);
    expect(objectsNeverChange([change('a', '1'), change('a'), change('a', '2')])).toHaveLength(1);
  });
});

describe('of lists that transactions append to and read', () => {
  let clock = 0;
  const operation = (
    op: string,
    appends: Readonly<Record<string, string>>,
    reads: Readonly<Record<string, readonly string[]>>,
    times: readonly [number, number] = [0, 1_000],
  ): ListOperation => ({
    op,
    scope: 'one',
    start: times[0],
    end: times[1],
    appends: Object.entries(appends).map(([list, element]) => ({ list, element })),
    reads: Object.entries(reads).map(([list, elements]) => ({ list, elements })),
  });
  const next = (): readonly [number, number] => [clock++ * 10, clock * 10 - 5];

  test('a serial history is one', () => {
    expect(
      listAppend([
        operation('a', { x: '1' }, { y: [] }, next()),
        operation('b', { y: '1' }, { x: ['1'] }, next()),
        operation('c', {}, { x: ['1'], y: ['1'] }, next()),
      ]),
    ).toEqual([]);
  });

  test.each([
    [
      'a lost update',
      [
        operation('a', { x: '1' }, { x: [] }),
        operation('b', { x: '2' }, { x: [] }),
        operation('c', {}, { x: ['1', '2'] }),
      ],
    ],
    [
      'write skew',
      [
        operation('a', { x: '1' }, { y: [] }),
        operation('b', { y: '1' }, { x: [] }),
        operation('c', {}, { x: ['1'], y: ['1'] }),
      ],
    ],
    [
      'a torn read',
      [
        operation('a', { x: '1', y: '1' }, {}),
        operation('b', {}, { x: ['1'], y: [] }),
        operation('c', {}, { x: ['1'], y: ['1'] }),
      ],
    ],
    [
      'two orders',
      [
        operation('a', { x: '1' }, {}),
        operation('b', { x: '2' }, {}),
        operation('c', {}, { x: ['1', '2'] }),
        operation('d', {}, { x: ['2'] }),
      ],
    ],
    [
      'a stale read',
      [
        operation('a', { x: '1' }, {}, [0, 1]),
        operation('b', {}, { x: [] }, [2, 3]),
        operation('c', {}, { x: ['1'] }, [4, 5]),
      ],
    ],
    ['a read of nothing written', [operation('a', {}, { x: ['9'] })]],
    ['an element twice', [operation('a', { x: '1' }, {}), operation('b', { x: '1' }, {})]],
  ])('%s is found', (_, operations) => {
    expect(listAppend(operations).length).toBeGreaterThan(0);
  });
});
