import { assert, compareUtf8, unreachable } from '@pyralog/base';
import { logOffset, TX_NONE, type LogOffset, type PartitionNo, type Tx } from '@pyralog/model';
import { admit, NOTHING_ADMITTED } from './admission.ts';
import type { EpochRecord, ItemOf, Mark, Outcomes } from './commit-record.ts';
import type { LogState } from './manifest.ts';
import {
  type BegunTransaction,
  compareIds,
  NOTHING_OPEN,
  type OpenTransactions,
} from './transaction-items.ts';

/** Before the first record of a commit log. */
export function emptyLogState(): LogState {
  return {
    next: logOffset(0),
    admission: NOTHING_ADMITTED,
    clock: TX_NONE,
    closed: TX_NONE,
    coordination: logOffset(0),
    lowWater: logOffset(0),
    done: [],
    marks: [],
    schemaTx: TX_NONE,
    open: NOTHING_OPEN,
  };
}

/**
 * Folds the record at `offset` of a commit log over the state before it: the one fold of owners,
 * indexers, readers and verifiers (protocol 1.1.4). A record that does not count moves nothing but
 * `next`.
 *
 * `offset` may leave a gap behind `state.next` (the log allows it), but never goes back.
 */
export function advance(
  state: LogState,
  offset: LogOffset,
  record: EpochRecord | Outcomes,
): { readonly state: LogState; readonly counts: boolean } {
  assert(offset >= state.next, 'records are folded in the order of the log');
  const next = logOffset(offset + 1);
  const { after: admission, counts } = admit(state.admission, record);
  if (!counts) return { state: { ...state, next }, counts };
  if (record.kind === 'epoch') return { state: { ...state, next, admission }, counts };
  const closed = maxTx(state.closed, record.closed);
  const lowWater = maxOffset(state.lowWater, record.lowWater);
  return {
    counts,
    state: {
      next,
      admission,
      clock: clockAfter(state.clock, record),
      closed,
      coordination: maxOffset(state.coordination, record.coordination),
      lowWater,
      done: doneAfter(state.done, lowWater, record),
      marks: record.marks.length === 0 ? state.marks : marksAfter(state.marks, record.marks),
      schemaTx: maxTx(state.schemaTx, record.schemaTx),
      open: openAfter(state.open, offset, record),
    },
  };
}

/** Whether an input offset has its outcome: replayed input is known by it (I8). */
export function isDone(state: LogState, input: LogOffset): boolean {
  if (input < state.lowWater) return true;
  return state.done.some(([from, to]) => from <= input && input < to);
}

/**
 * Whether nobody needs to wait for the outcome of an input: it is done, and its transaction over partitions, if it is one, is
 * over. One that was begun is done as an input before it is decided.
 */
export function isSettled(state: LogState, input: LogOffset): boolean {
  return isDone(state, input) && state.open.begun.every(({ offset }) => offset !== input);
}

/** Raised by every timestamp of a counting record, promised ones included (protocol 1.7). */
function clockAfter(clock: Tx, record: Outcomes): Tx {
  let last = maxTx(maxTx(clock, record.closed), record.schemaTx);
  for (const item of record.items) {
    if ('tx' in item) last = maxTx(last, item.tx);
    if ('start' in item) last = maxTx(last, item.start);
    if ('begun' in item) last = maxTx(last, item.begun);
  }
  return last;
}

type Range = readonly [LogOffset, LogOffset];

/** Ranges of finished offsets above the low-water mark: sorted, apart from each other, none below it. */
function doneAfter(
  done: readonly Range[],
  lowWater: LogOffset,
  record: Outcomes,
): readonly Range[] {
  let ranges = done;
  for (const item of record.items) {
    if (takesInput(item) && item.offset >= lowWater) ranges = withOffset(ranges, item.offset);
  }
  const first = ranges[0];
  if (first === undefined || first[0] >= lowWater) return ranges;
  return ranges
    .filter(([, to]) => to > lowWater)
    .map(([from, to]): Range => [maxOffset(from, lowWater), to]);
}

type InputItem = Extract<ItemOf<unknown>, { kind: 'commit' | 'rejected' | 'duplicate' | 'begin' }>;

/** Whether the document at its offset need not be read again: it has its outcome, or is in the log (protocol 1.4). */
function takesInput(item: ItemOf<unknown>): item is InputItem {
  return (
    item.kind === 'commit' ||
    item.kind === 'rejected' ||
    item.kind === 'duplicate' ||
    item.kind === 'begin'
  );
}

function withOffset(ranges: readonly Range[], offset: LogOffset): readonly Range[] {
  const after: Range[] = [];
  let [from, to] = [offset, logOffset(offset + 1)];
  for (const range of ranges) {
    const touches = range[0] <= to && from <= range[1];
    if (touches) [from, to] = [minOffset(from, range[0]), maxOffset(to, range[1])];
    else after.push(range);
  }
  after.push([from, to]);
  return after.toSorted((a, b) => a[0] - b[0]);
}

/**
 * What is open of transactions over partitions. A transaction that is back in line may end as one of one partition does, when
 * nothing of it is alive anywhere.
 */
function openAfter(
  open: OpenTransactions,
  record: LogOffset,
  { items }: Outcomes,
): OpenTransactions {
  let { begun, prepared } = open;
  for (const item of items) {
    switch (item.kind) {
      case 'begin':
        begun = withBegun(begun, { offset: item.offset, start: item.start, records: [record] });
        break;
      case 'extend':
      case 'retry':
      case 'decided':
      case 'refused': {
        const before = begun.find(({ offset }) => offset === item.offset);
        assert(before !== undefined, 'what is decided was begun');
        if (before.records.at(-1) !== record)
          begun = withBegun(begun, { ...before, records: [...before.records, record] });
        break;
      }
      case 'commit':
      case 'rejected':
      case 'duplicate':
      case 'end':
        if (begun.length > 0) begun = begun.filter(({ offset }) => offset !== item.offset);
        break;
      case 'prepared': {
        const { id, part, start } = item;
        prepared = [...prepared, { id, part, start, record }].toSorted(
          (a, b) => compareIds(a.id, b.id) || compareUtf8(a.part, b.part),
        );
        break;
      }
      case 'committed':
      case 'aborted':
        prepared = prepared.filter(
          ({ id, part }) => part !== item.part || compareIds(id, item.id) !== 0,
        );
        break;
      default:
        unreachable(item);
    }
  }
  return begun === open.begun && prepared === open.prepared ? open : { begun, prepared };
}

function withBegun(
  begun: readonly BegunTransaction[],
  changed: BegunTransaction,
): readonly BegunTransaction[] {
  return [...begun.filter(({ offset }) => offset !== changed.offset), changed].toSorted(
    (a, b) => a.offset - b.offset,
  );
}

/** The record that was folded as if it lay at `from` turned out to lie at `to`. */
export function movedOpen(
  open: OpenTransactions,
  from: LogOffset,
  to: LogOffset,
): OpenTransactions {
  const move = (record: LogOffset): LogOffset => (record === from ? to : record);
  return {
    begun: open.begun.map((each) => ({ ...each, records: each.records.map(move) })),
    prepared: open.prepared.map((each) => ({ ...each, record: move(each.record) })),
  };
}

/** One mark per peer, by peer; a mark in an admitted record is its owner's newest. */
function marksAfter(marks: readonly Mark[], changed: readonly Mark[]): readonly Mark[] {
  const byPeer = new Map<PartitionNo, Mark>(marks.map((mark) => [mark.peer, mark]));
  for (const mark of changed) byPeer.set(mark.peer, mark);
  return [...byPeer.values()].toSorted((a, b) => a.peer - b.peer);
}

function maxTx(a: Tx, b: Tx): Tx {
  return a > b ? a : b;
}

function maxOffset(a: LogOffset, b: LogOffset): LogOffset {
  return a > b ? a : b;
}

function minOffset(a: LogOffset, b: LogOffset): LogOffset {
  return a < b ? a : b;
}
