import {
  type Fact,
  printValue,
  type Tx,
  tx as asTx,
  type Value,
  valueFromJson,
  parseJson,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  printCommit,
  printDiff,
  printEntity,
  printFactsPage,
  printFeedEvent,
  printSchema,
  printStatus,
  printTransaction,
  printTransactions,
} from './answer-print.ts';
import {
  readAnswer,
  readCommit,
  readDiff,
  readEntity,
  readFactsPage,
  readFeedEvent,
  readSchema,
  readStatus,
  readTransaction,
  readTransactions,
} from './answer-read.ts';

const text = fc.string({ unit: 'binary' }).filter((each) => each.isWellFormed());
const name = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'a/b', '', '\0', '😀'));
const tx: fc.Arbitrary<Tx> = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(asTx);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const value: fc.Arbitrary<Value> = fc.oneof(
  text.map((each): Value => ({ type: 'string', value: each })),
  int64.map((each): Value => ({ type: 'int', value: each })),
  fc
    .double({ noNaN: true })
    .map((each): Value => ({ type: 'double', value: each === 0 ? 0 : each })),
  fc.boolean().map((each): Value => ({ type: 'bool', value: each })),
  int64.map((each): Value => ({ type: 'instant', value: each })),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((each) => !/^(?:tx|attribute|_):/.test(each))
    .map((each): Value => ({ type: 'ref', value: each })),
  fc.uint8Array().map((each): Value => ({ type: 'bytes', value: each })),
  fc
    .constantFrom('null', '{"a":[1,2.5]}', '"x"', '9007199254740993')
    .map((each): Value => ({ type: 'json', value: each })),
);
const fact: fc.Arbitrary<Fact> = fc.record({
  entity: name,
  attribute: name,
  value,
  tx,
  operation: fc.constantFrom('assert', 'retract'),
});
const facts = fc.array(fact, { maxLength: 5 });
const next = fc.option(text, { nil: undefined });
const attributes = fc
  .uniqueArray(
    fc.tuple(
      name,
      fc.oneof(
        value.map((each) => ({ cardinality: 'one' as const, values: [each] })),
        fc
          .array(value, { minLength: 1, maxLength: 3 })
          .map((values) => ({ cardinality: 'many' as const, values })),
      ),
    ),
    { selector: ([each]) => each },
  )
  .map((pairs) => new Map(pairs));
const closed = fc.boolean();

/** Printed and read, an answer is what it was. Values compare by their type and exact content. */
function same<T>(
  arbitrary: fc.Arbitrary<T>,
  print: (answer: T) => string,
  read: (printed: string, answer: T) => unknown,
): void {
  fc.assert(
    fc.property(arbitrary, (answer) => {
      expect(read(print(answer), answer)).toEqual(answer);
    }),
  );
}

test('a value keeps its type and every digit', () =>
  same(value, printValue, (printed) => valueFromJson(parseJson(printed))));

test('an entity', () =>
  same(
    fc.record({ entity: name, basis: tx, closed, attributes }),
    printEntity,
    (printed, { closed: c }) => readAnswer(printed, (fields) => readEntity(fields, c)),
  ));

test('a page of facts', () =>
  same(fc.record({ basis: tx, closed, facts, next }), printFactsPage, (printed, { closed: c }) =>
    readAnswer(printed, (fields) => readFactsPage(fields, c)),
  ));

test('a transaction, and a list of them', () => {
  same(
    fc.record({ basis: tx, closed, tx, meta: attributes, facts }),
    printTransaction,
    (printed, answer) => readAnswer(printed, (fields) => readTransaction(fields, answer)),
  );
  same(
    fc.record({
      basis: tx,
      closed,
      transactions: fc.array(fc.record({ tx, meta: attributes })),
      next,
    }),
    printTransactions,
    (printed, { closed: c }) => readAnswer(printed, (fields) => readTransactions(fields, c)),
  );
});

test('a difference', () =>
  same(
    fc.record({ basis: tx, closed, added: facts, removed: facts, next }),
    printDiff,
    (printed, { closed: c }) => readAnswer(printed, (fields) => readDiff(fields, c)),
  ));

test('a commit', () => {
  const ids = fc
    .uniqueArray(fc.tuple(name, name), { selector: ([each]) => each })
    .map((pairs) => new Map(pairs));
  same(fc.record({ tx, facts, ids, duplicate: fc.boolean() }), printCommit, (printed) =>
    readAnswer(printed, readCommit),
  );
});

test('events of a feed', () => {
  same(
    fc.record({
      kind: fc.constant('transaction' as const),
      offset: text,
      tx,
      meta: attributes,
      facts,
    }),
    printFeedEvent,
    (printed) => readAnswer(printed, readFeedEvent),
  );
  same(
    fc.record({ kind: fc.constant('progress' as const), offset: text, tx, upToDate: fc.boolean() }),
    printFeedEvent,
    (printed) => readAnswer(printed, readFeedEvent),
  );
});

test('a schema', () => {
  const definition = fc.record({
    ident: name,
    valueType: fc.constantFrom('bool' as const, 'int' as const, 'json' as const),
    cardinality: fc.constantFrom('one' as const, 'many' as const),
    unique: fc.constantFrom(undefined, 'value' as const, 'identity' as const),
    index: fc.boolean(),
    doc: fc.option(text, { nil: undefined }),
    inferred: fc.boolean(),
  });
  same(
    fc.record({
      basis: tx,
      closed,
      strict: fc.boolean(),
      mode: fc.constantFrom('import' as const, 'live' as const),
      attributes: fc.array(definition),
    }),
    printSchema,
    (printed, { closed: c }) => readAnswer(printed, (fields) => readSchema(fields, c)),
  );
});

test('a status', () => {
  const count = fc.nat();
  const partition = fc.record({
    partition: count,
    epoch: count,
    owner: text,
    logEnd: count,
    indexed: count,
    closed: tx,
    liveFacts: count,
    manifest: count,
    runs: count,
  });
  const bytes = fc.dictionary(fc.constantFrom('segments', 'runs', 'blobs'), count);
  same(
    fc.record({
      database: text,
      id: text,
      mode: fc.constantFrom('import' as const, 'live' as const),
      strict: fc.boolean(),
      version: text,
      durable: fc.boolean(),
      partitions: fc.array(partition),
      bytes,
    }),
    printStatus,
    (printed) => readAnswer(printed, readStatus),
  );
});

test.each([
  '',
  'null',
  '[]',
  '{}',
  '{"tx":1}',
  '{"tx":"1","facts":{},"ids":{},"duplicate":false}',
  '{"tx":"1","facts":[{"entity":"a"}],"ids":{},"duplicate":false}',
  '{"tx":"1","facts":[],"ids":{"_:x":5},"duplicate":false}',
  '<html>',
])('what is no answer of ours is refused: %s', (printed) => {
  expect(() => readAnswer(printed, readCommit)).toThrow(
    expect.objectContaining({
      code: 'unreachable',
      message: expect.stringContaining('form that this client does not know'),
    }),
  );
});
