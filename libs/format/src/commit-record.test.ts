import { crc32c } from '@pyralog/base';
import { epoch, logOffset, ownerId, partitionNo, tx, type StoredFact } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeCommitRecord,
  encodeCommitRecord,
  isInForce,
  type CommitRecord,
  type DraftItem,
  type DraftRecord,
} from './commit-record.ts';
import { decodeFacts, encodeFacts } from './fact-bytes.ts';
import { FactTable } from './fact-table.ts';
import { draftRecord, epochRecord, facts } from './testing/arbitraries.ts';
import { errorCode, expectFlipsDetected, expectTruncationDetected } from './testing/damage.ts';

/** A record read back, in the shape in which it was written. */
function draftOf(record: CommitRecord): unknown {
  if (record.kind === 'epoch') return record;
  const { facts, items, ...header } = record;
  return {
    ...header,
    items: items.map((item): DraftItem => {
      if (!isInForce(item)) return item;
      const { from, to, ...said } = item;
      const rows = Array.from({ length: to - from }, (_, i) => from + i);
      return { ...said, facts: rows.map((row) => facts.factAt(row)) };
    }),
  };
}

const name: StoredFact = {
  entity: 'person:1',
  attribute: 'name',
  value: { type: 'string', value: 'Alice' },
  tx: tx(1024n),
  operation: 'assert',
};
const blob: StoredFact = {
  ...name,
  attribute: 'text',
  value: { type: 'string', prefix: 'It begins', sha256: '0af5'.repeat(16), bytes: 70_000 },
};
const small: DraftRecord = {
  kind: 'items',
  epoch: epoch(3),
  owner: ownerId('00112233445566778899aabbccddeeff'),
  seq: 7,
  coordination: logOffset(0),
  marks: [],
  lowWater: logOffset(5),
  closed: tx(2047n),
  schemaTx: tx(0n),
  items: [
    {
      kind: 'commit',
      offset: logOffset(3),
      tx: tx(1024n),
      facts: [name, { ...name, attribute: 'age', value: { type: 'int', value: 41n } }, blob],
    },
    { kind: 'rejected', offset: logOffset(4), rejection: { code: 'busy', detail: 'no room' } },
  ],
};

test('a record comes back as it was written, wherever it lies in memory', () => {
  fc.assert(
    fc.property(draftRecord, fc.nat({ max: 9 }), (record, shift) => {
      const bytes = encodeCommitRecord(record);
      const memory = new Uint8Array(bytes.length + shift);
      memory.set(bytes, shift);
      expect(draftOf(decodeCommitRecord(memory.subarray(shift)))).toEqual(record);
    }),
  );
});

test('a claim of a partition comes back as it was written', () => {
  fc.assert(
    fc.property(epochRecord, (record) => {
      expect(decodeCommitRecord(encodeCommitRecord(record))).toEqual(record);
    }),
  );
});

test('facts of records go into a table as columns as they would one by one', () => {
  fc.assert(
    fc.property(fc.array(draftRecord, { maxLength: 4 }), (records) => {
      const table = new FactTable();
      const facts: StoredFact[] = [];
      for (const record of records) {
        const read = decodeCommitRecord(encodeCommitRecord(record));
        if (read.kind === 'items') table.appendColumns(read.facts);
        for (const item of record.items) if (isInForce(item)) facts.push(...item.facts);
      }
      expect(Array.from({ length: table.length }, (_, row) => table.factAt(row))).toEqual(facts);
    }),
  );
});

test('equal records have equal bytes, whatever was encoded before', () => {
  fc.assert(
    fc.property(draftRecord, draftRecord, (record, other) => {
      const bytes = encodeCommitRecord(record);
      encodeCommitRecord(other);
      expect(encodeCommitRecord(record)).toEqual(bytes);
    }),
  );
});

test('a value of a megabyte and a record of twenty thousand facts come back', () => {
  const large = { type: 'string', value: 'é'.repeat(500_000) } as const;
  const facts = Array.from({ length: 20_000 }, (_, i): StoredFact => ({
    ...name,
    entity: `e:${i % 700}`,
    value: { type: 'int', value: BigInt(i) },
  }));
  const record: DraftRecord = {
    ...small,
    items: [
      {
        kind: 'commit',
        offset: logOffset(0),
        tx: name.tx,
        facts: [...facts, { ...name, value: large }],
      },
    ],
  };
  expect(draftOf(decodeCommitRecord(encodeCommitRecord(record)))).toEqual(record);
  expect(draftOf(decodeCommitRecord(encodeCommitRecord(small)))).toEqual(small);
});

test('facts that are not in force come back from their bytes, wherever these lie in memory', () => {
  fc.assert(
    fc.property(facts(20), fc.nat({ max: 9 }), (written, shift) => {
      const bytes = encodeFacts(written);
      const memory = new Uint8Array(bytes.length + shift);
      memory.set(bytes, shift);
      expect(decodeFacts(memory.subarray(shift))).toEqual(written);
    }),
  );
});

test('facts that are not in force are in no column of the record', () => {
  const record: DraftRecord = {
    ...small,
    items: [
      {
        kind: 'prepared',
        id: { coordinator: partitionNo(1), offset: logOffset(3) },
        part: '',
        attempt: 1,
        start: tx(1024n),
        tx: tx(2048n),
        facts: encodeFacts([name]),
        locks: [{ resource: 'person:1', attribute: 'name', write: true }],
        needs: [],
      },
    ],
  };
  const read = decodeCommitRecord(encodeCommitRecord(record));
  expect(read.kind === 'items' && read.facts.length).toBe(0);
  expect(draftOf(read)).toEqual(record);
});

test('I11 a flipped bit anywhere in a record is noticed', () => {
  expectFlipsDetected(encodeCommitRecord(small), (bytes) => draftOf(decodeCommitRecord(bytes)));
  const claim = { kind: 'epoch', epoch: small.epoch, owner: small.owner } as const;
  expectFlipsDetected(encodeCommitRecord(claim), (bytes) => decodeCommitRecord(bytes));
});

test('a record that was cut short is noticed at every length', () => {
  expectTruncationDetected(encodeCommitRecord(small), (bytes) => decodeCommitRecord(bytes));
});

test('a type that is none, or whose values are never blobs, is damage', () => {
  const bytes = encodeCommitRecord(small);
  // The types of the three facts, the last of them a string that is a blob.
  const at = Buffer.from(bytes).lastIndexOf(Uint8Array.of(4, 1, 0x84));
  expect(at).toBeGreaterThan(0);
  // In turn: a type that is none, a ref, an int; and a string whose text is shorter than a hash.
  for (const [place, type] of [
    [2, 0x88],
    [2, 0x85],
    [2, 0x81],
    [0, 0x84],
  ] as const) {
    const wrong = bytes.slice();
    wrong[at + place] = type;
    new DataView(wrong.buffer).setUint32(4, crc32c(wrong.subarray(8)), true);
    expect(errorCode(() => decodeCommitRecord(wrong))).toBe('object-damaged');
  }
});

test('a record of a later version, kind or item is refused as unknown, not as damaged', () => {
  const later = (at: number, byte: number): Uint8Array => {
    const bytes = encodeCommitRecord(small);
    bytes[at] = byte;
    new DataView(bytes.buffer).setUint32(4, crc32c(bytes.subarray(8)), true);
    return bytes;
  };
  expect(errorCode(() => decodeCommitRecord(later(8, 1)))).toBe('format-unknown');
  expect(errorCode(() => decodeCommitRecord(later(9, 2)))).toBe('format-unknown');
  const firstItem = 16 + 1 + 16 + 1 + 1 + 1 + 1 + 8 + 8 + 1;
  expect(encodeCommitRecord(small)[firstItem]).toBe(1);
  expect(errorCode(() => decodeCommitRecord(later(firstItem, 13)))).toBe('format-unknown');
});
