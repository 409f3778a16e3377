import { compareBytes, utf8Encode } from '@pyralog/base';
import {
  compareAttribute,
  compareToKey,
  compareToProbe,
  factKey,
  type FactBatch,
  findBlock,
  type SearchKey,
  searchKey,
  type ValueProbe,
  valueProbe,
} from '@pyralog/format';
import {
  type StoredFact,
  type IndexOrder,
  TX_LAST,
  TX_NONE,
  type Tx,
  type StoredValue,
} from '@pyralog/model';
import { lowerBound, Merge, supplied } from './cursor.ts';
import { compareInOrder, factOf, isSameSubject, retractOf, type Row, rowAt } from './row.ts';
import type { IndexView, Read, RunHandle } from './view.ts';

/** A leading part of an index, and a range of values where the value is its next component. */
export interface ScanBounds {
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  readonly value?: StoredValue | undefined;
  /** Inclusive. */
  readonly valueFrom?: StoredValue | undefined;
  /** Exclusive. */
  readonly valueTo?: StoredValue | undefined;
}

/** What a scan of an index order lists. */
export interface ScanOptions {
  readonly basis: Tx;
  /** `facts`: every fact up to the basis. `state`: those in force. `now`: the same where nothing lies above the basis. */
  readonly mode: 'facts' | 'state' | 'now';
  /** Key of the last fact of the page before. */
  readonly after?: SearchKey | undefined;
  readonly limit: number;
  /** Which attributes avet lists; live parts hold them all. */
  readonly listed?: ((attribute: string) => boolean) | undefined;
}

/** Facts of a listing, and whether there are more behind them. */
export interface Page {
  readonly facts: readonly StoredFact[];
  readonly more: boolean;
}

/** Facts in force of an entity now, in eavt order: the current runs and the live parts are enough. */
export function entityNow(view: IndexView, entity: string): Read<StoredFact[]> {
  return entityState(view, entity, TX_LAST, isCurrent);
}

/** Facts in force of an entity at a basis, in eavt order. */
export function entityAsOf(view: IndexView, entity: string, basis: Tx): Read<StoredFact[]> {
  return entityState(view, entity, basis, (run) => isInForce(run, basis));
}

/** Which facts of an entity a history lists. */
export interface HistoryOptions {
  readonly attribute?: string | undefined;
  /** Inclusive. */
  readonly fromTx?: Tx | undefined;
  /** Inclusive. */
  readonly toTx: Tx;
  /** Key of the last fact of the page before, in eavt order. */
  readonly after?: SearchKey | undefined;
  readonly limit: number;
}

/** Facts of an entity oldest first; those of one transaction in eavt order. */
export function* entityHistory(
  view: IndexView,
  entity: string,
  options: HistoryOptions,
): Read<Page> {
  const { attribute, fromTx = TX_NONE, toTx, after, limit } = options;
  const ident = attribute === undefined ? undefined : utf8Encode(attribute);
  const rows = yield* entityRows(view, entity, {
    useRun: ({ info }) => info.minTx <= toTx && info.maxTx >= fromTx,
    isWanted: (each) =>
      each.tx >= fromTx &&
      each.tx <= toTx &&
      (ident === undefined || compareAttribute(each.columns, each.row, ident) === 0) &&
      (after === undefined || isBehind(each, after)),
  });
  const facts = oldest(rows, limit + 1).map(factOf);
  return { facts: facts.slice(0, limit), more: facts.length > limit };
}

/** Facts of an index in its order, within bounds, a page at a time. */
export function* scan(
  view: IndexView,
  order: IndexOrder,
  bounds: ScanBounds,
  options: ScanOptions,
): Read<Page> {
  const { basis, mode, limit, listed } = options;
  const low = lowKey(order, bounds);
  let { after } = options;
  const from = after !== undefined && compareBytes(after.bytes, low.bytes) > 0 ? after : low;
  const useRun = runsFor(mode, basis);
  const merge = new Merge(view, from, useRun, order === 'eavt' ? bounds.entity : undefined);
  const isBeyond = beyond(order, bounds);
  const facts: StoredFact[] = [];
  /** The newest row so far of the fact that may be in force. */
  let newest: Row | undefined;
  for (;;) {
    if (merge.need !== undefined) yield* supplied(merge);
    const { at } = merge;
    const ended = at === undefined || isBeyond(at);
    if (newest !== undefined && (ended || !isSameSubject(newest, at))) {
      if (newest.isAssert) facts.push(factOf(newest));
      newest = undefined;
    }
    if (facts.length > limit) return { facts: facts.slice(0, limit), more: true };
    if (ended) return { facts, more: false };
    merge.next();
    const { columns, row, tx } = at;
    if (tx > basis) continue;
    if (order === 'avet' && listed?.(columns.attributeAt(row)) === false) continue;
    if (after !== undefined) {
      if (compareToKey(columns, row, after, tx) <= 0) continue;
      // All that follow lie behind it too.
      after = undefined;
    }
    if (mode === 'facts') facts.push(factOf(at));
    else newest = at;
  }
}

/** The entity that holds a value of a unique attribute now. */
export function* valueOwner(
  view: IndexView,
  attribute: string,
  value: StoredValue,
): Read<string | undefined> {
  const page = yield* scan(
    view,
    'avet',
    { attribute, value },
    { basis: TX_LAST, mode: 'now', limit: 1 },
  );
  return page.facts[0]?.entity;
}

/** tx of the newest fact of an entity, or of one attribute of it, asserted or retracted. */
export function* lastTxOf(
  view: IndexView,
  entity: string,
  attribute: string | undefined,
): Read<Tx | undefined> {
  const ident = attribute === undefined ? undefined : utf8Encode(attribute);
  let last: Tx | undefined;
  for (const { columns, row, tx } of yield* entityRows(view, entity, { useRun: () => true })) {
    if (ident !== undefined && compareAttribute(columns, row, ident) !== 0) continue;
    if (last === undefined || tx > last) last = tx;
  }
  return last;
}

/** Whether an attribute has any fact, now or in the past. */
export function* hasFacts(view: IndexView, attribute: string): Read<boolean> {
  const page = yield* scan(
    view,
    'aevt',
    { attribute },
    { basis: TX_LAST, mode: 'facts', limit: 1 },
  );
  return page.facts.length > 0;
}

/** Which page of a difference. */
export interface DiffOptions {
  /** Where the page before ended. */
  readonly after?: SearchKey | undefined;
  readonly limit: number;
}

/** What is in force at one moment and not at the other. */
export interface DiffResult {
  readonly added: readonly StoredFact[];
  readonly removed: readonly StoredFact[];
  /** Where the next page goes on. */
  readonly next: Uint8Array | undefined;
}

/**
 * Net difference between the facts in force at two moments, in eavt order: `added` are in force at `to`
 * and were not at `from`, `removed` the other way round. A change that was undone in between is none.
 */
export function* diff(view: IndexView, from: Tx, to: Tx, options: DiffOptions): Read<DiffResult> {
  const [early, late] = from <= to ? [from, to] : [to, from];
  const { after, limit } = options;
  const start = after ?? searchKey('eavt', {});
  // What was taken back before the earlier one was in force at neither.
  const merge = new Merge(view, start, ({ info }) => info.minTx <= late && info.heldTo >= early);
  const added: StoredFact[] = [];
  const removed: StoredFact[] = [];
  let next: Uint8Array | undefined;
  let atEarly: Row | undefined;
  let atLate: Row | undefined;
  for (;;) {
    if (merge.need !== undefined) yield* supplied(merge);
    const { at } = merge;
    if (atLate !== undefined && (at === undefined || !isSameSubject(atLate, at))) {
      const was = atEarly?.isAssert === true ? atEarly : undefined;
      const is = atLate.isAssert ? atLate : undefined;
      if (was === undefined && is !== undefined) added.push(factOf(is));
      if (was !== undefined && is === undefined) removed.push(factOf(was));
      const isFull = added.length + removed.length === limit;
      if (at !== undefined && isFull && (was === undefined) !== (is === undefined)) {
        next = factKey('eavt', { ...factOf(atLate), tx: TX_LAST });
        break;
      }
      atEarly = undefined;
      atLate = undefined;
    }
    if (at === undefined) break;
    merge.next();
    const { columns, row, tx } = at;
    if (tx > late || (after !== undefined && compareToKey(columns, row, after, tx) <= 0)) continue;
    atLate = at;
    if (tx <= early) atEarly = at;
  }
  return from <= to ? { added, removed, next } : { added: removed, removed: added, next };
}

function isCurrent(run: RunHandle): boolean {
  return run.info.part === 'current';
}

/** Whether a run may tell what is in force at a moment. */
function isInForce({ info }: RunHandle, basis: Tx): boolean {
  return info.minTx <= basis && info.heldTo >= basis;
}

function runsFor(mode: ScanOptions['mode'], basis: Tx): (run: RunHandle) => boolean {
  switch (mode) {
    case 'now':
      return isCurrent;
    case 'state':
      return (run) => isInForce(run, basis);
    case 'facts':
      return ({ info }) => info.minTx <= basis;
  }
}

function* entityState(
  view: IndexView,
  entity: string,
  basis: Tx,
  useRun: (run: RunHandle) => boolean,
): Read<StoredFact[]> {
  const isWanted = ({ tx }: Row): boolean => tx <= basis;
  const rows = yield* entityRows(view, entity, { useRun, isWanted });
  rows.sort(inOrder);
  const facts: StoredFact[] = [];
  for (const [i, each] of rows.entries()) {
    const next = rows[i + 1];
    // Of one attribute and value the newest comes last, and tells.
    if (each.isAssert && (next === undefined || !isSameSubject(each, next)))
      facts.push(factOf(each));
  }
  return facts;
}

/** Rows of an entity in the live parts and in some runs, in no order. */
function* entityRows(
  view: IndexView,
  entity: string,
  {
    useRun,
    isWanted = () => true,
  }: {
    readonly useRun: (run: RunHandle) => boolean;
    readonly isWanted?: (row: Row) => boolean;
  },
): Read<Row[]> {
  const rows: Row[] = [];
  for (const part of view.parts) {
    for (const row of part.rowsOf(entity)) {
      const each = rowAt(part.table, row);
      if (isWanted(each)) rows.push(each);
    }
  }
  if (view.runs.length === 0) return rows;
  const key = searchKey('eavt', { entity });
  for (const run of view.runs) {
    if (run.info.order !== 'eavt' || !useRun(run)) continue;
    const { blocks } = run.footer;
    for (let block = findBlock(run.footer, key.bytes); block < blocks.length; block++) {
      const columns: FactBatch = yield { run, block };
      let row = lowerBound(columns.length, (i) => compareToKey(columns, i, key) < 0);
      for (; row < columns.length && compareToKey(columns, row, key) === 0; row++) {
        const first = rowAt(columns, row);
        if (isWanted(first)) rows.push(first);
        const second = retractOf(first);
        if (second !== undefined && isWanted(second)) rows.push(second);
      }
      // Only an entity that reaches the end of its block goes on in the next.
      if (row < columns.length) break;
    }
  }
  return rows;
}

/** The `count` first rows of a history, in its order. */
function oldest(rows: readonly Row[], count: number): Row[] {
  let some = rows;
  if (rows.length > count) {
    // A page of a long history: the rows that cannot be in it are not sorted.
    const txs = BigInt64Array.from(rows, ({ tx }) => tx).sort();
    const last = txs[count - 1] as bigint;
    some = rows.filter(({ tx }) => tx <= last);
  }
  return some
    .toSorted((a, b) => (a.tx === b.tx ? inOrder(a, b) : a.tx < b.tx ? -1 : 1))
    .slice(0, count);
}

/** Whether a row comes later in a history. */
function isBehind({ columns, row, tx }: Row, after: SearchKey): boolean {
  const { tx: before = TX_NONE } = after;
  return tx === before ? compareToKey(columns, row, after, tx) > 0 : tx > before;
}

function inOrder(a: Row, b: Row): number {
  return compareInOrder('eavt', a, b);
}

/** The least key within bounds. */
function lowKey(order: IndexOrder, bounds: ScanBounds): SearchKey {
  return searchKey(order, {
    entity: bounds.entity,
    attribute: bounds.attribute,
    value: bounds.value ?? bounds.valueFrom,
  });
}

/** Tells of rows from the low key on whether they lie behind everything within bounds. */
function beyond(order: IndexOrder, bounds: ScanBounds): (row: Row) => boolean {
  const { entity, attribute, value } = bounds;
  const equal = searchKey(order, { entity, attribute, value });
  const valueTo: ValueProbe | undefined =
    bounds.valueTo === undefined ? undefined : valueProbe(bounds.valueTo);
  return ({ columns, row }) =>
    compareToKey(columns, row, equal) > 0 ||
    (valueTo !== undefined && compareToProbe(columns, row, valueTo) >= 0);
}
