import {
  decodeCommitRecord,
  encodeCommitRecord,
  factKey,
  type ItemsRecord,
  readSearchKey,
  type RunPart,
  type SearchKey,
} from '@pyralog/format';
import { createCodec } from '@pyralog/format/zstd';
import {
  compareFacts,
  compareValues,
  epoch,
  type StoredFact,
  INDEX_ORDERS,
  type IndexOrder,
  isReference,
  logOffset,
  ownerId,
  type StoredValue,
  tx,
  TX_LAST,
  TX_NONE,
  type Value,
} from '@pyralog/model';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { LivePart } from './live-index.ts';
import {
  diff,
  entityAsOf,
  entityHistory,
  entityNow,
  lastTxOf,
  type Page,
  scan,
  type ScanBounds,
} from './reads.ts';
import { RunFiles } from './testing/run-files.ts';
import type { IndexView, Read, RunHandle } from './view.ts';

/** Of a part: a run of each order then has several blocks, and some entities fill several. */
const FACTS = 9_000;
const PARTS = 5;
const ENTITIES = 60;
const TXS = 500n;

const all: StoredFact[] = [];
const files = new RunFiles(await createCodec());
const views = new Map<string, IndexView>();
beforeAll(() => {
  const seen = new Set<string>();
  /** Of each subject, whether it is in force. */
  const inForce = new Set<string>();
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const facts: StoredFact[] = [];
    for (let i = 0; facts.length < FACTS; i++) {
      const fact = made(part, i);
      const id = Buffer.from(factKey('eavt', fact)).toString('hex');
      if (!seen.has(id)) facts.push(fact);
      seen.add(id);
    }
    facts.sort((a, b) => Number(a.tx - b.tx));
    // A fact is written where it changes something.
    return facts.map((fact): StoredFact => {
      const subject = subjectOf(fact);
      if (inForce.delete(subject)) return { ...fact, operation: 'retract' };
      inForce.add(subject);
      return fact;
    });
  });
  all.push(...parts.flat());
  const live = [liveOf(parts.pop() as StoredFact[])];
  const flushed = parts.flatMap((facts, i) => files.flushed(facts, i));
  const view = (runs: readonly RunHandle[]): IndexView => ({ runs, parts: live });
  const [first, second, third, fourth] = parts.keys();
  const of = (...ranges: (number | undefined)[]): RunHandle[] =>
    flushed.filter(({ info }) => ranges.includes(info.from));
  const older = files.compacted(of(first, second), 1);
  const newer = files.compacted(of(third, fourth), 1);
  views.set('as flushed', view(flushed));
  views.set('compacted where it is old', view([...older, ...of(third, fourth)]));
  views.set('compacted in halves', view([...older, ...newer]));
  views.set('compacted twice', view(files.compacted([...older, ...newer], 2)));
  views.set('compacted at once, into small files', view(files.compacted(flushed, 2, 3_000)));
  for (const { order, part, blocks } of flushed.map(({ footer }) => footer))
    if (part === 'current' && order !== 'vaet') expect(blocks.length, order).toBeGreaterThan(1);
});

/** The same for ever; a third of them are of one hot entity. */
function made(part: number, i: number): StoredFact {
  let state = part * 1_000_003 + i;
  const draw = (below: number): number => {
    // A step of splitmix32.
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
  const hash = draw(5).toString(16).repeat(64);
  const values: readonly StoredValue[] = [
    { type: 'int', value: BigInt(draw(41)) },
    { type: 'string', value: `text ${draw(37)}` },
    { type: 'ref', value: `e:${draw(ENTITIES)}` },
    // Few prefixes, some of which are inline values too.
    { type: 'string', prefix: `text ${draw(5)}`, sha256: hash, bytes: 70_000 },
  ];
  return {
    entity: draw(3) === 0 ? 'e:7' : `e:${draw(ENTITIES)}`,
    attribute: `a${draw(5)}`,
    value: values[draw(4)] as StoredValue,
    tx: tx(BigInt(part) * TXS + BigInt(draw(Number(TXS)))),
    operation: 'assert',
  };
}

function subjectOf({ entity, attribute, value }: StoredFact): string {
  const text = isReference(value) ? `#${value.sha256} ${value.prefix}` : value.value;
  return `${entity} ${attribute} ${value.type} ${text}`;
}

function listed(order: IndexOrder, facts: readonly StoredFact[]): StoredFact[] {
  return facts
    .filter(({ value }) => order !== 'vaet' || value.type === 'ref')
    .toSorted((a, b) => compareFacts(order, a, b));
}

function liveOf(facts: readonly StoredFact[]): LivePart {
  const part = new LivePart();
  for (let from = 0; from < facts.length; from += 1_000) {
    const record = decodeCommitRecord(
      encodeCommitRecord({
        kind: 'items',
        epoch: epoch(1),
        owner: ownerId('0'.repeat(32)),
        seq: 1,
        coordination: logOffset(0),
        marks: [],
        lowWater: logOffset(0),
        closed: TX_NONE,
        schemaTx: TX_NONE,
        items: facts.slice(from, from + 1_000).map((fact, i) => ({
          kind: 'commit',
          offset: logOffset(from + i),
          tx: fact.tx,
          facts: [fact],
        })),
      }),
    );
    part.append(logOffset(from), record as ItemsRecord);
  }
  return part;
}

const view = fc.constantFrom(
  'as flushed',
  'compacted where it is old',
  'compacted in halves',
  'compacted twice',
  'compacted at once, into small files',
);
const viewOf = (name: string): IndexView => views.get(name) as IndexView;
const answer = <T>(read: Read<T>): T => files.answer(read);

/** All pages of a listing. */
function pages(
  order: IndexOrder,
  read: (after: SearchKey | undefined) => Read<Page>,
): StoredFact[] {
  const facts: StoredFact[] = [];
  let after: SearchKey | undefined;
  for (;;) {
    const page = answer(read(after));
    facts.push(...page.facts);
    if (!page.more) return facts;
    after = readSearchKey(order, factKey(order, page.facts.at(-1) as StoredFact));
  }
}

/** Of each (entity, attribute, value) the newest up to a basis, where it is an assert. */
function inForce(facts: readonly StoredFact[], basis: bigint): StoredFact[] {
  const newest = new Map<string, StoredFact>();
  for (const fact of facts.filter((each) => each.tx <= basis)) {
    const id = subjectOf(fact);
    const known = newest.get(id);
    if (known === undefined || known.tx < fact.tx) newest.set(id, fact);
  }
  return [...newest.values()].filter(({ operation }) => operation === 'assert');
}

const order = fc.constantFrom(...INDEX_ORDERS);
const basis = fc.oneof(
  { weight: 9, arbitrary: fc.bigInt({ min: 0n, max: BigInt(PARTS) * TXS + 1n }).map(tx) },
  fc.constant(TX_LAST),
);
const entity = fc.nat({ max: ENTITIES }).map((n) => `e:${n}`);
const attribute = fc.nat({ max: 5 }).map((n) => `a${n}`);
const limit = fc.constantFrom(37, 1_000, 10_000);
const int = fc.bigInt({ min: -1n, max: 41n }).map((value): Value => ({ type: 'int', value }));
const text = fc
  .tuple(fc.nat({ max: 5 }), fc.option(fc.nat({ max: 5 })))
  .map(([number, hash]): StoredValue =>
    hash === null
      ? { type: 'string', value: `text ${number}` }
      : {
          type: 'string',
          prefix: `text ${number}`,
          sha256: String(hash).repeat(64),
          bytes: 70_000,
        },
  );

test('a listing gives, page by page, what a sort of all facts gives', () => {
  fc.assert(
    fc.property(view, order, basis, fc.constantFrom('facts', 'state'), limit, (...of) => {
      const [view, order, basis, mode, limit] = of;
      const facts = mode === 'facts' ? all.filter(({ tx }) => tx <= basis) : inForce(all, basis);
      const found = pages(order, (after) =>
        scan(viewOf(view), order, {}, { basis, mode, after, limit }),
      );
      expect(found).toEqual(listed(order, facts));
    }),
    { numRuns: 20 },
  );
});

test('bounds of a listing leave out what is outside of them', () => {
  const within = fc.oneof(
    fc.record({ order: fc.constant('eavt'), entity, attribute }),
    fc.record({ order: fc.constant('eavt'), entity }),
    fc.record({ order: fc.constant('aevt'), attribute }),
    fc.record({ order: fc.constant('avet'), attribute, value: int }),
    fc.record({ order: fc.constant('avet'), attribute, valueFrom: int, valueTo: int }),
    fc.record({ order: fc.constant('avet'), attribute, value: text }),
    fc.record({ order: fc.constant('avet'), attribute, valueFrom: text, valueTo: text }),
    fc.record({
      order: fc.constant('vaet'),
      value: entity.map((value): Value => ({ type: 'ref', value })),
    }),
  ) as fc.Arbitrary<ScanBounds & { order: IndexOrder }>;
  fc.assert(
    fc.property(view, within, basis, limit, (view, { order, ...bounds }, basis, limit) => {
      const { entity, attribute, value, valueFrom, valueTo } = bounds;
      const expected = inForce(all, basis).filter(
        (fact) =>
          (entity === undefined || fact.entity === entity) &&
          (attribute === undefined || fact.attribute === attribute) &&
          (value === undefined || compareValues(fact.value, value) === 0) &&
          (valueFrom === undefined || compareValues(fact.value, valueFrom) >= 0) &&
          (valueTo === undefined || compareValues(fact.value, valueTo) < 0),
      );
      const options = { basis, mode: 'state', limit } as const;
      const found = pages(order, (after) =>
        scan(viewOf(view), order, bounds, { ...options, after }),
      );
      expect(found).toEqual(listed(order, expected));
    }),
    { numRuns: 150 },
  );
});

test('an entity is what its facts say, at any moment, and its history lists them oldest first', () => {
  const about = fc.option(attribute, { nil: undefined });
  fc.assert(
    fc.property(view, entity, basis, basis, about, limit, (...of) => {
      const [name, entity, fromTx, toTx, attribute, limit] = of;
      const view = viewOf(name);
      const own = all.filter((fact) => fact.entity === entity);
      expect(answer(entityAsOf(view, entity, toTx))).toEqual(listed('eavt', inForce(own, toTx)));
      expect(answer(entityNow(view, entity))).toEqual(listed('eavt', inForce(own, TX_LAST)));
      const about = own.filter((fact) => attribute === undefined || fact.attribute === attribute);
      const last = about.reduce((most, { tx }) => (tx > most ? tx : most), TX_NONE);
      expect(answer(lastTxOf(view, entity, attribute)) ?? TX_NONE).toBe(last);
      const history = { attribute, fromTx, toTx, limit };
      const found = pages('eavt', (after) => entityHistory(view, entity, { ...history, after }));
      const expected = listed('eavt', about)
        .filter(({ tx }) => tx >= fromTx && tx <= toTx)
        .sort((a, b) => Number(a.tx - b.tx));
      expect(found).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});

test('a difference is what is in force at one moment and not at the other', () => {
  fc.assert(
    fc.property(view, basis, basis, (name, from, to) => {
      const [before, after] = [inForce(all, from), inForce(all, to)];
      const less = (facts: readonly StoredFact[], others: readonly StoredFact[]): StoredFact[] => {
        const subjects = new Set(others.map(subjectOf));
        return listed(
          'eavt',
          facts.filter((fact) => !subjects.has(subjectOf(fact))),
        );
      };
      const found = answer(diff(viewOf(name), from, to, { limit: 100_000 }));
      expect(found.added).toEqual(less(after, before));
      expect(found.removed).toEqual(less(before, after));
    }),
    { numRuns: 12 },
  );
});

test('what is compacted is in one row with the retract that took it back, and current has no more than that', () => {
  const factsOf = (name: string, part: RunPart): { rows: number; facts: number } => {
    const runs = viewOf(name).runs.filter(
      ({ info }) => info.order === 'eavt' && info.part === part,
    );
    const sum = (of: (run: RunHandle) => number): number => runs.reduce((n, run) => n + of(run), 0);
    return { rows: sum(({ info }) => info.rows), facts: sum(({ info }) => info.facts) };
  };
  const flushed = all.filter(({ tx }) => tx < BigInt(PARTS - 1) * TXS);
  const current = inForce(flushed, TX_LAST).length;
  for (const name of ['compacted twice', 'compacted at once, into small files']) {
    expect(factsOf(name, 'current')).toEqual({ rows: current, facts: current });
    const facts = flushed.length - current;
    expect(factsOf(name, 'history')).toEqual({ rows: facts / 2, facts });
  }
});

test('I12 the same comes of the same, by whatever steps', () => {
  const hashes = (runs: readonly RunHandle[]): readonly string[] =>
    runs.map(({ info }) => `${info.order} ${info.part} ${info.hash}`).sort();
  const atOnce = files.compacted(viewOf('as flushed').runs, 2);
  expect(hashes(atOnce)).toEqual(hashes(viewOf('compacted twice').runs));
});
