import { compareBytes, concatBytes, utf8Encode } from '@pyralog/base';
import { factKey, type FactBatch, findBlock, indexKey } from '@pyralog/format';
import {
  compareFacts,
  compareValues,
  equalValues,
  type Fact,
  type IndexOrder,
  TX_LAST,
  TX_NONE,
  type Tx,
  type Value,
} from '@pyralog/model';
import { lowerBound, Merge } from './cursor.ts';
import type { IndexView, Read, RunHandle } from './view.ts';

/** A leading part of an index, and a range of values where the value is its next component. */
export interface ScanBounds {
  readonly entity?: string | undefined;
  readonly attribute?: string | undefined;
  readonly value?: Value | undefined;
  /** Inclusive. */
  readonly valueFrom?: Value | undefined;
  /** Exclusive. */
  readonly valueTo?: Value | undefined;
}

/** What a scan of an index order lists. */
export interface ScanOptions {
  readonly basis: Tx;
  /** `facts`: every fact up to the basis. `state`: those in force. `now`: the same where nothing lies above the basis. */
  readonly mode: 'facts' | 'state' | 'now';
  /** Key of the last fact of the page before, in the order. */
  readonly after?: Uint8Array | undefined;
  readonly limit: number;
  /** Which attributes avet lists; live parts hold them all. */
  readonly listed?: ((attribute: string) => boolean) | undefined;
}

/** Facts of a listing, and whether there are more behind them. */
export interface Page {
  readonly facts: readonly Fact[];
  readonly more: boolean;
}

/** Facts in force of an entity now, in eavt order: the current runs and the live parts are enough. */
export function entityNow(view: IndexView, entity: string): Read<Fact[]> {
  return entityState(view, entity, TX_LAST, isCurrent);
}

/** Facts in force of an entity at a basis, in eavt order. */
export function entityAsOf(view: IndexView, entity: string, basis: Tx): Read<Fact[]> {
  return entityState(view, entity, basis, (run) => run.info.minTx <= basis);
}

/** Which facts of an entity a history lists. */
export interface HistoryOptions {
  readonly attribute?: string | undefined;
  /** Inclusive. */
  readonly fromTx?: Tx | undefined;
  /** Inclusive. */
  readonly toTx: Tx;
  /** {@link historyKey} of the last fact of the page before. */
  readonly after?: Uint8Array | undefined;
  readonly limit: number;
}

/** Facts of an entity oldest first; those of one transaction in eavt order. */
export function* entityHistory(
  view: IndexView,
  entity: string,
  options: HistoryOptions,
): Read<Page> {
  const { attribute, fromTx = TX_NONE, toTx, after, limit } = options;
  const facts = yield* entityFacts(
    view,
    entity,
    (run) => run.info.minTx <= toTx && run.info.maxTx >= fromTx,
  );
  const wanted = facts.filter(
    (fact) =>
      fact.tx >= fromTx &&
      fact.tx <= toTx &&
      (attribute === undefined || fact.attribute === attribute) &&
      (after === undefined || compareBytes(historyKey(fact), after) > 0),
  );
  wanted.sort(compareHistory);
  return { facts: wanted.slice(0, limit), more: wanted.length > limit };
}

/** Facts of an index in its order, within bounds, a page at a time. */
export function* scan(
  view: IndexView,
  order: IndexOrder,
  bounds: ScanBounds,
  options: ScanOptions,
): Read<Page> {
  const { basis, mode, after, limit, listed } = options;
  const low = lowKey(order, bounds);
  const from = after !== undefined && compareBytes(after, low) > 0 ? after : low;
  const useRun = mode === 'now' ? isCurrent : (run: RunHandle): boolean => run.info.minTx <= basis;
  const merge = new Merge(view, order, from, useRun);
  const facts: Fact[] = [];
  let group: Fact | undefined;
  for (;;) {
    const fact = yield* merge.next();
    const ended = fact === undefined || isBeyond(bounds, fact);
    if (group !== undefined && (ended || !sameSubject(group, fact))) {
      if (group.operation === 'assert') facts.push(group);
      group = undefined;
    }
    if (facts.length > limit) return { facts: facts.slice(0, limit), more: true };
    if (ended) return { facts, more: false };
    if (fact.tx > basis || (order === 'avet' && listed?.(fact.attribute) === false)) continue;
    if (after !== undefined && compareBytes(factKey(order, fact), after) <= 0) continue;
    if (mode === 'facts') facts.push(fact);
    else group = fact;
  }
}

/** The entity that holds a value of a unique attribute now. */
export function* valueOwner(
  view: IndexView,
  attribute: string,
  value: Value,
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
  let last: Tx | undefined;
  for (const fact of yield* entityFacts(view, entity, () => true)) {
    if (
      (attribute === undefined || fact.attribute === attribute) &&
      (last === undefined || fact.tx > last)
    )
      last = fact.tx;
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
  /** Key of the last subject of the page before, in eavt order. */
  readonly after?: Uint8Array | undefined;
  readonly limit: number;
}

/** What is in force at one moment and not at the other. */
export interface DiffResult {
  readonly added: readonly Fact[];
  readonly removed: readonly Fact[];
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
  const merge = new Merge(
    view,
    'eavt',
    after ?? new Uint8Array(0),
    (run) => run.info.minTx <= late,
  );
  const added: Fact[] = [];
  const removed: Fact[] = [];
  let atEarly: Fact | undefined;
  let atLate: Fact | undefined;
  for (;;) {
    const fact = yield* merge.next();
    if (atLate !== undefined && (fact === undefined || !sameSubject(atLate, fact))) {
      const was = atEarly?.operation === 'assert' ? atEarly : undefined;
      const is = atLate.operation === 'assert' ? atLate : undefined;
      if (was === undefined && is !== undefined) added.push(is);
      if (was !== undefined && is === undefined) removed.push(was);
      if (added.length + removed.length === limit && (was === undefined) !== (is === undefined)) {
        if (fact === undefined) break;
        const next = factKey('eavt', { ...atLate, tx: TX_LAST });
        return from <= to ? { added, removed, next } : { added: removed, removed: added, next };
      }
      atEarly = undefined;
      atLate = undefined;
    }
    if (fact === undefined) break;
    if (fact.tx > late || (after !== undefined && compareBytes(factKey('eavt', fact), after) <= 0))
      continue;
    atLate = fact;
    if (fact.tx <= early) atEarly = fact;
  }
  return from <= to
    ? { added, removed, next: undefined }
    : { added: removed, removed: added, next: undefined };
}

function isCurrent(run: RunHandle): boolean {
  return run.info.part === 'current';
}

function* entityState(
  view: IndexView,
  entity: string,
  basis: Tx,
  useRun: (run: RunHandle) => boolean,
): Read<Fact[]> {
  const facts = (yield* entityFacts(view, entity, useRun)).filter((fact) => fact.tx <= basis);
  facts.sort((a, b) => compareFacts('eavt', a, b));
  // Of one attribute and value the newest comes last, and tells.
  return facts.filter((fact, i) => {
    const next = facts[i + 1];
    return fact.operation === 'assert' && (next === undefined || !sameSubject(fact, next));
  });
}

/** Every fact of an entity in the live parts and in some runs, in no order. */
function* entityFacts(
  view: IndexView,
  entity: string,
  useRun: (run: RunHandle) => boolean,
): Read<Fact[]> {
  const facts: Fact[] = [];
  for (const part of view.parts) {
    for (const row of part.rowsOf(entity)) facts.push(part.table.factAt(row));
  }
  if (view.runs.length === 0) return facts;
  const key = indexKey('eavt', { entity });
  const bytes = utf8Encode(entity);
  for (const run of view.runs) {
    if (run.info.order !== 'eavt' || !useRun(run)) continue;
    for (let block = findBlock(run.footer, key); block < run.footer.blocks.length; block++) {
      const batch: FactBatch = yield { run, block };
      let row = lowerBound(batch.length, (i) => batch.compareEntity(i, bytes) < 0);
      for (; row < batch.length && batch.compareEntity(row, bytes) === 0; row++)
        facts.push(batch.factAt(row));
      // Only an entity that reaches the end of its block goes on in the next.
      if (row < batch.length) break;
    }
  }
  return facts;
}

/** Position of a fact in a history: its tx, then its place in eavt. */
export function historyKey(fact: Fact): Uint8Array {
  const tx = new Uint8Array(8);
  new DataView(tx.buffer).setBigUint64(0, fact.tx);
  return concatBytes([tx, factKey('eavt', fact)]);
}

function compareHistory(a: Fact, b: Fact): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1;
  return compareFacts('eavt', a, b);
}

function sameSubject(a: Fact, b: Fact): boolean {
  return a.entity === b.entity && a.attribute === b.attribute && equalValues(a.value, b.value);
}

/** The least key within bounds. */
function lowKey(order: IndexOrder, bounds: ScanBounds): Uint8Array {
  return indexKey(order, {
    entity: bounds.entity,
    attribute: bounds.attribute,
    value: bounds.value ?? bounds.valueFrom,
  });
}

/** Whether a fact lies behind everything within bounds; facts come in order from the low key on. */
function isBeyond(bounds: ScanBounds, fact: Fact): boolean {
  if (bounds.entity !== undefined && fact.entity !== bounds.entity) return true;
  if (bounds.attribute !== undefined && fact.attribute !== bounds.attribute) return true;
  if (bounds.value !== undefined && !equalValues(fact.value, bounds.value)) return true;
  return bounds.valueTo !== undefined && compareValues(fact.value, bounds.valueTo) >= 0;
}
