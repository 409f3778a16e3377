import { compareBytes } from '@pyralog/base';
import {
  equalValues,
  INDEX_ORDERS,
  tx,
  type StoredFact,
  type StoredValue,
  type IndexOrder,
} from '@pyralog/model';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Codec } from './codec.ts';
import type { FactBatch } from './fact-batch.ts';
import { BLOCK_FACTS } from './fact-layout.ts';
import { factKey } from './index-key.ts';
import { decodeRunBlock, findBlock, FOOTER_READ_BYTES, parseRunFooter } from './run.ts';
import type { RunFooter } from './run-index.ts';
import { type EncodedRun, encodeRun, RunWriter } from './run-writer.ts';
import { facts } from './testing/arbitraries.ts';
import { errorCode, expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';
import { sortedRows, tableOf } from './testing/tables.ts';
import { verifyRun } from './verify.ts';
import { createCodec, createPortableCodec } from './zstd.ts';

let codec: Codec;
let portable: Codec;
beforeAll(async () => {
  codec = await createCodec();
  portable = await createPortableCodec();
});

function encode(order: IndexOrder, list: readonly StoredFact[], by: Codec = codec): EncodedRun {
  return encodeRun(
    { order, part: 'history', level: 0, table: tableOf(list), rows: sortedRows(order, list) },
    by,
  );
}

function footerOf(bytes: Uint8Array, by: Codec = codec): RunFooter {
  const footer = parseRunFooter(bytes.subarray(-FOOTER_READ_BYTES), bytes.length, by);
  if ('missing' in footer) throw new Error('one read was not enough');
  return footer;
}

function blocksOf(bytes: Uint8Array, by: Codec = codec): FactBatch[] {
  const footer = footerOf(bytes, by);
  return footer.blocks.map(({ offset, length }, i) =>
    decodeRunBlock(footer, i, bytes.slice(offset, offset + length), by),
  );
}

const factsOf = (batch: FactBatch): StoredFact[] =>
  Array.from({ length: batch.length }, (_, row) => batch.factAt(row));
const readFacts = (bytes: Uint8Array): StoredFact[] => blocksOf(bytes).flatMap(factsOf);

/** Numbers, texts, and now and then a reference to a blob. */
function valueOf(i: number): StoredValue {
  if (i % 2 === 0) return { type: 'int', value: BigInt(i) };
  if (i % 3 !== 1) return { type: 'string', value: `text ${i}` };
  return { type: 'string', prefix: `text ${i}`, sha256: '0af5'.repeat(16), bytes: 70_000 };
}

/** Many facts of few entities, so that entities fill blocks. */
function many(count: number, perEntity: number): StoredFact[] {
  return Array.from({ length: count }, (_, i): StoredFact => ({
    entity: `e:${Math.floor(i / perEntity)}`,
    attribute: `a${i % 3}`,
    value: valueOf(i),
    tx: tx(BigInt(i) * 1024n),
    operation: i % 5 === 0 ? 'retract' : 'assert',
  }));
}

describe.each(INDEX_ORDERS)('a run in order %s', (order) => {
  test('gives back the facts it was made of, in its order', () => {
    fc.assert(
      fc.property(
        facts(60).filter((list) => list.length > 0),
        (list) => {
          const run = encode(order, list);
          const expected = [...sortedRows(order, list)].map((row) => list[row]);
          expect(readFacts(run.bytes)).toEqual(expected);
          expect(run.rows).toBe(expected.length);
          verifyRun(run.bytes, codec);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ['one', 1, 1],
    ['of a block', BLOCK_FACTS, 7],
    ['and one more', BLOCK_FACTS + 1, 7],
    ['of an entity across blocks', 9_000, 4_100],
    ['of an entity that begins late in a block', 9_000, 1_500],
    ['of small entities', 9_000, 3],
  ])('of facts that come one by one is the same file: %s', (_, count, perEntity) => {
    const list = many(count, perEntity);
    const run = encode(order, list);
    const { attributes } = footerOf(run.bytes);
    const writer = new RunWriter({ order, part: 'history', level: 0 }, attributes, codec);
    const table = tableOf(list);
    for (const row of sortedRows(order, list)) writer.add(table, row);
    expect(writer.rows).toBe(count);
    expect(writer.finish()).toEqual(run);
  });

  test('of many blocks is searched by its index', () => {
    const list = many(9000, 7);
    const run = encode(order, list);
    const footer = footerOf(run.bytes);
    const blocks = blocksOf(run.bytes);
    expect(blocks.length).toBeGreaterThan(4);
    const sorted = [...sortedRows(order, list)].map((row) => list[row]);
    expect(blocks.flatMap(factsOf)).toEqual(sorted);
    blocks.forEach((block, i) => {
      expect(block.length).toBeLessThanOrEqual(BLOCK_FACTS);
      const first = footer.blocks[i]?.firstKey as Uint8Array;
      expect(compareBytes(first, factKey(order, block.factAt(0)))).toBeLessThanOrEqual(0);
      for (const row of [0, 1, block.length >> 1, block.length - 1]) {
        expect(findBlock(footer, factKey(order, block.factAt(row)))).toBe(i);
      }
      const txs = factsOf(block)
        .map((fact) => fact.tx)
        .sort((a, b) => (a < b ? -1 : 1));
      expect(footer.blocks[i]).toMatchObject({ minTx: txs[0], maxTx: txs.at(-1) });
    });
    expect(findBlock(footer, new Uint8Array(0))).toBe(0);
  });

  test('I12 has the same identity whoever compressed it and in whatever order facts arrived', () => {
    const list = many(3000, 5);
    const one = encode(order, list);
    const other = encode(order, list.toReversed(), portable);
    expect(other.hash).toBe(one.hash);
    expect(blocksOf(other.bytes, portable).flatMap(factsOf)).toEqual(readFacts(one.bytes));
    const changed = list.map((fact, i): StoredFact =>
      i === 1234 ? { ...fact, operation: 'retract' } : fact,
    );
    expect(encode(order, changed).hash).not.toBe(one.hash);
  });
});

describe.each(['eavt', 'avet'] as const)('a small run in order %s, of either layout', (order) => {
  test('I11 a flipped bit anywhere is noticed by its readers or changes nothing', () => {
    const { bytes } = encode(order, many(3, 2));
    expectFlipsDetected(bytes, (flipped) => readFacts(flipped));
  });

  test('I11 a flipped bit anywhere is found by verify', () => {
    const { bytes } = encode(order, many(3, 2));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const code = errorCode(() => verifyRun(flipped, codec));
      expect(['object-damaged', 'format-unknown'], `bit ${bit}`).toContain(code);
    }
  });

  test('that was cut short is noticed at every length', () => {
    const { bytes } = encode(order, many(3, 2));
    expectTruncationDetected(bytes, (cut) => readFacts(cut));
  });
});

test('an entity stays in one block of eavt unless it is larger than half of one', () => {
  const list = many(6000, 1000);
  const blocks = blocksOf(encode('eavt', list).bytes);
  for (const block of blocks)
    expect(new Set(factsOf(block).map((fact) => fact.entity)).size).toBeLessThanOrEqual(2);
  expect(blocks.map((block) => block.length)).toEqual([2000, 2000, 2000]);
  const hot = blocksOf(encode('eavt', many(5000, 5000)).bytes);
  expect(hot.map((block) => block.length)).toEqual([2048, 2048, 904]);
});

test('the footer of a huge run says how much of the end is needed', () => {
  const { bytes } = encode('eavt', many(9000, 7));
  const first = parseRunFooter(bytes.subarray(-100), bytes.length, codec);
  expect(first).toHaveProperty('missing');
  const missing = 'missing' in first ? first.missing : 0;
  expect(parseRunFooter(bytes.subarray(-missing), bytes.length, codec)).toHaveProperty('blocks');
});

test('rows that do not rise are a defect, not a file', () => {
  const list = many(10, 2);
  const rows = sortedRows('eavt', list);
  const twice = Uint32Array.of(...rows, rows.at(-1) as number);
  for (const wrong of [rows.toReversed(), twice]) {
    const input = {
      order: 'eavt',
      part: 'current',
      level: 0,
      table: tableOf(list),
      rows: wrong,
    } as const;
    expect(() => encodeRun(input, codec)).toThrow('rise strictly');
  }
});

test('a batch has blobs among other values, alone, and none, in every order of arrival', () => {
  const base = many(1, 1)[0] as StoredFact;
  const blobs = (['string', 'json', 'bytes'] as const).map((type): StoredFact => {
    const blob = { sha256: `0${type.length}`.repeat(32), bytes: 65_537 };
    return {
      ...base,
      attribute: type,
      value:
        type === 'bytes'
          ? { type, prefix: new Uint8Array(256).fill(255), ...blob }
          : { type, prefix: 'ä'.repeat(128), ...blob },
    };
  });
  const others: StoredFact[] = [
    { ...base, attribute: 'a', value: { type: 'bytes', value: Uint8Array.of(1) } },
    { ...base, attribute: 'b', value: { type: 'int', value: -1n } },
    { ...base, attribute: 'c', value: { type: 'double', value: 0.1 } },
    { ...base, attribute: 'd', value: { type: 'string', value: 'ä'.repeat(128) } },
  ];
  // Of one prefix: by their hashes, and not by their txs.
  const alike = ['ff', '80', '01'].map((hash, i): StoredFact => ({
    ...base,
    value: { type: 'string', prefix: 'p', sha256: hash.repeat(32), bytes: 70_000 },
    tx: tx(BigInt(i)),
  }));
  const lists = [blobs, others, alike, [...blobs, ...others], [...others, ...blobs, ...alike]];
  for (const list of lists)
    for (const order of ['eavt', 'avet'] as const) {
      const { bytes } = encode(order, list);
      const expected = [...sortedRows(order, list)].map((row) => list[row]);
      expect(readFacts(bytes)).toEqual(expected);
      verifyRun(bytes, codec);
    }
});

test('values of a megabyte, and only bytes, and only doubles come back', () => {
  const base = many(1, 1)[0] as StoredFact;
  const large: StoredFact = {
    ...base,
    value: { type: 'bytes', value: new Uint8Array(1_000_000).fill(7) },
  };
  const double: StoredFact = { ...base, value: { type: 'double', value: -Infinity } };
  for (const list of [[large], [double], [double, large]]) {
    const read = readFacts(encode('avet', list).bytes);
    expect(
      read.map((fact) => equalValues(fact.value, (list[read.indexOf(fact)] as StoredFact).value)),
    ).toEqual(list.map(() => true));
  }
});
