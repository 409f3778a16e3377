import {
  type Fact,
  parseDocument,
  parseJson,
  printValue,
  tx as asTx,
  type Value,
  valueFromJson,
} from '@pyralog/model';
import { text, txId as tx, value } from '@pyralog/model/testing';
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

/** A reader takes any name, also those that a database would refuse. */
const name = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'a/b', '', '\0', '😀'));
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

test('a value nested as deep as a document may have it', () => {
  const levels = 61;
  const nested = '{"x":'.repeat(levels) + '1' + '}'.repeat(levels);
  const document = (value: string): string => `{"ops":[{"entity":"a","n":${value}}]}`;
  expect(parseDocument(document(nested)).operations).toMatchObject([{ value: { plain: true } }]);
  expect(() => parseDocument(document(`{"x":${nested}}`))).toThrow('nested deeper');
  const value: Value = { type: 'json', value: nested };
  const deep: Fact = { entity: 'a', attribute: 'n', value, tx: asTx(1n), operation: 'assert' };
  const page = { basis: asTx(1n), closed: true, facts: [deep], next: undefined };
  const read = readAnswer(printFactsPage(page), (fields) => readFactsPage(fields, true));
  expect(read).toEqual(page);
});

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
  const millis = fc.nat().map((micros) => micros / 1_000);
  const unknown = fc.option(millis, { nil: undefined });
  const explain = fc.record({
    partitions: fc.array(fc.nat({ max: 63 }), { minLength: 1 }),
    attempts: fc.integer({ min: 1 }),
    millis: fc.record({
      publish: millis,
      wait: unknown,
      prepare: unknown,
      commit: millis,
      total: millis,
    }),
  });
  const result = { tx, facts, ids, duplicate: fc.boolean() };
  const explained = fc.option(explain, { nil: undefined });
  same(fc.record({ ...result, explain: explained }), printCommit, (printed) =>
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
    open: fc.array(
      fc.record({
        coordinator: count,
        offset: count,
        since: text,
        role: fc.constantFrom('coordinator' as const, 'participant' as const),
      }),
    ),
    troubles: fc.array(
      fc.record({
        part: fc.constantFrom('log' as const, 'index' as const),
        code: fc.constantFrom('storage-full' as const, 'internal' as const),
        detail: text,
        since: text,
      }),
    ),
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
