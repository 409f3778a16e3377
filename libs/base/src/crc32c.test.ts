import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c } from './crc32c.ts';

/** The definition, bit by bit: polynomial 1EDC6F41 reflected, all ones before and after. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
const iscsiRead = Buffer.from(
  '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' +
    '0200000000000000',
  'hex',
);

// RFC 3720, appendix B.4; the check value of the catalogue of parametrised CRC algorithms.
test.each([
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 rising bytes', ascending, 0x46dd794e],
  ['32 falling bytes', ascending.toReversed(), 0x113fdb5c],
  ['an iSCSI read command', iscsiRead, 0xd9963a56],
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(0), 0],
])('%s', (_, bytes, checksum) => {
  expect(crc32c(bytes)).toBe(checksum);
});

test('of any bytes, wherever they lie, it is what the definition says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 9 }), (bytes, before) => {
      const shifted = Buffer.concat([Buffer.alloc(before, 7), bytes]).subarray(before);
      expect(crc32c(bytes)).toBe(bitwise(bytes));
      expect(crc32c(shifted)).toBe(bitwise(bytes));
    }),
    { numRuns: 500 },
  );
});

test('a checksum continues where another one ended', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 60 }), (a, b) => {
      expect(crc32c(b, crc32c(a))).toBe(crc32c(Buffer.concat([a, b])));
    }),
  );
});

test('every burst of up to 32 bits is noticed', () => {
  const burst = fc.integer({ min: 1, max: 0xffffffff });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 5, maxLength: 200 }), burst, fc.nat(), (a, bits, at) => {
      const torn = Buffer.from(a);
      // 32 bits that begin anywhere in a byte reach into five of them.
      const start = at % (8 * a.length - 31);
      const shifted = BigInt(bits) << BigInt(start % 8);
      for (let i = 0; i < 5; i++) {
        const place = Math.floor(start / 8) + i;
        const flips = Number((shifted >> BigInt(8 * i)) & 0xffn);
        if (flips !== 0) torn[place] = (torn[place] as number) ^ flips;
      }
      expect(crc32c(torn)).not.toBe(crc32c(a));
    }),
    { numRuns: 500 },
  );
});
