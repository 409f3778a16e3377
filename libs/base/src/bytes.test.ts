import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from './assert.ts';
import {
  ByteReader,
  ByteWriter,
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  toHex,
  TruncatedError,
} from './bytes.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc
    .array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { maxLength: 4 })
    .map((a) => Uint8Array.from(a)),
);

test('bytes compare as memcmp, and a prefix comes first', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const order = Buffer.compare(a, b);
      expect(Math.sign(compareBytes(a, b))).toBe(order);
      expect(equalBytes(a, b)).toBe(order === 0);
    }),
    { numRuns: 1000 },
  );
  expect(compareBytes(Uint8Array.of(), Uint8Array.of(0))).toBeLessThan(0);
  expect(compareBytes(Uint8Array.of(0x7f), Uint8Array.of(0x80))).toBeLessThan(0);
});

test('pieces are put together in their order', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), (parts) => {
      expect(Buffer.from(concatBytes(parts))).toEqual(Buffer.concat(parts));
    }),
  );
});

test('hexadecimal text comes back, and is that of everybody else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (a) => {
      expect(toHex(a)).toBe(Buffer.from(a).toString('hex'));
      expect(fromHex(toHex(a))).toEqual(a);
    }),
  );
});

test.each(['0', 'abc', '0g', 'AB', ' 0', '0x', '١٢', 'é0'])('%j is no hexadecimal text', (text) => {
  expect(fromHex(text)).toBeUndefined();
});

type Field =
  | readonly ['u8' | 'u32' | 'varint' | 'f64', number]
  | readonly ['i64', bigint]
  | readonly ['raw', Uint8Array]
  | readonly ['bytes', Uint8Array]
  | readonly ['text', string];

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.tuple(fc.constant('u8' as const), fc.nat({ max: 255 })),
  fc.tuple(fc.constant('u32' as const), fc.nat({ max: 0xffffffff })),
  fc.tuple(
    fc.constant('varint' as const),
    fc.oneof(
      fc.constantFrom(0, 0x7f, 0x80, 0x3fff, 0x4000, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
      fc.maxSafeNat(),
    ),
  ),
  fc.tuple(fc.constant('f64' as const), fc.double()),
  fc.tuple(fc.constant('i64' as const), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  fc.tuple(fc.constant('raw' as const), fc.uint8Array({ maxLength: 200 })),
  fc.tuple(fc.constant('bytes' as const), fc.uint8Array({ maxLength: 200 })),
  fc.tuple(fc.constant('text' as const), fc.string({ unit: 'grapheme', maxLength: 150 })),
);

/** LEB128: groups of seven bits, the least first, each but the last with its high bit set. */
function leb128(value: number): Buffer {
  const groups: bigint[] = [];
  let rest = BigInt(value);
  do {
    groups.push(rest & 127n);
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(groups.map((g, i) => Number(g) + (i < groups.length - 1 ? 128 : 0)));
}

/** The bytes of a field by Node's own Buffer. */
function laidOut([kind, value]: Field): Buffer {
  const buffer = Buffer.alloc(8);
  switch (kind) {
    case 'u8':
      return Buffer.of(value);
    case 'u32':
      return buffer.subarray(0, buffer.writeUInt32LE(value));
    case 'f64':
      return buffer.subarray(0, buffer.writeDoubleLE(value));
    case 'i64':
      return buffer.subarray(0, buffer.writeBigInt64LE(value));
    case 'varint':
      return leb128(value);
    case 'raw':
      return Buffer.from(value);
    case 'bytes':
      return Buffer.concat([leb128(value.length), value]);
    case 'text':
      return Buffer.concat([leb128(Buffer.byteLength(value)), Buffer.from(value)]);
  }
}

function write(into: ByteWriter, [kind, value]: Field): void {
  if (kind === 'i64') into.i64(value);
  else if (kind === 'text') into.text(value);
  else if (kind === 'raw' || kind === 'bytes') into[kind](value);
  else into[kind](value);
}

function read(from: ByteReader, [kind, value]: Field): unknown {
  return kind === 'raw' ? from.raw(value.length) : from[kind]();
}

test('fields are laid out little-endian, and are read back', () => {
  fc.assert(
    fc.property(
      fc.array(field, { maxLength: 12 }),
      fc.constantFrom(0, 1, 8, 256),
      fc.nat({ max: 5 }),
      (fields, capacity, before) => {
        const into = new ByteWriter(capacity);
        for (const each of fields) write(into, each);
        const expected = Buffer.concat(fields.map(laidOut));
        expect(Buffer.from(into.finish())).toEqual(expected);
        expect(Buffer.from(into.view())).toEqual(expected);
        expect(into.length).toBe(expected.length);

        const shifted = Buffer.concat([Buffer.alloc(before), expected, Buffer.of(9)]);
        const from = new ByteReader(shifted.subarray(before), 0);
        for (const each of fields) {
          const found = read(from, each);
          if (found instanceof Uint8Array)
            expect(equalBytes(found, each[1] as Uint8Array)).toBe(true);
          else expect(found).toBe(each[1]);
        }
        expect(from.position).toBe(expected.length);
        expect(from.remaining).toBe(1);
      },
    ),
    { numRuns: 500 },
  );
});

test('bytes that end in the middle of a field are noticed', () => {
  fc.assert(
    fc.property(field, fc.nat(), (each, cut) => {
      const whole = laidOut(each);
      fc.pre(whole.length > 0);
      const from = new ByteReader(whole.subarray(0, cut % whole.length));
      expect(() => read(from, each)).toThrow(TruncatedError);
    }),
  );
});

test('reading may begin anywhere', () => {
  const from = new ByteReader(Uint8Array.of(1, 2, 3), 2);
  expect(from.position).toBe(2);
  expect(from.u8()).toBe(3);
  expect(() => from.u8()).toThrow(TruncatedError);
});

test('a varint beyond the safe integers, or without an end, is refused', () => {
  const largest = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f);
  expect(new ByteReader(largest).varint()).toBe(Number.MAX_SAFE_INTEGER);
  const above = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10);
  expect(() => new ByteReader(above).varint()).toThrow(TruncatedError);
  expect(() => new ByteReader(new Uint8Array(20).fill(0x80)).varint()).toThrow(TruncatedError);
  const padded = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0);
  expect(() => new ByteReader(padded).varint()).toThrow(TruncatedError);
});

test('text that is not UTF-8 is refused', () => {
  expect(() => new ByteReader(Uint8Array.of(1, 0xff)).text()).toThrow(TypeError);
});

test.each([-1, 256, 1.5, Number.NaN])('%d is no byte', (value) => {
  expect(() => new ByteWriter().u8(value)).toThrow(AssertionError);
});

test.each([-1, 2 ** 32, 1.5, Number.NaN])('%d does not fit into 32 bits', (value) => {
  expect(() => new ByteWriter().u32(value)).toThrow(AssertionError);
  expect(() => new ByteWriter().u32(0).patchU32(0, value)).toThrow(AssertionError);
});

test.each([-(2n ** 63n) - 1n, 2n ** 63n])('%d does not fit into 64 bits', (value) => {
  expect(() => new ByteWriter().i64(value)).toThrow(AssertionError);
});

test.each([-1, 2 ** 53, 1.5, Infinity, Number.NaN])('%d is no varint', (value) => {
  expect(() => new ByteWriter().varint(value)).toThrow(AssertionError);
});

test('a length known only at the end is written over what stood there', () => {
  const into = new ByteWriter(4).u32(0).text('abc');
  into.patchU32(0, 0xfffefdfc);
  expect(toHex(into.finish())).toBe('fcfdfeff' + '03616263');
  expect(() => into.patchU32(5, 1)).toThrow(AssertionError);
});

test('a copy stays as it was, a view is written on', () => {
  const into = new ByteWriter(16).u8(1);
  const [view, copy] = [into.view(), into.finish()];
  into.u8(2).u8(3).u8(4).patchU32(0, 0);
  expect([...copy]).toEqual([1]);
  expect([...view]).toEqual([0]);
});
