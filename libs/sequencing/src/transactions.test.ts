import type { Item } from '@pyralog/format';
import type { StoredFact, TransactionDocument, Tx } from '@pyralog/model';
import {
  identOfEntity,
  isClaimEntity,
  isReference,
  parseDocument,
  partitionOf,
  printValue,
  txEntity,
} from '@pyralog/model';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOLDER } from './claims.ts';
import { holderNamed } from './plan.ts';
import type { Sent } from './partition-sequencer.ts';
import { CALM, type Fate, type Mishap, Partitions } from './testing/partitions.ts';
import { brief, Sequence } from './testing/sequence.ts';

const P = 3;
/** A message that was lost is sent again after 0.5 s, and an attempt that gave way comes again within 0.3 s. */
const SETTLING_NANOS_MAX = 3_000_000_000n;
const SETTLING_ATTEMPTS_MAX = 20;
const ATTRIBUTES = ['x', 'tags', 'mail', 'late'];
/** The first of them lie on all partitions. */
const entities = ['f', 'a', 'b', 'g', 'c', 'd', 'h', 'e'];

/** Which of {@link entities}: the fewer a run has, the more transactions want the same. */
const entity = fc.nat({ max: entities.length - 1 });
const small = fc.integer({ min: 0, max: 2 });
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ entity, x: small }) },
  {
    weight: 2,
    arbitrary: fc.record({ entity, tags: fc.array(small, { minLength: 1, maxLength: 2 }) }),
  },
  { weight: 3, arbitrary: fc.record({ entity, mail: fc.constantFrom('m0', 'm1', 'm2') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('cas'),
      entity,
      attribute: fc.constant('x'),
      old: fc.option(small),
      new: fc.option(small),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('retract'),
      entity,
      // Also one that may not be there yet.
      attribute: fc.constantFrom('x', 'tags', 'mail', 'late'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('retractEntity'), entity }) },
  // First uses, here and there.
  { weight: 1, arbitrary: fc.record({ entity, late: small }) },
);
const condition = fc.oneof(
  fc.record({ entity, attribute: fc.constant('x'), is: fc.array(small, { maxLength: 1 }) }),
  fc.record({ entity, absent: fc.constant(true) }),
);
const draft = fc.record({
  ops: fc.array(operation, { minLength: 1, maxLength: 4, size: 'max' }),
  if: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(condition, { maxLength: 2 }) },
  ),
  id: fc.option(fc.constantFrom('k0', 'k1', 'k2'), { nil: undefined, freq: 4 }),
  meta: fc.constant({ author: 'user:1' }),
});

/** The document of a draft in a run that is about some entities, all of which may want the same. */
function documentOf(
  { ops, if: conditions, ...rest }: ValueOf<typeof draft>,
  { hot, plain }: Pick<ValueOf<typeof history>, 'hot' | 'plain'>,
): TransactionDocument {
  const named = <T extends { readonly entity: number }>(each: T): object => ({
    ...each,
    entity: entities[each.entity % hot],
  });
  const all: readonly ValueOf<typeof condition>[] = conditions;
  const drafts = plain
    ? ops.map((_, i) => named({ entity: (ops[0]?.entity ?? 0) + i, x: ops.length }))
    : ops.map(named);
  return parseDocument(JSON.stringify({ ...rest, ops: drafts, if: plain ? [] : all.map(named) }));
}

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;

const SCHEMA = parseDocument(
  JSON.stringify({
    ops: [
      { entity: 'attribute:x', 'db/valueType': 'int' },
      { entity: 'attribute:tags', 'db/valueType': 'int', 'db/cardinality': 'many' },
      { entity: 'attribute:mail', 'db/valueType': 'string', 'db/unique': 'value' },
    ],
  }),
);

const AGAIN: Fate = { atOnce: 1, late: 1 };

const fate = fc.oneof(
  { weight: 10, arbitrary: fc.constant(CALM) },
  { weight: 1, arbitrary: fc.constant({ atOnce: 0, late: 0 }) },
  { weight: 1, arbitrary: fc.constant({ atOnce: 2, late: 0 }) },
  { weight: 2, arbitrary: fc.constant({ atOnce: 0, late: 1 }) },
  { weight: 2, arbitrary: fc.constant(AGAIN) },
);

const action = fc.record({
  partition: fc.nat({ max: P - 1 }),
  /** All partitions make a step, not only that one. */
  all: fc.boolean(),
  publish: fc.option(draft, { nil: undefined, freq: 2 }),
  inputs: fc.integer({ min: 0, max: 3 }),
  messages: fc.integer({ min: 0, max: 4 }),
  mishap: fc.oneof(
    { weight: 12, arbitrary: fc.constant<Mishap>('none') },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Mishap>('lost', 'killed behind append', 'killed behind messages'),
    },
  ),
  /** Of the messages of the step, in turn. */
  fates: fc.array(fate, { minLength: 1, maxLength: 4 }),
  /** Which of the messages that are late arrive. */
  arrive: fc.array(fc.nat({ max: 99 }), { maxLength: 4 }),
  millis: fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 3 }) },
    { weight: 1, arbitrary: fc.nat({ max: 700 }) },
  ),
  close: fc.boolean(),
});

const actions = fc.array(action, { minLength: 1, maxLength: 60, size: 'max' });

/** After which action owners are to begin at a manifest, and how many records before that it was cut. */
const reopening = fc.record({ action: fc.nat({ max: 59 }), records: fc.nat({ max: 20 }) });

const history = fc.record({
  /** How many entities it is about. */
  hot: fc.oneof(fc.constant(P), fc.integer({ min: 1, max: entities.length })),
  /** Nothing is refused, and a document is about as many partitions as it can, so that transactions meet. */
  plain: fc.boolean(),
  /** Whether a new owner knows that runs hold nothing; else it asks, and is told so. */
  complete: fc.boolean(),
  lateAtBegin: fc.boolean(),
  /** Messages of these kinds come, and come once more late. */
  again: fc.constantFrom<readonly Sent['message']['kind'][]>(
    [],
    ['prepare', 'decision'],
    ['prepare', 'decision', 'vote', 'done'],
  ),
  reopening,
  actions,
});

/** Attempts give way to others again and again, and what was said to one comes when the next has begun. */
const crowd: typeof history = fc.record({
  hot: fc.constant(P),
  plain: fc.constant(true),
  complete: fc.constant(true),
  lateAtBegin: fc.constant(true),
  again: fc.constant(['vote'] as const),
  reopening,
  actions,
});

/** What answers have: neither claims nor the copies of the schema. */
function isVisible({ entity: id }: StoredFact, partition: number): boolean {
  return !isClaimEntity(id) && (identOfEntity(id) === undefined || partition === 0);
}

function text({ value }: StoredFact): string {
  return isReference(value) ? value.sha256 : printValue(value);
}

/** A fact without its tx, as a line. */
function line(fact: StoredFact, tx: Tx): string {
  const own = txEntity(tx);
  const name = fact.entity === own ? 'tx' : fact.entity;
  return `${fact.operation} ${name} ${fact.attribute} ${text(fact)}`;
}

interface Ran {
  readonly partitions: Partitions;
  /** By partition and offset. */
  readonly documents: ReadonlyMap<string, TransactionDocument>;
  readonly snapshots: readonly { readonly at: Tx; readonly facts: number }[];
  /** How long it took, and in how many attempts of one transaction, until all was over when faults had stopped. */
  readonly settling: { readonly nanos: bigint; readonly attempts: number };
}

function run({
  actions,
  again,
  lateAtBegin,
  complete,
  reopening: { action: reopened, records },
  ...about
}: ValueOf<typeof history>): Ran {
  const partitions = new Partitions(P, {}, complete);
  partitions.lateAtBegin = lateAtBegin;
  const documents = new Map<string, TransactionDocument>();
  const publish = (p: number, each: TransactionDocument): void =>
    void documents.set(`${p}.${partitions.publish(p, each)}`, each);
  publish(1, SCHEMA);
  partitions.settle();
  const snapshots: { at: Tx; facts: number }[] = [];
  for (const [i, each] of actions.entries()) {
    const { partition, all, publish: given, fates, arrive, millis, close, ...options } = each;
    // Doors send equal documents to one partition, so that keys meet.
    const door = given?.id === undefined ? partition : Number(given.id.slice(1));
    if (given !== undefined) publish(door, documentOf(given, about));
    partitions.now += BigInt(millis) * 1_000_000n;
    for (const which of arrive) partitions.deliverLate(which);
    let sent = 0;
    const fateOf = ({ message }: Sent): Fate =>
      again.includes(message.kind) ? AGAIN : (fates[sent++ % fates.length] ?? CALM);
    for (let p = 0; p < P; p++) if (all || p === partition) partitions.step(p, options, fateOf);
    if (close) for (let p = 0; p < P; p++) partitions.close(p);
    const at = partitions.closed;
    snapshots.push({ at, facts: partitions.factsUpTo(at) });
    if (i === reopened) for (let p = 0; p < P; p++) expectReopened(partitions, p, records);
  }
  const before = partitions.begins();
  const nanos = partitions.settle();
  let attempts = 0;
  for (const [name, count] of partitions.begins())
    attempts = Math.max(attempts, count - (before.get(name) ?? 0));
  // What is late comes when all is over.
  while (partitions.late > 0) partitions.deliverLate(0);
  partitions.settle();
  return { partitions, documents, snapshots, settling: { nanos, attempts } };
}

test.each([
  ['any', history, 150],
  ['crowded', crowd, 240],
])(
  'I1 I2 I3 I8 I9 T2 T3 T4 T5 T6 T7 T8 T9 T10 transactions over partitions are those of one partition in the order of their tx: %s',
  { timeout: 300_000 },
  (_, histories, numRuns) => {
    fc.assert(
      fc.property(histories, (given) => {
        const ran = run(given);
        const { partitions, documents, snapshots } = ran;
        const logged = partitions.logged();
        expect([...logged.keys()].toSorted()).toEqual([...documents.keys()].toSorted());
        for (const [name, outcome] of partitions.outcomes) {
          const item = logged.get(name);
          if (outcome.kind === 'committed') expect(item).toMatchObject({ tx: outcome.tx });
          else if (outcome.kind === 'rejected')
            expect(item).toMatchObject({ rejection: { code: outcome.rejection.code } });
          else expect(item).toMatchObject({ kind: 'duplicate' });
        }
        const committed = committedOf(logged);
        expectSerial(ran, committed);
        expectInputOrder(ran, committed);
        for (const { at, facts } of snapshots)
          expect(partitions.factsUpTo(at), `what is closed at ${at} stays as it is`).toBe(facts);
        expectSettled(partitions);
        expectSoon(ran, logged);
      }),
      { numRuns },
    );
  },
);

interface Committed {
  readonly name: string;
  readonly tx: Tx;
}

/** Rising by tx, which are unique. */
function committedOf(logged: ReadonlyMap<string, Item>): readonly Committed[] {
  const committed = [...logged].flatMap(([name, item]) =>
    item.kind === 'commit' || item.kind === 'decided' ? [{ name, tx: item.tx }] : [],
  );
  expect(new Set(committed.map(({ tx }) => tx)).size).toBe(committed.length);
  return committed.toSorted((x, y) => (x.tx < y.tx ? -1 : 1));
}

/** The same documents, one after the other on one partition, come to the same facts. */
function expectSerial({ partitions, documents }: Ran, committed: readonly Committed[]): void {
  const oracle = new Sequence();
  const written = partitions.committed();
  for (const { name, tx } of committed) {
    const outcome = oracle.transactDocument(documents.get(name) as TransactionDocument);
    if (outcome.kind !== 'committed') throw new Error(`${name} is ${brief(outcome)}`);
    const facts = visible(partitions, tx, written.get(tx) ?? []);
    expect(facts.map((fact) => line(fact, tx)).toSorted(), name).toEqual(
      outcome.facts.map((fact) => line(fact, outcome.tx)).toSorted(),
    );
  }
}

/** T8: on what a document changes of the partition where it arrives, those behind it come after it. */
function expectInputOrder({ documents }: Ran, committed: readonly Committed[]): void {
  const newest = new Map<string, { readonly offset: number; readonly name: string }>();
  for (const { name } of committed) {
    const [p, offset] = name.split('.').map(Number) as [number, number];
    const changed = changedBy(documents.get(name) as TransactionDocument, p);
    for (const each of changed) {
      const last = newest.get(`${p} ${each}`);
      if (last !== undefined && last.offset > offset)
        throw new Error(`T8: ${name} comes after ${last.name}, which changes ${each} too`);
    }
    for (const each of changed) newest.set(`${p} ${each}`, { offset, name });
  }
}

/** Attributes of entities that lie on a partition, by both names. */
function changedBy({ operations }: TransactionDocument, p: number): readonly string[] {
  return operations.flatMap((each) => {
    if (partitionOf(each.entity, P) !== p) return [];
    const attributes = each.op === 'retractEntity' ? ATTRIBUTES : [each.attribute];
    return attributes.map((attribute) => `${each.entity} ${attribute}`);
  });
}

/** T10: nobody waits for what does not come, and what was refused for waiting had waited. */
function expectSoon({ partitions, settling }: Ran, logged: ReadonlyMap<string, Item>): void {
  expect(settling.nanos).toBeLessThanOrEqual(SETTLING_NANOS_MAX);
  expect(settling.attempts).toBeLessThanOrEqual(SETTLING_ATTEMPTS_MAX);
  for (const [name, item] of logged) {
    if (!('rejection' in item) || item.rejection.code !== 'busy') continue;
    const [from = 0n, to = 0n] = [partitions.publishedAt.get(name), partitions.decidedAt.get(name)];
    expect(to - from, `${name} waited`).toBeGreaterThanOrEqual(10_000_000_000n);
  }
}

/** Facts of answers; those of the schema once, though each partition has them. */
function visible(
  partitions: Partitions,
  tx: Tx,
  facts: readonly StoredFact[],
): readonly StoredFact[] {
  const schema = new Set<string>();
  return facts.filter((fact) => {
    if (identOfEntity(fact.entity) === undefined) return isVisible(fact, 0);
    const name = line(fact, tx);
    if (schema.has(name)) return false;
    schema.add(name);
    return isFromHome(partitions, tx, name);
  });
}

/** Whether the home of the schema has a fact of a transaction. */
function isFromHome(partitions: Partitions, tx: Tx, name: string): boolean {
  return partitions.log(0).some((record) => {
    if (record.kind === 'epoch') return false;
    for (let row = 0; row < record.facts.length; row++) {
      const fact = record.facts.factAt(row);
      if (fact.tx === tx && line(fact, tx) === name) return true;
    }
    return false;
  });
}

/** Who begins at a manifest knows of the same open transactions as who has read all of the log. */
function expectReopened(partitions: Partitions, p: number, records: number): void {
  const cut = Math.max(0, partitions.log(p).length - records);
  const [reopened, replayed] = [partitions.reopened(p, cut), partitions.replayed(p)];
  expect(reopened.state).toEqual(replayed.state);
  expect(reopened.waiting).toEqual(replayed.waiting);
}

/** Nothing is open, what is claimed is held, and all partitions know the same of the schema. */
function expectSettled(partitions: Partitions): void {
  const inForce = new Map<string, StoredFact>();
  for (const facts of partitions.committed().values()) {
    for (const fact of facts) {
      const name = `${fact.entity} ${fact.attribute} ${text(fact)}`;
      if (fact.operation === 'assert') inForce.set(name, fact);
      else inForce.delete(name);
    }
  }
  const claims: string[] = [];
  const held: string[] = [];
  for (const fact of inForce.values()) {
    if (fact.attribute === HOLDER) claims.push(holderNamed(fact.value));
    if (fact.attribute === 'mail') held.push(fact.entity);
  }
  expect(claims.toSorted(), 'claims are those of entities').toEqual(held.toSorted());
  for (let p = 0; p < partitions.count; p++) {
    const sequencer = partitions.sequencer(p);
    expect(sequencer.waiting).toEqual({ documents: 0, begun: 0, prepared: 0 });
    expect(partitions.replayed(p).state).toEqual(sequencer.state);
    expect(sequencer.state.open).toEqual({ begun: [], prepared: [] });
    for (const definition of sequencer.schema.attributes())
      expect(definition).toEqual(partitions.sequencer(0).schema.attribute(definition.ident));
  }
}

test('the entities of these tests lie on all partitions', () => {
  expect(entities.slice(0, P).map((each) => partitionOf(each, P))).toEqual([0, 1, 2]);
});
