/** Random transaction documents, which say things like "what is current now" by name. */
import { type Fact, printValue } from '@pyralog/model';
import fc from 'fast-check';
import type { Model } from './model.ts';

/** A document that has yet to be filled in, by what the database holds when it is sent. */
export type Draft = { readonly ops: readonly object[] };

/** On all of four partitions. */
export const ENTITIES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Attributes with rules of their own; the others come by first use. */
export const DEFINED: string = JSON.stringify({
  ops: [
    { entity: 'attribute:mail', 'db/valueType': 'string', 'db/unique': 'value' },
    { entity: 'attribute:login', 'db/valueType': 'string', 'db/unique': 'identity' },
    {
      entity: 'attribute:numbers',
      'db/valueType': 'int',
      'db/unique': 'identity',
      'db/cardinality': 'many',
    },
    { entity: 'attribute:d', 'db/valueType': 'double' },
    { entity: 'attribute:tags', 'db/valueType': 'string', 'db/cardinality': 'many' },
  ],
});

/** Entities of the pool, and now and then one that was made of a temporary id, or a transaction. */
const entity = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...ENTITIES) },
  { weight: 2, arbitrary: fc.nat({ max: 5 }).map((n) => `@made:${n}`) },
);
const temporary = fc.constantFrom('_:x', '_:y', '_:person:z');
const target = fc.oneof({ weight: 5, arbitrary: entity }, { weight: 1, arbitrary: temporary });
const int = fc.integer({ min: 0, max: 2 });
const mail = fc.constantFrom('m0', 'm1', 'm2', 'm3');
const tag = fc.constantFrom('x', 'y', 'z');

const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  n: int,
  tags: fc.oneof(fc.array(tag, { maxLength: 3 }), tag),
  mail,
  login: mail,
  numbers: fc.array(int, { minLength: 1, maxLength: 2 }),
  friend: entity.map((ref) => ({ ref })),
  d: fc.constantFrom<unknown>(1, 1.5, { double: '-0' }, 0),
  j: fc.constantFrom<unknown>({ a: 1, b: [2] }, { b: [2], a: 1 }, { a: 2 }, 'text', { json: null }),
  b: fc.constantFrom<unknown>({ bytes: 'AP8=' }, { bytes: '' }),
  // First uses of any type, here and there.
  late: fc.constantFrom<unknown>(1, 2, [1, 2], 'x', 1.5),
  later: fc.constantFrom<unknown>(true, ['x'], 'x', { ref: 'a' }),
};
// What is unique more often than the rest: it is what partitions must agree about.
const attribute = fc.constantFrom(
  ...Object.keys(VALUES),
  'mail',
  'mail',
  'mail',
  'login',
  'n',
  'n',
);

const set = fc
  .tuple(target, attribute)
  .chain(([id, name]) =>
    (VALUES[name] as fc.Arbitrary<unknown>).map((value) => ({ entity: id, [name]: value })),
  );
/** A temporary id with what may find its entity. */
const found = fc.record(
  {
    entity: temporary,
    login: mail,
    n: int,
    numbers: fc.array(int, { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['entity', 'login'] },
);
const linked = fc.tuple(temporary, entity).map(([id, from]) => ({
  ops: [
    { entity: id, n: 1 },
    { entity: from, friend: { ref: id } },
  ],
}));
const current = (of: string, name: string): object => ({ '@current': [of, name] });
const cas = fc
  .tuple(
    target,
    fc.constantFrom('n', 'mail', 'login', 'tags'),
    fc.boolean(),
    fc.option(int),
    fc.option(mail),
  )
  .chain(([id, name, isCurrent, number, text]) =>
    fc.record({ old: fc.option<unknown>(name === 'n' ? int : mail) }).map(({ old }) => ({
      op: 'cas',
      entity: id,
      attribute: name,
      old: isCurrent ? { '@first': [id, name] } : old,
      new: name === 'n' ? number : text,
    })),
  );
const retract = fc.oneof(
  fc.tuple(target, attribute).map(([id, name]) => ({ entity: id, [name]: null })),
  fc.tuple(target, attribute).map(([id, name]) => ({ op: 'retract', entity: id, attribute: name })),
  fc.tuple(target, attribute).map(([id, name]) => ({
    op: 'retract',
    entity: id,
    attribute: name,
    value: { '@some': [id, name] },
  })),
  fc.record({
    op: fc.constant('retract'),
    entity: target,
    attribute: fc.constant('tags'),
    value: tag,
  }),
  fc.record({ op: fc.constant('retractEntity'), entity }),
);
const ownFacts = fc.record({ entity: fc.constant('_:tx'), note: tag });

/** What is said of an attribute. */
const said = fc.record(
  {
    'db/valueType': fc.constantFrom('int', 'string', 'ref'),
    'db/cardinality': fc.constantFrom('one', 'many'),
    'db/unique': fc.constantFrom('value', 'identity', null),
    'db/index': fc.constantFrom(true, null),
    'db/doc': fc.constantFrom('One.', 'Two.', null),
  },
  { requiredKeys: [] },
);
export const definition = fc
  .tuple(fc.constantFrom('n', 'tags', 'mail', 'login', 'late', 'later', 'numbers'), said)
  .filter(([, fields]) => Object.keys(fields).length > 0)
  .map(([name, fields]) => ({ entity: `attribute:${name}`, ...fields }));

/** Whether attributes must be defined. */
export const setting = fc.boolean().map((strict) => ({
  op: 'assert',
  entity: 'attribute:db/settings',
  attribute: 'db/strict',
  value: strict,
}));

const operations = fc
  .array(
    fc.oneof(
      { weight: 10, arbitrary: set },
      { weight: 3, arbitrary: found },
      { weight: 1, arbitrary: linked },
      { weight: 3, arbitrary: cas },
      { weight: 4, arbitrary: retract },
      { weight: 1, arbitrary: ownFacts },
      { weight: 1, arbitrary: definition },
    ),
    { minLength: 0, maxLength: 4 },
  )
  .map((all): object[] => all.flatMap((each) => ('ops' in each ? (each.ops as object[]) : [each])));

const CONDITIONED = fc.constantFrom('n', 'tags', 'mail', 'login', 'late');
const condition = fc.oneof(
  fc.tuple(entity, CONDITIONED).map(([id, name]) => ({
    entity: id,
    attribute: name,
    is: current(id, name),
  })),
  fc.record({ entity, attribute: fc.constant('n'), is: fc.option(int) }),
  fc.record({ entity, attribute: CONDITIONED, absent: fc.constant(true) }),
  fc.record({ entity, absent: fc.constant(true) }),
  fc.record({ entity, unchangedSince: fc.nat({ max: 30 }).map((n) => `@tx:${n}`) }),
  fc.record({
    entity,
    attribute: CONDITIONED,
    unchangedSince: fc.nat({ max: 30 }).map((n) => `@tx:${n}`),
  }),
);
const conditions = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(condition, { minLength: 1, maxLength: 2 }) },
);

/** Once in six times. */
function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

const key = fc.nat({ max: 9 }).map((n) => `k${n}`);
const general = fc
  .record({
    id: rarely(key),
    meta: rarely(fc.constant({ author: 'user:alice' })),
    if: conditions,
    ops: operations,
  })
  .map(({ ops, ...rest }) => ({
    ...rest,
    // Documents of one key come in on one partition: another knows nothing of the first.
    ops:
      rest.id === undefined ? ops : [{ op: 'retractEntity', entity: `{${rest.id}}door` }, ...ops],
  }));
/** Nothing but its key tells its two copies from two documents. */
const keyed = fc.record({ id: key, ops: fc.array(found, { minLength: 1, maxLength: 2 }) });

export const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 12, arbitrary: general },
  { weight: 1, arbitrary: keyed },
);

/** The document as text, at what the model holds now. */
export function filled(given: unknown, model: Model): string {
  return print(given, model);
}

function print(given: unknown, model: Model): string {
  if (Array.isArray(given)) return `[${given.map((each) => print(each, model)).join()}]`;
  if (typeof given === 'string') return JSON.stringify(named(given, model));
  if (typeof given !== 'object' || given === null) return JSON.stringify(given);
  const fields = Object.entries(given).filter(([, value]) => value !== undefined);
  const [only] = fields;
  if (only !== undefined && /^@(current|first|some)$/.test(only[0])) {
    const [id, name] = only[1] as [string, string];
    const values = model.inForce
      .filter((fact: Fact) => fact.entity === named(id, model) && fact.attribute === name)
      .map(({ value }) => printValue(value));
    if (only[0] !== '@current') return values[0] ?? (only[0] === '@some' ? '"z"' : 'null');
    return values.length > 1 ? `[${values.join()}]` : (values[0] ?? 'null');
  }
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${print(value, model)}`).join()}}`;
}

function named(text: string, { made, transactions }: Model): string {
  const [, kind, digits] = /^@(made|tx):(\d+)$/.exec(text) ?? [];
  if (kind === undefined) return text;
  const n = Number(digits);
  if (kind === 'made') return made[n % Math.max(1, made.length)] ?? 'a';
  return String(transactions[n % Math.max(1, transactions.length)]?.tx ?? 1n);
}
