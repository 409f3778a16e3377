import { epoch, logOffset, ownerId, partitionNo, tx, type OwnerId } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { admit, NOTHING_ADMITTED } from './admission.ts';
import { type CommitRecord, isOutcome, type Item, type ItemsRecord } from './commit-record.ts';
import { NO_FACTS } from './commit-facts.ts';
import { advance, emptyLogState, isDone, movedOpen } from './log-state.ts';
import type { LogState } from './manifest.ts';

const owners = ['a', 'b', 'c'].map((digit) => ownerId(digit.repeat(32)));

/** Records of a few owners with small numbers, so that claims tie and sequences meet. */
const record: fc.Arbitrary<CommitRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('epoch' as const),
    epoch: fc.nat({ max: 4 }).map(epoch),
    owner: fc.constantFrom(...owners),
  }),
  fc.record({
    kind: fc.constant('items' as const),
    epoch: fc.nat({ max: 4 }).map(epoch),
    owner: fc.constantFrom(...owners),
    seq: fc.integer({ min: 1, max: 4 }),
    coordination: fc.nat({ max: 9 }).map(logOffset),
    marks: fc.array(
      fc.record({
        peer: fc.nat({ max: 2 }).map(partitionNo),
        epoch: fc.nat({ max: 4 }).map(epoch),
        counter: fc.nat({ max: 9 }),
      }),
      { maxLength: 2 },
    ),
    lowWater: fc.nat({ max: 12 }).map(logOffset),
    closed: fc.nat({ max: 99 }).map((n) => tx(BigInt(n))),
    schemaTx: fc.nat({ max: 99 }).map((n) => tx(BigInt(n))),
    items: fc.array(
      fc.record({
        kind: fc.constant('duplicate' as const),
        offset: fc.nat({ max: 15 }).map(logOffset),
        tx: fc.nat({ max: 99 }).map((n) => tx(BigInt(n))),
      }),
      { maxLength: 4 },
    ),
    facts: fc.constant(NO_FACTS),
  }),
);

/**
 * Logs in which most records fit the one before: made to be the next of whoever claimed last with a
 * higher number. The others are as they fall.
 */
const records: fc.Arbitrary<CommitRecord[]> = fc
  .array(fc.tuple(record, fc.nat({ max: 3 })), { maxLength: 40 })
  .map((drafts) => {
    let claim = { epoch: epoch(0), owner: owners[0] as OwnerId };
    let seq = 0;
    return drafts.map(([draft, luck]): CommitRecord => {
      if (draft.kind === 'epoch') {
        if (draft.epoch > claim.epoch) {
          claim = { epoch: draft.epoch, owner: draft.owner };
          seq = 0;
        }
        return draft;
      }
      return luck === 0 || claim.epoch === 0 ? draft : { ...draft, ...claim, seq: ++seq };
    });
  });

test('the logs of these tests have enough records that count, and enough that do not', () => {
  const logs = fc.sample(records, { seed: 1, numRuns: 200 });
  const total = logs.reduce((sum, log) => sum + log.length, 0);
  const items = logs.reduce((sum, log) => {
    return sum + [...counting(log)].filter((at) => log[at]?.kind === 'items').length;
  }, 0);
  expect(items).toBeGreaterThan(total / 5);
  expect(items).toBeLessThan((total * 4) / 5);
});

/** The records that count, found without a fold: by looking at the whole log from each claim on. */
function counting(log: readonly CommitRecord[]): Set<number> {
  const claims = log.flatMap((record, at) =>
    record.kind === 'epoch' &&
    record.epoch > 0 &&
    !log.slice(0, at).some((earlier) => earlier.kind === 'epoch' && earlier.epoch >= record.epoch)
      ? [at]
      : [],
  );
  const counted = new Set(claims);
  claims.forEach((claimAt, i) => {
    const claim = log[claimAt] as CommitRecord;
    let seq = 1;
    for (let at = claimAt + 1; at < (claims[i + 1] ?? log.length); at++) {
      const record = log[at] as CommitRecord;
      const next =
        record.kind === 'items' &&
        record.epoch === claim.epoch &&
        record.owner === claim.owner &&
        record.seq === seq;
      if (!next) continue;
      counted.add(at);
      seq++;
    }
  });
  return counted;
}

function fold(log: readonly CommitRecord[]): { state: LogState; counted: Set<number> } {
  const counted = new Set<number>();
  let state = emptyLogState();
  log.forEach((record, at) => {
    const step = advance(state, logOffset(at), record);
    state = step.state;
    if (step.counts) counted.add(at);
  });
  return { state, counted };
}

test('I6 a record counts only under the newest claim, as the next of its owner', () => {
  fc.assert(
    fc.property(records, (log) => {
      expect(fold(log).counted).toEqual(counting(log));
    }),
    { numRuns: 500 },
  );
});

test('I6 the first of two claims of one number has it', () => {
  const [a, b] = owners as [OwnerId, OwnerId];
  const first = admit(NOTHING_ADMITTED, { kind: 'epoch', epoch: epoch(1), owner: a });
  const second = admit(first.after, { kind: 'epoch', epoch: epoch(1), owner: b });
  expect(first.counts).toBe(true);
  expect(second).toEqual({ after: first.after, counts: false });
});

test('I6 records that do not count move nothing but the next offset', () => {
  fc.assert(
    fc.property(records, (log) => {
      const counted = counting(log);
      const { state } = fold(log);
      const { state: without } = fold(log.filter((_, at) => counted.has(at)));
      expect({ ...state, next: 0 }).toEqual({ ...without, next: 0 });
      expect(state.next).toBe(log.length);
    }),
  );
});

test('I8 exactly the inputs with an outcome, and those below the low-water mark, are done', () => {
  fc.assert(
    fc.property(records, (log) => {
      const { state, counted } = fold(log);
      const outcomes = new Set<number>();
      let lowWater = 0;
      for (const at of counted) {
        const record = log[at] as CommitRecord;
        if (record.kind === 'epoch') continue;
        lowWater = Math.max(lowWater, record.lowWater);
        record.items.forEach((item) => isOutcome(item) && outcomes.add(item.offset));
      }
      for (let input = 0; input < 20; input++) {
        expect(isDone(state, logOffset(input)), `input ${input}`).toBe(
          input < lowWater || outcomes.has(input),
        );
      }
      state.done.forEach(([from, to], i) => {
        expect(from).toBeLessThan(to);
        expect(from).toBeGreaterThan(
          i === 0 ? lowWater - 1 : ((state.done[i - 1] as readonly number[])[1] as number),
        );
      });
    }),
  );
});

test('the clock floor, the closed timestamp and all positions only rise', () => {
  fc.assert(
    fc.property(records, (log) => {
      let state = emptyLogState();
      log.forEach((record, at) => {
        const after = advance(state, logOffset(at), record).state;
        expect(after.clock >= state.clock && after.closed >= state.closed).toBe(true);
        expect(after.clock >= after.closed && after.clock >= after.schemaTx).toBe(true);
        expect(after.coordination).toBeGreaterThanOrEqual(state.coordination);
        expect(after.lowWater).toBeGreaterThanOrEqual(state.lowWater);
        state = after;
      });
    }),
  );
});

const claim = { epoch: epoch(1), owner: owners[0] as OwnerId };

/** A log that one owner wrote: a record for each list of items. */
function logOf(...records: readonly (readonly Item[])[]): CommitRecord[] {
  const items = records.map((items, i): ItemsRecord => ({
    kind: 'items',
    ...claim,
    seq: i + 1,
    coordination: logOffset(0),
    marks: [],
    lowWater: logOffset(0),
    closed: tx(0n),
    schemaTx: tx(0n),
    items,
    facts: NO_FACTS,
  }));
  return [{ kind: 'epoch', ...claim }, ...items];
}

const [five, seven] = [logOffset(5), logOffset(7)];
const id = { coordinator: partitionNo(2), offset: logOffset(9) };
const nothing = new Uint8Array(0);
const begin = (offset: typeof five, attempt: number): Item => ({
  kind: 'begin',
  offset,
  attempt,
  start: tx(1024n),
  begun: tx(1024n),
  document: nothing,
  contentHash: '',
  parts: [],
  facts: nothing,
  locks: [],
});
const extend = (offset: typeof five): Item => ({
  kind: 'extend',
  offset,
  part: { partition: partitionNo(1), name: 'x', content: nothing },
});
const retry = (offset: typeof five, attempt: number): Item => ({ kind: 'retry', offset, attempt });
const decided = (offset: typeof five): Item => ({
  kind: 'decided',
  offset,
  attempt: 1,
  start: tx(1024n),
  begun: tx(1024n),
  tx: tx(2048n),
  participants: [],
  from: 0,
  to: 0,
});
const refused = (offset: typeof five): Item => ({
  kind: 'refused',
  offset,
  attempt: 1,
  rejection: { code: 'busy', detail: 'for long' },
});
const prepared = (part: string): Item => ({
  kind: 'prepared',
  id,
  part,
  attempt: 1,
  start: tx(1024n),
  tx: tx(4096n),
  facts: nothing,
  locks: [],
  needs: [],
});

test('a transaction is open from its begin to its end, with the records that a new owner needs', () => {
  const log = logOf(
    [begin(five, 1), begin(seven, 1)],
    [extend(five)],
    [retry(five, 1), extend(seven)],
    [begin(five, 2)],
    [decided(five), refused(seven)],
  );
  expect(fold(log.slice(0, 4)).state.open.begun).toEqual([
    { offset: 5, start: 1024n, records: [1, 2, 3] },
    { offset: 7, start: 1024n, records: [1, 3] },
  ]);
  // What the attempt before said is said again.
  expect(fold(log).state.open.begun).toEqual([
    { offset: 5, start: 1024n, records: [4, 5] },
    { offset: 7, start: 1024n, records: [1, 3, 5] },
  ]);
  const end = (offset: typeof five): Item => ({ kind: 'end', offset });
  const [, ...more] = logOf([], [], [], [], [], [end(five)], [end(seven)]);
  expect(fold([...log, ...more.slice(5, 6)]).state.open.begun.map(({ offset }) => offset)).toEqual([
    7,
  ]);
  expect(fold([...log, ...more.slice(5)]).state.open.begun).toEqual([]);
});

test('a transaction that is back in line ends as one of one partition does', () => {
  for (const outcome of [
    { kind: 'commit', offset: five, tx: tx(2048n), from: 0, to: 0 },
    { kind: 'rejected', offset: five, rejection: { code: 'busy', detail: '' } },
    { kind: 'duplicate', offset: five, tx: tx(2048n) },
  ] as const) {
    expect(fold(logOf([begin(five, 1)], [retry(five, 1)], [outcome])).state.open.begun).toEqual([]);
  }
});

test('a part is open from its promise to what became of it', () => {
  const log = logOf([prepared('b'), prepared('')], [prepared('a')]);
  expect(fold(log).state.open.prepared).toEqual([
    { id, part: '', start: 1024n, record: 1 },
    { id, part: 'a', start: 1024n, record: 2 },
    { id, part: 'b', start: 1024n, record: 1 },
  ]);
  const committed: Item = { kind: 'committed', id, part: 'b', tx: tx(5120n), from: 0, to: 0 };
  const aborted: Item = { kind: 'aborted', id, part: '', attempt: 1 };
  const other = { ...committed, id: { ...id, offset: logOffset(8) }, part: 'a' };
  const rest = fold(
    logOf([prepared('b'), prepared('')], [prepared('a')], [committed, aborted, other]),
  );
  expect(rest.state.open.prepared).toEqual([{ id, part: 'a', start: 1024n, record: 2 }]);
  expect(rest.state.clock).toBe(5120n);
});

test('a begin takes the input from those who read it again, and its outcome comes later', () => {
  const { state } = fold(logOf([begin(five, 1)]));
  expect(isDone(state, five)).toBe(true);
  expect(isDone(state, logOffset(6))).toBe(false);
});

test('a record that turns out to lie elsewhere is open there', () => {
  const { state } = fold(logOf([begin(five, 1)], [prepared(''), extend(five)]));
  const moved = movedOpen(state.open, logOffset(2), logOffset(8));
  expect(moved.begun).toEqual([{ offset: 5, start: 1024n, records: [1, 8] }]);
  expect(moved.prepared).toEqual([{ id, part: '', start: 1024n, record: 8 }]);
});

test('a new owner gives no time that an attempt began at', () => {
  const later = { ...begin(five, 2), begun: tx(8192n) };
  expect(fold(logOf([begin(five, 1)], [retry(five, 1)], [later])).state.clock).toBe(8192n);
});
