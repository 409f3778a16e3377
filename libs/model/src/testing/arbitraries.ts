import fc from 'fast-check';
import type { StoredFact } from '../fact.ts';
import { canonicalJson } from '../json-print.ts';
import { type Json, jsonDouble, jsonInt, jsonObject } from '../json-tree.ts';
import { tx, type Tx } from '../tx.ts';
import { BLOB_PREFIX_BYTES_MAX, INLINE_BYTES_MAX, VALUE_BYTES_MAX } from '../limits.ts';
import type { BlobReference, StoredValue, Value } from '../value.ts';
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

/**
 * References of few prefixes and hashes, so that they meet each other and inline values that are equal to their
 * prefix. Real ones have prefixes of nearly the full length; whoever reads and orders them does not ask.
 */
export const reference: fc.Arbitrary<BlobReference> = fc
  .record({
    prefix: text.filter((each) => Buffer.byteLength(each) <= BLOB_PREFIX_BYTES_MAX),
    sha256: fc.oneof(
      fc.constantFrom('0'.repeat(64), `${'0'.repeat(63)}1`, 'f'.repeat(64)),
      fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((hash) => Buffer.from(hash).toString('hex')),
    ),
    type: fc.constantFrom('string' as const, 'json' as const, 'bytes' as const),
  })
  .map(({ prefix, type, sha256 }): BlobReference => {
    const blob = { sha256, bytes: bytesOf(sha256) };
    return type === 'bytes'
      ? { type, prefix: new Uint8Array(Buffer.from(prefix)), ...blob }
      : { type, prefix, ...blob };
  });

/** What has one hash has one length: facts are not ordered by it. */
function bytesOf(sha256: string): number {
  const lengths = VALUE_BYTES_MAX - INLINE_BYTES_MAX;
  return INLINE_BYTES_MAX + 1 + (Number.parseInt(sha256.slice(-12), 16) % lengths);
}

export const stored: fc.Arbitrary<StoredValue> = fc.oneof(
  { weight: 8, arbitrary: value },
  { weight: 3, arbitrary: reference },
);

export const txId: fc.Arbitrary<Tx> = fc
  .oneof(fc.constantFrom(0n, 1n, INT64_MAX), fc.bigInt({ min: 0n, max: INT64_MAX }))
  .map(tx);

export const fact: fc.Arbitrary<StoredFact> = fc.record({
  entity,
  attribute,
  value: stored,
  tx: txId,
  operation: fc.constantFrom('assert', 'retract'),
});

export const facts = (max: number): fc.Arbitrary<StoredFact[]> =>
  fc.array(fact, { maxLength: max });
