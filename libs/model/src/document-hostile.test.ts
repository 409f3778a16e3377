import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDocument } from './document-parse.ts';
import { printDocument } from './document-print.ts';
import { errors } from './errors.ts';
import { document } from './testing/documents.ts';
import { refusal, text } from './testing/index.ts';
import { chooser, choices, written } from './testing/json-texts.ts';

/** Names and words of documents, and pieces of JSON that stand where they should not. */
const NAMES = [
  ...['id', 'meta', 'if', 'ops', 'at', 'op', 'entity', 'attribute', 'value', 'old', 'new'],
  ...['is', 'absent', 'unchangedSince', 'ref', 'int', 'double', 'bytes', 'instant', 'json'],
  ...[
    'n',
    ':n',
    '::n',
    '',
    '__proto__',
    'tx/author',
    ':author',
    'author',
    'db/doc',
    'db/valueType',
  ],
];
const PIECES: readonly unknown[] = [
  ...[null, true, false, 0, -5, 0.5, 1e300, '', '\0', '😀', 'x'.repeat(1025), [], {}, [[]], [null]],
  ...['assert', 'retract', 'retractEntity', 'cas', 'a', '_:x', '_:', '_:tx', 'tx:5', 'tx:x'],
  ...['attribute:a', 'attribute:', 'attribute:tx/author', 'attribute:db/settings'],
  ...['2020-01-01T00:00:00Z', '1795000000000000000', 'string', 'many', 'live'],
  ...[{ ref: '_:a' }, { ref: 5 }, { int: '1e5' }, { json: [1] }, { double: 'NaN' }],
];

/** Changes one place of JSON data, chosen step by step. */
function changed(data: unknown, choose: (count: number) => number): unknown {
  const piece = (): unknown => structuredClone(PIECES[choose(PIECES.length)]);
  if (typeof data !== 'object' || data === null || choose(6) === 0) return piece();
  const entries: (readonly [string, unknown])[] = Object.entries(data);
  const at = choose(entries.length + 1);
  const [name, value] = entries[at] ?? [];
  if (name === undefined) entries.push([NAMES[choose(NAMES.length)] ?? '', piece()]);
  else {
    const way = choose(8);
    if (way === 0) entries.splice(at, 1);
    else if (way === 1) entries[at] = [NAMES[choose(NAMES.length)] ?? '', value];
    else entries[at] = [name, changed(value, choose)];
  }
  return Array.isArray(data) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}

const nearly = fc
  .tuple(document, fc.array(choices, { maxLength: 3 }))
  .map(([each, changes]) =>
    changes.reduce<unknown>(
      (data, list) => changed(data, chooser(list)),
      JSON.parse(printDocument(each)),
    ),
  );

/** Takes it, or refuses it in the form of our errors. @returns whether it was taken */
function taken(source: string): boolean {
  const error = refusal(() => parseDocument(source));
  if (error !== undefined) {
    expect(errors[error.code].category).toBe('incorrect');
    expect(error.message.length).toBeLessThan(500);
    return false;
  }
  const { contentHash: _, operationsWritten: __, ...parsed } = parseDocument(source);
  expect(parseDocument(printDocument(parsed))).toMatchObject(parsed);
  return true;
}

test('a document with mistakes is taken and comes back from its text, or is refused in words', () => {
  const verdicts = new Map<boolean, number>();
  fc.assert(
    fc.property(nearly, (data) => {
      const verdict = taken(JSON.stringify(data));
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }),
    { numRuns: 4000 },
  );
  // Both happen often enough to mean something.
  expect(verdicts.get(true)).toBeGreaterThan(500);
  expect(verdicts.get(false)).toBeGreaterThan(500);
});

test('any JSON and any text is refused in words', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        written(false).map((each) => each.text),
        written(false).map((each) => `{"ops":[${each.text}]}`),
        written(false).map((each) => `{"ops":[{"entity":"a","n":${each.text}}]}`),
      ),
      (source) => void taken(source),
    ),
    { numRuns: 2000 },
  );
});

test('what is sent in place of a document leaves no trace on objects', () => {
  parseDocument('{"ops":[{"entity":"a","__proto__":{"polluted":1},"constructor":{"x":1}}]}');
  refusal(() => parseDocument('{"__proto__":{"ops":[]}}'));
  expect('polluted' in {}).toBe(false);
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test('a refusal stays short, however long what it is about', () => {
  const long = 'x'.repeat(1_000_000);
  for (const source of [
    `{"ops":[{"entity":"a","${long}":1}]}`,
    `{"ops":[{"entity":"a","n":1,"${long}":[1,null]}]}`,
    `{"ops":[{"entity":"${long}","n":1}]}`,
    `{"ops":[{"op":"${long}","entity":"a"}]}`,
    `{"ops":[{"op":"assert","entity":"a","attribute":"n","value":{"int":"${long}"}}]}`,
    `{"ops":[{"op":"assert","entity":"a","${long}":"n"}]}`,
    `{"ops":[{"entity":"a","n":{"ref":"_:${long}"}}]}`,
    `{"ops":[{"entity":"a","n":{"ref":"_:${long.slice(0, 1000)}"}}]}`,
    `{"meta":{"${long}":1},"ops":[]}`,
    `{"if":[{"entity":"a","unchangedSince":"${long}"}],"ops":[]}`,
    `{"ops":[],"at":"${long}"}`,
    `{"ops":[],"${long}":1}`,
    `{"ops":[${'1'.repeat(1_000_000)}]}`,
  ]) {
    const error = refusal(() => parseDocument(source));
    expect(JSON.stringify([error?.message, error?.hint, error?.extra]).length).toBeLessThan(1000);
    expect(error).toBeDefined();
  }
});
