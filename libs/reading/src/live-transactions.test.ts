/** Against a list of all of them. */
import { type FactColumns, FactTable, type ItemsRecord, NO_FACTS } from '@pyralog/format';
import { type LogOffset, logOffset, tx, type Tx } from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LiveTransactions } from './live-transactions.ts';

/** What is appended: transactions by their time and number of facts; and whether a new live part begins with it. */
const record = fc.record({
  items: fc.array(fc.record({ time: fc.nat({ max: 200 }), facts: fc.nat({ max: 3 }) }), {
    size: 'max',
    maxLength: 40,
  }),
  begins: fc.boolean(),
});

interface Noted {
  readonly tx: Tx;
  readonly facts: FactColumns;
  readonly from: number;
  readonly to: number;
  readonly last: { offset: LogOffset };
}

test('the next one and the one before are those of a list, also where later parts have earlier times', () => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 8 }),
      fc.nat({ max: 8 }),
      fc.array(fc.nat({ max: 210 }), { minLength: 1, maxLength: 10 }),
      (records, kept, asked) => {
        const live = new LiveTransactions();
        let noted: Noted[] = [];
        let facts: FactColumns = new FactTable();
        let last = { offset: logOffset(0) };
        let row = 0;
        const cuts: number[] = [0];
        for (const [i, { items, begins }] of records.entries()) {
          if (begins || i === 0) {
            [facts, last, row] = [new FactTable(), { offset: logOffset(i) }, 0];
            cuts.push(i);
          }
          last.offset = logOffset(i);
          let from = 0;
          const inForce = items.map(({ time, facts: count }, at) => {
            const item = {
              kind: at % 2 === 0 ? ('commit' as const) : ('decided' as const),
              offset: logOffset(at),
              tx: tx(BigInt(time)),
              from,
              to: from + count,
              attempt: 1,
              start: tx(0n),
              begun: tx(0n),
              participants: [],
            };
            from += count;
            return item;
          });
          // What is not in force is not there.
          const refused = {
            kind: 'rejected',
            offset: logOffset(99),
            rejection: REJECTION,
          } as const;
          live.append(logOffset(i), { ...EMPTY, items: [refused, ...inForce] }, facts, row);
          for (const item of inForce)
            noted.push({ tx: item.tx, facts, from: row + item.from, to: row + item.to, last });
          row += from;
        }
        const cut = cuts[kept % cuts.length] ?? 0;
        live.drop(logOffset(cut));
        noted = noted.filter((each) => each.last.offset >= cut);
        for (const time of asked.map((each) => tx(BigInt(each)))) {
          const times = noted.map((each) => each.tx);
          const above = times.filter((each) => each > time).toSorted(byTime)[0];
          const upTo = times
            .filter((each) => each <= time)
            .toSorted(byTime)
            .at(-1);
          expect(brief(live.firstAbove(time))).toEqual(brief(noted.filter((n) => n.tx === above)));
          expect(brief(live.lastUpTo(time))).toEqual(brief(noted.filter((n) => n.tx === upTo)));
          for (const found of live.firstAbove(time))
            expect(
              noted.some((each) => each.facts === found.facts && each.from === found.from),
            ).toBe(true);
        }
      },
    ),
  );
});

const REJECTION = { code: 'busy', detail: '' } as const;
const EMPTY = { kind: 'items', facts: NO_FACTS } as unknown as ItemsRecord;

const byTime = (a: Tx, b: Tx): number => (a < b ? -1 : a > b ? 1 : 0);

/** In any order: the parts of one transaction have none. */
function brief(all: readonly Pick<Noted, 'tx' | 'from' | 'to'>[]): readonly string[] {
  return all.map((each) => `${each.tx} ${each.from} ${each.to}`).toSorted();
}
