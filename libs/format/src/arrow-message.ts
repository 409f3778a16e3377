/**
 * Record batch messages of the Arrow IPC format, with which commit records, runs and segments carry
 * their columns (Arrow columnar format 1.5, "Encapsulated message format").
 *
 *   message  := ff ff ff ff  metadataLength:i32  metadata (flatbuffer, zeros up to a multiple of 8)  body
 *   metadata := Message{ V5, RecordBatch{ rows, nodes, buffers, compression? }, bodyLength }
 *
 * Columns here have no nulls, so validity buffers have length 0 everywhere.
 */
import { BodyCompression } from 'apache-arrow/fb/body-compression';
import { BodyCompressionMethod } from 'apache-arrow/fb/body-compression-method';
import { Buffer as BufferRange } from 'apache-arrow/fb/buffer';
import { CompressionType } from 'apache-arrow/fb/compression-type';
import { DictionaryBatch } from 'apache-arrow/fb/dictionary-batch';
import { FieldNode } from 'apache-arrow/fb/field-node';
import { Message } from 'apache-arrow/fb/message';
import { MessageHeader } from 'apache-arrow/fb/message-header';
import { MetadataVersion } from 'apache-arrow/fb/metadata-version';
import { RecordBatch } from 'apache-arrow/fb/record-batch';
import { assert, must } from '@pyralog/base';
import * as flatbuffers from 'flatbuffers';

/** Bytes before the metadata: the continuation marker and the length. */
const MESSAGE_PREFIX_BYTES = 8;

const CONTINUATION = 0xffffffff;
/** Vtable slots of the generated classes; flatbuffers leaves out fields that hold their default. */
const SLOT_ROWS = 4;
const SLOT_BODY_LENGTH = 10;

export interface MessageShape {
  /** Arrays of the schema, children included, in depth-first order. */
  readonly nodes: number;
  readonly buffers: number;
  readonly zstd: boolean;
  /** A dictionary batch of this id instead of a record batch. */
  readonly dictionary?: number | undefined;
}

/**
 * The metadata of one kind of message, built once by flatbuffers and filled in anew for each message:
 * building costs 30 µs, filling in less than one.
 */
export class MessageHead {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rowsAt: number;
  readonly #nodesAt: number;
  readonly #buffersAt: number;
  readonly #bodyLengthAt: number;
  readonly #shape: MessageShape;

  constructor(shape: MessageShape) {
    this.#shape = shape;
    const metadata = buildMetadata(shape);
    const padded = (metadata.length + 7) & ~7;
    this.#bytes = new Uint8Array(MESSAGE_PREFIX_BYTES + padded);
    this.#bytes.set(metadata, MESSAGE_PREFIX_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint32(0, CONTINUATION, true);
    this.#view.setInt32(4, padded, true);

    const buffer = new flatbuffers.ByteBuffer(this.#bytes);
    buffer.setPosition(MESSAGE_PREFIX_BYTES);
    const message = Message.getRootAsMessage(buffer);
    const batch = batchOf(message);
    this.#rowsAt = batch.bb_pos + buffer.__offset(batch.bb_pos, SLOT_ROWS);
    this.#bodyLengthAt = message.bb_pos + buffer.__offset(message.bb_pos, SLOT_BODY_LENGTH);
    this.#nodesAt = must(batch.nodes(0), 'a batch has columns').bb_pos;
    this.#buffersAt = must(batch.buffers(0), 'a batch has buffers').bb_pos;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /**
   * @param rows of the batch.
   * @param nodes rows of each array.
   * @param buffers offset in the body and length of each buffer, alternating.
   * @returns the message up to its body: a view, valid until the next call.
   */
  fill(
    rows: number,
    nodes: ArrayLike<number>,
    buffers: ArrayLike<number>,
    bodyLength: number,
  ): Uint8Array {
    assert(nodes.length === this.#shape.nodes, 'one length per array');
    assert(buffers.length === this.#shape.buffers * 2, 'one range per buffer');
    this.#set(this.#rowsAt, rows);
    this.#set(this.#bodyLengthAt, bodyLength);
    for (let i = 0; i < nodes.length; i++) this.#set(this.#nodesAt + i * 16, nodes[i] as number);
    for (let i = 0; i < buffers.length; i++)
      this.#set(this.#buffersAt + i * 8, buffers[i] as number);
    return this.#bytes;
  }

  /** An int64 from a safe integer, without a BigInt. */
  #set(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}

/** A message as read: where its parts are. */
export interface MessageParts {
  readonly rows: number;
  /** Offset in the body and length of each buffer, alternating. */
  readonly buffers: readonly number[];
  /** Rows of each array, depth first. */
  readonly nodes: readonly number[];
  readonly zstd: boolean;
  /** Place of the body in the bytes given. */
  readonly bodyAt: number;
  readonly bodyLength: number;
}

/**
 * Reads the metadata of the message at `at`. The bytes are expected to be whole and right (their
 * checksum was verified).
 * @returns undefined where they do not hold such a message.
 */
export function readMessage(bytes: Uint8Array, at: number): MessageParts | undefined {
  if (bytes.length - at < MESSAGE_PREFIX_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const bodyAt = at + MESSAGE_PREFIX_BYTES + view.getInt32(4, true);
  if (view.getUint32(0, true) !== CONTINUATION || bodyAt < at || bodyAt > bytes.length) {
    return undefined;
  }
  const buffer = new flatbuffers.ByteBuffer(bytes);
  buffer.setPosition(at + MESSAGE_PREFIX_BYTES);
  const message = Message.getRootAsMessage(buffer);
  const bodyLength = Number(message.bodyLength());
  if (bodyAt + bodyLength > bytes.length) return undefined;
  const batch = batchOf(message);
  const nodesAt = batch.nodes(0)?.bb_pos ?? 0;
  const nodes: number[] = [];
  for (let i = 0, end = batch.nodesLength(); i < end; i++) {
    nodes.push(int64(bytes, nodesAt + i * 16));
  }
  const buffersAt = batch.buffers(0)?.bb_pos ?? 0;
  const buffers: number[] = [];
  for (let i = 0, end = batch.buffersLength() * 2; i < end; i++) {
    buffers.push(int64(bytes, buffersAt + i * 8));
  }
  return {
    rows: Number(batch.length()),
    buffers,
    nodes,
    zstd: batch.compression()?.codec() === CompressionType.ZSTD,
    bodyAt,
    bodyLength,
  };
}

/** A non-negative int64 as a number; generated accessors would make a BigInt of each. */
function int64(bytes: Uint8Array, at: number): number {
  const low =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  const high =
    (bytes[at + 4] as number) |
    ((bytes[at + 5] as number) << 8) |
    ((bytes[at + 6] as number) << 16);
  return (low >>> 0) + high * 0x1_0000_0000;
}

function batchOf(message: Message): RecordBatch {
  if (message.headerType() === MessageHeader.DictionaryBatch) {
    const dictionary = message.header(new DictionaryBatch()) as DictionaryBatch;
    return must(dictionary.data(), 'a dictionary batch has data');
  }
  return message.header(new RecordBatch()) as RecordBatch;
}

/** A message whose numbers are all 1: flatbuffers would leave out zeros. */
function buildMetadata(shape: MessageShape): Uint8Array {
  const builder = new flatbuffers.Builder(1024);
  RecordBatch.startNodesVector(builder, shape.nodes);
  for (let i = 0; i < shape.nodes; i++) FieldNode.createFieldNode(builder, 1n, 0n);
  const nodes = builder.endVector();
  RecordBatch.startBuffersVector(builder, shape.buffers);
  for (let i = 0; i < shape.buffers; i++) BufferRange.createBuffer(builder, 1n, 1n);
  const buffers = builder.endVector();
  const compression = shape.zstd
    ? BodyCompression.createBodyCompression(
        builder,
        CompressionType.ZSTD,
        BodyCompressionMethod.BUFFER,
      )
    : undefined;
  RecordBatch.startRecordBatch(builder);
  RecordBatch.addLength(builder, 1n);
  RecordBatch.addNodes(builder, nodes);
  RecordBatch.addBuffers(builder, buffers);
  if (compression !== undefined) RecordBatch.addCompression(builder, compression);
  let header = RecordBatch.endRecordBatch(builder);
  if (shape.dictionary !== undefined) {
    DictionaryBatch.startDictionaryBatch(builder);
    DictionaryBatch.addId(builder, BigInt(shape.dictionary));
    DictionaryBatch.addData(builder, header);
    header = DictionaryBatch.endDictionaryBatch(builder);
  }
  Message.startMessage(builder);
  Message.addVersion(builder, MetadataVersion.V5);
  Message.addHeaderType(
    builder,
    shape.dictionary === undefined ? MessageHeader.RecordBatch : MessageHeader.DictionaryBatch,
  );
  Message.addHeader(builder, header);
  Message.addBodyLength(builder, 1n);
  builder.finish(Message.endMessage(builder));
  return builder.asUint8Array();
}
