import { crc32c, utf8Encode } from '@pyralog/base';
import { logOffset, PyralogError } from '@pyralog/model';
import { KafkaReader, varintBytes, writeVarint } from './kafka-bytes.ts';
import { decompress } from './kafka-codecs.ts';
import type { LogRecord, StoredRecord } from './log.ts';

/**
 * Record batches, format 2 (Kafka 0.11 and later):
 *
 * ```
 * batch  = base_offset i64, length i32, leader_epoch i32, magic i8 = 2, crc32c u32 (of what follows),
 *          attributes i16 (codec 0-2, timestamp type 3, transactional 4, control 5), last_offset_delta i32,
 *          first_timestamp i64, max_timestamp i64, producer_id i64, producer_epoch i16, base_sequence i32,
 *          count i32, records (compressed as one)
 * record = length varint, attributes i8, timestamp_delta varlong, offset_delta varint,
 *          key bytes?, value bytes?, headers varint × (name, value bytes?)
 * ```
 *
 * Read here and not by kafkajs, which checks no checksum, loses the place of a batch that compaction has
 * emptied, and passes the records of a batch as arguments, which 100,000 of them are too many for.
 */
const HEADER_BYTES = 61;
/** In front of what `length` counts. */
const FRAME_BYTES = 12;
/** In front of what the checksum covers. */
const CRC_END = 21;
const MAGIC = 2;
const CODEC_MASK = 0x07;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const ABORT_MARKER = 0;

/** One batch of a partition's log. */
interface Batch {
  readonly baseOffset: number;
  /** Also where compaction has removed the last record, or all. */
  readonly lastOffset: number;
  readonly attributes: number;
  readonly producerId: number;
  readonly count: number;
  readonly records: Uint8Array;
}

/** A transaction that was aborted: its producer, and its first offset. */
interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** The answer to a fetch of one partition. */
export interface Fetched {
  readonly errorCode: number;
  /** Behind the last record that may be read: no open transaction lies before it. */
  readonly end: number;
  readonly aborted: readonly Aborted[];
  readonly batches: Uint8Array;
}

/** Reads the answer to a Fetch 11 of one partition. @throws RangeError where it is none */
export function decodeFetched(answer: Uint8Array): Fetched {
  const reader = new KafkaReader(answer);
  reader.int32(); // throttle time
  const requestError = reader.int16();
  reader.int32(); // session
  if (requestError !== 0 || reader.int32() === 0)
    return { errorCode: requestError, end: -1, aborted: [], batches: new Uint8Array(0) };
  reader.string(); // topic
  reader.int32(); // partitions
  reader.int32(); // partition
  const errorCode = reader.int16();
  reader.int64(); // high watermark
  const end = reader.int64();
  reader.int64(); // log start
  const aborted: Aborted[] = [];
  for (let i = reader.int32(); i > 0; i--)
    aborted.push({ producerId: reader.int64(), firstOffset: reader.int64() });
  reader.int32(); // preferred replica
  return { errorCode, end, aborted, batches: reader.take(Math.max(0, reader.int32())) };
}

/**
 * Reads the records of a fetch that lie at `from` or behind. The last batch may be cut; it comes whole with
 * a later fetch. Keys, values and headers are views of the bytes given, where those were not compressed.
 *
 * @returns the records, and the offset behind the last whole batch, which is `from` where there is none
 * @throws PyralogError `log-damaged`, `format-unknown`
 */
export async function decodeBatches(
  { batches, aborted }: Pick<Fetched, 'batches' | 'aborted'>,
  from: number,
  what: string,
): Promise<{ readonly records: StoredRecord[]; readonly next: number }> {
  const records: StoredRecord[] = [];
  const reader = new KafkaReader(batches);
  const visible = new Visibility(aborted);
  let next = from;
  while (reader.left >= HEADER_BYTES) {
    const place = `${what}, behind offset ${next - 1}`;
    try {
      const batch = readBatch(reader);
      if (batch === undefined) break;
      if (batch.lastOffset < batch.baseOffset) throw new RangeError('offsets run backwards');
      if (visible.shows(batch)) await readRecords(batch, from, records);
      next = Math.max(next, batch.lastOffset + 1);
    } catch (error) {
      if (error instanceof UnknownFormat)
        throw new PyralogError('format-unknown', `${place}: ${error.message}.`, { cause: error });
      if (!(error instanceof RangeError)) throw error;
      throw new PyralogError('log-damaged', `${place}: no record batch (${error.message}).`, {
        cause: error,
      });
    }
  }
  return { records, next };
}

/** @returns undefined where the batch is cut. */
function readBatch(reader: KafkaReader): Batch | undefined {
  const begin = reader.position;
  const baseOffset = reader.int64();
  const length = reader.int32();
  if (length > reader.left) return undefined;
  const end = begin + FRAME_BYTES + length;
  reader.int32(); // leader epoch
  const magic = reader.int8();
  if (magic !== MAGIC)
    throw new UnknownFormat(`records of format ${magic}, which Kafka before 0.11 wrote`);
  const crc = reader.uint32();
  if (length < HEADER_BYTES - FRAME_BYTES) throw new RangeError(`a batch of ${length} bytes`);
  if (crc32c(reader.bytes.subarray(begin + CRC_END, end)) !== crc)
    throw new RangeError('the checksum is another');
  const attributes = reader.int16();
  const lastOffset = baseOffset + reader.int32();
  reader.int64(); // first timestamp
  reader.int64(); // greatest timestamp
  const producerId = reader.int64();
  reader.int16(); // producer epoch
  reader.int32(); // base sequence
  const count = reader.int32();
  const records = reader.take(end - reader.position);
  return { baseOffset, lastOffset, attributes, producerId, count, records };
}

/** Which batches of a fetch count: no markers, and nothing of transactions that were aborted. */
class Visibility {
  readonly #aborted: Aborted[];
  readonly #aborting = new Set<number>();

  constructor(aborted: readonly Aborted[]) {
    this.#aborted = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  shows({ attributes, producerId, lastOffset, records }: Batch): boolean {
    for (let first = this.#aborted[0]; first !== undefined; first = this.#aborted[0]) {
      if (first.firstOffset > lastOffset) break;
      this.#aborting.add(first.producerId);
      this.#aborted.shift();
    }
    if ((attributes & CONTROL) !== 0) {
      if (markerOf(records) === ABORT_MARKER) this.#aborting.delete(producerId);
      return false;
    }
    return (attributes & TRANSACTIONAL) === 0 || !this.#aborting.has(producerId);
  }
}

/** The type that the key of a marker says. */
function markerOf(records: Uint8Array): number | undefined {
  if (records.length === 0) return undefined;
  const reader = new KafkaReader(records);
  const { key } = readRecord(reader);
  if (key === null) return undefined;
  const fields = new KafkaReader(key);
  fields.int16(); // version
  return fields.int16();
}

async function readRecords(batch: Batch, from: number, records: StoredRecord[]): Promise<void> {
  const { baseOffset, lastOffset, attributes, count } = batch;
  const codec = attributes & CODEC_MASK;
  if (codec > 4) throw new UnknownFormat(`records compressed by codec ${codec}`);
  if (lastOffset < from || count === 0) return;
  const reader = new KafkaReader(await decompress(codec, batch.records));
  let last = -1;
  for (let i = 0; i < count; i++) {
    const { offsetDelta, key, value, headers } = readRecord(reader);
    if (offsetDelta <= last || baseOffset + offsetDelta > lastOffset)
      throw new RangeError('records are not in order');
    last = offsetDelta;
    if (baseOffset + offsetDelta < from) continue;
    records.push({
      offset: logOffset(baseOffset + offsetDelta),
      ...(key === null ? {} : { key }),
      value,
      ...(headers === undefined ? {} : { headers }),
    });
  }
  if (reader.left > 0) throw new RangeError(`${reader.left} bytes behind the last record`);
}

function readRecord(reader: KafkaReader): {
  readonly offsetDelta: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, Uint8Array>> | undefined;
} {
  const end = reader.varint() + reader.position;
  reader.int8(); // attributes, of which there are none
  reader.skipVarlong(); // timestamp
  const offsetDelta = reader.varint();
  const key = reader.nullableBytes();
  const value = reader.nullableBytes();
  const headers = readHeaders(reader);
  if (reader.position !== end) throw new RangeError('a record of another length');
  return { offsetDelta, key, value, headers };
}

/** Names of headers are anybody's: what is not UTF-8 in them is replaced, so that the record can be read. */
const names = new TextDecoder('utf-8', { ignoreBOM: true });

/** Of several with one name the last counts; one without a value is empty. */
function readHeaders(reader: KafkaReader): Readonly<Record<string, Uint8Array>> | undefined {
  const count = reader.varint();
  if (count < 0) throw new RangeError(`${count} headers`);
  if (count === 0) return undefined;
  const entries: [string, Uint8Array][] = [];
  for (let i = 0; i < count; i++) {
    const name = names.decode(reader.take(reader.varint()));
    entries.push([name, reader.nullableBytes() ?? new Uint8Array(0)]);
  }
  return Object.fromEntries(entries);
}

/** Records that are not to be read here, in words. */
class UnknownFormat extends Error {
  override readonly name = 'UnknownFormat';
}

/** Who writes, and the number of the first record among all that it has written to the partition. */
export interface ProducerPlace {
  readonly id: number;
  readonly epoch: number;
  readonly sequence: number;
}

/** The part of a record that does not depend on its place: a copy of what the caller gave. */
export type RecordBody = Uint8Array;

/** Key, value and headers of a record as they stand in a batch. */
export function encodeBody({ key, value, headers = {} }: LogRecord): RecordBody {
  const fields: (Uint8Array | null)[] = [key ?? null, value];
  const entries = Object.entries(headers);
  const named = entries.flatMap(([name, bytes]) => [utf8Encode(name), bytes]);
  const length =
    [...fields, ...named].reduce((sum, field) => sum + fieldBytes(field), 0) +
    varintBytes(entries.length);
  const body = new Uint8Array(length);
  let at = 0;
  const write = (field: Uint8Array | null): void => {
    at = writeVarint(body, at, field?.length ?? -1);
    if (field === null) return;
    body.set(field, at);
    at += field.length;
  };
  fields.forEach(write);
  at = writeVarint(body, at, entries.length);
  named.forEach(write);
  return body;
}

function fieldBytes(field: Uint8Array | null): number {
  return varintBytes(field?.length ?? -1) + (field?.length ?? 0);
}

/** The most that a batch of these records takes, in bytes. */
export function batchBytesMax(bodies: readonly RecordBody[]): number {
  // Length and offset take up to five bytes each, attributes and timestamp one each.
  return bodies.reduce((sum, body) => sum + body.length + 12, HEADER_BYTES);
}

/** One batch, not compressed: records of Pyralog are already. */
export function encodeBatch(
  bodies: readonly RecordBody[],
  { id, epoch, sequence }: ProducerPlace,
  timestampMillis: number,
): Uint8Array {
  const bytes = new Uint8Array(batchBytesMax(bodies));
  let end = HEADER_BYTES;
  bodies.forEach((body, i) => {
    end = writeVarint(bytes, end, 2 + varintBytes(i) + body.length);
    end += 2; // no attributes, and the timestamp of the batch
    end = writeVarint(bytes, end, i);
    bytes.set(body, end);
    end += body.length;
  });
  const view = new DataView(bytes.buffer);
  view.setInt32(8, end - FRAME_BYTES);
  view.setInt32(12, -1); // leader epoch: the broker's to set
  view.setInt8(16, MAGIC);
  view.setInt32(23, bodies.length - 1);
  view.setBigInt64(27, BigInt(timestampMillis));
  view.setBigInt64(35, BigInt(timestampMillis));
  view.setBigInt64(43, BigInt(id));
  view.setInt16(51, epoch);
  view.setInt32(53, sequence);
  view.setInt32(57, bodies.length);
  view.setUint32(17, crc32c(bytes.subarray(CRC_END, end)));
  return bytes.subarray(0, end);
}
