import { expect, test } from 'vitest';
import { parseDocument } from './document-parse.ts';
import type { ErrorCode } from './errors.ts';
import { refusal } from './testing/index.ts';

const op = (row: string): string => `{"ops":[{"entity":"fine","n":1},${row}]}`;
const condition = (row: string): string => `{"if":[${row}],"ops":[]}`;
const meta = (members: string): string => `{"meta":{${members}},"ops":[]}`;

type Row = readonly [document: string, code: ErrorCode, path: string | undefined, problem: string];

function refused([document, code, path, problem]: Row): void {
  const error = refusal(() => parseDocument(document));
  expect(error?.code).toBe(code);
  expect(error?.extra['path']).toBe(path);
  expect(error?.message).toContain(problem);
  if (path !== undefined) expect(error?.message.startsWith(`${path}: `)).toBe(true);
  expect(error?.message.length).toBeLessThan(300);
}

test.each<Row>([
  ['', 'json-malformed', undefined, 'The text ends'],
  ['{"ops":[]', 'json-malformed', undefined, '(line 1, column 10)'],
  ['{"ops":[],"ops":[]}', 'json-malformed', undefined, '"ops" stands twice'],
  ['null', 'document-invalid', undefined, 'is an object, not null'],
  ['5', 'document-invalid', undefined, 'is an object, not a number'],
  ['"ops"', 'document-invalid', undefined, 'is an object, not a string'],
  ['[]', 'document-invalid', undefined, 'is an object, not an array'],
  ['{}', 'document-invalid', undefined, 'The field "ops" is missing'],
  ['{"id":"k"}', 'document-invalid', undefined, 'The field "ops" is missing'],
  ['{"op":[]}', 'document-invalid', undefined, 'There is no field "op" here'],
  ['{"ops":[],"ID":"k"}', 'document-invalid', undefined, 'There is no field "ID" here'],
  ['{"ops":[],"__proto__":1}', 'document-invalid', undefined, 'no field "__proto__" here'],
  ['{"ops":null}', 'document-invalid', 'ops', 'an array, not null'],
  ['{"ops":{}}', 'document-invalid', 'ops', 'an array, not an object'],
  ['{"ops":"x"}', 'document-invalid', 'ops', 'an array, not a string'],
  ['{"id":5,"ops":[]}', 'document-invalid', 'id', 'is a string, not a number'],
  ['{"id":null,"ops":[]}', 'document-invalid', 'id', 'is a string, not null'],
  ['{"id":"","ops":[]}', 'document-invalid', 'id', 'The idempotency key is empty'],
  ['{"at":5,"ops":[]}', 'document-invalid', 'at', 'an RFC 3339 text'],
  ['{"at":null,"ops":[]}', 'document-invalid', 'at', 'not null'],
  ['{"at":"2020-01-01","ops":[]}', 'document-invalid', 'at', 'the time of the day is missing'],
  ['{"at":"1969-12-31T23:59:59Z","ops":[]}', 'import-time-invalid', 'at', '1970 and 2262'],
  [
    '{"at":"2262-04-11T23:47:16.854775808Z","ops":[]}',
    'import-time-invalid',
    'at',
    '1970 and 2262',
  ],
])('the document %s is refused as %s', (...row) => refused(row));

test.each<Row>([
  ['"author":null', 'value-invalid', 'meta.author', 'Null is not a value'],
  ['"author":5', 'type-mismatch', 'meta.author', 'takes a string value'],
  ['"a":[1,null]', 'value-invalid', 'meta.a[1]', 'Null is not a value'],
  ['"a":[[1]]', 'value-invalid', 'meta.a[0]', 'An array is not one value'],
  ['"a":[1e999]', 'value-invalid', 'meta.a[0]', 'too large for a double'],
  ['"":1', 'attribute-invalid', 'meta', 'An attribute is empty'],
  ['"::a":1', 'attribute-invalid', 'meta.::a', 'more than one colon'],
  ['"a\\u0000":1', 'attribute-invalid', 'meta.a\\u0000', 'control character'],
  ['"person/name":1', 'document-invalid', 'meta.person/name', 'begin with "tx/"'],
  ['"db/doc":"x"', 'document-invalid', 'meta.db/doc', 'begin with "tx/"'],
  ['"timestamp":"x"', 'document-invalid', 'meta.timestamp', 'is computed'],
  ['"key":"x"', 'document-invalid', 'meta.key', 'cannot be set'],
  ['":tx/keyHash":"x"', 'document-invalid', 'meta.:tx/keyHash', 'cannot be set'],
  ['"a":1,"tx/a":2', 'document-invalid', 'meta.tx/a', '"tx/a" stands twice'],
  ['"tx/a":[],":a":2', 'document-invalid', 'meta.:a', '"tx/a" stands twice'],
])('the meta {%s} is refused as %s', (members, ...rest) => refused([meta(members), ...rest]));

test.each<Row>([
  ['{"meta":[],"ops":[]}', 'document-invalid', 'meta', 'are an object, not an array'],
  ['{"meta":null,"ops":[]}', 'document-invalid', 'meta', 'are an object, not null'],
  ['{"if":{},"ops":[]}', 'document-invalid', 'if', 'an array, not an object'],
  ['{"if":null,"ops":[]}', 'document-invalid', 'if', 'an array, not null'],
])('%s is refused', (...row) => refused(row));

test.each<Row>([
  ['5', 'document-invalid', 'ops[1]', 'An operation is an object, not a number'],
  ['null', 'document-invalid', 'ops[1]', 'not null'],
  ['[]', 'document-invalid', 'ops[1]', 'not an array'],
  ['{}', 'document-invalid', 'ops[1]', 'The field "entity" is missing'],
  ['{"n":1}', 'document-invalid', 'ops[1]', 'The field "entity" is missing'],
  ['{"entity":"a"}', 'document-invalid', 'ops[1]', 'names no attribute'],
  ['{"entity":5,"n":1}', 'document-invalid', 'ops[1].entity', 'is a string, not a number'],
  ['{"entity":null,"n":1}', 'document-invalid', 'ops[1].entity', 'is a string, not null'],
  ['{"entity":"","n":1}', 'entity-invalid', 'ops[1].entity', 'is empty'],
  ['{"entity":"tx:x","n":1}', 'entity-invalid', 'ops[1].entity', 'not a transaction entity'],
  ['{"entity":"_:","n":1}', 'entity-invalid', 'ops[1].entity', 'its name is empty'],
  ['{"entity":"a","":1}', 'attribute-invalid', 'ops[1]', 'An attribute is empty'],
  ['{"entity":"a","x\\ny":1}', 'attribute-invalid', 'ops[1].x\\ny', 'control character'],
  ['{"entity":"a","n":[1,[2]]}', 'value-invalid', 'ops[1].n[1]', 'An array is not one value'],
  ['{"entity":"a","n":[null]}', 'value-invalid', 'ops[1].n[0]', 'Null is not a value'],
  ['{"entity":"a","n":9223372036854775808}', 'value-invalid', 'ops[1].n', '64 bits'],
  ['{"entity":"a","n":1e400}', 'value-invalid', 'ops[1].n', 'too large for a double'],
  ['{"entity":"a","n":{"ref":""}}', 'entity-invalid', 'ops[1].n', 'is empty'],
  ['{"entity":"a","n":{"int":1.5}}', 'value-invalid', 'ops[1].n', '{"int":…}'],
  ['{"entity":"a","attribute":"n","value":1}', 'document-invalid', 'ops[1]', '"op" is missing'],
  ['{"entity":"a","attribute":"n","old":1,"new":1}', 'document-invalid', 'ops[1]', '"op" is'],
  ['{"op":"upsert","entity":"a"}', 'document-invalid', 'ops[1].op', 'no operation "upsert"'],
  ['{"op":"toString","entity":"a"}', 'document-invalid', 'ops[1].op', 'no operation "toString"'],
  ['{"op":null,"entity":"a"}', 'document-invalid', 'ops[1].op', 'by a string, not null'],
  ['{"op":5,"entity":"a","n":1}', 'document-invalid', 'ops[1].op', 'by a string, not a number'],
  [
    '{"op":"assert","attribute":"n","value":1}',
    'document-invalid',
    'ops[1]',
    '"entity" is missing',
  ],
  [
    '{"op":"assert","entity":"a","value":1}',
    'document-invalid',
    'ops[1]',
    '"attribute" is missing',
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n"}',
    'document-invalid',
    'ops[1]',
    '"value" is missing',
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n","value":1,"x":1}',
    'document-invalid',
    'ops[1]',
    'no field "x"',
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n","vlaue":1}',
    'document-invalid',
    'ops[1]',
    'no field "vlaue"',
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n","value":null}',
    'value-invalid',
    'ops[1].value',
    'Null is not a value',
  ],
  [
    '{"op":"assert","entity":"a","attribute":"n","value":[1]}',
    'value-invalid',
    'ops[1].value',
    'An array is not one value',
  ],
  [
    '{"op":"assert","entity":"a","attribute":5,"value":1}',
    'document-invalid',
    'ops[1].attribute',
    'is a string, not a number',
  ],
  [
    '{"op":"assert","entity":"a","attribute":":","value":1}',
    'attribute-invalid',
    'ops[1].attribute',
    'is empty',
  ],
  ['{"op":"retract","entity":"a"}', 'document-invalid', 'ops[1]', '"attribute" is missing'],
  [
    '{"op":"retract","entity":"a","attribute":"n","value":null}',
    'value-invalid',
    'ops[1].value',
    'Null is not a value',
  ],
  [
    '{"op":"retract","entity":"a","attribute":"n","old":1}',
    'document-invalid',
    'ops[1]',
    'no field "old"',
  ],
  [
    '{"op":"retractEntity","entity":"a","attribute":"n"}',
    'document-invalid',
    'ops[1]',
    'no field "attribute"',
  ],
  ['{"op":"retractEntity"}', 'document-invalid', 'ops[1]', '"entity" is missing'],
  [
    '{"op":"cas","entity":"a","attribute":"n","new":1}',
    'document-invalid',
    'ops[1]',
    '"old" is missing',
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","old":1}',
    'document-invalid',
    'ops[1]',
    '"new" is missing',
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","old":1,"new":[2]}',
    'value-invalid',
    'ops[1].new',
    'An array is not one value',
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","old":{"bytes":5},"new":2}',
    'value-invalid',
    'ops[1].old',
    '{"bytes":…}',
  ],
  [
    '{"op":"cas","entity":"a","attribute":"n","value":1}',
    'document-invalid',
    'ops[1]',
    'no field "value"',
  ],
])('the operation %s is refused as %s at %s', (row, ...rest) => refused([op(row), ...rest]));

test.each<Row>([
  ['5', 'document-invalid', 'if[0]', 'A condition is an object, not a number'],
  ['{}', 'document-invalid', 'if[0].entity', '"entity" is missing'],
  ['{"entity":"a"}', 'document-invalid', 'if[0]', 'does not say what must hold'],
  ['{"entity":"a","attribute":"n"}', 'document-invalid', 'if[0]', 'does not say what must hold'],
  ['{"entity":"a","is":5}', 'document-invalid', 'if[0]', 'names an attribute'],
  ['{"entity":5,"absent":true}', 'document-invalid', 'if[0].entity', 'is a string'],
  ['{"entity":"","absent":true}', 'entity-invalid', 'if[0].entity', 'is empty'],
  ['{"entity":"_:x","absent":true}', 'entity-invalid', 'if[0].entity', 'is a temporary id'],
  ['{"entity":"_:tx","absent":true}', 'entity-invalid', 'if[0].entity', 'is a temporary id'],
  ['{"entity":"a","attribute":5,"is":5}', 'document-invalid', 'if[0].attribute', 'is a string'],
  ['{"entity":"a","attribute":"","is":5}', 'attribute-invalid', 'if[0].attribute', 'is empty'],
  [
    '{"entity":"a","attribute":"n","is":5,"absent":true}',
    'document-invalid',
    'if[0]',
    'more than one thing',
  ],
  ['{"entity":"a","attribute":"n","equals":5}', 'document-invalid', 'if[0]', 'no field "equals"'],
  ['{"entity":"a","absent":false}', 'document-invalid', 'if[0].absent', 'is true'],
  ['{"entity":"a","absent":null}', 'document-invalid', 'if[0].absent', 'is true'],
  ['{"entity":"a","absent":"true"}', 'document-invalid', 'if[0].absent', 'is true'],
  ['{"entity":"a","unchangedSince":5}', 'document-invalid', 'if[0].unchangedSince', 'in quotes'],
  ['{"entity":"a","unchangedSince":"01"}', 'document-invalid', 'if[0].unchangedSince', 'is a tx'],
  [
    '{"entity":"a","unchangedSince":"2020-01-01T00:00:00Z"}',
    'document-invalid',
    'if[0].unchangedSince',
    'is a tx',
  ],
  [
    '{"entity":"a","attribute":"n","is":[1,null]}',
    'value-invalid',
    'if[0].is[1]',
    'Null is not a value',
  ],
  [
    '{"entity":"a","attribute":"n","is":[[1]]}',
    'value-invalid',
    'if[0].is[0]',
    'An array is not one value',
  ],
  ['{"entity":"a","attribute":"n","is":1e999}', 'value-invalid', 'if[0].is', 'too large'],
])('the condition %s is refused as %s at %s', (row, ...rest) => refused([condition(row), ...rest]));

// A ref to a temporary id needs an operation about it; a bare string may be no ref at all.
test.each<readonly [string, string | undefined]>([
  ['{"entity":"a","n":{"ref":"_:x"}}', 'ops[0].n'],
  ['{"entity":"_:x","n":1},{"entity":"a","n":[1,{"ref":"_:y"}]}', 'ops[1].n[1]'],
  ['{"op":"assert","entity":"a","attribute":"n","value":{"ref":"_:x"}}', 'ops[0].value'],
  ['{"op":"cas","entity":"a","attribute":"n","old":null,"new":{"ref":"_:x"}}', 'ops[0].new'],
  ['{"entity":"a","n":{"ref":"_:x"}},{"entity":"_:x","n":1}', undefined],
  ['{"entity":"_:x","n":{"ref":"_:x"}}', undefined],
  ['{"entity":"a","n":{"ref":"_:tx"}}', undefined],
  ['{"entity":"a","n":"_:x"}', undefined],
])('in [%s] an unknown temporary id stands at %s', (rows, path) => {
  const error = refusal(() => parseDocument(`{"ops":[${rows}]}`));
  expect(error?.code).toBe(path === undefined ? undefined : 'document-invalid');
  expect(error?.extra['path']).toBe(path);
  if (path !== undefined) expect(error?.message).toMatch(/is referred to, but no operation/);
});

test('hints name the nearest word', () => {
  const hint = (document: string): string | undefined =>
    refusal(() => parseDocument(document))?.hint;
  expect(hint('{"mta":{},"ops":[]}')).toContain('Did you mean "meta"?');
  expect(hint(op('{"op":"asert","entity":"a"}'))).toContain('Did you mean "assert"?');
  expect(hint(op('{"op":"assert","entity":"a","atribute":"n","value":1}'))).toContain(
    '"attribute"',
  );
  expect(hint(condition('{"entity":"a","abset":true}'))).toContain('"absent"');
  expect(
    hint('{"ops":[{"entity":"_:alice","n":1},{"entity":"a","n":{"ref":"_:alise"}}]}'),
  ).toContain('"_:alice"');
});
