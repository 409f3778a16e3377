/**
 * Messages to the owner of a partition, in its coordination topic, format version 0. Integers are
 * little-endian.
 *
 *   message := "PYCM" checksum:u32 version:u8 kind:u8 0:u16
 *                checksum: CRC-32C of all that follows it; magic and checksum stand here in all versions
 *   kind 0: close request: a reader waits for the closed timestamp to move on
 *           kinds kept for transactions over partitions: 1 prepare, 2 decision, 3 vote, 4 done
 */
import { ByteReader, ByteWriter, crc32c } from '@pyralog/base';
import { damaged, unknownFormat } from './damage.ts';

/** Asks an idle owner to close its time. Volatile: it is for those who wait now. */
export interface CloseRequest {
  readonly kind: 'close';
}

/** Any message of a coordination topic. */
export type CoordinationMessage = CloseRequest;

const MAGIC = 0x4d435950;
const VERSION = 0;
const KIND_CLOSE = 0;
const BYTES_MIN = 12;
const CHECKSUM_AT = 4;
const CHECKED_FROM = 8;

/** A message as it lies in a coordination topic. */
export function encodeCoordination(_message: CoordinationMessage): Uint8Array {
  const bytes = new ByteWriter(BYTES_MIN)
    .u32(MAGIC)
    .u32(0)
    .u8(VERSION)
    .u8(KIND_CLOSE)
    .u8(0)
    .u8(0)
    .finish();
  const checksum = crc32c(bytes.subarray(CHECKED_FROM));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(CHECKSUM_AT, checksum, true);
  return bytes;
}

/** @throws object-damaged, format-unknown */
export function decodeCoordination(
  bytes: Uint8Array,
  what = 'coordination message',
): CoordinationMessage {
  if (bytes.length < BYTES_MIN) throw damaged(what, `it has only ${bytes.length} bytes`);
  const from = new ByteReader(bytes);
  if (from.u32() !== MAGIC) throw damaged(what, 'it does not begin as one');
  if (from.u32() !== crc32c(bytes.subarray(CHECKED_FROM)))
    throw damaged(what, 'its checksum is wrong');
  const version = from.u8();
  if (version !== VERSION) throw unknownFormat(what, `format version ${version}`);
  const kind = from.u8();
  if (kind !== KIND_CLOSE) throw unknownFormat(what, `message kind ${kind}`);
  return { kind: 'close' };
}
