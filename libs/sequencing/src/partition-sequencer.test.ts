import { isOutcome } from '@pyralog/format';
import { epoch, logOffset, ownerId } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { brief, Sequence, START } from './testing/sequence.ts';

const operation = fc.oneof(
  fc.record({
    op: fc.constant('assert'),
    entity: fc.constantFrom('a', 'b', 'c'),
    attribute: fc.constantFrom('x', 'y'),
    value: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({
    op: fc.constant('retract'),
    entity: fc.constantFrom('a', 'b'),
    attribute: fc.constantFrom('x', 'y'),
  }),
  fc.record({ op: fc.constant('retractEntity'), entity: fc.constantFrom('a', 'b', 'c') }),
  fc.record({
    entity: fc.constantFrom('a', 'b', '_:new'),
    many: fc.array(fc.constantFrom('p', 'q', 'r'), { minLength: 1, maxLength: 3 }),
  }),
);
const document = fc.record({ ops: fc.array(operation, { minLength: 1, maxLength: 6 }) });

test('I3 I4 a tx rises above all before it and every promise, whatever the clock does', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(document, fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.boolean()),
        { maxLength: 30 },
      ),
      (steps) => {
        const sequence = new Sequence();
        let last = 0n;
        for (const [content, jump, idle] of steps) {
          sequence.now += jump;
          if (idle) {
            const closed = sequence.close();
            expect(closed >= last, 'a promise is not taken back').toBe(true);
            last = closed;
            continue;
          }
          const outcome = sequence.transact(content);
          if (outcome.kind === 'committed') {
            expect(outcome.tx > last).toBe(true);
            last = outcome.tx;
          }
          expect(sequence.sequencer.state.closed >= last).toBe(true);
        }
      },
    ),
  );
});

test('I8 I9 a replay of the log gives the state that made it, and every document had one outcome', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(document, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
      document,
      (groups, next) => {
        const sequence = new Sequence();
        let inputs = 0;
        for (const group of groups) inputs += sequence.transactAll(group).length;
        const items = sequence.log.flatMap((record) =>
          record.kind === 'items' ? record.items.filter(isOutcome) : [],
        );
        expect(items.map(({ offset }) => offset)).toEqual(
          Array.from({ length: inputs }, (_, i) => i),
        );
        const replayed = sequence.replayed();
        expect(replayed.state).toEqual(sequence.sequencer.state);
        // The same next document has the same outcome on both.
        const other = new Sequence();
        for (const group of groups) other.transactAll(group);
        expect(brief(other.transact(next))).toEqual(brief(sequence.transact(next)));
      },
    ),
  );
});

test('I6 a record of another owner, a doubled one and a gap are folded as if they were not there', () => {
  const sequence = new Sequence();
  sequence.transact({ ops: [{ entity: 'e', a: 1 }] });
  const [, record] = sequence.log;
  if (record?.kind !== 'items') throw new Error('no record');
  const follower = sequence.replayed();
  const before = follower.state;
  const refused = [
    record,
    { ...record, seq: record.seq + 2 },
    { ...record, seq: record.seq + 1, owner: ownerId('f'.repeat(32)) },
    { ...record, seq: record.seq + 1, epoch: epoch(0) },
  ];
  for (const [i, other] of refused.entries()) follower.fold(logOffset(before.next + i), other);
  expect({ ...follower.state, next: before.next }).toEqual(before);
});

test('in import mode time follows the data, in order and not ahead of the clock', () => {
  const sequence = new Sequence({ mode: 'import' });
  const at = (text: string): object => ({ at: text, ops: [{ entity: 'e', a: 1 }] });
  const first = sequence.transact(at('1999-12-31T23:59:59Z'));
  if (first.kind !== 'committed') throw new Error('refused');
  expect(BigInt.asUintN(64, first.tx) >> 10n).toBe(946_684_799_000_000_000n >> 10n);
  const next = sequence.transact({ ops: [{ entity: 'e', a: 2 }] });
  expect(next.kind === 'committed' && next.tx).toBe(first.tx + 1024n);
  expect(brief(sequence.transact(at('1999-12-31T00:00:00Z')))).toBe('import-time-invalid');
  expect(brief(sequence.transact(at('2050-01-01T00:00:00Z')))).toBe('import-time-invalid');
  expect(sequence.sequencer.state.closed < START).toBe(true);
  const live = sequence.transact({
    ops: [{ op: 'assert', entity: 'attribute:db/settings', attribute: 'db/mode', value: 'live' }],
  });
  expect(live.kind).toBe('committed');
  expect(brief(sequence.transact(at('2000-01-01T00:00:00Z')))).toBe('import-time-invalid');
  const now = sequence.transact({ ops: [{ entity: 'e', a: 3 }] });
  expect(now.kind === 'committed' && now.tx > START).toBe(true);
});
