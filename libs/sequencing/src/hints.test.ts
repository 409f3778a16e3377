import type { StoredDefinition } from '@pyralog/model';
import { reference, text } from '@pyralog/model/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHints, encodeHints, HintsSoFar } from './hints.ts';

const definition: fc.Arbitrary<StoredDefinition> = fc.record({
  ident: text,
  valueType: fc.constantFrom('string', 'int', 'ref'),
  cardinality: fc.constantFrom('one', 'many'),
  unique: fc.constantFrom(undefined, 'value', 'identity'),
  index: fc.boolean(),
  doc: fc.oneof(fc.constant(undefined), text),
  inferred: fc.boolean(),
});
const map = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<Map<string, T | undefined>> =>
  fc
    .array(fc.tuple(text, fc.option(of, { nil: undefined })), { maxLength: 4 })
    .map((all) => new Map(all));
const hints = fc.record({ attributes: map(definition), holders: map(text) });

test('what is told reads back, also what is not there', () => {
  fc.assert(
    fc.property(hints, (told) => {
      const read = decodeHints(encodeHints(told));
      expect(read).toEqual(told);
      for (const [ident, known] of told.attributes)
        expect([read.attributes.has(ident), read.attributes.get(ident)]).toEqual([true, known]);
      expect([...read.holders]).toEqual([...told.holders]);
    }),
  );
});

test('a description that is a blob reads back', () => {
  fc.assert(
    fc.property(definition, reference, (known, doc) => {
      fc.pre(doc.type !== 'bytes');
      const told = { attributes: new Map([[known.ident, { ...known, doc }]]), holders: new Map() };
      expect(decodeHints(encodeHints(told))).toEqual(told);
    }),
  );
});

test.each(['', 'x', '{}', '[]', '{"attributes":1,"holders":[]}'])('%j says nothing', (given) => {
  expect(decodeHints(given)).toEqual({ attributes: new Map(), holders: new Map() });
});

test('what is told later holds, and it is known whether anything was told', () => {
  const known = new HintsSoFar();
  known.add({ attributes: new Map(), holders: new Map() });
  expect(known.isNew).toBe(false);
  known.add({ attributes: new Map(), holders: new Map([['a', 'x']]) });
  expect(known.isNew).toBe(true);
  known.isNew = false;
  known.add({ attributes: new Map([['n', undefined]]), holders: new Map([['a', undefined]]) });
  expect(known.isNew).toBe(true);
  expect([...known.holders]).toEqual([['a', undefined]]);
  expect([...known.attributes]).toEqual([['n', undefined]]);
});
