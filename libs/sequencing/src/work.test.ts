import { utf8Encode } from '@pyralog/base';
import { document, errorCode, text } from '@pyralog/model/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeWork, encodeWork, NO_WORK, type PartWork } from './work.ts';

const definition: fc.Arbitrary<PartWork['known'][number]> = fc.record({
  ident: text,
  valueType: fc.constantFrom('string', 'int', 'ref'),
  cardinality: fc.constantFrom('one', 'many'),
  unique: fc.constantFrom('value', 'identity'),
  index: fc.boolean(),
  doc: text,
  inferred: fc.boolean(),
});
const claim = { claim: text, attribute: text, text, entity: text };
const few = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 3 });
const work: fc.Arbitrary<PartWork> = fc
  .record({
    document,
    known: few(definition),
    declared: few(definition),
    absent: few(text),
    takes: few(fc.record({ ...claim, from: text })),
    releases: few(fc.record(claim)),
  })
  .map(({ document: { conditions, operations }, ...rest }) => ({
    conditions,
    operations,
    ...rest,
  }));

test('work reads back, with the texts and values that documents have', () => {
  fc.assert(
    fc.property(work, (given) => {
      expect(decodeWork(encodeWork(given))).toEqual(given);
    }),
  );
});

test('what is left out is nothing to do, and who need not give a value up is nobody', () => {
  expect(decodeWork(encodeWork({}))).toEqual(NO_WORK);
  const take = { claim: 'c', attribute: 'a', text: 't', entity: 'e', from: undefined };
  expect(decodeWork(encodeWork({ takes: [take] })).takes).toEqual([take]);
});

test.each(['', '{', 'null', '{"document":1}', '{"document":"{}"}'])('%j is damage', (given) => {
  expect(errorCode(() => decodeWork(utf8Encode(given)))).toBe('object-damaged');
});
