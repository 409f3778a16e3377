import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InputCondition, InputOperation, InputValue } from './document.ts';
import { documentFromJson, parseDocument } from './document-parse.ts';
import { printDocument, printOperation } from './document-print.ts';
import { parseJson } from './json.ts';
import { document } from './testing/documents.ts';
import { chooser, choices, type Spelt, spelt, write } from './testing/json-texts.ts';
import { byBytes, shortestDigits } from './testing/reference.ts';
import { tx } from './tx.ts';
import type { Value } from './value.ts';

const plain = (value: Value): InputValue => ({ value, plain: true });
const typed = (value: Value): InputValue => ({ value, plain: false });
const text = (value: string): InputValue => plain({ type: 'string', value });
const int = (value: bigint): InputValue => plain({ type: 'int', value });

const assert = (
  entity: string,
  attribute: string,
  value: InputValue,
  many = false,
): InputOperation => ({ op: 'assert', entity, attribute, value, many });
const retract = (entity: string, attribute: string, value?: InputValue): InputOperation => ({
  op: 'retract',
  entity,
  attribute,
  value,
});

// One row of `ops`, and what it means.
test.each<[string, readonly InputOperation[]]>([
  ['{"op":"assert","entity":"a","attribute":"n","value":"x"}', [assert('a', 'n', text('x'))]],
  [
    '{"value":{"int":"5"},"attribute":":n","entity":"a","op":"assert"}',
    [assert('a', 'n', typed({ type: 'int', value: 5n }))],
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n","value":{"x":[1.0]}}',
    [assert('a', 'n', plain({ type: 'json', value: '{"x":[1]}' }))],
  ],
  ['{"op":"retract","entity":"a","attribute":"n"}', [retract('a', 'n')]],
  ['{"op":"retract","entity":"a","attribute":"n","value":5}', [retract('a', 'n', int(5n))]],
  ['{"op":"retractEntity","entity":"a"}', [{ op: 'retractEntity', entity: 'a' }]],
  [
    '{"op":"cas","entity":"a","attribute":"n","old":5,"new":4}',
    [{ op: 'cas', entity: 'a', attribute: 'n', old: int(5n), new: int(4n) }],
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","new":"x","old":null}',
    [{ op: 'cas', entity: 'a', attribute: 'n', old: null, new: text('x') }],
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","old":"x","new":null}',
    [{ op: 'cas', entity: 'a', attribute: 'n', old: text('x'), new: null }],
  ],
  ['{"entity":"a","n":"x"}', [assert('a', 'n', text('x'))]],
  [
    '{":m":1,"entity":"a","n":["x","y"]}',
    [
      assert('a', 'm', int(1n)),
      assert('a', 'n', text('x'), true),
      assert('a', 'n', text('y'), true),
    ],
  ],
  ['{"entity":"a","n":[]}', []],
  ['{"entity":"a","n":["x"]}', [assert('a', 'n', text('x'), true)]],
  ['{"entity":"a","n":null,"m":1}', [retract('a', 'n'), assert('a', 'm', int(1n))]],
  [
    '{"entity":"a",":op":1,":entity":2,"attribute":3}',
    [assert('a', 'op', int(1n)), assert('a', 'entity', int(2n)), assert('a', 'attribute', int(3n))],
  ],
  ['{"entity":"a","value":1}', [assert('a', 'value', int(1n))]],
  ['{"entity":"a","old":1,"new":2}', [assert('a', 'old', int(1n)), assert('a', 'new', int(2n))]],
  ['{"entity":"__proto__","__proto__":1}', [assert('__proto__', '__proto__', int(1n))]],
  [
    '{"entity":"a","n":{"json":["x"]}}',
    [assert('a', 'n', typed({ type: 'json', value: '["x"]' }))],
  ],
  ['{"entity":"_:x","n":1}', [assert('_:x', 'n', int(1n))]],
  [
    '{"entity":"_:tx","n":{"ref":"_:tx"}}',
    [assert('_:tx', 'n', typed({ type: 'ref', value: '_:tx' }))],
  ],
  ['{"entity":"tx:5","tx/note":"n"}', [assert('tx:5', 'tx/note', text('n'))]],
])('%s', (row, operations) => {
  const parsed = parseDocument(`{"ops":[${row}]}`);
  expect(parsed.operations).toEqual(operations);
  expect(parsed.operationsWritten).toBe(1);
});

// One row of `if`, and what it means.
test.each<[string, InputCondition]>([
  [
    '{"entity":"a","attribute":"n","is":5}',
    { kind: 'is', entity: 'a', attribute: 'n', values: [int(5n)] },
  ],
  [
    '{"entity":"a","attribute":":n","is":["x",{"ref":"b"}]}',
    {
      kind: 'is',
      entity: 'a',
      attribute: 'n',
      values: [text('x'), typed({ type: 'ref', value: 'b' })],
    },
  ],
  [
    '{"is":null,"entity":"a","attribute":"n"}',
    { kind: 'is', entity: 'a', attribute: 'n', values: [] },
  ],
  [
    '{"entity":"a","attribute":"n","is":[]}',
    { kind: 'is', entity: 'a', attribute: 'n', values: [] },
  ],
  [
    '{"entity":"a","attribute":"n","absent":true}',
    { kind: 'is', entity: 'a', attribute: 'n', values: [] },
  ],
  ['{"entity":"a","absent":true}', { kind: 'entityAbsent', entity: 'a' }],
  [
    '{"entity":"a","unchangedSince":"1795000000000000000"}',
    {
      kind: 'unchangedSince',
      entity: 'a',
      attribute: undefined,
      since: tx(1795000000000000000n),
    },
  ],
  [
    '{"entity":"tx:5","attribute":"n","unchangedSince":"0"}',
    { kind: 'unchangedSince', entity: 'tx:5', attribute: 'n', since: tx(0n) },
  ],
])('the condition %s', (row, condition) => {
  expect(parseDocument(`{"if":[${row}],"ops":[]}`).conditions).toEqual([condition]);
});

test('the smallest document, and one with everything', () => {
  expect(parseDocument('{"ops":[]}')).toEqual({
    id: undefined,
    meta: [],
    conditions: [],
    operations: [],
    operationsWritten: 0,
    at: undefined,
    contentHash: '',
  });
  const parsed = parseDocument(
    `{"id":"order-4711","meta":{"author":"user:alice","tx/reason":"typo",":tags":["a",{"int":"1"}]},
      "if":[{"entity":"a","absent":true}],"ops":[{"entity":"a","n":["x","y"]}],
      "at":"1970-01-01T00:00:01.000000001Z"}`,
  );
  expect(parsed).toMatchObject({ id: 'order-4711', operationsWritten: 1, at: 1_000_000_001n });
  expect(parsed.meta).toEqual([
    { attribute: 'tx/author', value: text('user:alice'), many: false },
    { attribute: 'tx/reason', value: text('typo'), many: false },
    { attribute: 'tx/tags', value: text('a'), many: true },
    { attribute: 'tx/tags', value: typed({ type: 'int', value: 1n }), many: true },
  ]);
});

test('bytes and text are read alike, and so is JSON that was read before', () => {
  fc.assert(
    fc.property(document, (each) => {
      const printed = printDocument(each);
      const parsed = parseDocument(printed);
      expect(parseDocument(Buffer.from(printed))).toEqual(parsed);
      expect(documentFromJson(parseJson(printed))).toEqual(parsed);
    }),
  );
});

test('every document comes back from its text', () => {
  fc.assert(
    fc.property(document, (each) => {
      const { contentHash, ...parsed } = parseDocument(printDocument(each));
      expect(parsed).toEqual(each);
      expect(contentHash).toMatch(each.id === undefined ? /^$/ : /^[0-9a-f]{64}$/);
      for (const operation of each.operations)
        expect(() => JSON.parse(printOperation(operation)) as unknown).not.toThrow();
    }),
    { numRuns: 1000 },
  );
});

/** Canonical text once more; beside it, numbers with a fraction or an exponent keep one. */
function canonical(tree: Spelt): string {
  switch (tree.kind) {
    case 'word':
      return tree.text;
    case 'number': {
      if (/^-?\d+$/.test(tree.text)) return BigInt(tree.text).toString();
      const digits = shortestDigits(Number(tree.text));
      return /[.e]/.test(digits) ? digits : `${digits}.0`;
    }
    case 'string':
      return JSON.stringify(tree.text);
    case 'array':
      return `[${tree.items.map(canonical).join(',')}]`;
    case 'object': {
      const members = tree.members.toSorted(([a], [b]) => byBytes(a, b));
      return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`;
    }
  }
}

const string = (content: string): Spelt => ({ kind: 'string', text: content });
const object = (members: readonly (readonly [string, Spelt])[]): Spelt => ({
  kind: 'object',
  members,
});

test('the content hash is that of the canonical text without the key: spelling and order of names do not matter', () => {
  const isSmall = (tree: Spelt): boolean => !/e\+?[0-9]{3}/i.test(JSON.stringify(tree));
  const contents = fc.tuple(spelt(true).filter(isSmall), choices, choices, fc.boolean());
  fc.assert(
    fc.property(contents, ([content, one, other, turned]) => {
      const row = object([
        ['entity', string('a')],
        ['n', object([['json', content]])],
      ]);
      const members: (readonly [string, Spelt])[] = [
        ['ops', { kind: 'array', items: [row] }],
        ['at', string('2020-01-01T00:00:00Z')],
      ];
      const hash = createHash('sha256')
        .update(canonical(object(members)))
        .digest('hex');
      const keyed = (id: string, list: readonly number[]): string => {
        const all = [...members, ['id', string(id)] as const];
        return write(object(turned ? all.toReversed() : all), chooser(list));
      };
      expect(parseDocument(keyed('k', one)).contentHash).toBe(hash);
      expect(parseDocument(keyed('another', other)).contentHash).toBe(hash);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['a value', '{"id":"k","ops":[{"entity":"a","n":1}]}'],
  ['the type of a number', '{"id":"k","ops":[{"entity":"a","n":5.0}]}'],
  ['the order of operations', '{"id":"k","ops":[{"entity":"b","n":5},{"entity":"a","n":5}]}'],
  ['meta', '{"id":"k","meta":{"author":"x"},"ops":[{"entity":"a","n":5}]}'],
  ['the time', '{"id":"k","ops":[{"entity":"a","n":5}],"at":"2020-01-01T00:00:00Z"}'],
])('other content has another hash: %s', (_, other) => {
  const { contentHash } = parseDocument('{"id":"k","ops":[{"entity":"a","n":5}]}');
  expect(parseDocument(other).contentHash).not.toBe(contentHash);
});
