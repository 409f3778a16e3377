import { type DatabaseMode, parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Doors } from './doors.ts';

const P = 8;
const made = (partitions: number, mode: DatabaseMode = 'live'): Doors =>
  new Doors({ partitions, mode });
const of = (doors: Doors, document: object, mode: DatabaseMode = 'live'): number =>
  doors.of(parseDocument(JSON.stringify(document)), mode);
const anew = (name: string): object => ({ entity: `_:${name}`, x: 1 });

test('a database of one partition has one door', () => {
  expect(of(made(1), { ops: [{ entity: 'a', x: 1 }, anew('b')] })).toBe(0);
});

test.each([
  [
    'the first entity that it changes',
    {
      ops: [
        { entity: 'a', x: 1 },
        { entity: 'b', x: 1 },
      ],
    },
    'a',
  ],
  ['the first that has a name', { ops: [anew('t'), { entity: 'b', x: 1 }] }, 'b'],
  [
    'whatever its conditions are about',
    { if: [{ entity: 'c', absent: true }], ops: [{ entity: 'a', x: 1 }] },
    'a',
  ],
  ['what it looks at', { if: [{ entity: 'c', absent: true }], ops: [anew('t')] }, 'c'],
  ['its key', { id: 'order-1', ops: [anew('t')] }, 'order-1'],
  ['its entity, though it has a key', { id: 'order-1', ops: [{ entity: 'a', x: 1 }] }, 'a'],
])('a document goes where %s lies', (_, document, name) => {
  const doors = made(P);
  for (let i = 0; i < 3; i++) expect(of(doors, document)).toBe(partitionOf(name, P));
});

test('those that only make new entities take turns', () => {
  const doors = made(P);
  const taken = Array.from({ length: 2 * P }, () => of(doors, { ops: [anew('t')] }));
  expect(new Set(taken.slice(0, P)).size).toBe(P);
  expect(taken.slice(P)).toEqual(taken.slice(0, P));
});

test('an import enters by one, and so do keys ever after', () => {
  const doors = made(P, 'import');
  const documents = Array.from({ length: P }, (_, i) => ({ ops: [{ entity: `e:${i}`, x: 1 }] }));
  for (const each of documents) expect(of(doors, each, 'import')).toBe(0);
  expect(of(doors, { id: 'order-1', ...documents[1] })).toBe(0);
  expect(new Set(documents.map((each) => of(doors, each))).size).toBeGreaterThan(1);
});
