import fc from 'fast-check';
import { BUILT_IN } from '../builtin.ts';
import type {
  InputCondition,
  InputOperation,
  InputValue,
  TransactionDocument,
} from '../document.ts';
import { canonicalJson } from '../json-print.ts';
import { jsonObject } from '../json-tree.ts';
import { attribute, double, entity, int64, json, text, txId, value } from './arbitraries.ts';

const TYPED = new Set(['int', 'double', 'instant', 'ref', 'bytes', 'json']);

/** An object that is none of the typed forms is a plain json value. */
const plainObject = fc
  .array(fc.tuple(text, json), { maxLength: 3 })
  .map((pairs) => new Map(pairs))
  .filter((members) => members.size !== 1 || !TYPED.has([...members.keys()].join()))
  .map((members) => canonicalJson(jsonObject(members)));

/** Values as {@link InputValue} tells them apart: strings and booleans have no typed form. */
const inputValue: fc.Arbitrary<InputValue> = fc.oneof(
  value
    .filter(({ type }) => TYPED.has(type))
    .map((each): InputValue => ({ value: each, plain: false })),
  fc
    .oneof(
      text.map((each) => ({ type: 'string', value: each }) as const),
      fc.boolean().map((each) => ({ type: 'bool', value: each }) as const),
      int64.map((each) => ({ type: 'int', value: each }) as const),
      double.filter(Number.isFinite).map((each) => ({ type: 'double', value: each }) as const),
      plainObject.map((each) => ({ type: 'json', value: each }) as const),
    )
    .map((each): InputValue => ({ value: each, plain: true })),
);

const TEMPORARY = ['_:a', '_:person:b'];
const subject = fc.oneof(
  { weight: 4, arbitrary: entity },
  { weight: 1, arbitrary: fc.constantFrom(...TEMPORARY, '_:tx', 'tx:5') },
);
/** Also the names of fields, which the map form writes with a colon. */
const name = fc.oneof(attribute, fc.constantFrom('op', 'entity', 'attribute', 'value', 'old'));
const reference = fc
  .constantFrom(...TEMPORARY, '_:tx')
  .map((id): InputValue => ({ value: { type: 'ref', value: id }, plain: false }));
const input = fc.oneof({ weight: 8, arbitrary: inputValue }, { weight: 1, arbitrary: reference });

const operation: fc.Arbitrary<InputOperation> = fc.oneof(
  fc.record({
    op: fc.constant('assert' as const),
    entity: subject,
    attribute: name,
    value: input,
    many: fc.boolean(),
  }),
  fc.record({
    op: fc.constant('retract' as const),
    entity: subject,
    attribute: name,
    value: fc.option(input, { nil: undefined }),
  }),
  fc.record({ op: fc.constant('retractEntity' as const), entity }),
  fc.record({
    op: fc.constant('cas' as const),
    entity: subject,
    attribute: name,
    old: fc.option(input),
    new: fc.option(input),
  }),
);

const condition: fc.Arbitrary<InputCondition> = fc.oneof(
  fc.record({
    kind: fc.constant('is' as const),
    entity,
    attribute: name,
    values: fc.array(inputValue, { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('entityAbsent' as const), entity }),
  fc.record({
    kind: fc.constant('unchangedSince' as const),
    entity,
    attribute: fc.option(name, { nil: undefined }),
    since: txId,
  }),
);

const meta = fc
  .uniqueArray(
    fc.tuple(
      attribute.filter((each) => !each.includes('/') && !BUILT_IN.has(`tx/${each}`)),
      fc.boolean(),
      fc.array(inputValue, { minLength: 1, maxLength: 3 }),
    ),
    { maxLength: 3, selector: ([each]) => each },
  )
  .map((rows) =>
    rows.flatMap(([each, many, values]) =>
      (many ? values : values.slice(0, 1)).map((one) => ({
        attribute: `tx/${each}`,
        value: one,
        many,
      })),
    ),
  );

/** A document as {@link parseDocument} may return it, but for its content hash. */
export const document: fc.Arbitrary<Omit<TransactionDocument, 'contentHash'>> = fc
  .record({
    id: fc.option(
      text.filter((each) => each !== ''),
      { nil: undefined },
    ),
    meta,
    conditions: fc.array(condition, { maxLength: 3 }),
    operations: fc.array(operation, { maxLength: 5 }),
    at: fc.option(txId, { nil: undefined }),
  })
  .map((each) => {
    // A temporary id that is referred to has an operation about it.
    const about = TEMPORARY.map((id): InputOperation => ({
      op: 'assert',
      entity: id,
      attribute: 'name',
      value: { value: { type: 'bool', value: true }, plain: true },
      many: false,
    }));
    const operations = [...each.operations, ...about];
    return { ...each, operations, operationsWritten: operations.length };
  });
