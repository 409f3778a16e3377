import fc from 'fast-check';
import type { Fact } from '../fact.ts';
import { canonicalJson } from '../json-print.ts';
import { type Json, jsonDouble, jsonInt, jsonObject } from '../json-tree.ts';
import { tx, type Tx } from '../tx.ts';
import type { Value } from '../value.ts';
import { INT64_MAX, INT64_MIN } from '../value-constructors.ts';

/** Any character but surrogates. (The unit "binary" is the same, and takes most of a second to set up.) */
export const character: fc.Arbitrary<string> = fc
  .nat({ max: 0x10ffff - 0x800 })
  .map((each) => String.fromCodePoint(each < 0xd800 ? each : each + 0x800));

/** Texts with what breaks codecs: nothing, NUL, the ends of the 1- to 4-byte ranges, long ones. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\u007f\u0080',
    '\u07ff\u0800',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    '\ufeffx',
    '__proto__',
    'constructor',
    'x'.repeat(300),
  ),
  fc.string({ unit: character, maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);

/** Few entity ids, so that facts meet; now and then any. */
export const entity: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'paper:1',
      'paper:2',
      'person:alice',
      '人:1',
      'e\u{10000}',
      'e\uffff',
      '{tag}x',
      '__proto__',
    ),
  },
  { weight: 1, arbitrary: text.filter((id) => id !== '' && !/^(tx|attribute|_):/.test(id)) },
);

/** Few attributes, so that facts meet; now and then any. */
export const attribute: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('name', 'age', 'person/name', 'großes/Wort', '__proto__', 'a:b'),
  },
  {
    weight: 1,
    arbitrary: text.filter((name) => name !== '' && !/^:|^(db|tx)\/|\p{Cc}/u.test(name)),
  },
);

/** Any int64; now and then an end of it, or of the integers that a double holds. */
export const int64: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(INT64_MIN, INT64_MIN + 1n, -1n, 0n, 1n, 2n ** 53n, 2n ** 53n + 1n, INT64_MAX),
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
);

/** Any double that is a value: no NaN, no -0. */
export const double: fc.Arbitrary<number> = fc
  .oneof(
    fc.constantFrom(0, Infinity, -Infinity, 5e-324, Number.MAX_VALUE, -1.5, 1e21, 1e-7, 2 ** 53),
    fc.double({ noNaN: true }),
  )
  .map((each) => (each === 0 ? 0 : each));

/** Any JSON data of some levels, with distinct names. */
export const json: fc.Arbitrary<Json> = fc.letrec<{ tree: Json }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    text,
    fc.constantFrom(null, true, false),
    int64.map(jsonInt),
    double.filter(Number.isFinite).map(jsonDouble),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(text, tie('tree')), { maxLength: 4 }).map(jsonObject),
  ),
})).tree;

export const value: fc.Arbitrary<Value> = fc.oneof(
  text.map((each): Value => ({ type: 'string', value: each })),
  int64.map((each): Value => ({ type: 'int', value: each })),
  double.map((each): Value => ({ type: 'double', value: each })),
  fc.boolean().map((each): Value => ({ type: 'bool', value: each })),
  int64.map((each): Value => ({ type: 'instant', value: each })),
  entity.map((each): Value => ({ type: 'ref', value: each })),
  fc.uint8Array({ maxLength: 40 }).map((each): Value => ({ type: 'bytes', value: each })),
  json.map((each): Value => ({ type: 'json', value: canonicalJson(each) })),
);

export const txId: fc.Arbitrary<Tx> = fc
  .oneof(fc.constantFrom(0n, 1n, INT64_MAX), fc.bigInt({ min: 0n, max: INT64_MAX }))
  .map(tx);

export const fact: fc.Arbitrary<Fact> = fc.record({
  entity,
  attribute,
  value,
  tx: txId,
  operation: fc.constantFrom('assert', 'retract'),
});

export const facts = (max: number): fc.Arbitrary<Fact[]> => fc.array(fact, { maxLength: max });
