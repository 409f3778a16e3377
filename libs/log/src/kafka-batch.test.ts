import { gzipSync } from 'node:zlib';
import { crc32c } from '@pyralog/base';
import { isPyralogError } from '@pyralog/model';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { expect, test } from 'vitest';
import { batchBytesMax, decodeBatches, encodeBatch, encodeBody } from './kafka-batch.ts';
import type { LogRecord, StoredRecord } from './log.ts';
import { JAVA, LIBRDKAFKA, TRANSACTIONS } from './testing/kafka-batches.ts';

const HEADER_BYTES = 61;
const producer = { id: 7, epoch: 1, sequence: 41 };
const text = (bytes: Uint8Array | null | undefined): string | undefined =>
  bytes ? Buffer.from(bytes).toString() : undefined;
const fromBase64 = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

const bytes = fc.uint8Array({ maxLength: 100 });
const record: fc.Arbitrary<LogRecord> = fc.record(
  {
    key: bytes,
    value: fc.option(bytes),
    headers: fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 10 }), bytes, { maxKeys: 4 }),
  },
  { requiredKeys: ['value'] },
);

function encode(records: readonly LogRecord[], baseOffset = 0): Uint8Array {
  const batch = encodeBatch(records.map(encodeBody), producer, 1_795_526_400_000).slice();
  // The broker's to set, and not under the checksum.
  new DataView(batch.buffer).setBigInt64(0, BigInt(baseOffset));
  return batch;
}

/** The batch with its records in another form, under a checksum that is right. */
function withRecords(batch: Uint8Array, codec: number, records: Uint8Array): Uint8Array {
  const changed = new Uint8Array([...batch.subarray(0, HEADER_BYTES), ...records]);
  changed[22] = codec;
  return sealed(changed);
}

function sealed(batch: Uint8Array): Uint8Array {
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setUint32(17, crc32c(batch.subarray(21)));
  return batch;
}

function decode(
  batches: Uint8Array,
  from = 0,
  aborted: readonly { readonly producerId: number; readonly firstOffset: number }[] = [],
): Promise<{ readonly records: StoredRecord[]; readonly next: number }> {
  return decodeBatches({ batches, aborted }, from, 'main.commits/0');
}

async function codeOf(decoding: Promise<unknown>): Promise<unknown> {
  const error = await decoding.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isPyralogError(error) ? error.code : error;
}

test('what is written is read, from any offset', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 20 }),
      fc.nat({ max: 30 }),
      async (written, from) => {
        const batch = encode(written, 10);
        expect(batch.length).toBeLessThanOrEqual(batchBytesMax(written.map(encodeBody)));
        const { records, next } = await decode(batch, from);
        expect(next).toBe(Math.max(from, 10 + written.length));
        const expected = written
          .map(({ key, value, headers }, i) => ({
            offset: 10 + i,
            ...(key === undefined ? {} : { key }),
            value,
            ...(headers === undefined || Object.keys(headers).length === 0 ? {} : { headers }),
          }))
          .filter(({ offset }) => offset >= from);
        expect(records).toEqual(expected);
      },
    ),
  );
});

test.each(Object.keys(JAVA))('batches of the Java client are read, codec %s', async (codec) => {
  const { records, next } = await decode(fromBase64(JAVA[codec] ?? ''));
  expect(next).toBe(3);
  expect(records.map(({ key, value }) => [text(key), text(value)])).toEqual([
    ['key:0', 'hello hello hello hello hello hello 0'],
    [undefined, 'hello hello hello hello hello hello 1'],
    ['key:2', undefined],
  ]);
  expect(records[2]?.value).toBeNull();
  expect(text(records[0]?.headers?.['pyralog-format'])).toBe('document');
  expect(records[0]?.headers?.['nothing']).toEqual(new Uint8Array(0));
  // Buffers would share their memory where other byte arrays are copied.
  expect(Buffer.isBuffer(records[0]?.value)).toBe(false);
});

test.each(Object.keys(LIBRDKAFKA))('batches of librdkafka are read, codec %s', async (codec) => {
  const { records } = await decode(fromBase64(LIBRDKAFKA[codec] ?? ''));
  const line = 'hello '.repeat(12);
  expect(
    records.map(({ key, value, headers }) => [text(key), text(value), text(headers?.['h'])]),
  ).toEqual([
    ['k1', `${line}1`, '1'],
    ['k2', `${line}2`, '1'],
  ]);
});

test('blocks of Snappy and LZ4 are put together', async () => {
  const value = new Uint8Array(300_000).map((_, i) => (i * i) >> 7);
  const plain = encode([{ value }]);
  const records = plain.subarray(HEADER_BYTES);
  const blocks: number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];
  for (let at = 0; at < records.length; at += 32_768) {
    const block = compressSync(Buffer.from(records.subarray(at, at + 32_768)));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    blocks.push(...length, ...block);
  }
  const forms = [
    withRecords(plain, 1, gzipSync(records)),
    withRecords(plain, 2, Uint8Array.from(blocks)),
    withRecords(plain, 2, compressSync(Buffer.from(records))),
    withRecords(plain, 3, compressFrameSync(Buffer.from(records))),
  ];
  for (const form of forms) {
    const [read] = (await decode(form)).records;
    expect(Buffer.compare(read?.value ?? new Uint8Array(0), value)).toBe(0);
  }
});

test('of transactions only what was committed is read, and markers are passed over', async () => {
  const { records, next } = await decode(fromBase64(TRANSACTIONS), 0, [
    { producerId: 2, firstOffset: 3 },
  ]);
  expect(records.map(({ value }) => text(value))).toEqual(['first0', 'first1', 'third0', 'third1']);
  expect(records.map(({ offset }) => offset)).toEqual([0, 1, 6, 7]);
  expect(next).toBe(9);
});

test('a batch that compaction has emptied has its place', async () => {
  const emptied = encode([{ value: Buffer.from('x') }], 4).slice(0, HEADER_BYTES);
  const view = new DataView(emptied.buffer);
  view.setInt32(23, 5); // last offset
  view.setInt32(57, 0); // records
  expect(await decode(sealed(emptied), 4)).toEqual({ records: [], next: 10 });
});

test('a batch that is cut comes later; what is before it is read', async () => {
  const first = encode([{ value: Buffer.from('a') }], 0);
  const second = encode([{ value: Buffer.from('b') }], 1);
  for (let cut = 0; cut < second.length; cut++) {
    const { records, next } = await decode(new Uint8Array([...first, ...second.subarray(0, cut)]));
    expect([records.length, next]).toEqual([1, 1]);
  }
});

test('a batch of 200,000 records is read', async () => {
  const batch = encode(Array.from({ length: 200_000 }, () => ({ value: null })));
  expect((await decode(batch)).records).toHaveLength(200_000);
});

test('a flipped bit is found, wherever it is', async () => {
  const batch = encode([{ key: Buffer.from('k'), value: Buffer.from('value') }]);
  for (let bit = 12 * 8; bit < batch.length * 8; bit++) {
    // The leader's epoch is the broker's to change.
    if (bit >= 12 * 8 && bit < 16 * 8) continue;
    const flipped = batch.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(['log-damaged', 'format-unknown'], `bit ${bit}`).toContain(
      await codeOf(decode(flipped)),
    );
  }
});

test('garbage under a right checksum is refused, and never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 7 }),
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      async (codec, junk) => {
        const batch = withRecords(encode([{ value: Buffer.from('x') }]), codec, junk);
        const code = await codeOf(decode(batch));
        expect([undefined, 'log-damaged', 'format-unknown']).toContain(code);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('an unknown codec and an old format are refused as unknown', async () => {
  const batch = encode([{ value: Buffer.from('x') }]);
  const records = batch.subarray(HEADER_BYTES);
  expect(await codeOf(decode(withRecords(batch, 5, records)))).toBe('format-unknown');
  const old = batch.slice();
  old[16] = 1;
  expect(await codeOf(decode(old))).toBe('format-unknown');
});

test('a small batch that would fill the memory is refused before it does', async () => {
  const bomb = encode([{ value: Buffer.from('x') }]);
  const announced = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, ...[0, 0, 0, 0, 1, 0, 0, 0], 1, 0, 0];
  // A window of 128 KiB, and blocks of a repeated byte, 128 KiB from 4 bytes.
  const repeated = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
  for (let i = 0; i < 2_000; i++) repeated.push(0x02, 0x00, 0x10, 0x61);
  repeated.push(0x03, 0x00, 0x10, 0x61);
  const forms = [
    withRecords(bomb, 1, gzipSync(new Uint8Array(150 * 1024 * 1024), { level: 9 })),
    withRecords(bomb, 2, Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0, 0)),
    withRecords(bomb, 3, compressFrameSync(Buffer.alloc(150 * 1024 * 1024))),
    withRecords(bomb, 4, Uint8Array.from(announced)),
    withRecords(bomb, 4, Uint8Array.from(repeated)),
  ];
  for (const form of forms) expect(await codeOf(decode(form))).toBe('log-damaged');
});
