/** Transactions over partitions that wait for each other, message by message. */
import { isReference, parseDocument, partitionOf, printValue } from '@pyralog/model';
import { expect, test } from 'vitest';
import { type Fate, Partitions } from './testing/partitions.ts';

const P = 3;

/** An entity of a partition. */
function on(partition: number): string {
  for (let i = 0; ; i++) if (partitionOf(`e${i}`, P) === partition) return `e${i}`;
}
const [E0, E1, E2] = [on(0), on(1), on(2)];

/** Partitions that all know x and y, and have nothing left to do. */
function started(...ops: readonly object[]): Partitions {
  const partitions = new Partitions(P);
  const define = (ident: string): object => ({
    entity: `attribute:${ident}`,
    'db/valueType': 'int',
  });
  send(partitions, 0, define('x'), define('y'), ...ops);
  partitions.settle();
  return partitions;
}

/** Publishes a document. @returns its name among outcomes */
function send(partitions: Partitions, p: number, ...ops: readonly object[]): string {
  partitions.now += 1_000_000n;
  return `${p}.${partitions.publish(p, parseDocument(JSON.stringify({ ops })))}`;
}

const lost = (): Fate => ({ atOnce: 0, late: 0 });

/** Facts of a transaction about some entities. */
function written(partitions: Partitions, name: string): readonly string[] {
  const outcome = partitions.outcomes.get(name);
  if (outcome?.kind !== 'committed') throw new Error(`${name} is ${outcome?.kind}`);
  const facts = partitions.committed().get(outcome.tx) ?? [];
  return facts.flatMap(({ entity, attribute, value, operation }) =>
    [E0, E1, E2].includes(entity) && !isReference(value)
      ? [`${operation} ${entity} ${attribute} ${printValue(value)}`]
      : [],
  );
}

test('an attribute that a document took for absent and that began before its turn is taken for what it is', () => {
  const partitions = started({ entity: E1, x: 0 });
  // Holds x of E1, since what it asks of another partition is lost.
  send(partitions, 1, { entity: E1, x: 1 }, { entity: E0, x: 1 });
  partitions.step(1, {}, lost);
  // Older than the next one, and will be committed before it.
  const first = send(partitions, 2, { entity: E2, late: 5 });
  partitions.step(2, { messages: 0 });
  const second = send(
    partitions,
    1,
    { op: 'retract', entity: E2, attribute: 'late' },
    { entity: E1, x: 2 },
  );
  partitions.step(1);
  // Both are told that there is no such attribute; the second waits for x.
  partitions.step(0);
  partitions.step(1);
  partitions.step(2);
  for (let i = 0; i < 4; i++) for (const p of [0, 1, 2]) partitions.step(p);
  expect(written(partitions, first)).toEqual([`assert ${E2} late 5`]);
  expect(partitions.outcomes.get(second)).toBeUndefined();
  partitions.settle();
  expect(written(partitions, second)).toContain(`retract ${E2} late 5`);
});

test('a document in line goes on when an older part that waits before it is given up', () => {
  const partitions = started({ entity: E0, x: 0, y: 0 }, { entity: E2, x: 0 });
  // The oldest, which will be refused by partition 2.
  const oldest = send(
    partitions,
    1,
    { entity: E0, x: 1, y: 1 },
    { op: 'cas', entity: E2, attribute: 'x', old: 9, new: 1 },
  );
  partitions.step(1);
  // Holds x of E0 for long, so that the oldest waits for it.
  send(partitions, 0, { entity: E0, x: 2 }, { entity: E1, x: 2 });
  partitions.step(0, { messages: 0 }, lost);
  partitions.step(0);
  // Waits for y behind the oldest.
  send(partitions, 0, { entity: E0, y: 3 }, { entity: E1, y: 3 });
  partitions.step(0);
  expect(partitions.sequencer(0).waiting).toMatchObject({ documents: 1, begun: 1 });
  partitions.step(2);
  partitions.step(1);
  expect(partitions.outcomes.get(oldest)).toMatchObject({ rejection: { code: 'cas-failed' } });
  partitions.step(0);
  expect(partitions.sequencer(0).waiting).toMatchObject({ documents: 0, begun: 2 });
  partitions.settle();
});

test('a part goes on when a transaction that this partition coordinates lets go of what it waits for', () => {
  const partitions = started({ entity: E0, x: 0 });
  send(partitions, 1, { entity: E0, x: 1 }, { entity: E1, x: 1 });
  partitions.step(1);
  send(partitions, 0, { entity: E0, x: 2 }, { entity: E2, x: 2 });
  partitions.step(0, { messages: 0 });
  partitions.step(0);
  expect(partitions.sequencer(0).waiting).toMatchObject({ begun: 1, prepared: 0 });
  partitions.step(2);
  partitions.step(0);
  expect(partitions.sequencer(0).waiting.prepared).toBe(1);
  partitions.settle();
});

test('the second copy of a key waits for the first, though nothing else is common to them', () => {
  const partitions = started({ entity: E0, x: 0 });
  // What both read on another partition, both may.
  const document = parseDocument(
    JSON.stringify({ id: 'k', if: [{ entity: E2, absent: true }], ops: [{ entity: '_:x', x: 1 }] }),
  );
  for (let i = 0; i < 2; i++) partitions.publish(1, document);
  partitions.settle();
  const outcomes = [...partitions.outcomes.values()].slice(-2);
  expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['committed', 'duplicate']);
});

test('T8 what takes back a value of an attribute that nobody knows keeps its place', () => {
  const partitions = started({ entity: E1, x: 0 });
  const first = send(partitions, 1, { op: 'retract', entity: E1, attribute: 'late' });
  for (const p of [1, 0]) partitions.step(p);
  // It is told that there is none; that it must stay so comes late, when somebody has begun.
  partitions.step(1, {}, () => ({ atOnce: 0, late: 1 }));
  send(partitions, 0, { entity: E0, late: 5 });
  const second = send(partitions, 1, { entity: E1, late: 7 });
  for (let i = 0; i < 4; i++) for (const p of [0, 1, 2]) partitions.step(p);
  expect(partitions.outcomes.get(second)).toBeUndefined();
  partitions.deliverLate(0);
  partitions.settle();
  expect(written(partitions, first)).toEqual([]);
  expect(written(partitions, second)).toEqual([`assert ${E1} late 7`]);
});
