/**
 * The Arrow IPC file format with ZSTD buffers, written and read by hand: apache-arrow 21.2.0 writes
 * compressed files that other readers refuse (it puts the compressed length before each buffer, the
 * format wants the length before compression), and makes an object per value.
 *
 *   file     := "ARROW1" 0 0  schema dictionary* batch*  ff ff ff ff 00 00 00 00  attachment*
 *               footer  length:i32 "ARROW1"
 *   buffer   := length:i64 zstd frame | -1:i64 bytes, zeros up to a multiple of 8; nothing where empty
 *   footer   := flatbuffer with the schema, the places of dictionaries and batches, and metadata
 *
 * Metadata stand in the footer's schema only, so that one read of a file's end gives them. One entry is
 * ours in every file: `pyralog.checksum`, the CRC-32C in eight hexadecimal digits of the footer and what
 * follows it, taken with zeros in place of the digits. Attachments are bytes for our own readers, behind
 * the marker where readers of streams stop; readers of files go by the places in the footer.
 */
import { Block } from 'apache-arrow/fb/block';
import { Footer } from 'apache-arrow/fb/footer';
import { Message } from 'apache-arrow/fb/message';
import { MessageHeader } from 'apache-arrow/fb/message-header';
import { MetadataVersion } from 'apache-arrow/fb/metadata-version';
import { assert, concatBytes, crc32c, utf8Encode } from '@pyralog/base';
import * as flatbuffers from 'flatbuffers';
import { MessageHead, readMessage } from './arrow-message.ts';
import { buildSchema, countArrays, type ArrowField } from './arrow-schema.ts';
import type { Codec } from './codec.ts';
import { damaged, decodeSafely } from './damage.ts';
import type { TextList } from './text-list.ts';

const MAGIC = utf8Encode('ARROW1');
const HEAD = utf8Encode('ARROW1\0\0');
export const END_MARKER: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
/** Footer length and magic. */
const TRAILER_BYTES = 4 + MAGIC.length;
const CHECKSUM_KEY = 'pyralog.checksum';
/** Written before the digits, so that their place can be found in the flatbuffer. */
const CHECKSUM_MARK = 'crc32c:';
const CHECKSUM_DIGITS = 8;

/** Below this size a frame's own overhead eats the gain. */
const COMPRESS_BYTES_MIN = 64;
const RAW = -1n;

/** A message of the file, readable by one range read. */
export interface FileBlock {
  readonly offset: number;
  /** Metadata and body. */
  readonly length: number;
}

export interface WrittenBlock extends FileBlock {
  readonly crc: number;
}

/** The validity buffer of every column: there are no nulls. */
export const NO_NULLS: Uint8Array = new Uint8Array(0);

export class ArrowFileWriter {
  readonly #fields: readonly ArrowField[];
  readonly #codec: Codec;
  readonly #head: MessageHead;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  readonly #dictionaries: MessagePlace[] = [];
  readonly #batches: MessagePlace[] = [];
  /** Compressed zeros by length: columns that a block does not use are all zeros, block after block. */
  readonly #zeros = new Map<number, Uint8Array>();
  #headCrc = 0;
  #ended = false;

  constructor(fields: readonly ArrowField[], codec: Codec) {
    this.#fields = fields;
    this.#codec = codec;
    this.#head = new MessageHead({ ...countArrays(fields), zstd: true });
    this.#push(HEAD);
    this.#push(schemaMessage(fields));
  }

  /** Texts of the dictionary columns with this id. All dictionaries come before the first batch. */
  dictionary(id: number, texts: TextList): void {
    assert(this.#batches.length === 0, 'dictionaries come before batches');
    const head = new MessageHead({ nodes: 1, buffers: 3, zstd: true, dictionary: id });
    const offsets = bytesOf(texts.offsets.subarray(0, texts.length + 1));
    const text = texts.bytes.subarray(0, texts.offsets[texts.length]);
    const place = this.#message(head, texts.length, [texts.length], [NO_NULLS, offsets, text]);
    this.#dictionaries.push(place);
  }

  /**
   * @param nodes rows of each array, depth first.
   * @param buffers content of each buffer; a column of zeros may be given as their number.
   */
  batch(
    rows: number,
    nodes: readonly number[],
    buffers: readonly (Uint8Array | Zeros)[],
  ): WrittenBlock {
    assert(!this.#ended, 'batches come before attachments');
    if (this.#batches.length === 0) this.#headCrc = crcOf(this.#chunks);
    const place = this.#message(this.#head, rows, nodes, buffers);
    this.#batches.push(place);
    return { ...place, length: place.headLength + place.bodyLength };
  }

  /** Checksum of everything before the first batch; asked for before attachments. */
  get headCrc(): number {
    return this.#batches.length === 0 ? crcOf(this.#chunks) : this.#headCrc;
  }

  /** Bytes that are no columns; after the last batch. */
  attach(bytes: Uint8Array): WrittenBlock {
    this.#endBatches();
    const offset = this.#length;
    this.#push(bytes);
    this.#push(new Uint8Array(-bytes.length & 7));
    return { offset, length: bytes.length, crc: crc32c(bytes) };
  }

  finish(metadata: ReadonlyMap<string, string>): Uint8Array {
    const all = new Map(metadata);
    all.set(CHECKSUM_KEY, CHECKSUM_MARK + '0'.repeat(CHECKSUM_DIGITS));
    const footer = this.#footer(all);
    const trailer = new Uint8Array(TRAILER_BYTES);
    new DataView(trailer.buffer).setInt32(0, footer.length, true);
    trailer.set(MAGIC, 4);
    this.#endBatches();
    const tail = concatBytes([footer, trailer]);
    const digits = findDigits(tail);
    assert(digits !== undefined, 'the checksum has its place in the footer');
    tail.set(utf8Encode(crc32c(tail).toString(16).padStart(CHECKSUM_DIGITS, '0')), digits);
    this.#push(tail);
    return concatBytes(this.#chunks);
  }

  #endBatches(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#push(END_MARKER);
  }

  #footer(metadata: ReadonlyMap<string, string>): Uint8Array {
    const builder = new flatbuffers.Builder(4096);
    const schema = buildSchema(builder, this.#fields, metadata);
    Footer.startRecordBatchesVector(builder, this.#batches.length);
    for (const place of this.#batches.toReversed()) createBlock(builder, place);
    const batches = builder.endVector();
    Footer.startDictionariesVector(builder, this.#dictionaries.length);
    for (const place of this.#dictionaries.toReversed()) createBlock(builder, place);
    const dictionaries = builder.endVector();
    Footer.startFooter(builder);
    Footer.addVersion(builder, MetadataVersion.V5);
    Footer.addSchema(builder, schema);
    Footer.addRecordBatches(builder, batches);
    Footer.addDictionaries(builder, dictionaries);
    builder.finish(Footer.endFooter(builder));
    return builder.asUint8Array();
  }

  #message(
    head: MessageHead,
    rows: number,
    nodes: readonly number[],
    buffers: readonly (Uint8Array | Zeros)[],
  ): MessagePlace & { readonly crc: number } {
    const ranges: number[] = [];
    const parts: (CompressedBuffer | undefined)[] = [];
    let bodyLength = 0;
    for (const buffer of buffers) {
      const part = this.#compress(buffer);
      const length = part === undefined ? 0 : 8 + part.bytes.length;
      ranges.push(bodyLength, length);
      parts.push(part);
      bodyLength += (length + 7) & ~7;
    }
    const bytes = new Uint8Array(head.length + bodyLength);
    bytes.set(head.fill(rows, nodes, ranges, bodyLength));
    const view = new DataView(bytes.buffer);
    parts.forEach((part, i) => {
      if (part === undefined) return;
      const at = head.length + (ranges[2 * i] as number);
      view.setBigInt64(at, part.raw ? RAW : BigInt(part.length), true);
      bytes.set(part.bytes, at + 8);
    });
    const offset = this.#length;
    this.#push(bytes);
    return { offset, headLength: head.length, bodyLength, crc: crc32c(bytes) };
  }

  #compress(buffer: Uint8Array | Zeros): CompressedBuffer | undefined {
    if (buffer.length === 0) return undefined;
    if (!(buffer instanceof Uint8Array)) {
      let bytes = this.#zeros.get(buffer.length);
      if (bytes === undefined) {
        bytes = this.#codec.compress(new Uint8Array(buffer.length));
        this.#zeros.set(buffer.length, bytes);
      }
      return { raw: false, length: buffer.length, bytes };
    }
    if (buffer.length >= COMPRESS_BYTES_MIN) {
      const bytes = this.#codec.compress(buffer);
      if (bytes.length < buffer.length) return { raw: false, length: buffer.length, bytes };
    }
    return { raw: true, length: buffer.length, bytes: buffer };
  }

  #push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }
}

/** A buffer of this many zero bytes. */
export interface Zeros {
  readonly length: number;
}

interface CompressedBuffer {
  /** Kept as it is, because it would not get smaller. */
  readonly raw: boolean;
  readonly length: number;
  readonly bytes: Uint8Array;
}

interface MessagePlace {
  readonly offset: number;
  readonly headLength: number;
  readonly bodyLength: number;
}

/** The end of a file as read: what it says about itself. */
export interface ArrowFooter {
  readonly metadata: ReadonlyMap<string, string>;
  readonly batches: readonly FileBlock[];
  /** Bytes of the footer and what follows it. */
  readonly tailBytes: number;
}

/** How many bytes from the end of a file are needed to read its footer. */
export interface MissingTail {
  readonly missing: number;
}

/**
 * Reads the footer from the last bytes of a file, and verifies its checksum.
 * @param fileBytes size of the whole file.
 * @param what names the file in errors.
 */
export function readArrowFooter(
  tail: Uint8Array,
  fileBytes: number,
  what: string,
): ArrowFooter | MissingTail {
  if (tail.length < TRAILER_BYTES) throw damaged(what, `it has only ${tail.length} bytes`);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const trailerAt = tail.length - TRAILER_BYTES;
  if (!MAGIC.every((byte, i) => tail[trailerAt + 4 + i] === byte)) {
    throw damaged(what, 'it does not end as an Arrow file');
  }
  const footerLength = view.getInt32(trailerAt, true);
  const needed = footerLength + TRAILER_BYTES;
  if (footerLength <= 0 || needed > fileBytes)
    throw damaged(what, 'the length of its footer is wrong');
  if (needed > tail.length) {
    if (tail.length >= fileBytes) throw damaged(what, 'it was cut short');
    return { missing: needed };
  }
  const checked = tail.slice(tail.length - needed);
  verifyChecksum(checked, what);
  return decodeSafely(what, () => ({ ...parseFooter(checked), tailBytes: needed }));
}

/** A batch as read: its buffers, decompressed when asked for. */
export class ArrowBatch {
  readonly rows: number;
  /** Rows of each array, depth first. */
  readonly nodes: readonly number[];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #ranges: readonly number[];
  readonly #bodyAt: number;
  readonly #codec: Codec;
  readonly #what: string;

  /** @param bytes the message; its checksum was verified. */
  constructor(bytes: Uint8Array, codec: Codec, what: string) {
    const message = readMessage(bytes, 0);
    if (message === undefined || !message.zstd) throw damaged(what, 'a batch is no batch');
    this.rows = message.rows;
    this.nodes = message.nodes;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#ranges = message.buffers;
    this.#bodyAt = message.bodyAt;
    this.#codec = codec;
    this.#what = what;
  }

  /** Length of a buffer's content. */
  lengthOf(index: number): number {
    const [at, length] = this.#place(index);
    if (length === 0) return 0;
    const content = this.#view.getBigInt64(at, true);
    return content === RAW ? length - 8 : Number(content);
  }

  /** Copies a buffer's content to the start of `into`. */
  copy(index: number, into: Uint8Array): void {
    const [at, length] = this.#place(index);
    if (length === 0) return;
    const stored = this.#bytes.subarray(at + 8, at + length);
    const content = this.#view.getBigInt64(at, true);
    into.set(content === RAW ? stored : this.#codec.decompress(stored, Number(content)));
  }

  /** Content of every buffer, in order. */
  contents(): Uint8Array[] {
    return Array.from({ length: this.#ranges.length / 2 }, (_, index) => {
      const content = new Uint8Array(this.lengthOf(index));
      this.copy(index, content);
      return content;
    });
  }

  #place(index: number): [number, number] {
    const at = this.#ranges[2 * index];
    const length = this.#ranges[2 * index + 1];
    if (at === undefined || length === undefined)
      throw damaged(this.#what, 'a batch lacks a column');
    return [this.#bodyAt + at, length];
  }
}

function schemaMessage(fields: readonly ArrowField[]): Uint8Array {
  const builder = new flatbuffers.Builder(1024);
  const schema = buildSchema(builder, fields, new Map());
  Message.startMessage(builder);
  Message.addVersion(builder, MetadataVersion.V5);
  Message.addHeaderType(builder, MessageHeader.Schema);
  Message.addHeader(builder, schema);
  Message.addBodyLength(builder, 0n);
  builder.finish(Message.endMessage(builder));
  const metadata = builder.asUint8Array();
  const padded = (metadata.length + 7) & ~7;
  const bytes = new Uint8Array(8 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xffffffff, true);
  view.setInt32(4, padded, true);
  bytes.set(metadata, 8);
  return bytes;
}

function createBlock(builder: flatbuffers.Builder, place: MessagePlace): void {
  Block.createBlock(builder, BigInt(place.offset), place.headLength, BigInt(place.bodyLength));
}

function parseFooter(bytes: Uint8Array): Omit<ArrowFooter, 'tailBytes'> {
  const footer = Footer.getRootAsFooter(new flatbuffers.ByteBuffer(bytes));
  const schema = footer.schema();
  const metadata = new Map<string, string>();
  for (let i = 0, end = schema?.customMetadataLength() ?? 0; i < end; i++) {
    const pair = schema?.customMetadata(i);
    metadata.set(pair?.key() ?? '', pair?.value() ?? '');
  }
  const batches: FileBlock[] = [];
  const block = new Block();
  for (let i = 0, end = footer.recordBatchesLength(); i < end; i++) {
    footer.recordBatches(i, block);
    const length = block.metaDataLength() + Number(block.bodyLength());
    batches.push({ offset: Number(block.offset()), length });
  }
  return { metadata, batches };
}

/** @param tail is changed: the digits become zeros. */
function verifyChecksum(tail: Uint8Array, what: string): void {
  const digits = findDigits(tail);
  if (digits === undefined) throw damaged(what, 'its footer has no checksum');
  let text = '';
  for (let i = 0; i < CHECKSUM_DIGITS; i++) {
    text += String.fromCharCode(tail[digits + i] as number);
    tail[digits + i] = 0x30;
  }
  if (text !== crc32c(tail).toString(16).padStart(CHECKSUM_DIGITS, '0')) {
    throw damaged(what, 'the checksum of its footer is wrong');
  }
}

const MARK_BYTES = utf8Encode(CHECKSUM_MARK);

/** Place of the checksum's digits; no other metadata can hold the mark, for it has a colon. */
function findDigits(tail: Uint8Array): number | undefined {
  for (let at = 0; at + MARK_BYTES.length + CHECKSUM_DIGITS <= tail.length; at++) {
    if (tail[at] !== MARK_BYTES[0]) continue;
    if (MARK_BYTES.every((byte, i) => tail[at + i] === byte)) return at + MARK_BYTES.length;
  }
  return undefined;
}

function crcOf(chunks: readonly Uint8Array[]): number {
  let crc = 0;
  for (const chunk of chunks) crc = crc32c(chunk, crc);
  return crc;
}

function bytesOf(column: ArrayBufferView): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
