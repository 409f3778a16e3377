import { encodeFacts } from '@pyralog/format';
import { isReference, type StoredFact, tx, type Tx, txEntity } from '@pyralog/model';
import { fact } from '@pyralog/model/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inCanonicalOrder } from './resolve.ts';
import { stamped } from './stamped.ts';

const START = tx(5n << 10n);
const AFTER = tx(9_999n << 10n);
/** Facts of one transaction, some of them about itself. */
const facts = fc
  .array(
    fc
      .tuple(fact, fc.constantFrom('plain', 'about it', 'refers to it', 'between'))
      .map(([each, kind]): StoredFact => {
        const own = txEntity(START);
        // Behind its name afterwards, before it until then.
        if (kind === 'between') return { ...each, tx: START, entity: 'tx:3' };
        if (kind === 'about it') return { ...each, tx: START, entity: own };
        if (kind === 'refers to it')
          return { ...each, tx: START, value: { type: 'ref', value: own } };
        return { ...each, tx: START };
      }),
    { maxLength: 12 },
  )
  .map(inCanonicalOrder);

test('the transaction has its name and its tx everywhere, and nothing else is other', () => {
  fc.assert(
    fc.property(facts, (given) => {
      const named = given.map((each): StoredFact => {
        const { value } = each;
        const refers =
          !isReference(value) && value.type === 'ref' && value.value === txEntity(START);
        return {
          ...each,
          tx: AFTER,
          entity: each.entity === txEntity(START) ? txEntity(AFTER) : each.entity,
          value: refers ? { type: 'ref', value: txEntity(AFTER) } : value,
        };
      });
      const result = stamped(encodeFacts(given), START, AFTER);
      expect(result).toEqual(inCanonicalOrder(named));
    }),
  );
});

test('a string that reads like its name is no reference to it', () => {
  const about: StoredFact = {
    entity: 'e',
    attribute: 'a',
    value: { type: 'string', value: txEntity(START) },
    tx: START,
    operation: 'assert',
  };
  const [after] = stamped(encodeFacts([about]), START, AFTER);
  expect(after).toEqual({ ...about, tx: AFTER satisfies Tx });
});
