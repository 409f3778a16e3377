import { expect, test } from 'vitest';
import { BUILT_IN, SETTINGS_ENTITY } from './builtin.ts';
import { parseDocument } from './document-parse.ts';
import type { ErrorCode } from './errors.ts';
import { errorCode, refusal } from './testing/index.ts';

type Row = readonly [operation: object, code: ErrorCode | undefined, hint?: string];

function code(operation: object): ErrorCode | undefined {
  return errorCode(() => parseDocument(JSON.stringify({ ops: [operation] })));
}

const NAME = 'attribute:person/name';

// Definitions are facts on attribute entities, which have no others.
const DEFINITIONS: readonly Row[] = [
  [{ entity: NAME, 'db/valueType': 'string', 'db/cardinality': 'one' }, undefined],
  [{ entity: NAME, ':db/valueType': 'string', 'db/doc': 'x', 'db/index': true }, undefined],
  [{ entity: NAME, 'db/ident': 'person/name' }, undefined],
  [{ op: 'assert', entity: NAME, attribute: 'db/unique', value: 'identity' }, undefined],
  [{ op: 'retract', entity: NAME, attribute: 'db/doc' }, undefined],
  [{ op: 'retract', entity: NAME, attribute: 'db/doc', value: 'x' }, undefined],
  [{ op: 'cas', entity: NAME, attribute: 'db/doc', old: null, new: 'x' }, undefined],
  [{ entity: NAME, 'db/doc': null }, undefined],
  [{ entity: NAME, 'db/inferred': false }, undefined],
  [{ entity: NAME, 'db/inferred': true }, 'schema-invalid'],
  [{ entity: NAME, 'db/ident': 'person/mail' }, 'schema-invalid'],
  [{ entity: NAME, 'db/valueType': 'number' }, 'schema-invalid'],
  [{ entity: NAME, 'db/cardinality': ['one', 'several'] }, 'schema-invalid'],
  [{ op: 'assert', entity: NAME, attribute: 'db/unique', value: 'yes' }, 'schema-invalid'],
  [{ op: 'cas', entity: NAME, attribute: 'db/unique', old: null, new: 'yes' }, 'schema-invalid'],
  [{ entity: NAME, 'db/index': 'true' }, 'type-mismatch'],
  [{ entity: NAME, 'db/valueType': { ref: 'string' } }, 'type-mismatch'],
  [{ entity: NAME, 'db/valuetype': 'string' }, 'attribute-invalid', 'Did you mean "db/valueType"?'],
  [{ entity: NAME, 'db/x': 1 }, 'attribute-invalid', 'They are db/'],
  [{ op: 'retract', entity: NAME, attribute: 'db/x' }, 'attribute-invalid'],
  [{ entity: NAME, name: 'x' }, 'document-invalid', 'db/doc'],
  [{ entity: NAME, 'tx/author': 'x' }, 'document-invalid', 'db/doc'],
  [{ op: 'retract', entity: NAME, attribute: 'name' }, 'document-invalid'],
  [{ op: 'cas', entity: NAME, attribute: 'name', old: 1, new: 2 }, 'document-invalid'],
  [{ op: 'retractEntity', entity: NAME }, 'schema-change-refused', 'The past needs'],
  [{ entity: 'paper:1', 'db/doc': 'x' }, 'document-invalid', '"attribute:person/name"'],
  [{ op: 'retract', entity: 'paper:1', attribute: 'db/doc' }, 'document-invalid'],
  [{ entity: '_:x', 'db/doc': 'x' }, 'document-invalid'],
  [{ entity: '_:tx', 'db/doc': 'x' }, 'document-invalid'],
  [{ entity: 'attribute:db/doc', 'db/doc': 'x' }, 'schema-invalid'],
  [{ entity: 'attribute:db/mine', 'db/valueType': 'string' }, 'schema-invalid'],
  [{ entity: 'attribute:tx/author', 'db/index': false }, 'schema-invalid'],
  [{ op: 'retract', entity: 'attribute:tx/key', attribute: 'db/unique' }, 'schema-invalid'],
  [{ entity: 'attribute:tx/mine', 'db/valueType': 'string' }, undefined],
  [{ entity: NAME, 'db/strict': true }, 'document-invalid', 'attribute:db/settings'],
];

// Settings are replaced, never retracted.
const SETTINGS: readonly Row[] = [
  [{ entity: SETTINGS_ENTITY, 'db/strict': true }, undefined],
  [{ entity: SETTINGS_ENTITY, 'db/mode': 'live' }, undefined],
  [
    { op: 'cas', entity: SETTINGS_ENTITY, attribute: 'db/strict', old: false, new: true },
    undefined,
  ],
  [{ entity: SETTINGS_ENTITY, 'db/mode': 'paused' }, 'schema-invalid'],
  [{ entity: SETTINGS_ENTITY, 'db/strict': 'yes' }, 'type-mismatch'],
  [{ entity: SETTINGS_ENTITY, 'db/doc': 'x' }, 'document-invalid'],
  [{ entity: SETTINGS_ENTITY, 'db/strict': null }, 'document-invalid'],
  [{ op: 'retract', entity: SETTINGS_ENTITY, attribute: 'db/mode' }, 'document-invalid'],
  [
    { op: 'cas', entity: SETTINGS_ENTITY, attribute: 'db/strict', old: true, new: null },
    'document-invalid',
  ],
  [{ op: 'retractEntity', entity: SETTINGS_ENTITY }, 'document-invalid'],
];

// Facts about transactions stand on transactions; what the sequencer writes, nobody else does.
const TRANSACTIONS: readonly Row[] = [
  [{ entity: '_:tx', 'tx/author': 'x' }, undefined],
  [{ entity: 'tx:5', 'tx/reason': 'x', note: 'y' }, undefined],
  [{ op: 'retract', entity: 'tx:5', attribute: 'tx/author' }, undefined],
  [{ entity: '_:tx', 'tx/mine': [1, 2] }, undefined],
  [{ entity: '_:tx', 'tx/author': 5 }, 'type-mismatch'],
  [{ op: 'assert', entity: 'tx:5', attribute: 'tx/author', value: { ref: 'x' } }, 'type-mismatch'],
  [{ entity: 'paper:1', 'tx/author': 'x' }, 'document-invalid', '"meta"'],
  [{ entity: '_:x', 'tx/author': 'x' }, 'document-invalid'],
  [{ op: 'retract', entity: 'paper:1', attribute: 'tx/mine' }, 'document-invalid'],
  [{ entity: '_:tx', 'tx/timestamp': '2020-01-01T00:00:00Z' }, 'document-invalid', '"at"'],
  [{ op: 'retract', entity: 'tx:5', attribute: 'tx/timestamp' }, 'document-invalid'],
  [{ entity: '_:tx', 'tx/key': 'k' }, 'document-invalid', '"id"'],
  [{ op: 'retract', entity: 'tx:5', attribute: 'tx/key' }, 'document-invalid'],
  [{ op: 'cas', entity: 'tx:5', attribute: 'tx/key', old: 'k', new: 'l' }, 'document-invalid'],
  [{ entity: '_:tx', ':tx/keyHash': 'h' }, 'document-invalid'],
  [{ op: 'retractEntity', entity: 'tx:5' }, 'document-invalid', 'Single facts'],
  [{ op: 'retractEntity', entity: '_:tx' }, 'document-invalid'],
];

test.each([...DEFINITIONS, ...SETTINGS, ...TRANSACTIONS])('%j: %s', (operation, expected, hint) => {
  const error = refusal(() => parseDocument(JSON.stringify({ ops: [operation] })));
  expect(error?.code).toBe(expected);
  if (expected !== undefined) expect(error?.extra['path']).toMatch(/^ops\[0\]/);
  if (hint !== undefined) expect(error?.hint).toContain(hint);
});

test('every built-in attribute is kept for what it is about', () => {
  for (const [ident, { valueType }] of BUILT_IN) {
    const value = { string: 'x', bool: true, instant: '2020-01-01T00:00:00Z' }[valueType as 'bool'];
    expect(code({ entity: 'paper:1', [ident]: value }), ident).toBe('document-invalid');
    expect(code({ entity: `attribute:${ident}`, 'db/doc': 'x' }), ident).toBe('schema-invalid');
  }
});

test('an attribute is checked anew for each entity of one document', () => {
  const ops = [
    { entity: '_:tx', 'tx/author': 'x' },
    { entity: 'paper:1', 'tx/author': 'x' },
  ];
  expect(errorCode(() => parseDocument(JSON.stringify({ ops })))).toBe('document-invalid');
  const attributes = [
    { entity: 'paper:1', name: 'x' },
    { entity: 'attribute:a', name: 'x' },
  ];
  expect(errorCode(() => parseDocument(JSON.stringify({ ops: attributes })))).toBe(
    'document-invalid',
  );
  const back = [...attributes.slice(1).map(() => ({ entity: 'attribute:a', 'db/doc': 'x' }))];
  expect(
    errorCode(() => parseDocument(JSON.stringify({ ops: [...back, { entity: 'a', name: 'x' }] }))),
  ).toBeUndefined();
});
