import {
  type AttributeValues,
  printCommit,
  printDiff,
  printEntity,
  printFactsPage,
  printFeedEvent,
  printProblem,
  printSchema,
  printStatus,
  printTransaction,
  printTransactions,
} from '@pyralog/client';
import { type Fact, PyralogError, tx as asTx, type Value } from '@pyralog/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  commitSchema,
  diffSchema,
  entitySchema,
  factsPageSchema,
  feedEventSchema,
  historySchema,
  problemSchema,
  schemaSchema,
  statusSchema,
  transactionSchema,
  transactionsSchema,
} from './answer-schemas.ts';
import { BodyBudget, linesOf } from './bodies.ts';
import { isLoopback } from './guard.ts';
import { parseMoment } from './moment.ts';
import { MalformedText, parseQueryString } from './query-string.ts';
import { RouteTable } from './route-table.ts';

const tx = asTx(1_795_526_400_000_000_000n);
const values: readonly Value[] = [
  { type: 'string', value: 'x' },
  { type: 'int', value: 5n },
  { type: 'int', value: 2n ** 60n },
  { type: 'double', value: 5 },
  { type: 'double', value: Infinity },
  { type: 'bool', value: true },
  { type: 'instant', value: 0n },
  { type: 'ref', value: 'a' },
  { type: 'bytes', value: Uint8Array.of(1) },
  { type: 'json', value: '{"a":[1]}' },
];
const facts = values.map((value): Fact => ({
  entity: 'a',
  attribute: 'b',
  value,
  tx,
  operation: 'assert',
}));
const meta = new Map<string, AttributeValues>([
  ['author', { cardinality: 'one' as const, values: values.slice(0, 1) }],
  ['tags', { cardinality: 'many' as const, values }],
]);
const answer = { basis: tx, closed: true };

describe('the documentation tells the truth: every answer fits its schema', () => {
  const kinds: readonly (readonly [string, z.ZodType, string])[] = [
    [
      'entity',
      entitySchema,
      printEntity({
        ...answer,
        entity: 'a',
        attributes: new Map([
          ['one', { cardinality: 'one' as const, values: values.slice(0, 1) }],
          ['many', { cardinality: 'many' as const, values }],
        ]),
      }),
    ],
    ['page', factsPageSchema, printFactsPage({ ...answer, facts, next: 'x' })],
    ['history', historySchema, printFactsPage({ ...answer, facts, next: undefined }, 'a')],
    ['transaction', transactionSchema, printTransaction({ ...answer, tx, meta, facts })],
    [
      'transactions',
      transactionsSchema,
      printTransactions({ ...answer, transactions: [{ tx, meta }], next: undefined }),
    ],
    ['diff', diffSchema, printDiff({ ...answer, added: facts, removed: facts, next: undefined })],
    [
      'schema',
      schemaSchema,
      printSchema({
        ...answer,
        strict: true,
        mode: 'live',
        attributes: [
          {
            ident: 'a',
            valueType: 'int',
            cardinality: 'one',
            unique: undefined,
            index: false,
            doc: undefined,
            inferred: true,
          },
        ],
      }),
    ],
    [
      'commit',
      commitSchema,
      printCommit({ tx, facts, ids: new Map([['_:x', 'y']]), duplicate: false }),
    ],
    [
      'commit with an explanation',
      commitSchema,
      printCommit({
        tx,
        facts,
        ids: new Map(),
        duplicate: false,
        explain: {
          partitions: [1, 0],
          attempts: 2,
          millis: { publish: 0, wait: undefined, prepare: 1.5, commit: 0.25, total: 1.75 },
        },
      }),
    ],
    [
      'commit without facts',
      commitSchema,
      printCommit({ tx, facts, ids: new Map(), duplicate: true }, false),
    ],
    [
      'event',
      feedEventSchema,
      printFeedEvent({ kind: 'transaction', offset: 'o', tx, meta, facts }),
    ],
    [
      'progress',
      feedEventSchema,
      printFeedEvent({ kind: 'progress', offset: 'o', tx, upToDate: false }),
    ],
    [
      'status',
      statusSchema,
      printStatus({
        database: 'main',
        id: 'x',
        mode: 'live',
        strict: false,
        version: '0',
        durable: true,
        partitions: [
          {
            partition: 0,
            epoch: 1,
            owner: 'o',
            logEnd: 1,
            indexed: 0,
            closed: tx,
            liveFacts: 3,
            manifest: 0,
            runs: 0,
            open: [
              { coordinator: 1, offset: 5, since: '2026-01-01T00:00:00Z', role: 'participant' },
            ],
            troubles: [
              {
                part: 'log',
                code: 'storage-full',
                detail: 'The disk is full.',
                since: '2026-01-01T00:00:00Z',
              },
            ],
          },
        ],
        bytes: { runs: 5 },
      }),
    ],
    [
      'problem',
      problemSchema,
      printProblem(new PyralogError('usage', 'No.', { extra: { limit: 5 } })),
    ],
  ];
  test.each(kinds)('%s', (_name, schema, text) => {
    expect(schema.safeParse(JSON.parse(text))).toMatchObject({ success: true });
    expect(schema.safeParse({ other: 1 }).success).toBe(false);
  });
});

test('lines are found wherever a body is cut into chunks, blank ones left out, numbers kept', async () => {
  const line = fc.oneof(
    fc.constantFrom('', ' ', '\r', '{"a":1}', 'é😀'),
    fc.string({ maxLength: 8 }).map((text) => text.replaceAll(/[\r\n]/g, '_')),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.nat(10)),
      fc.boolean(),
      async (lines, cuts, ended) => {
        const body = Buffer.from(lines.join('\n') + (ended ? '\n' : ''));
        async function* chunks(): AsyncGenerator<Uint8Array> {
          let at = 0;
          for (const cut of cuts) yield body.subarray(at, (at += cut));
          yield body.subarray(at);
        }
        const found: [number, string][] = [];
        for await (const { number, bytes } of linesOf(chunks(), new BodyBudget(1e9)))
          found.push([number, Buffer.from(bytes ?? []).toString()]);
        const expected = lines
          .map((text, i): [number, string] => [
            i + 1,
            text.endsWith('\r') ? text.slice(0, -1) : text,
          ])
          .filter(([, text]) => /[^ \t\r]/.test(text));
        expect(found).toEqual(expected);
      },
    ),
  );
});

test('a line beyond the limit has no bytes, and those after it are whole', async () => {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('12345\n123456\n');
    yield Buffer.from('1234567');
    yield Buffer.from('89\n12345');
  }
  const found: unknown[] = [];
  for await (const { number, bytes } of linesOf(chunks(), new BodyBudget(1e9), 5))
    found.push([number, bytes === undefined ? undefined : Buffer.from(bytes).toString()]);
  expect(found).toEqual([
    [1, '12345'],
    [2, undefined],
    [3, undefined],
    [4, '12345'],
  ]);
});

test('a query string is read strictly, and never throws', () => {
  expect({ ...parseQueryString('a=1&b=x+y%20z&c&d=%C3%A9&a=2&=5&&e=f=g') }).toEqual({
    a: ['1', '2'],
    b: 'x y z',
    c: '',
    d: 'é',
    '': '5',
    e: 'f=g',
  });
  expect(parseQueryString('a=%ff')['a']).toBeInstanceOf(MalformedText);
  expect(Object.keys(parseQueryString('__proto__=1'))).toEqual(['__proto__']);
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseQueryString(text)));
});

test('a moment at the start of a range includes its first transaction, at the end its last', () => {
  const second = 1_588_723_200_000_000_000n;
  expect(parseMoment('2020-05-06', 'start')).toBe(second & ~1023n);
  expect(parseMoment('2020-05-06', 'end')).toBe(second | 1023n);
  expect(parseMoment(`${second + 7n}`, 'start')).toBe(second + 7n);
  expect(parseMoment('tx:7', 'start')).toBe(7n);
  expect(parseMoment('2020-05-06T02:00:00 02:00', 'end')).toBe(second | 1023n);
});

test('routes know their methods', () => {
  const table = new RouteTable();
  table.add('GET', '/v1/:db/x');
  table.add(['POST', 'HEAD'], '/v1/:db/x');
  table.add('GET', '/v1/:db/entities/*');
  expect(table.methodsOf('/v1/main/x?y=1')).toEqual(['GET', 'HEAD', 'POST']);
  expect(table.methodsOf('/v1/main/entities/a/b/c')).toEqual(['GET']);
  expect(table.methodsOf('/v1//x')).toEqual([]);
  expect(table.methodsOf('/v1/main/xx')).toEqual([]);
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.0.2.1', false],
  ['127.evil.example', false],
])('%s is loopback: %s', (address, expected) => expect(isLoopback(address)).toBe(expected));
