import { parseDocument, partitionOf } from '@pyralog/model';
import { expect, test } from 'vitest';
import { Doors } from './doors.ts';

const P = 8;
const of = (doors: Doors, document: object): number =>
  doors.of(parseDocument(JSON.stringify(document)));
const anew = (name: string): object => ({ entity: `_:${name}`, x: 1 });

test('a database of one partition has one door', () => {
  expect(of(new Doors(1), { ops: [{ entity: 'a', x: 1 }, anew('b')] })).toBe(0);
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
  const doors = new Doors(P);
  for (let i = 0; i < 3; i++) expect(of(doors, document)).toBe(partitionOf(name, P));
});

test('those that only make new entities take turns', () => {
  const doors = new Doors(P);
  const taken = Array.from({ length: 2 * P }, () => of(doors, { ops: [anew('t')] }));
  expect(new Set(taken.slice(0, P)).size).toBe(P);
  expect(taken.slice(P)).toEqual(taken.slice(0, P));
});
