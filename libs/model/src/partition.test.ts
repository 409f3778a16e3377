import { AssertionError } from '@pyralog/base';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attributeEntity, partitionOf, txEntity } from './entity.ts';
import { murmur2 } from './murmur2.ts';
import { entity, text, txId } from './testing/index.ts';
import { PARTITIONS_MAX } from './tx.ts';

// The cases of Apache Kafka's own UtilsTest.testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('Kafka hashes %j to %i', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
});

/** As org.apache.kafka.common.utils.Utils has it, in integers without end cut to 32 bits. */
function javaMurmur2(data: Uint8Array): number {
  const cut = (value: bigint): bigint => BigInt.asUintN(32, value);
  const byte = (at: number): bigint => BigInt(data[at] ?? 0);
  const m = 0x5bd1e995n;
  let h = cut(0x9747b28cn ^ BigInt(data.length));
  const words = Math.floor(data.length / 4);
  for (let i = 0; i < words; i++) {
    let k = byte(4 * i) + (byte(4 * i + 1) << 8n) + (byte(4 * i + 2) << 16n);
    k = cut((k + (byte(4 * i + 3) << 24n)) * m);
    k = cut((k ^ (k >> 24n)) * m);
    h = cut(h * m) ^ k;
  }
  const rest = data.subarray(4 * words);
  for (const [i, each] of rest.entries()) h ^= BigInt(each) << BigInt(8 * i);
  if (rest.length > 0) h = cut(h * m);
  h = cut((h ^ (h >> 13n)) * m);
  return Number(BigInt.asIntN(32, h ^ (h >> 15n)));
}

test('any bytes are hashed as in Java', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(murmur2(bytes)).toBe(javaMurmur2(bytes));
    }),
    { numRuns: 1000 },
  );
  expect(murmur2(new Uint8Array(0))).toBe(275646681);
});

/** Kafka's default partitioner over a key in UTF-8. */
function kafka(key: string, partitions: number): number {
  return (javaMurmur2(Buffer.from(key, 'utf8')) & 0x7fffffff) % partitions;
}

const partitions = fc.oneof(
  fc.constantFrom(1, 2, 8, PARTITIONS_MAX),
  fc.integer({ min: 1, max: PARTITIONS_MAX }),
);

test('an entity lies where a producer with its id as the key would put it', () => {
  fc.assert(
    fc.property(entity, partitions, (id, count) => {
      fc.pre(!id.includes('{'));
      expect(partitionOf(id, count)).toBe(kafka(id, count));
    }),
    { numRuns: 1000 },
  );
});

// The examples of the Redis Cluster specification, and its rule in full.
test.each([
  ['{user1000}.following', 'user1000'],
  ['{user1000}.followers', 'user1000'],
  ['foo{}{bar}', 'foo{}{bar}'],
  ['foo{{bar}}zap', '{bar'],
  ['foo{bar}{zap}', 'bar'],
  ['order:{é😀}:1', 'é😀'],
  ['a}b{c}d', 'c'],
  ['a}{b}c', 'b'],
  ['a{b', 'a{b'],
  ['a}b', 'a}b'],
  ['{', '{'],
  ['{}', '{}'],
  ['{\0}x', '\0'],
])('%j lies where %j does', (id, routed) => {
  for (const count of [1, 2, 3, 8, 1000, 1024])
    expect(partitionOf(id, count)).toBe(kafka(routed, count));
});

test('entities of one tag lie together', () => {
  fc.assert(
    fc.property(text, text, text, text, partitions, (tag, a, b, c, count) => {
      fc.pre(tag !== '' && !/[{}]/.test(tag) && !a.includes('{') && !b.includes('{'));
      fc.pre(!/^(tx|attribute):/.test(a + b));
      expect(partitionOf(`${a}{${tag}}${c}`, count)).toBe(partitionOf(`${b}{${tag}}`, count));
    }),
  );
});

test('a transaction lies on its coordinator, an attribute on partition 0', () => {
  fc.assert(
    fc.property(txId, text, partitions, (t, name, count) => {
      expect(partitionOf(txEntity(t), count)).toBe(Number(t % 1024n) % count);
      expect(partitionOf(attributeEntity(name), count)).toBe(0);
      expect(partitionOf(name, 1)).toBe(0);
    }),
  );
});

test('a number of partitions out of range is a defect', () => {
  for (const count of [0, -1, 1025, 1.5, Number.NaN])
    expect(() => partitionOf('a', count)).toThrow(AssertionError);
});
