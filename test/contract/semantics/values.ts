import { add, cas, define, drop, refused, type Row, writes } from './row.ts';

const JSON_BEFORE = [{ entity: '$e', j: { a: [1, null], b: 'x' } }];
const JSON_TEXT = '{"json":{"a":[1,null],"b":"x"}}';
const BYTES_BEFORE = [add('$e', 'b', { bytes: 'AP8=' })];

/** What values are the same, and what types they may have. */
export const VALUES: readonly Row[] = [
  {
    name: 'json in another spelling is the same value',
    before: [JSON_BEFORE],
    document: [add('$e', 'j', { b: 'x', a: [1, null] })],
    outcome: writes(),
  },
  {
    name: 'other json replaces, though it differs deep inside',
    before: [JSON_BEFORE],
    document: [{ entity: '$e', j: { a: [1, false], b: 'x' } }],
    outcome: writes(`-$e j ${JSON_TEXT}`, '+$e j {"json":{"a":[1,false],"b":"x"}}'),
  },
  {
    name: 'json is retracted by its meaning',
    before: [JSON_BEFORE],
    document: [drop('$e', 'j', { b: 'x', a: [1, null] })],
    outcome: writes(`-$e j ${JSON_TEXT}`),
  },
  {
    name: 'json is compared by its meaning when it is swapped',
    before: [JSON_BEFORE],
    document: [cas('$e', 'j', { b: 'x', a: [1, null] }, { json: null })],
    outcome: writes(`-$e j ${JSON_TEXT}`, '+$e j {"json":null}'),
  },
  {
    name: 'two values of json contradict each other',
    document: [add('$e', 'j', { a: 1 }), add('$e', 'j', { a: 2 })],
    outcome: refused('facts-conflict', { entity: '$e', attribute: 'j' }),
  },
  {
    name: 'json in two spellings is one value of many',
    document: [{ entity: '$e', j: [{ a: 1, b: 2 }, { b: 2, a: 1 }, { json: [] }] }],
    outcome: writes('+$e j {"json":[]}', '+$e j {"json":{"a":1,"b":2}}'),
  },
  {
    name: 'json numbers of one size are told apart as they are written, large ones included',
    before: [[define('j', { valueType: 'json' }), add('$e', 'j', 1)]],
    document: [add('$e', 'j', 1.5), add('$f', 'j', 'text'), add('$g', 'j', true)],
    outcome: writes(
      '-$e j {"json":1}',
      '+$e j {"json":1.5}',
      '+$f j {"json":"text"}',
      '+$g j {"json":true}',
    ),
  },
  {
    name: 'a json null is a value, and null retracts it',
    before: [[add('$e', 'j', { json: null })]],
    document: [{ entity: '$e', j: null }],
    outcome: writes('-$e j {"json":null}'),
  },
  {
    name: 'bytes in base64 text or typed are the same value',
    before: [BYTES_BEFORE],
    document: [add('$e', 'b', 'AP8=')],
    outcome: writes(),
  },
  {
    name: 'other bytes replace, though one begins as the other',
    before: [BYTES_BEFORE],
    document: [add('$e', 'b', 'AP8A')],
    outcome: writes('-$e b {"bytes":"AP8="}', '+$e b {"bytes":"AP8A"}'),
  },
  {
    name: 'bytes are retracted and swapped by value',
    before: [
      [{ entity: '$e', b: [{ bytes: 'AA==' }, { bytes: '' }] }, add('$f', 'c', { bytes: '' })],
    ],
    document: [drop('$e', 'b', ''), cas('$f', 'c', '', 'AQ==')],
    outcome: writes('-$e b {"bytes":""}', '-$f c {"bytes":""}', '+$f c {"bytes":"AQ=="}'),
  },
  {
    name: 'a text that is no base64 is no value of bytes',
    before: [BYTES_BEFORE],
    document: [add('$e', 'b', 'é')],
    outcome: refused(
      'type-mismatch',
      { attribute: 'b', expected: 'bytes', given: 'string' },
      '"b"',
    ),
  },
  {
    name: 'an int given to a double is the equal double',
    before: [[add('$e', 'd', 1.5)]],
    document: [add('$e', 'd', 2), add('$f', 'd', 2)],
    outcome: writes('-$e d 1.5', '+$e d 2.0', '+$f d 2.0'),
  },
  {
    name: 'a fraction given to an int is refused',
    before: [[add('$e', 'n', 1)]],
    document: [add('$f', 'n', 1.5)],
    outcome: refused(
      'type-mismatch',
      { attribute: 'n', expected: 'int', given: 'double' },
      '"n"',
      '1.5',
    ),
  },
  {
    name: 'a text given to an int is refused',
    before: [[add('$e', 'n', 1)]],
    document: [add('$f', 'm', 1), add('$e', 'n', 'one')],
    outcome: refused(
      'type-mismatch',
      { attribute: 'n', expected: 'int', given: 'string' },
      '"n"',
      'one',
    ),
  },
  {
    name: 'a value to retract or to compare with has the type of the attribute',
    before: [[add('$e', 'n', 1)]],
    document: [drop('$e', 'n', 'one'), add('$f', 'n', 2)],
    outcome: refused('type-mismatch', { attribute: 'n', expected: 'int', given: 'string' }, '"n"'),
  },
  {
    name: 'a value to swap to has the type of the attribute',
    before: [[add('$e', 'n', 1)]],
    document: [cas('$e', 'n', 1, true), add('$f', 'n', 2)],
    outcome: refused('type-mismatch', { attribute: 'n', expected: 'int', given: 'bool' }, '"n"'),
  },
  {
    name: 'a ref written as text where the attribute is one',
    before: [[add('$e', 'friend', { ref: '$f' })]],
    document: [add('$e', 'friend', '$f'), add('$g', 'friend', '$e')],
    outcome: writes('+$g friend {"ref":"$e"}'),
  },
  {
    name: 'minus zero is zero',
    before: [[add('$e', 'd', { double: '0' })]],
    document: [add('$e', 'd', { double: '-0' })],
    outcome: writes(),
  },
  {
    name: 'an instant in another zone is the same value',
    before: [[add('$e', 't', { instant: '2020-01-01T00:00:00Z' })]],
    document: [add('$e', 't', '2020-01-01T01:00:00+01:00')],
    outcome: writes(),
  },
  {
    name: 'first use with two types is refused',
    document: [add('$e', 'n', 1), add('$f', 'n', 'x')],
    outcome: refused('type-mismatch', { attribute: 'n' }, '"n"'),
  },
  {
    name: 'first use with an int and a fraction declares a double',
    document: [add('$e', 'd', 1), add('$f', 'd', 1.5)],
    outcome: {
      facts: ['+$e d 1.0', '+$f d 1.5'],
      schema: { d: { valueType: 'double', cardinality: 'one', inferred: true } },
    },
  },
  {
    name: 'first use with anything and an object declares json',
    document: [add('$e', 'j', 1), add('$f', 'j', { a: 1 })],
    outcome: {
      facts: ['+$e j {"json":1}', '+$f j {"json":{"a":1}}'],
      schema: { j: { valueType: 'json' } },
    },
  },
  {
    name: 'first use with a text and a typed value declares that type',
    document: [add('$e', 'friend', '$f'), add('$f', 'friend', { ref: '$e' })],
    outcome: {
      facts: ['+$e friend {"ref":"$f"}', '+$f friend {"ref":"$e"}'],
      schema: { friend: { valueType: 'ref' } },
    },
  },
  {
    name: 'first use alone and in an array declares many',
    document: [add('$e', 'n', 1), { entity: '$f', n: [1, 2] }],
    outcome: {
      facts: ['+$e n 1', '+$f n 1', '+$f n 2'],
      schema: { n: { valueType: 'int', cardinality: 'many', inferred: true } },
    },
  },
];
