/**
 * Opaque texts that callers keep and give back: where a listing goes on, and where a feed does.
 *
 *   token  := base64url(version:u8 0, kind:u8, database:u8[16], tx:i64, rest, checksum:u32)
 *   cursor := kind 1, tx: the basis of the first page; rest: listing:text key:bytes
 *   offset := kind 2, tx: the last transaction that was told; rest: nothing
 *
 * The checksum is the CRC-32C of what precedes it. It keeps typing errors out, not forgers: a token
 * gives no rights.
 */
import {
  ByteReader,
  ByteWriter,
  crc32c,
  fromHex,
  must,
  toHex,
  TruncatedError,
} from '@pyralog/base';
import { PyralogError, tx, type ErrorCode, type Tx } from '@pyralog/model';
import { fromBase64Url, toBase64Url } from './base64.ts';

const VERSION = 0;
const KIND_CURSOR = 1;
const KIND_OFFSET = 2;
const ID_BYTES = 16;
const CHECKSUM_BYTES = 4;
/** A key holds an entity, an attribute and a value, each with its zeros escaped. */
const TEXT_LENGTH_MAX = 64 * 1024 * 1024;

/** Where a listing goes on with its next page. */
export interface Cursor {
  /** Which listing it belongs to, with what must stay the same between its pages: `state:eavt`. */
  readonly listing: string;
  /** Later pages stay at it. */
  readonly basis: Tx;
  /** Key of the last row of the page before. */
  readonly key: Uint8Array;
}

/** @param database the id of the database, 32 hexadecimal digits. */
export function encodeCursor(database: string, cursor: Cursor): string {
  return encode(KIND_CURSOR, database, cursor.basis, (into) => {
    into.text(cursor.listing).bytes(cursor.key);
  });
}

/** @throws cursor-invalid (of another listing too), cursor-foreign */
export function decodeCursor(text: string, database: string, listing: string): Cursor {
  const cursor = decode(KIND_CURSOR, text, database, (basis, from): Cursor => {
    const listed = from.text();
    return { listing: listed, basis, key: from.bytes().slice() };
  });
  if (cursor.listing !== listing) {
    throw new PyralogError(
      'cursor-invalid',
      'The cursor belongs to another question than this one.',
      {
        hint: 'Ask the next page with the same parameters as the first one.',
      },
    );
  }
  return cursor;
}

/** Offset of a feed behind a transaction. */
export function encodeFeedOffset(database: string, last: Tx): string {
  return encode(KIND_OFFSET, database, last, () => undefined);
}

/** @returns the last transaction that was told. @throws offset-invalid, offset-foreign */
export function decodeFeedOffset(text: string, database: string): Tx {
  return decode(KIND_OFFSET, text, database, (last) => last);
}

function encode(kind: number, database: string, at: Tx, rest: (into: ByteWriter) => void): string {
  const into = new ByteWriter(64).u8(VERSION).u8(kind);
  into.raw(must(fromHex(database), 'a database id is hexadecimal')).i64(at);
  rest(into);
  into.u32(crc32c(into.view()));
  return toBase64Url(into.view());
}

const WORDS = {
  [KIND_CURSOR]: { name: 'cursor', invalid: 'cursor-invalid', foreign: 'cursor-foreign' },
  [KIND_OFFSET]: { name: 'feed offset', invalid: 'offset-invalid', foreign: 'offset-foreign' },
} as const satisfies Record<number, { name: string; invalid: ErrorCode; foreign: ErrorCode }>;

function decode<T>(
  kind: typeof KIND_CURSOR | typeof KIND_OFFSET,
  text: string,
  database: string,
  read: (at: Tx, from: ByteReader) => T,
): T {
  const words = WORDS[kind];
  const invalid = new PyralogError(
    words.invalid,
    `The ${words.name} is not one that Pyralog gave.`,
    {
      hint: `Use a ${words.name} exactly as it stood in an answer.`,
    },
  );
  const bytes = text.length > TEXT_LENGTH_MAX ? undefined : fromBase64Url(text);
  if (bytes === undefined || bytes.length < CHECKSUM_BYTES) throw invalid;
  const content = bytes.subarray(0, -CHECKSUM_BYTES);
  const checksum = new ByteReader(bytes, content.length).u32();
  if (checksum !== crc32c(content)) throw invalid;
  try {
    const from = new ByteReader(content);
    if (from.u8() !== VERSION || from.u8() !== kind) throw invalid;
    const found = toHex(from.raw(ID_BYTES));
    const at = from.i64();
    if (at < 0n) throw invalid;
    if (found !== database) {
      throw new PyralogError(words.foreign, `The ${words.name} belongs to another database.`, {
        hint: `Use it with the database that gave it, or begin anew without it.`,
      });
    }
    const result = read(tx(at), from);
    if (from.remaining > 0) throw invalid;
    return result;
  } catch (error) {
    if (error instanceof TruncatedError || error instanceof TypeError) throw invalid;
    throw error;
  }
}
