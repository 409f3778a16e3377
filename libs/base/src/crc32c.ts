/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), slicing by eight: eight table look-ups instead of
 * eight dependent ones per eight bytes. Detects every burst of up to 32 bits, which is what a torn or
 * flipped sector shows.
 */
const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables() as [T, T, T, T, T, T, T, T];

/** @returns the checksum as an unsigned 32-bit number; `seed` continues an earlier one. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  let i = 0;
  const whole = bytes.length - 7;
  while (i < whole) {
    const a =
      crc ^
      ((bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24));
    crc =
      (t7[a & 0xff] as number) ^
      (t6[(a >>> 8) & 0xff] as number) ^
      (t5[(a >>> 16) & 0xff] as number) ^
      (t4[a >>> 24] as number) ^
      (t3[bytes[i + 4] as number] as number) ^
      (t2[bytes[i + 5] as number] as number) ^
      (t1[bytes[i + 6] as number] as number) ^
      (t0[bytes[i + 7] as number] as number);
    i += 8;
  }
  while (i < bytes.length)
    crc = (t0[(crc ^ (bytes[i++] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Indexes are in range by construction. Looked up by a function, the same takes twice as long.
type T = Int32Array;

function makeTables(): T[] {
  const first = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0x82f63b78 ^ (c >>> 1) : c >>> 1;
    first[n] = c;
  }
  const tables = [first];
  for (let t = 1; t < 8; t++) {
    const last = tables[t - 1] as T;
    tables.push(last.map((c) => (first[c & 0xff] as number) ^ (c >>> 8)));
  }
  return tables;
}
