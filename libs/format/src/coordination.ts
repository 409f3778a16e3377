/**
 * Messages to the owner of a partition, in its coordination topic (protocol 1.3), format version 0. Integers are
 * little-endian; id, part, text and rejection are those of commit-record.ts.
 *
 *   message := "PYCM" checksum:u32 version:u8 kind:u8 0:u16 body
 *                checksum: CRC-32C of all that follows it; magic and checksum stand here in all versions
 *   body    := kind 0 close      upTo:i64?
 *            | kind 1 prepare    id mark attempt:varint start:i64 at:i64? content:bytes
 *            | kind 2 decision   id mark attempt:varint tx:i64?
 *            | kind 3 vote       id from:varint attempt:varint answer
 *            | kind 4 done       id from:varint attempt:varint
 *            | kind 5 lookup     coordinator:varint offset:varint attribute:text* claim:text*
 *            | kind 6 found      coordinator:varint offset:varint clock:i64 hints:text
 *            | kind 7 progress   from:varint closed:i64
 *   mark    := epoch:varint counter:varint         of the coordinator that sends it, to this receiver
 *   answer  := 0 prepared:i64 parts | 1 clock:i64 hints:text | 2 rejection
 *   i64?    := 0 | 1 i64
 */
import { ByteReader, ByteWriter, crc32c, unreachable } from '@pyralog/base';
import {
  epoch,
  type Epoch,
  logOffset,
  partitionNo,
  type PartitionNo,
  tx,
  type Tx,
} from '@pyralog/model';
import type { Rejection } from './commit-record.ts';
import { damaged, decodeSafely, unknownFormat } from './damage.ts';
import {
  readId,
  readParts,
  readRejection,
  writeId,
  writeParts,
  writeRejection,
} from './record-items.ts';
import type { TransactionId, TransactionPart } from './transaction-items.ts';

/** Asks an idle owner to close its time. Volatile: it is for those who wait now. */
export interface CloseRequest {
  readonly kind: 'close';
  /** What is wanted, where another partition is there already; the owner's clock may be behind that. */
  readonly upTo: Tx | undefined;
}

/** Which part of which attempt of a transaction a message is about. */
export interface PartAttempt {
  readonly id: TransactionId;
  readonly part: string;
  readonly attempt: number;
}

/**
 * Orders what one coordinator sends to one participant: epoch of the coordinator, then a counter. Who has
 * taken one drops all that are not above it, so a late message of a replaced coordinator has no effect.
 */
export interface SendMark {
  readonly epoch: Epoch;
  readonly counter: number;
}

/** Coordinator to participant: can you promise this part? */
export interface PrepareMessage extends PartAttempt {
  readonly kind: 'prepare';
  readonly mark: SendMark;
  /** Age of the transaction: the older one wins. */
  readonly start: Tx;
  /** Commit time asked for, in nanoseconds; import mode only. */
  readonly at: bigint | undefined;
  readonly content: Uint8Array;
}

/** Coordinator to participant: what was decided of a part. */
export interface DecisionMessage extends PartAttempt {
  readonly kind: 'decision';
  readonly mark: SendMark;
  /** undefined: it is given up. */
  readonly tx: Tx | undefined;
}

/** What a partition says of its state. */
export interface ToldHints {
  /** All of it was so at this time: what goes by it is committed later. */
  readonly clock: Tx;
  /** As the sequencer encodes it. */
  readonly hints: string;
}

/** What a participant says to a prepare. */
export type Vote =
  /** Promised, to be committed above `tx`, together with the parts that were discovered. */
  | { readonly kind: 'prepared'; readonly tx: Tx; readonly needs: readonly TransactionPart[] }
  /** Not this attempt: an older transaction is in the way, or what the coordinator assumed is otherwise. */
  | ({ readonly kind: 'retry' } & ToldHints)
  /** Never. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** Participant to coordinator. */
export interface VoteMessage extends PartAttempt {
  readonly kind: 'vote';
  readonly from: PartitionNo;
  readonly vote: Vote;
}

/** Participant to coordinator: the decision is done, or there was nothing to be done. */
export interface DoneMessage extends PartAttempt {
  readonly kind: 'done';
  readonly from: PartitionNo;
}

/**
 * Coordinator to where the schema is at home: which of these attributes exist? And to where unique values are: who holds
 * these? Nothing depends on the answer but the next attempt.
 */
export interface LookupMessage {
  readonly kind: 'lookup';
  readonly id: TransactionId;
  readonly attributes: readonly string[];
  /** Entities of claims. */
  readonly claims: readonly string[];
}

/** What is known of them. */
export interface FoundMessage extends ToldHints {
  readonly kind: 'found';
  readonly id: TransactionId;
}

/** Of the partition that an import enters by: how far its time has come. */
export interface ProgressMessage {
  readonly kind: 'progress';
  readonly from: PartitionNo;
  readonly closed: Tx;
}

/** Any message of a coordination topic. */
export type CoordinationMessage =
  | CloseRequest
  | PrepareMessage
  | DecisionMessage
  | VoteMessage
  | DoneMessage
  | LookupMessage
  | FoundMessage
  | ProgressMessage;

const MAGIC = 0x4d435950;
const VERSION = 0;
const KINDS = [
  'close',
  'prepare',
  'decision',
  'vote',
  'done',
  'lookup',
  'found',
  'progress',
] as const;
const BYTES_MIN = 12;
const CHECKSUM_AT = 4;
const CHECKED_FROM = 8;

/** A message as it lies in a coordination topic. */
export function encodeCoordination(message: CoordinationMessage): Uint8Array {
  const into = new ByteWriter(message.kind === 'close' ? BYTES_MIN : 256)
    .u32(MAGIC)
    .u32(0)
    .u8(VERSION)
    .u8(KINDS.indexOf(message.kind))
    .u8(0)
    .u8(0);
  writeBody(message, into);
  const bytes = into.finish();
  const checksum = crc32c(bytes.subarray(CHECKED_FROM));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(CHECKSUM_AT, checksum, true);
  return bytes;
}

function writeBody(message: CoordinationMessage, into: ByteWriter): void {
  switch (message.kind) {
    case 'close':
      writeTime(message.upTo, into);
      return;
    case 'progress':
      into.varint(message.from).i64(message.closed);
      return;
    case 'prepare':
      writeId(message, into);
      writeMark(message.mark, into);
      into.varint(message.attempt).i64(message.start);
      writeTime(message.at, into);
      into.bytes(message.content);
      return;
    case 'decision':
      writeId(message, into);
      writeMark(message.mark, into);
      into.varint(message.attempt);
      writeTime(message.tx, into);
      return;
    case 'vote':
      writeId(message, into);
      into.varint(message.from).varint(message.attempt);
      writeVote(message.vote, into);
      return;
    case 'done':
      writeId(message, into);
      into.varint(message.from).varint(message.attempt);
      return;
    case 'lookup':
      writeTransaction(message.id, into);
      writeTexts(message.attributes, into);
      writeTexts(message.claims, into);
      return;
    case 'found':
      writeTransaction(message.id, into);
      into.i64(message.clock).text(message.hints);
      return;
    default:
      unreachable(message);
  }
}

function writeTexts(texts: readonly string[], into: ByteWriter): void {
  into.varint(texts.length);
  for (const text of texts) into.text(text);
}

function writeTransaction({ coordinator, offset }: TransactionId, into: ByteWriter): void {
  into.varint(coordinator).varint(offset);
}

function writeMark(mark: SendMark, into: ByteWriter): void {
  into.varint(mark.epoch).varint(mark.counter);
}

function writeTime(time: bigint | undefined, into: ByteWriter): void {
  if (time === undefined) into.u8(0);
  else into.u8(1).i64(time);
}

const VOTE_PREPARED = 0;
const VOTE_RETRY = 1;
const VOTE_REJECTED = 2;

function writeVote(vote: Vote, into: ByteWriter): void {
  switch (vote.kind) {
    case 'prepared':
      into.u8(VOTE_PREPARED).i64(vote.tx);
      writeParts(vote.needs, into);
      return;
    case 'retry':
      into.u8(VOTE_RETRY).i64(vote.clock).text(vote.hints);
      return;
    case 'rejected':
      into.u8(VOTE_REJECTED);
      writeRejection(vote.rejection, into);
      return;
    default:
      unreachable(vote);
  }
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
  const number = from.u8();
  const kind = KINDS[number];
  if (kind === undefined) throw unknownFormat(what, `message kind ${number}`);
  from.raw(2);
  return decodeSafely(what, () => readBody(kind, from, what));
}

function readBody(
  kind: (typeof KINDS)[number],
  from: ByteReader,
  what: string,
): CoordinationMessage {
  switch (kind) {
    case 'close': {
      const upTo = readTime(from);
      return { kind, upTo: upTo === undefined ? undefined : tx(upTo) };
    }
    case 'progress':
      return { kind, from: partitionNo(from.varint()), closed: tx(from.i64()) };
    case 'prepare':
      return {
        kind,
        ...readId(from),
        mark: readMark(from),
        attempt: from.varint(),
        start: tx(from.i64()),
        at: readTime(from),
        content: from.bytes(),
      };
    case 'decision': {
      const about = { ...readId(from), mark: readMark(from), attempt: from.varint() };
      const time = readTime(from);
      return { kind, ...about, tx: time === undefined ? undefined : tx(time) };
    }
    case 'vote':
      return {
        kind,
        ...readId(from),
        from: partitionNo(from.varint()),
        attempt: from.varint(),
        vote: readVote(from, what),
      };
    case 'done':
      return {
        kind,
        ...readId(from),
        from: partitionNo(from.varint()),
        attempt: from.varint(),
      };
    case 'lookup': {
      const id = readTransaction(from);
      const attributes = readTexts(from);
      return { kind, id, attributes, claims: readTexts(from) };
    }
    case 'found':
      return { kind, id: readTransaction(from), clock: tx(from.i64()), hints: from.text() };
    default:
      return unreachable(kind);
  }
}

function readTexts(from: ByteReader): string[] {
  return Array.from({ length: from.varint() }, () => from.text());
}

function readTransaction(from: ByteReader): TransactionId {
  return { coordinator: partitionNo(from.varint()), offset: logOffset(from.varint()) };
}

function readMark(from: ByteReader): SendMark {
  return { epoch: epoch(from.varint()), counter: from.varint() };
}

function readTime(from: ByteReader): bigint | undefined {
  return from.u8() === 0 ? undefined : from.i64();
}

function readVote(from: ByteReader, what: string): Vote {
  const kind = from.u8();
  switch (kind) {
    case VOTE_PREPARED:
      return { kind: 'prepared', tx: tx(from.i64()), needs: readParts(from) };
    case VOTE_RETRY:
      return { kind: 'retry', clock: tx(from.i64()), hints: from.text() };
    case VOTE_REJECTED:
      return { kind: 'rejected', rejection: readRejection(what, from) };
    default:
      throw unknownFormat(what, `vote ${kind}`);
  }
}
