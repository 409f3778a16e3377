import { assert } from '@pyralog/base';
import { epoch, INDEX_ORDERS, logOffset, ownerId, partitionNo, tx } from '@pyralog/model';
import { decodeCheckedJson, encodeCheckedJson, type Members } from './checked-json.ts';
import { damaged, decodeSafely, unknownFormat } from './damage.ts';
import { checkManifest } from './manifest-check.ts';
import {
  RUN_PARTS,
  type LogState,
  type Manifest,
  type RunInfo,
  type SegmentInfo,
} from './manifest.ts';
import type { OpenTransactions } from './transaction-items.ts';

/**
 * Checks the invariants, against the manifest before it too where there is one, and encodes. JSON with
 * a checksum (checked-json.ts); int64 are decimal texts.
 */
export function encodeManifest(manifest: Manifest, previous?: Manifest): Uint8Array {
  const wrong = checkManifest(previous, manifest);
  assert(wrong === undefined, `a manifest must not be written: ${wrong}`);
  return encodeCheckedJson({
    formatVersion: manifest.formatVersion,
    database: manifest.database,
    partition: manifest.partition,
    number: manifest.number,
    state: logStateToJson(manifest.state),
    segments: manifest.segments.map(({ minTx, maxTx, ...info }) => ({
      ...ordered(info, SEGMENT_MEMBERS),
      minTx: String(minTx),
      maxTx: String(maxTx),
    })),
    runs: manifest.runs.map(({ minTx, maxTx, heldTo, ...info }) => ({
      ...ordered(info, RUN_MEMBERS),
      minTx: String(minTx),
      maxTx: String(maxTx),
      heldTo: String(heldTo),
    })),
  });
}

/** @throws object-damaged, format-unknown */
export function decodeManifest(bytes: Uint8Array, what = 'manifest'): Manifest {
  const from = decodeCheckedJson(bytes, what);
  const version = from.count('formatVersion');
  if (version !== 0) throw unknownFormat(what, `format version ${version}`);
  return decodeSafely(what, () => {
    const manifest: Manifest = {
      formatVersion: 0,
      database: from.text('database'),
      partition: partitionNo(from.count('partition')),
      number: from.count('number'),
      state: logStateFromJson(from.members('state')),
      segments: from.list('segments').map(segmentFromJson),
      runs: from.list('runs').map((info) => runFromJson(info, what)),
    };
    const wrong = checkManifest(undefined, manifest);
    if (wrong !== undefined) throw damaged(what, wrong);
    return manifest;
  });
}

const SEGMENT_MEMBERS = ['name', 'from', 'to', 'rows', 'bytes', 'hash', 'transactions'] as const;
const RUN_MEMBERS = [
  'name',
  'order',
  'part',
  'level',
  'rows',
  'facts',
  'bytes',
  'hash',
  'from',
  'to',
] as const;

/** The same manifest has the same bytes, in whatever order its members were set. */
function ordered<T, K extends keyof T>(object: T, members: readonly K[]): Pick<T, K> {
  return Object.fromEntries(members.map((name) => [name, object[name]])) as Pick<T, K>;
}

/** A log state as JSON, for manifests and segments. */
export function logStateToJson(state: LogState): object {
  return {
    next: state.next,
    admission: {
      epoch: state.admission.epoch,
      owner: state.admission.owner ?? null,
      seq: state.admission.seq,
    },
    clock: String(state.clock),
    closed: String(state.closed),
    coordination: state.coordination,
    lowWater: state.lowWater,
    done: state.done,
    marks: state.marks.map((mark) => ordered(mark, ['peer', 'epoch', 'counter'])),
    schemaTx: String(state.schemaTx),
    open: openToJson(state.open),
  };
}

function openToJson({ begun, prepared }: OpenTransactions): object {
  return {
    begun: begun.map(({ offset, start, records }) => ({ offset, start: String(start), records })),
    prepared: prepared.map(({ id: { coordinator, offset }, part, start, record }) => ({
      coordinator,
      offset,
      part,
      start: String(start),
      record,
    })),
  };
}

/** A state of the log as manifests and segments hold it. @throws object-damaged */
export function logStateFromJson(from: Members): LogState {
  const admission = from.members('admission');
  const owner = admission.optionalText('owner');
  return {
    next: logOffset(from.count('next')),
    admission: {
      epoch: epoch(admission.count('epoch')),
      owner: owner === undefined ? undefined : ownerId(owner),
      seq: admission.count('seq'),
    },
    clock: tx(from.bigint('clock')),
    closed: tx(from.bigint('closed')),
    coordination: logOffset(from.count('coordination')),
    lowWater: logOffset(from.count('lowWater')),
    done: from.pairs('done').map(([first, end]) => [logOffset(first), logOffset(end)]),
    marks: from.list('marks').map((mark) => ({
      peer: partitionNo(mark.count('peer')),
      epoch: epoch(mark.count('epoch')),
      counter: mark.count('counter'),
    })),
    schemaTx: tx(from.bigint('schemaTx')),
    open: openFromJson(from.members('open')),
  };
}

function openFromJson(from: Members): OpenTransactions {
  return {
    begun: from.list('begun').map((begun) => ({
      offset: logOffset(begun.count('offset')),
      start: tx(begun.bigint('start')),
      records: begun.counts('records').map(logOffset),
    })),
    prepared: from.list('prepared').map((prepared) => ({
      id: {
        coordinator: partitionNo(prepared.count('coordinator')),
        offset: logOffset(prepared.count('offset')),
      },
      part: prepared.text('part'),
      start: tx(prepared.bigint('start')),
      record: logOffset(prepared.count('record')),
    })),
  };
}

function segmentFromJson(from: Members): SegmentInfo {
  return {
    name: from.text('name'),
    from: logOffset(from.count('from')),
    to: logOffset(from.count('to')),
    rows: from.count('rows'),
    bytes: from.count('bytes'),
    hash: from.text('hash'),
    minTx: tx(from.bigint('minTx')),
    maxTx: tx(from.bigint('maxTx')),
    transactions: from.count('transactions'),
  };
}

function runFromJson(from: Members, what: string): RunInfo {
  const order = INDEX_ORDERS.find((each) => each === from.text('order'));
  const part = RUN_PARTS.find((each) => each === from.text('part'));
  if (order === undefined || part === undefined) throw damaged(what, 'a run has no known order');
  return {
    name: from.text('name'),
    order,
    part,
    level: from.count('level'),
    rows: from.count('rows'),
    facts: from.count('facts'),
    bytes: from.count('bytes'),
    hash: from.text('hash'),
    minTx: tx(from.bigint('minTx')),
    maxTx: tx(from.bigint('maxTx')),
    heldTo: tx(from.bigint('heldTo')),
    from: logOffset(from.count('from')),
    to: logOffset(from.count('to')),
  };
}
