import { ByteReader, ByteWriter, crc32c, TruncatedError } from '@pyralog/base';
import { type LogOffset, logOffset } from '@pyralog/model';
import type { LogRecord, StoredRecord } from './log.ts';

/**
 * Files of the local log, version 0. Little-endian; frames begin at multiples of eight bytes.
 *
 *   file    := header frame* zero*
 *   header  := "PYRALOG\0" version:u32 crc:u32 firstOffset:i64 zero:i64     // 32 bytes; crc over the rest
 *   frame   := length:u32 crc:u32 offset:i64 body[length] zero*             // crc over length, offset, body
 *   body    := flags:u8 [key:bytes] [value:bytes] [count:varint (name:text value:bytes)*]
 *   flags   := 1 key | 2 value (else a tombstone) | 4 headers | 8 continues // never the empty body
 *
 * A length of zero is the end: files are filled with zeros ahead of the frames. Frames that are made
 * durable together are a group: all but its first continue it.
 */
export const FILE_HEADER_BYTES = 32;
export const FRAME_HEADER_BYTES = 16;
const VERSION = 0;
const MAGIC = Uint8Array.from('PYRALOG\0', (c) => c.charCodeAt(0));
const [KEY, VALUE, HEADERS, CONTINUES] = [1, 2, 4, 8] as const;

export function encodeFileHeader(first: LogOffset): Uint8Array {
  const writer = new ByteWriter(FILE_HEADER_BYTES);
  writer.raw(MAGIC).u32(VERSION).u32(0).i64(BigInt(first)).i64(0n);
  writer.patchU32(12, headerCrc(writer.view()));
  return writer.finish();
}

/** @returns the first offset, `unknown` for a later version, undefined where it is no such header */
export function decodeFileHeader(bytes: Uint8Array): LogOffset | 'unknown' | undefined {
  if (bytes.length < FILE_HEADER_BYTES || !MAGIC.every((byte, i) => bytes[i] === byte))
    return undefined;
  const reader = new ByteReader(bytes, MAGIC.length);
  const version = reader.u32();
  if (reader.u32() !== headerCrc(bytes.subarray(0, FILE_HEADER_BYTES))) return undefined;
  return version === VERSION ? logOffset(Number(reader.i64())) : 'unknown';
}

function headerCrc(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(16, FILE_HEADER_BYTES), crc32c(bytes.subarray(0, 12)));
}

export function encodeFrame(
  offset: LogOffset,
  { key, value, headers }: LogRecord,
  continues: boolean,
): Uint8Array {
  const names = headers === undefined ? [] : Object.keys(headers);
  const writer = new ByteWriter(
    FRAME_HEADER_BYTES + 64 + (value?.length ?? 0) + (key?.length ?? 0),
  );
  writer.u32(0).u32(0).i64(BigInt(offset));
  writer.u8(
    (key ? KEY : 0) |
      (value ? VALUE : 0) |
      (names.length > 0 ? HEADERS : 0) |
      (continues ? CONTINUES : 0),
  );
  if (key) writer.bytes(key);
  if (value) writer.bytes(value);
  if (names.length > 0) writer.varint(names.length);
  for (const name of names) writer.text(name).bytes(headers?.[name] as Uint8Array);
  writer.patchU32(0, writer.length - FRAME_HEADER_BYTES);
  writer.patchU32(4, frameCrc(writer.view()));
  while (writer.length % 8 !== 0) writer.u8(0);
  return writer.finish();
}

/** Bytes of a whole frame whose body has this length. */
export function frameBytes(length: number): number {
  return (FRAME_HEADER_BYTES + length + 7) & ~7;
}

export type FrameAt =
  /** Zeros: no more frames. */
  | { readonly kind: 'end' }
  /** `bytes` more than were given are needed to tell. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'damaged' }
  | {
      readonly kind: 'frame';
      readonly record: StoredRecord;
      /** It belongs to the group of the frame before it. */
      readonly continues: boolean;
      readonly bytes: number;
    };

/** Reads the frame at the start of `bytes`. The record's parts are views. */
export function decodeFrame(bytes: Uint8Array): FrameAt {
  if (bytes.length < FRAME_HEADER_BYTES) return { kind: 'short', bytes: FRAME_HEADER_BYTES };
  const head = new ByteReader(bytes);
  const length = head.u32();
  const crc = head.u32();
  const offset = head.i64();
  if (length === 0) return crc === 0 && offset === 0n ? { kind: 'end' } : { kind: 'damaged' };
  const whole = frameBytes(length);
  if (bytes.length < whole) return { kind: 'short', bytes: whole };
  const frame = bytes.subarray(0, FRAME_HEADER_BYTES + length);
  if (frameCrc(frame) !== crc || offset < 0n) return { kind: 'damaged' };
  const body = frame.subarray(FRAME_HEADER_BYTES);
  const record = decodeBody(logOffset(Number(offset)), body);
  if (record === undefined) return { kind: 'damaged' };
  const continues = ((body[0] as number) & CONTINUES) !== 0;
  return { kind: 'frame', record, continues, bytes: whole };
}

function decodeBody(offset: LogOffset, body: Uint8Array): StoredRecord | undefined {
  try {
    const reader = new ByteReader(body);
    const flags = reader.u8();
    const key = flags & KEY ? reader.bytes() : undefined;
    const value = flags & VALUE ? reader.bytes() : null;
    if ((flags & HEADERS) === 0) return { offset, key, value };
    const headers: Record<string, Uint8Array> = Object.create(null) as Record<string, Uint8Array>;
    for (let left = reader.varint(); left > 0; left--) {
      const name = reader.text();
      headers[name] = reader.bytes();
    }
    return { offset, key, value, headers };
  } catch (error) {
    if (error instanceof TruncatedError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function frameCrc(frame: Uint8Array): number {
  return crc32c(frame.subarray(8), crc32c(frame.subarray(0, 4)));
}
