const MAGIC = 0xfd2fb528;
const SINGLE_SEGMENT = 0x20;
const RESERVED = 0x08;
const DICTIONARY_ID_MASK = 0x03;

/**
 * Checks the header of a ZSTD frame (RFC 8878, 3.1.1.1) before a codec sees it: codecs take as much memory as
 * it announces, and so would those of our own files, whose checksums speak for them.
 * @throws RangeError where the frame announces another length than `length`; it may announce none
 */
export function checkZstdFrame(bytes: Uint8Array, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('no ZSTD frame');
  const descriptor = view.getUint8(4);
  if ((descriptor & RESERVED) !== 0) throw new RangeError('a ZSTD frame of another version');
  if ((descriptor & DICTIONARY_ID_MASK) !== 0) throw new RangeError('a frame with a dictionary');
  const single = (descriptor & SINGLE_SEGMENT) !== 0;
  const announced = contentSize(view, single ? 5 : 6, descriptor >> 6, single);
  if (announced !== undefined && announced !== BigInt(length))
    throw new RangeError(`a ZSTD frame of ${announced} bytes, not ${length}`);
}

function contentSize(
  view: DataView,
  at: number,
  sizeFlag: number,
  single: boolean,
): bigint | undefined {
  switch (sizeFlag) {
    case 0:
      return single ? BigInt(view.getUint8(at)) : undefined;
    case 1:
      return BigInt(view.getUint16(at, true) + 256);
    case 2:
      return BigInt(view.getUint32(at, true));
    default:
      return view.getBigUint64(at, true);
  }
}
