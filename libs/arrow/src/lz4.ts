/**
 * Content of LZ4 frames (LZ4 Frame Format 1.6.x), which Arrow writers compress with.
 *
 *   frame    := 04 22 4d 18  flags  blockMax  contentSize:u64?  dictionary:u32?  headerChecksum:u8
 *               block* 00 00 00 00  contentChecksum:u32?
 *   block    := size:u32 (highest bit: not compressed)  bytes  checksum:u32?
 *   bytes    := (token  literalLength*  literals  (offset:u16  matchLength*)?)*
 *
 * Written here because the length of the content is known beforehand and must hold: the decoders of packages
 * take as much memory as a frame announces. Checksums are not verified, as with buffers that are not compressed.
 */

const MAGIC = 0x184d2204;
const VERSION = 0x40;
const VERSION_MASK = 0xc0;
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const DICTIONARY_ID = 0x01;
const STORED = 0x8000_0000;
const MATCH_LENGTH_MIN = 4;

/**
 * The content of one frame, which must be `length` bytes.
 * @throws RangeError where it is not, or where the bytes are no frame
 */
export function decompressLz4(bytes: Uint8Array, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('no LZ4 frame');
  const flags = view.getUint8(4);
  if ((flags & VERSION_MASK) !== VERSION) throw new RangeError('an LZ4 frame of another version');
  if ((flags & DICTIONARY_ID) !== 0) throw new RangeError('an LZ4 frame with a dictionary');
  let at = (flags & CONTENT_SIZE) === 0 ? 7 : 15;
  const checksum = (flags & BLOCK_CHECKSUM) === 0 ? 0 : 4;
  const content = new Uint8Array(length);
  let filled = 0;
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    const end = at + (size & ~STORED);
    if (end > bytes.length) throw new RangeError('a cut LZ4 block');
    const block = bytes.subarray(at, end);
    filled = size >= STORED ? stored(block, content, filled) : expand(block, content, filled);
    at = end + checksum;
  }
  if (filled !== length) throw new RangeError(`an LZ4 frame of ${filled} bytes, not ${length}`);
  return content;
}

/** @returns the place behind what was put into the content */
function stored(block: Uint8Array, content: Uint8Array, at: number): number {
  // Throws where it does not fit.
  content.set(block, at);
  return at + block.length;
}

/** Puts a block behind what is there, to which its matches may refer. @returns the place behind it */
function expand(block: Uint8Array, content: Uint8Array, start: number): number {
  let at = start;
  let from = 0;
  const more = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      const byte = block[from++];
      if (byte === undefined) throw new RangeError('a cut LZ4 block');
      length += byte;
      if (byte < 255) return length;
    }
  };
  while (from < block.length) {
    const token = block[from++] as number;
    const literals = more(token >> 4);
    if (from + literals > block.length) throw new RangeError('a cut LZ4 block');
    content.set(block.subarray(from, from + literals), at);
    from += literals;
    at += literals;
    // The last sequence of a block has no match.
    if (from === block.length) break;
    if (from + 2 > block.length) throw new RangeError('a cut LZ4 block');
    const distance = (block[from] as number) | ((block[from + 1] as number) << 8);
    from += 2;
    const length = more(token & 0x0f) + MATCH_LENGTH_MIN;
    if (distance === 0 || distance > at) throw new RangeError('an LZ4 match before the start');
    if (at + length > content.length) throw new RangeError('more content than announced');
    // A match may reach into what it writes, so its bytes are copied one by one.
    for (const end = at + length; at < end; at++) content[at] = content[at - distance] as number;
  }
  return at;
}
