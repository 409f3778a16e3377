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
import { type Mishap, Partitions } from './testing/partitions.ts';
import { brief, Sequence } from './testing/sequence.ts';

const P = 3;
const entities = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

const entity = fc.constantFrom(...entities);
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
const document = fc
  .record({
    ops: fc.array(operation, { minLength: 1, maxLength: 4 }),
    if: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(condition, { maxLength: 2 }) },
    ),
    id: fc.option(fc.constantFrom('k0', 'k1', 'k2'), { nil: undefined, freq: 4 }),
    meta: fc.constant({ author: 'user:1' }),
  })
  .map((draft): TransactionDocument => parseDocument(JSON.stringify(draft)));

const SCHEMA = parseDocument(
  JSON.stringify({
    ops: [
      { entity: 'attribute:x', 'db/valueType': 'int' },
      { entity: 'attribute:tags', 'db/valueType': 'int', 'db/cardinality': 'many' },
      { entity: 'attribute:mail', 'db/valueType': 'string', 'db/unique': 'value' },
    ],
  }),
);

const action = fc.record({
  partition: fc.nat({ max: P - 1 }),
  publish: fc.option(document, { nil: undefined, freq: 2 }),
  inputs: fc.integer({ min: 0, max: 3 }),
  messages: fc.integer({ min: 0, max: 4 }),
  mishap: fc.oneof(
    { weight: 12, arbitrary: fc.constant<Mishap>('none') },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Mishap>('lost', 'killed behind append', 'killed behind messages'),
    },
  ),
  copies: fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.constantFrom(0, 2) },
  ),
  millis: fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 3 }) },
    { weight: 1, arbitrary: fc.nat({ max: 700 }) },
  ),
  close: fc.boolean(),
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

function run(actions: readonly (typeof action extends fc.Arbitrary<infer T> ? T : never)[]): {
  readonly partitions: Partitions;
  readonly documents: ReadonlyMap<string, TransactionDocument>;
  readonly snapshots: readonly { readonly at: Tx; readonly facts: number }[];
} {
  const partitions = new Partitions(P);
  const documents = new Map<string, TransactionDocument>();
  const publish = (p: number, each: TransactionDocument): void =>
    void documents.set(`${p}.${partitions.publish(p, each)}`, each);
  publish(1, SCHEMA);
  partitions.settle();
  const snapshots: { at: Tx; facts: number }[] = [];
  for (const { partition, publish: given, mishap, copies, millis, close, ...options } of actions) {
    // Doors send equal documents to one partition, so that keys meet.
    const door = given?.id === undefined ? partition : Number(given.id.slice(1));
    if (given !== undefined) publish(door, given);
    partitions.now += BigInt(millis) * 1_000_000n;
    partitions.step(partition, { ...options, mishap }, () => copies);
    if (close) for (let p = 0; p < P; p++) partitions.close(p);
    const at = partitions.closed;
    snapshots.push({ at, facts: factsUpTo(partitions, at) });
  }
  partitions.settle();
  return { partitions, documents, snapshots };
}

function factsUpTo(partitions: Partitions, at: Tx): number {
  let count = 0;
  for (const [tx, facts] of partitions.committed()) if (tx <= at) count += facts.length;
  return count;
}

test('I1 I2 I3 I8 I9 transactions over partitions are those of one partition in the order of their tx', () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 60 }), (actions) => {
      const { partitions, documents, snapshots } = run(actions);
      const logged = partitions.logged();
      expect([...logged.keys()].toSorted()).toEqual([...documents.keys()].toSorted());
      for (const [name, outcome] of partitions.outcomes) {
        const item = logged.get(name);
        if (outcome.kind === 'committed') expect(item).toMatchObject({ tx: outcome.tx });
        else if (outcome.kind === 'rejected')
          expect(item).toMatchObject({ rejection: { code: outcome.rejection.code } });
        else expect(item).toMatchObject({ kind: 'duplicate' });
      }
      // The same documents, in the order of their tx, on one partition.
      const committed = [...logged].flatMap(([name, item]) =>
        item.kind === 'commit' || item.kind === 'decided' ? [{ name, tx: item.tx }] : [],
      );
      committed.sort((a, b) => (a.tx < b.tx ? -1 : 1));
      expect(new Set(committed.map(({ tx }) => tx)).size).toBe(committed.length);
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
      for (const { at, facts } of snapshots)
        expect(factsUpTo(partitions, at), `what is closed at ${at} stays as it is`).toBe(facts);
      expectSettled(partitions);
    }),
    { numRuns: 300 },
  );
});

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
  expect(new Set(entities.map((each) => partitionOf(each, P))).size).toBe(P);
});
