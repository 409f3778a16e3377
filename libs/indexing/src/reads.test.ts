import {
  decodeCommitRecord,
  decodeRunBlock,
  encodeCommitRecord,
  encodeRun,
  FactTable,
  factKey,
  type ItemsRecord,
  parseRunFooter,
  readSearchKey,
  type RunFooter,
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
  TX_NONE,
  type Value,
} from '@pyralog/model';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { LivePart } from './live-index.ts';
import {
  entityAsOf,
  entityHistory,
  entityNow,
  lastTxOf,
  type Page,
  scan,
  type ScanBounds,
} from './reads.ts';
import type { IndexView, Read, RunHandle } from './view.ts';

/** Of a part: a run of each order then has several blocks, and some entities fill several. */
const FACTS = 9_000;
const PARTS = 4;
const ENTITIES = 60;
const TXS = 500n;

const codec = await createCodec();

const all: StoredFact[] = [];
const files = new Map<string, Uint8Array>();
let view: IndexView;
beforeAll(() => {
  const seen = new Set<string>();
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const facts: StoredFact[] = [];
    for (let i = 0; facts.length < FACTS; i++) {
      const fact = made(part, i);
      const id = Buffer.from(factKey('eavt', fact)).toString('hex');
      if (!seen.has(id)) facts.push(fact);
      seen.add(id);
    }
    return facts;
  });
  all.push(...parts.flat());
  const live = parts.pop() as StoredFact[];
  view = { runs: parts.flatMap((facts, i) => runsOf(facts, i)), parts: [liveOf(live)] };
  for (const { footer } of view.runs) expect(footer.blocks.length, footer.order).toBeGreaterThan(1);
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
    operation: draw(2) === 0 ? 'assert' : 'retract',
  };
}

function listed(order: IndexOrder, facts: readonly StoredFact[]): StoredFact[] {
  return facts
    .filter(({ value }) => order !== 'vaet' || value.type === 'ref')
    .toSorted((a, b) => compareFacts(order, a, b));
}

function runsOf(facts: readonly StoredFact[], number: number): RunHandle[] {
  return INDEX_ORDERS.map((order): RunHandle => {
    const table = new FactTable();
    const rows = Uint32Array.from(listed(order, facts), (fact) => table.append(fact));
    const encoded = encodeRun({ order, part: 'current', level: 0, table, rows }, codec);
    const { bytes, ...info } = encoded;
    const name = `${order}-${number}`;
    files.set(name, bytes);
    const footer = parseRunFooter(bytes, bytes.length, codec) as RunFooter;
    const [from, to] = [logOffset(number), logOffset(number + 1)];
    return { info: { ...info, name, bytes: bytes.length, from, to }, footer };
  });
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

function answer<T>(read: Read<T>): T {
  let step = read.next();
  while (!step.done) {
    const { run, block } = step.value;
    const bytes = files.get(run.info.name) as Uint8Array;
    const { offset, length } = run.footer.blocks[block] as RunFooter['blocks'][number];
    const batch = decodeRunBlock(run.footer, block, bytes.slice(offset, offset + length), codec);
    step = read.next(batch);
  }
  return step.value;
}

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
    const { entity, attribute, value } = fact;
    const text = isReference(value) ? `#${value.sha256} ${value.prefix}` : value.value;
    const id = `${entity} ${attribute} ${value.type} ${text}`;
    const known = newest.get(id);
    if (known === undefined || known.tx < fact.tx) newest.set(id, fact);
  }
  return [...newest.values()].filter(({ operation }) => operation === 'assert');
}

const order = fc.constantFrom(...INDEX_ORDERS);
const basis = fc.bigInt({ min: 0n, max: BigInt(PARTS) * TXS + 1n }).map(tx);
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
    fc.property(order, basis, fc.constantFrom('facts', 'state'), limit, (...of) => {
      const [order, basis, mode, limit] = of;
      const facts = mode === 'facts' ? all.filter(({ tx }) => tx <= basis) : inForce(all, basis);
      const found = pages(order, (after) => scan(view, order, {}, { basis, mode, after, limit }));
      expect(found).toEqual(listed(order, facts));
    }),
    { numRuns: 12 },
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
    fc.property(within, basis, limit, ({ order, ...bounds }, basis, limit) => {
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
      const found = pages(order, (after) => scan(view, order, bounds, { ...options, after }));
      expect(found).toEqual(listed(order, expected));
    }),
    { numRuns: 150 },
  );
});

test('an entity is what its facts say, at any moment, and its history lists them oldest first', () => {
  fc.assert(
    fc.property(entity, basis, basis, fc.option(attribute, { nil: undefined }), limit, (...of) => {
      const [entity, fromTx, toTx, attribute, limit] = of;
      const own = all.filter((fact) => fact.entity === entity);
      expect(answer(entityAsOf(view, entity, toTx))).toEqual(listed('eavt', inForce(own, toTx)));
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
    { numRuns: 40 },
  );
  expect(answer(entityNow(view, 'e:7'))).toEqual(
    listed(
      'eavt',
      inForce(
        all.filter((fact) => fact.entity === 'e:7'),
        2n ** 62n,
      ),
    ),
  );
});
