/**
 * Messages of an Arrow IPC stream or file (Arrow columnar format 1.5).
 *
 *   stream  := message* end
 *   file    := "ARROW1" 00 00  …  footer  footerLength:i32  "ARROW1"
 *   message := ff ff ff ff  metadataLength:i32  metadata (flatbuffer)  body
 *   end     := ff ff ff ff  00 00 00 00
 *
 * Where the messages of a file lie, and its schema, says the footer: some writers leave room between them, or
 * the schema out. The end of a stream must be there, though the format lets it be left out: a
 * transaction is committed whole or not at all.
 *
 * Nothing here is believed. Flatbuffers does not look whether its offsets make sense; it never reads outside
 * of the bytes it is given, but may give the same table again and again, so every list and every
 * nesting has a bound.
 */
import { BodyCompressionMethod } from 'apache-arrow/fb/body-compression-method';
import { CompressionType } from 'apache-arrow/fb/compression-type';
import { DictionaryBatch } from 'apache-arrow/fb/dictionary-batch';
import { Footer } from 'apache-arrow/fb/footer';
import { Message } from 'apache-arrow/fb/message';
import { MessageHeader } from 'apache-arrow/fb/message-header';
import { MetadataVersion } from 'apache-arrow/fb/metadata-version';
import { RecordBatch } from 'apache-arrow/fb/record-batch';
import { Schema } from 'apache-arrow/fb/schema';
import { ByteBuffer } from 'flatbuffers';
import { notArrow } from './refusals.ts';

/** Arrays or dictionary values of one message, and the place of their buffers in its body. */
export interface Batch {
  readonly rows: number;
  /** Of each array, depth first. */
  readonly nodes: readonly { readonly length: number; readonly nulls: number }[];
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly compression: 'none' | 'lz4' | 'zstd';
  /** Buffers of each array of views, depth first. */
  readonly variadic: readonly number[];
  readonly body: Uint8Array;
  /** Unions had a validity of their own before version 5. */
  readonly unionsHaveValidity: boolean;
}

export type ArrowMessage =
  | { readonly kind: 'schema'; readonly schema: Schema }
  | { readonly kind: 'batch'; readonly batch: Batch }
  | {
      readonly kind: 'dictionary';
      readonly id: bigint;
      /** Values behind those that are there, instead of in their place. */
      readonly isDelta: boolean;
      readonly batch: Batch;
    };

const MAGIC = Uint8Array.from('ARROW1', (letter) => letter.charCodeAt(0));
/** The length of the footer, and the letters. */
const TRAILER_BYTES = 4 + MAGIC.length;
const PREFIX_BYTES = 8;
const CONTINUATION = 0xffff_ffff;

/** The schema, and then all else in its order. @throws document-invalid */
export function messagesOf(bytes: Uint8Array): Iterator<ArrowMessage> & Iterable<ArrowMessage> {
  return hasMagic(bytes, 0) ? messagesOfFile(bytes) : messagesOfStream(bytes);
}

function* messagesOfStream(bytes: Uint8Array): Generator<ArrowMessage> {
  let at = 0;
  for (;;) {
    const metadata = metadataAt(bytes, at);
    at += PREFIX_BYTES + metadata.length;
    if (metadata.length === 0) break;
    const message = Message.getRootAsMessage(new ByteBuffer(metadata));
    const length = count(message.bodyLength(), bytes.length - at, 'the body of a message');
    yield messageOf(message, metadata.length, bytes.subarray(at, at + length));
    at += length;
  }
  if (at !== bytes.length) throw notArrow('there is more behind their end');
}

function* messagesOfFile(bytes: Uint8Array): Generator<ArrowMessage> {
  const footer = footerOf(bytes);
  yield { kind: 'schema', schema: part(footer.schema()) };
  // Each byte is read once at most, however often the footer names it.
  let left = bytes.length;
  const dictionaries = footer.dictionariesLength();
  const blocks = dictionaries + footer.recordBatchesLength();
  for (let index = 0; index < blocks; index++) {
    const block = part(
      index < dictionaries
        ? footer.dictionaries(index)
        : footer.recordBatches(index - dictionaries),
    );
    const offset = count(block.offset(), bytes.length, 'the place of a message');
    const metadata = metadataAt(bytes, offset);
    const bodyAt = offset + block.metaDataLength();
    if (metadata.length === 0 || bodyAt < offset + PREFIX_BYTES + metadata.length)
      throw notArrow('the footer names a message that is none');
    const message = Message.getRootAsMessage(new ByteBuffer(metadata));
    const length = count(message.bodyLength(), bytes.length - bodyAt, 'the body of a message');
    left -= PREFIX_BYTES + metadata.length + length;
    if (left < 0) throw notArrow('the footer names a message more than once');
    yield messageOf(message, metadata.length, bytes.subarray(bodyAt, bodyAt + length));
  }
}

function footerOf(bytes: Uint8Array): Footer {
  const trailerAt = bytes.length - TRAILER_BYTES;
  if (trailerAt < MAGIC.length || !hasMagic(bytes, trailerAt + 4))
    throw notArrow('the file is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getInt32(trailerAt, true);
  if (length <= 0 || length > trailerAt)
    throw notArrow(`the footer of the file has ${length} bytes`);
  return Footer.getRootAsFooter(new ByteBuffer(bytes.subarray(trailerAt - length, trailerAt)));
}

/** The metadata of a message; nothing at the end marker. */
function metadataAt(bytes: Uint8Array, at: number): Uint8Array {
  const from = at + PREFIX_BYTES;
  if (from > bytes.length) throw notArrow('they end without an end marker');
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, PREFIX_BYTES);
  if (view.getUint32(0, true) !== CONTINUATION)
    throw notArrow(at === 0 ? 'they begin otherwise' : 'there is no message where one must be');
  const length = view.getInt32(4, true);
  if (length < 0 || length > bytes.length - from) throw notArrow('a message is cut off');
  return bytes.subarray(from, from + length);
}

function hasMagic(bytes: Uint8Array, at: number): boolean {
  return at >= 0 && MAGIC.every((byte, i) => bytes[at + i] === byte);
}

function messageOf(message: Message, metadataBytes: number, body: Uint8Array): ArrowMessage {
  const version = message.version();
  if (version !== MetadataVersion.V4 && version !== MetadataVersion.V5)
    throw notArrow(`their version ${version} is not known here`);
  const batch = (table: RecordBatch): Batch =>
    batchOf(table, { metadataBytes, body, unionsHaveValidity: version === MetadataVersion.V4 });
  switch (message.headerType()) {
    case MessageHeader.Schema:
      return { kind: 'schema', schema: part(message.header(new Schema()) as Schema | null) };
    case MessageHeader.RecordBatch:
      return { kind: 'batch', batch: batch(part(message.header(new RecordBatch()))) };
    case MessageHeader.DictionaryBatch: {
      const table = part(message.header(new DictionaryBatch()) as DictionaryBatch | null);
      return {
        kind: 'dictionary',
        id: table.id(),
        isDelta: table.isDelta(),
        batch: batch(part(table.data())),
      };
    }
    default:
      throw notArrow('a message is neither schema nor columns');
  }
}

interface BatchContext {
  readonly metadataBytes: number;
  readonly body: Uint8Array;
  readonly unionsHaveValidity: boolean;
}

/** Bytes of an entry in the lists of a batch. */
const NODE_BYTES = 16;
const BUFFER_BYTES = 16;
const VARIADIC_BYTES = 8;
/** Rows and offsets beyond this are no numbers that bytes of ours can back. */
const COUNT_MAX = 2 ** 31 - 1;

function batchOf(table: RecordBatch, context: BatchContext): Batch {
  const { metadataBytes, body, unionsHaveValidity } = context;
  const list = <T>(length: number, entryBytes: number, entry: (index: number) => T): T[] => {
    if (length < 0 || length * entryBytes > metadataBytes)
      throw notArrow('a list is longer than the message that holds it');
    return Array.from({ length }, (_, index) => entry(index));
  };
  return {
    rows: count(table.length(), COUNT_MAX, 'the rows of a batch'),
    nodes: list(table.nodesLength(), NODE_BYTES, (index) => {
      const node = part(table.nodes(index));
      return {
        length: count(node.length(), COUNT_MAX, 'the length of an array'),
        nulls: count(node.nullCount(), COUNT_MAX, 'the nulls of an array'),
      };
    }),
    buffers: list(table.buffersLength(), BUFFER_BYTES, (index) => {
      const buffer = part(table.buffers(index));
      const offset = count(buffer.offset(), body.length, 'the place of a buffer');
      const length = count(buffer.length(), body.length - offset, 'the length of a buffer');
      return { offset, length };
    }),
    compression: compressionOf(table),
    variadic: list(table.variadicBufferCountsLength(), VARIADIC_BYTES, (index) =>
      count(table.variadicBufferCounts(index) ?? 0n, COUNT_MAX, 'the buffers of an array'),
    ),
    body,
    unionsHaveValidity,
  };
}

function compressionOf(table: RecordBatch): Batch['compression'] {
  const compression = table.compression();
  if (compression === null) return 'none';
  if (compression.method() !== BodyCompressionMethod.BUFFER)
    throw notArrow('they are compressed in a way that is not known here');
  switch (compression.codec()) {
    case CompressionType.LZ4_FRAME:
      return 'lz4';
    case CompressionType.ZSTD:
      return 'zstd';
    default:
      throw notArrow('they are compressed with a codec that is not known here');
  }
}

function part<T>(table: T | null): T {
  if (table === null) throw notArrow('a message lacks a part');
  return table;
}

/** A number that must be between zero and a bound. */
function count(value: bigint, max: number, what: string): number {
  if (value < 0n || value > BigInt(max)) throw notArrow(`${what} is ${value}`);
  return Number(value);
}
