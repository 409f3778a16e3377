/**
 * MurmurHash2 with 32 bits (Austin Appleby, public domain) and the seed of Kafka's default partitioner,
 * so that any producer's hash of an entity id names the same partition as ours.
 * @returns a signed 32-bit number, as Java has it
 */
export function murmur2(bytes: Uint8Array): number {
  const at = (index: number): number => bytes[index] as number;
  const length = bytes.length;
  const whole = length & ~3;
  let hash = SEED ^ length;
  for (let i = 0; i < whole; i += 4) {
    let word = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  if (length > whole) {
    if (length - whole === 3) hash ^= at(whole + 2) << 16;
    if (length - whole >= 2) hash ^= at(whole + 1) << 8;
    hash = Math.imul(hash ^ at(whole), MULTIPLIER);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
