/** Pages over partitions against a list of all facts. */
import { factKey, searchKey } from '@pyralog/format';
import {
  CLAIM_ENTITY_PREFIX,
  compareFacts,
  INDEX_ORDERS,
  type IndexOrder,
  isReference,
  isVisible,
  partitionNo,
  partitionOf,
  printValue,
  type StoredFact,
  type StoredValue,
  tx,
  type Tx,
  TX_LAST,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterKey, diffPage, scanPage } from './database-pages.ts';
import { Readers } from './testing/readers.ts';

const P = 3;
const HIDDEN = `${CLAIM_ENTITY_PREFIX}${'0'.repeat(64)}`;
const value: fc.Arbitrary<StoredValue> = fc.oneof(
  fc.nat({ max: 3 }).map((each): StoredValue => ({ type: 'int', value: BigInt(each) })),
  fc.constantFrom('a', 'b').map((each): StoredValue => ({ type: 'ref', value: each })),
);
/** A fact, and what it does; of claims and of the schema there is one on each partition. */
const draft = fc.record({
  entity: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', HIDDEN, 'attribute:x'),
  attribute: fc.constantFrom('x', 'y'),
  value,
  operation: fc.constantFrom('assert' as const, 'retract' as const),
});
const transactions = fc.array(fc.array(draft, { maxLength: 8 }), { maxLength: 12, size: 'max' });

interface Made {
  readonly readers: Readers;
  /** What answers may have. */
  readonly facts: readonly StoredFact[];
}

/** Transactions at times 10, 20, … with their facts on all partitions that these lie on. */
async function make(given: readonly (readonly Omit<StoredFact, 'tx'>[])[]): Promise<Made> {
  const readers = await Readers.open(P);
  const facts: StoredFact[] = [];
  for (const [i, drafts] of given.entries()) {
    const at = tx(BigInt(10 * (i + 1)));
    const distinct = new Map(drafts.map((each) => [subjectOf(each), { ...each, tx: at }]));
    for (let p = 0; p < P; p++) {
      const here = [...distinct.values()]
        .filter(({ entity }) => entity.includes(':') || partitionOf(entity, P) === p)
        .toSorted((a, b) => compareFacts('eavt', a, b));
      readers.commit(p, at, here);
      facts.push(...here.filter(({ entity }) => isVisible(entity, partitionNo(p))));
    }
  }
  return { readers, facts };
}

const subjectOf = (fact: Pick<StoredFact, 'entity' | 'attribute' | 'value'>): string =>
  `${fact.entity} ${fact.attribute} ${isReference(fact.value) ? '' : printValue(fact.value)}`;

/** The newest fact of each subject up to a time, where it asserts. */
function inForce(facts: readonly StoredFact[], basis: Tx): readonly StoredFact[] {
  const newest = new Map<string, StoredFact>();
  for (const fact of facts) if (fact.tx <= basis) newest.set(subjectOf(fact), fact);
  return [...newest.values()].filter(({ operation }) => operation === 'assert');
}

const isListed = (order: IndexOrder, { value: each }: StoredFact): boolean =>
  order !== 'vaet' || (!isReference(each) && each.type === 'ref');

test('pages of a scan, of any size, are those of one list in its order', async () => {
  await fc.assert(
    fc.asyncProperty(
      transactions,
      fc.constantFrom(...INDEX_ORDERS),
      fc.constantFrom('facts' as const, 'state' as const),
      fc.integer({ min: 0, max: 13 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      async (given, order, mode, time, limits) => {
        const { readers, facts } = await make(given);
        const basis = tx(BigInt(10 * time));
        const expected = (
          mode === 'state' ? inForce(facts, basis) : facts.filter((fact) => fact.tx <= basis)
        )
          .filter((fact) => isListed(order, fact))
          .toSorted((a, b) => compareFacts(order, a, b));
        const found: StoredFact[] = [];
        for (let i = 0; ; i++) {
          const last = found.at(-1);
          const limit = limits[i % limits.length] ?? 1;
          const page = await scanPage(readers.all, order, {}, () => ({
            basis,
            mode,
            after: last === undefined ? undefined : searchKey(order, last),
            limit,
          }));
          found.push(...page.facts);
          expect(page.more).toBe(found.length < expected.length);
          if (!page.more) break;
          expect(page.facts.length, 'a page that is not the last is full').toBe(limit);
        }
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 150 },
  );
});

test('a scan reads on where one partition has more than its share', async () => {
  const readers = await Readers.open(P);
  const facts = Array.from({ length: 200 }, (_, i): StoredFact => ({
    entity: 'a',
    attribute: 'x',
    value: { type: 'int', value: BigInt(i) },
    tx: tx(10n),
    operation: 'assert',
  }));
  readers.commit(partitionOf('a', P), tx(10n), facts);
  const options = { basis: tx(10n), mode: 'state' as const, limit: 150 };
  const page = await scanPage(readers.all, 'eavt', {}, () => options);
  expect(page).toEqual({ facts: facts.slice(0, 150), more: true });
});

test('pages of a difference, of any size, have what differs once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      transactions,
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 1, max: 9 }),
      async (given, first, second, limit) => {
        const { readers, facts } = await make(given);
        const [from, to] = [tx(BigInt(10 * first)), tx(BigInt(10 * second))];
        const [before, after] = [inForce(facts, from), inForce(facts, to)];
        const without = (all: readonly StoredFact[], others: readonly StoredFact[]): string[] => {
          const subjects = new Set(others.map(subjectOf));
          return all
            .map(subjectOf)
            .filter((each) => !subjects.has(each))
            .toSorted();
        };
        const added: StoredFact[] = [];
        const removed: StoredFact[] = [];
        let next: Uint8Array | undefined;
        do {
          const page = await diffPage(readers.all, from, to, {
            after: afterKey('eavt', next),
            limit,
          });
          expect(page.added.length + page.removed.length).toBeLessThanOrEqual(limit);
          for (const fact of [...page.added, ...page.removed]) {
            const key = factKey('eavt', fact);
            if (next !== undefined) expect(Buffer.compare(key, next)).toBeGreaterThan(0);
            if (page.next !== undefined)
              expect(Buffer.compare(key, page.next)).toBeLessThanOrEqual(0);
          }
          added.push(...page.added);
          removed.push(...page.removed);
          ({ next } = page);
        } while (next !== undefined);
        const inOrder = (all: readonly StoredFact[]): readonly StoredFact[] =>
          all.toSorted((a, b) => compareFacts('eavt', a, b));
        expect(added).toEqual(inOrder(added));
        expect(removed).toEqual(inOrder(removed));
        expect(added.map(subjectOf).toSorted()).toEqual(without(after, before));
        expect(removed.map(subjectOf).toSorted()).toEqual(without(before, after));
      },
    ),
    { numRuns: 150 },
  );
});

test('a database of one partition needs no merge, and one without readers has nothing', async () => {
  const one = await Readers.open(1);
  const fact: StoredFact = {
    entity: 'a',
    attribute: 'x',
    value: { type: 'int', value: 1n },
    tx: tx(10n),
    operation: 'assert',
  };
  one.commit(0, tx(10n), [fact]);
  const options = { basis: TX_LAST, mode: 'state' as const, limit: 5 };
  expect(await scanPage(one.all, 'eavt', {}, () => options)).toEqual({
    facts: [fact],
    more: false,
  });
  expect(await scanPage([], 'eavt', {}, () => options)).toEqual({ facts: [], more: false });
  expect(await diffPage(one.all, tx(0n), tx(10n), { after: undefined, limit: 5 })).toEqual({
    added: [fact],
    removed: [],
    next: undefined,
  });
});
