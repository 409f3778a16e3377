/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), slicing by eight: eight table look-ups instead of
 * eight dependent ones per eight bytes. Detects every burst of up to 32 bits, which is what a torn or
 * flipped sector shows.
 */
const TABLES = makeTables();

/** @returns the checksum as an unsigned 32-bit number; `seed` continues an earlier one. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [T, T, T, T, T, T, T, T];
  let crc = ~seed;
  let i = 0;
  const whole = bytes.length - 7;
  while (i < whole) {
    const a =
      crc ^
      (at(bytes, i) |
        (at(bytes, i + 1) << 8) |
        (at(bytes, i + 2) << 16) |
        (at(bytes, i + 3) << 24));
    crc =
      at(t7, a & 0xff) ^
      at(t6, (a >>> 8) & 0xff) ^
      at(t5, (a >>> 16) & 0xff) ^
      at(t4, a >>> 24) ^
      at(t3, at(bytes, i + 4)) ^
      at(t2, at(bytes, i + 5)) ^
      at(t1, at(bytes, i + 6)) ^
      at(t0, at(bytes, i + 7));
    i += 8;
  }
  while (i < bytes.length) crc = at(t0, (crc ^ at(bytes, i++)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
}

type T = Int32Array;

/** Both index and array are in range by construction; the cast saves a branch in the inner loop. */
function at(list: Uint8Array | Int32Array, index: number): number {
  return list[index] as number;
}

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
    tables.push(last.map((c) => at(first, c & 0xff) ^ (c >>> 8)));
  }
  return tables;
}
